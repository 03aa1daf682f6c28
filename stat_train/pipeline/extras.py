"""What the report tells besides the figures: warnings, counts, bills and examples."""

from collections.abc import Iterator, Mapping
from itertools import islice

from stat_train.data.jsonl import read_jsonl
from stat_train.evaluation.paired import paired
from stat_train.evaluation.scores import Scores, score
from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.answers import VERDICTS, read_verdicts
from stat_train.pipeline.metacognition import shown_responses
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.selection import source_of
from stat_train.pipeline.step import Work
from stat_train.pipeline.sweep import RATES, trial
from stat_train.recipe import DEVELOPMENT, GRPO_SUFFIX, METHODS, SYNTHESIZED, Recipe
from stat_train.report.extras import (
    DiagnosisExample,
    Extras,
    SelectedExample,
    StageCount,
    TeacherBill,
    TrainingSetSummary,
    TriedRate,
    YieldRow,
)
from stat_train.report.wording import points, points_interval
from stat_train.run import Stage

EXAMPLES = 3


def extras_of(work: Work) -> Extras:
    """The extras of a run whose stages are all done."""
    recipe = work.recipe
    return Extras(
        name=recipe.name,
        student=_student(recipe),
        teacher=recipe.teacher.logical_name,
        data=_data(recipe),
        warnings=[*training_warnings(recipe, _development_scores(work)), *grading_warnings(work.given)],
        sets={arm: _summary(work, arm) for arm in recipe.trained_arms},
        tokens_in_every_arm=recipe.selection.tokens,
        learning_rates={arm: _rates(work, arm) for arm in recipe.trained_arms if len(recipe.sft.rates) > 1},
        yields={arm: _yield(work, arm) for arm in recipe.arms if arm in SYNTHESIZED},
        teacher_bill=_bill(work),
        counts=list(_counts(work)),
        diagnoses=list(islice(_diagnosed(work), EXAMPLES)),
        selected=[
            example
            for arm in METHODS
            if arm in recipe.arms
            for example in islice(_selected(work, arm), EXAMPLES)
        ],
    )


def _student(recipe: Recipe) -> str:
    options = recipe.student
    return f"{options.model} with adapter {options.adapter.name}" if options.adapter else options.model


def _data(recipe: Recipe) -> str:
    if recipe.data:
        return ", ".join(f"{split}: {source}" for split, source in recipe.data.sources.items())
    assert recipe.tutor
    return f"school arithmetic of the embedded domain, pool skew {recipe.tutor.skew:g}"


def _development_scores(work: Work) -> dict[str, Scores]:
    if not work.recipe.has_development:
        return {}
    examples = work.split(DEVELOPMENT, "data")
    files = {arm: work.file(f"evaluate {arm}-{DEVELOPMENT}", VERDICTS) for arm in work.recipe.scored_arms}
    return {arm: score(examples, read_verdicts(file, examples)[0]) for arm, file in files.items()}


def training_warnings(recipe: Recipe, scores: Mapping[str, Scores]) -> Iterator[str]:
    """Trainings that hurt, by the development split, on which nothing is trained or reported: the interval of
    the paired difference lies below 0.

    `scores` are those on the development split by arm; none without such a split.
    """
    for arm in recipe.scored_arms[1:] if scores else ():
        before, after = scores[recipe.trained_from(arm)], scores[arm]
        difference = paired(after, before)
        if difference.ci95[1] < 0:
            mend = "lower sft.learning_rate or sft.epochs, or enlarge the set"
            if arm.endswith(GRPO_SUFFIX):
                mend = "lower grpo.learning_rate, or set grpo.beta"
            yield (
                f"training on {arm} ended below its start: {after.accuracy:.1%} of the development split's "
                f"{after.n:,} questions, {before.accuracy:.1%} before (difference in points "
                f"{points(difference.difference)}, 95% interval {points_interval(difference.ci95)}); {mend}"
            )


