"""The figures of a benchmark, from the answers and verdicts of its arms."""

from collections.abc import Iterator, Mapping, Sequence

from stat_train.data.decontamination import DecontaminationOptions, remove_contaminated
from stat_train.data.example import Example
from stat_train.evaluation.benchmark import Benchmark
from stat_train.evaluation.metrics import Verdicts, Votes, metrics_of
from stat_train.evaluation.paired import holm, paired
from stat_train.evaluation.scores import Group, Scores, score
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.step import Work
from stat_train.recipe import GRPO_SUFFIX, START, Recipe
from stat_train.report.benchmarks import ArmsCompared, Figure, Overlap, TaskResult, TaskScore
from stat_train.student.response import Response

Answers = tuple[Verdicts, Votes | None, Sequence[Response]]
"""The verdicts and votes of each question's samples, and all responses."""
NEAR = DecontaminationOptions(numbers="off", ngram_13="report", ngram_8="off")


def task_result(
    benchmark: Benchmark,
    examples: Sequence[Example],
    answers: Mapping[str, Answers],
    pairs: Sequence[tuple[str, str]],
    seed: int,
) -> TaskResult:
    """The figures of a benchmark from each arm's answers to `examples`, and of the `pairs` of arms."""
    scores = {
        arm: score(examples, verdicts, metric=benchmark.scored_by, votes=votes, seed=seed)
        for arm, (verdicts, votes, _) in answers.items()
    }
    compared = [(arm, against, paired(scores[arm], scores[against], seed=seed)) for arm, against in pairs]
    adjusted = holm([its.p for _, _, its in compared])
    return TaskResult(
        task=benchmark.name,
        metric=benchmark.metric,
        grader=benchmark.grader,
        temperature=benchmark.sampling.temperature,
        samples=benchmark.sampling.n,
        max_tokens=benchmark.sampling.max_tokens,
        arms={arm: _task_score(examples, scores[arm], its, seed) for arm, its in answers.items()},
        compared=[
            ArmsCompared(
                arm=arm,
                against=against,
                difference=its.difference,
                ci95=its.ci95,
                p=its.p,
                p_adjusted=p,
                gained=its.gained,
                lost=its.lost,
            )
            for (arm, against, its), p in zip(compared, adjusted, strict=True)
        ],
    )


def _task_score(examples: Sequence[Example], scored: Scores, answers: Answers, seed: int) -> TaskScore:
    verdicts, votes, responses = answers
    others = {
        str(metric): score(examples, verdicts, metric=metric, votes=votes, seed=seed)
        for metric in metrics_of(len(verdicts[0]), votes is not None)
    }
    return TaskScore(
        score=_figure(scored),
        metrics={name: _figure(its) for name, its in others.items()},
        per_skill={name: _figure(group) for name, group in scored.per_skill.items()},
        per_subject={name: _figure(group) for name, group in scored.per_subject.items()},
        per_level={name: _figure(group) for name, group in scored.per_level.items()},
        answers=len(responses),
        cut_off=sum(response.finish_reason == "length" for response in responses),
        tokens=sum(response.completion_tokens for response in responses) / len(responses),
        verdicts=dict(scored.verdicts),
    )


def _figure(its: Scores | Group) -> Figure:
    return Figure(value=its.accuracy, ci95=its.ci95, n=its.n)


def asks_pool(arms: Sequence[str]) -> bool:
    """Whether one of these arms was trained by GRPO, on the questions of the pool."""
    return any(arm.endswith(GRPO_SUFFIX) for arm in arms)


def sets_learned(recipe: Recipe, arms: Sequence[str]) -> list[str]:
    """The arms on whose training sets these were trained: their own, and those of the weights they began
    with (the arm before GRPO, the rounds before)."""
    learned: list[str] = []
    for arm in arms:
        while arm != START:
            if arm in recipe.trained_arms and arm not in learned:
                learned.append(arm)
            arm = recipe.trained_from(arm)
    return sorted(learned, key=recipe.trained_arms.index)


def follows_validation(recipe: Recipe, arms: Sequence[str]) -> bool:
    """Whether the validation split had a say in one of these arms: it has a training set, or GRPO asked it by
    the profile."""
    by_profile = recipe.grpo is not None and recipe.grpo.prompts == "profile"
    return bool(sets_learned(recipe, arms)) or (by_profile and asks_pool(arms))


def overlaps(name: str, examples: list[Example], arms: Sequence[str], work: Work) -> Iterator[Overlap]:
    """Questions of a benchmark that an arm was trained on, or that its profile was made from."""
    trained, validated = sets_learned(work.recipe, arms), follows_validation(work.recipe, arms)
    others: Mapping[str, Sequence[Example]] = {
        f"the training set of {arm}": [
            Example(row.id, row.question)
            for row in TrainingSet.read(work.file(f"select {arm}", "rows.jsonl")).rows
        ]
        for arm in trained
    } | ({"the validation split": work.split("validation", "data")} if validated else {})
    if asks_pool(arms):
        others = {**others, "the pool, whose questions GRPO asks": work.split("pool")}
    for other, rows in others.items():
        hits = remove_contaminated(examples, {other: rows}, NEAR).hits
        exact = sum(hit.rule == "exact" for hit in hits)
        if hits:
            yield Overlap(task=name, other=other, same=exact, near=len(hits) - exact, n=len(examples))