def grading_warnings(given: Mapping[str, Stage]) -> Iterator[str]:
    """Answers without a verdict, which count as wrong. `given` holds the finished evaluations by title."""
    for title, stage in given.items():
        if stage.name != "evaluate":
            continue
        assert stage.manifest is not None
        counts = stage.manifest["counts"]
        if failed := counts["error"] + counts["timeout"]:
            told = f"{title}: {failed:,} of {counts['rows_out']:,} answers have no verdict and count as wrong"
            judged = bool(stage.manifest["usage"])
            yield f"{told}; --retry-quarantined asks the judge again" if judged else told


def _summary(work: Work, arm: str) -> TrainingSetSummary:
    rates = work.recipe.sft.rates
    name = arm if len(rates) == 1 else trial(arm, rates[0])  # all rates are tried on the same set
    manifest, trained = work.given[f"select {arm}"].manifest, work.given[f"sft {name}"].manifest
    assert manifest is not None
    assert trained is not None
    counts = manifest["counts"]
    return TrainingSetSummary(
        rows=counts["pairs"],
        unique_questions=counts["unique"],
        back_offs=counts["backed_off"],
        tokens=trained["counts"].get("tokens"),
        rehearsal=counts.get("rehearsal", 0),
        source=source_of(work.recipe, arm),
        notes=manifest["notes"],
    )


def _rates(work: Work, arm: str) -> list[TriedRate]:
    return [TriedRate(**row) for row in read_jsonl(work.file(f"sft {arm}", RATES))]


def _yield(work: Work, arm: str) -> list[YieldRow]:
    return [YieldRow(**row) for row in read_jsonl(work.file(f"synthesize {arm}", "yield.jsonl"))]


def _bill(work: Work) -> TeacherBill:
    bills = [TeacherBill(**usage) for usage in _each(work, "usage") if usage]
    dollars = [bill.usd for bill in bills]
    return TeacherBill(
        requests=sum(bill.requests for bill in bills),
        cached=sum(bill.cached for bill in bills),
        prompt_tokens=sum(bill.prompt_tokens for bill in bills),
        completion_tokens=sum(bill.completion_tokens for bill in bills),
        usd=None if None in dollars else sum(usd for usd in dollars if usd is not None),
    )


def _each(work: Work, part: str) -> Iterator[dict[str, float]]:
    for stage in work.given.values():
        assert stage.manifest is not None
        yield stage.manifest[part]


def _counts(work: Work) -> Iterator[StageCount]:
    for title, counts in zip(work.given, _each(work, "counts"), strict=True):
        if "rows_in" in counts:
            quarantined = int(counts.get("quarantined", 0))
            rows = int(counts["rows_in"]), int(counts["rows_out"])
            yield StageCount(stage=title, rows_in=rows[0], rows_out=rows[1], quarantined=quarantined)


def _diagnosed(work: Work) -> Iterator[DiagnosisExample]:
    diagnoses = read_rows(work.file("diagnose", "diagnoses.jsonl"), Diagnosis)
    lacking = {(its.question_id, its.sample): its for its in diagnoses if its.missing_skills}
    shown = set[str]()
    for example, response in shown_responses(work):
        diagnosis = lacking.get((example.id, response.sample))
        if diagnosis and example.id not in shown:
            shown.add(example.id)
            yield DiagnosisExample(
                question=example.question,
                response=response.text,
                missing_skills=list(diagnosis.missing_skills),
                reason=diagnosis.reason,
            )


def _selected(work: Work, arm: str) -> Iterator[SelectedExample]:
    questions = {example.id: example.question for example in work.split("validation")}
    rows = TrainingSet.read(work.file(f"select {arm}", "rows.jsonl")).rows
    own = [row for row in rows if row.lineage["method"] == arm]
    for row in list({row.question: row for row in reversed(own)}.values())[::-1]:
        yield SelectedExample(
            arm=arm,
            question=row.question,
            solution=row.solution,
            missing_skill=row.lineage["skill"],
            difficult_question=questions[row.lineage["difficult_question"]],
        )
