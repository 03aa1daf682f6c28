"""The steps that find out what the student lacks."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from textwrap import shorten
from typing import Any

from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.data.writing import write_examples
from stat_train.difficulty.difficult import Difficulty, find_difficult
from stat_train.errors import Unfinished
from stat_train.metacognition.asking import Unanswered
from stat_train.metacognition.diagnosis import Diagnosis, DiagnosisOptions, diagnose
from stat_train.metacognition.discovery import discover
from stat_train.metacognition.labelling import label
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.pipeline.answers import empty_note
from stat_train.pipeline.data import where_from
from stat_train.pipeline.opening import (
    billed,
    grader_files,
    open_grader,
    open_prompts,
    open_teacher,
    prm_files,
    student_options,
    teacher_options,
    template_hashes,
)
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import DISCOVER, Recipe
from stat_train.student.load import load_student
from stat_train.student.response import Response
from stat_train.teacher.unread import UNSENT

VALIDATION = ("validation.jsonl",)
LONGEST_REASON = 200


def taxonomy_step(recipe: Recipe) -> Step:
    """The closed list of skills: the user's file, or discovered from the pool by the teacher."""
    if recipe.taxonomy != DISCOVER:
        fingerprint = SkillTaxonomy.read(recipe.taxonomy).fingerprint
        return Step("taxonomy", _copy_taxonomy, lambda sizes: recipe.taxonomy, files={"file": fingerprint})
    batch = recipe.discovery.batch_size
    return Step(
        "taxonomy",
        _discover_taxonomy,
        lambda sizes: (
            f"discovered from {sizes['pool']:,} questions, {math.ceil(sizes['pool'] / batch):,}+ requests"
        ),
        needs={"data": ("pool.jsonl",)},
        options={"discovery": recipe.discovery.model_dump(), "teacher": teacher_options(recipe).identity()},
        templates=template_hashes(recipe, "discover_skills", "cluster_skills"),
    )


def label_step(recipe: Recipe, only: tuple[str, ...] = ()) -> Step:
    """Skills for every question of the pool, of validation and, to score each skill, of evaluation; or of
    some splits `only`."""
    evaluation = recipe.evaluation_splits if recipe.evaluation.per_skill else ()
    splits = list(only) or ["pool", "validation", *evaluation]

    def plan(sizes: Sizes) -> str:
        requests = sum(math.ceil(sizes[split] / recipe.labelling.batch_size) for split in splits)
        return f"{sum(sizes[split] for split in splits):,} questions, {requests:,}+ requests"

    return Step(
        "label",
        _label,
        plan,
        needs={"data": tuple(f"{split}.jsonl" for split in splits), "taxonomy": ()},
        options={
            "labelling": recipe.labelling.model_dump(),
            "teacher": teacher_options(recipe).identity(),
            "splits": splits,
        },
        templates=template_hashes(recipe, "label_skills"),
    )


def answer_step(recipe: Recipe) -> Step:
    """The student's answers to the validation questions."""
    return Step(
        "answer",
        _answer,
        lambda sizes: f"{sizes['validation']:,} questions x {recipe.sampling.n}",
        needs={"data": VALIDATION, "student": ()},
        options=recipe.sampling.model_dump(),
    )


def difficulty_step(recipe: Recipe) -> Step:
    """Which validation questions are difficult for the student."""
    return Step(
        "difficulty",
        _find_difficult,
        lambda sizes: f"{sizes['validation']:,} questions by {recipe.difficulty.method}",
        needs={"data": VALIDATION, "answer": ()},
        version=2,
        options={"difficulty": recipe.difficulty.model_dump(), "grader": recipe.grader},
        files=prm_files(recipe.difficulty) | grader_files(recipe),
    )


def diagnose_step(recipe: Recipe) -> Step:
    """The skills that the answers to the difficult questions lack, in the teacher's judgment."""
    requests = recipe.sampling.n * recipe.diagnosis.repeats / recipe.diagnosis.batch_size
    return Step(
        "diagnose",
        _diagnose,
        lambda sizes: f"{math.ceil(sizes['validation'] * requests):,}+ requests if all are difficult",
        needs={"label": VALIDATION, "taxonomy": (), "answer": (), "difficulty": ()},
        options={"diagnosis": recipe.diagnosis.model_dump(), "teacher": teacher_options(recipe).identity()},
        templates=template_hashes(recipe, "diagnose"),
    )


def profile_step(recipe: Recipe) -> Step:
    """The Missing-Skill-Profile."""
    return Step(
        "profile",
        _make_profile,
        lambda sizes: "",
        needs={"label": VALIDATION, "taxonomy": (), "difficulty": (), "diagnose": ()},
    )


def _copy_taxonomy(work: Work) -> None:
    taxonomy = SkillTaxonomy.read(work.recipe.taxonomy)
    taxonomy.write(work.stage.file("taxonomy.yaml"))
    work.stage.finish(["taxonomy.yaml"], counts={"skills": len(taxonomy.entries)})


def _discover_taxonomy(work: Work) -> None:
    with open_teacher(work.recipe, work.stage) as teacher:
        pool = work.split("pool", "data")
        found = discover(teacher, open_prompts(work.recipe), pool, work.recipe.discovery)
        usage = asdict(teacher.usage)
    found.taxonomy.write(work.stage.file("taxonomy.yaml"))
    write_jsonl(
        work.stage.file("fine.jsonl"), ({"id": id_, "skills": skills} for id_, skills in found.fine.items())
    )
    write_jsonl(work.stage.file("quarantined.jsonl"), found.quarantined)
    counts = {
        "rows_in": len(pool),
        "rows_out": len(found.fine),
        "quarantined": len(found.quarantined),
        "unplaced": len(found.unplaced),
        "skills": len(found.taxonomy.entries),
    }
    notes = left_out([left.reason for left in found.quarantined], "questions")
    outputs = ["taxonomy.yaml", "fine.jsonl", "quarantined.jsonl"]
    work.stage.finish(outputs, counts=counts, usage=usage, notes=notes)


def _label(work: Work) -> None:
    taxonomy = taxonomy_of(work)
    quarantined: list[dict[str, Any]] = []
    counts = {"rows_in": 0, "rows_out": 0, "quarantined": 0, "off_list": 0, "named": 0}
    owed: list[Unanswered] = []
    with open_teacher(work.recipe, work.stage) as teacher:
        for split in work.stage.identity["options"]["splits"]:
            examples = work.split(split, "data")
            made = label(
                teacher,
                open_prompts(work.recipe),
                taxonomy,
                examples,
                work.recipe.labelling,
                where=f"{work.stage.title}: {split}" if work.stage.arm else where_from(work.recipe, split),
            )
            owed += made.owed
            labelled = {example.id: example for example in made.examples}
            rows = [labelled.get(example.id, example) for example in examples]
            write_examples(work.stage.file(f"{split}.jsonl"), rows)
            quarantined += [{"split": split, **asdict(left)} for left in made.quarantined]
            counts["rows_in"] += len(examples)
            counts["rows_out"] += len(made.examples)
            counts["quarantined"] += len(made.quarantined)
            counts["off_list"] += sum(made.off_list.values())
            counts["named"] += made.named
        usage = asdict(teacher.usage)
    nothing_owed(work, owed)
    write_jsonl(work.stage.file("quarantined.jsonl"), quarantined)
    outputs = [f"{split}.jsonl" for split in work.stage.identity["options"]["splits"]]
    notes = left_out([left["reason"] for left in quarantined], "questions")
    work.stage.finish([*outputs, "quarantined.jsonl"], counts=counts, usage=usage, notes=notes)


def _answer(work: Work) -> None:
    questions = [(example.id, example.question) for example in work.split("validation", "data")]
    student = load_student(student_options(work.recipe))
    responses = student.answer(questions, work.recipe.sampling, work.stage.file("responses.jsonl"))
    cut = sum(response.finish_reason == "length" for response in responses)
    notes = [f"{cut} of {len(responses)} answers were cut off at sampling.max_tokens"] if cut else []
    notes += empty_note(sum(not response.text.strip() for response in responses), len(responses))
    counts = {"rows_in": len(questions), "rows_out": len(responses), "cut_off": cut}
    work.stage.finish(["responses.jsonl"], counts=counts, notes=notes)


def _find_difficult(work: Work) -> None:
    examples = work.split("validation", "data")
    responses = read_rows(work.file("answer", "responses.jsonl"), Response)
    with open_grader(work.recipe, stage=work.stage) as grader:
        found = find_difficult(examples, responses, work.recipe.difficulty, grader)
        usage, first_error = billed(grader.usage), grader.first_error
    notes = [f"grading failed (first: {first_error}); such an answer counts as wrong"] if first_error else []
    write_jsonl(work.stage.file("difficulty.jsonl"), found)
    counts = {
        "rows_in": len(examples),
        "rows_out": len(found),
        "difficult": sum(row.difficult for row in found),
    }
    work.stage.finish(["difficulty.jsonl"], counts=counts, usage=usage, notes=notes)


def taxonomy_of(work: Work) -> SkillTaxonomy:
    """The run's taxonomy; its errors name the user's own file where there is one."""
    taxonomy = SkillTaxonomy.read(work.file("taxonomy", "taxonomy.yaml"))
    return taxonomy if work.recipe.taxonomy == DISCOVER else replace(taxonomy, source=work.recipe.taxonomy)


def shown_responses(work: Work) -> list[tuple[Example, Response]]:
    """The difficult validation questions, each with every response of its own that counts against it."""
    examples = {example.id: example for example in work.split("validation")}
    responses = {
        (response.question_id, response.sample): response
        for response in read_rows(work.file("answer", "responses.jsonl"), Response)
    }
    return [
        (examples[row.question_id], responses[row.question_id, sample])
        for row in read_rows(work.file("difficulty", "difficulty.jsonl"), Difficulty)
        if row.difficult
        for sample in row.samples
    ]


def _diagnose(work: Work) -> None:
    write_diagnoses(work, shown_responses(work), work.recipe.diagnosis)


def write_diagnoses(work: Work, items: Sequence[tuple[Example, Response]], options: DiagnosisOptions) -> None:
    """What the teacher finds missing in these answers, as files of the stage, which is done with it."""
    taxonomy = taxonomy_of(work)
    with open_teacher(work.recipe, work.stage) as teacher:
        made = diagnose(teacher, open_prompts(work.recipe), taxonomy, items, options)
        usage = asdict(teacher.usage)
    nothing_owed(work, made.owed)
    write_jsonl(work.stage.file("diagnoses.jsonl"), made.diagnoses)
    write_jsonl(work.stage.file("repeated.jsonl"), made.repeated)
    write_jsonl(work.stage.file("quarantined.jsonl"), made.quarantined)
    counts = {
        "rows_in": len(items),
        "rows_out": len(made.diagnoses),
        "quarantined": len(made.quarantined),
        "off_list": sum(made.off_list.values()),
        "nothing_missing": sum(not diagnosis.missing_skills for diagnosis in made.diagnoses),
    }
    outputs = ["diagnoses.jsonl", "repeated.jsonl", "quarantined.jsonl"]
    notes = left_out([left.reason for left in made.quarantined], "answers")
    work.stage.finish(outputs, counts=counts, usage=usage, notes=notes)


def _make_profile(work: Work) -> None:
    difficulties = read_rows(work.file("difficulty", "difficulty.jsonl"), Difficulty)
    profile = MissingSkillProfile.from_diagnoses(
        read_rows(work.file("diagnose", "diagnoses.jsonl"), Diagnosis),
        work.split("validation"),
        [row.question_id for row in difficulties if row.difficult],
        repeated=read_rows(work.file("diagnose", "repeated.jsonl"), Diagnosis),
        taxonomy=taxonomy_of(work).fingerprint,
    )
    profile.write(work.stage.file("profile.json"))
    counts = {
        "difficult": len(profile.difficult),
        "undiagnosed": len(profile.undiagnosed),
        "skills_missing": len(profile.counts()),
        "pairs": len(profile.pairs()),
    }
    work.stage.finish(["profile.json"], counts=counts)


def nothing_owed(work: Work, owed: Sequence[Unanswered]) -> None:
    """Raises Unfinished where answers are owed: the stage is not done."""
    if owed:
        raise Unfinished(
            f"{work.stage.title}: {len(owed)} questions are owed ({owed[0].reason}); "
            "the other answers are kept: run the same command again to go on"
        )


def left_out(reasons: Sequence[str], what: str) -> list[str]:
    """A note on what is quarantined for these `reasons`, if anything is: one of them (that of a row that was
    never sent, where there is one), and how it is asked again."""
    if not reasons:
        return []
    reason = next((reason for reason in reasons if reason.startswith(UNSENT)), reasons[0])
    return [
        f"{len(reasons):,} {what} quarantined, left without a valid answer (one of them: "
        f"{shorten(reason, LONGEST_REASON, placeholder=' ...')}): see quarantined.jsonl; --retry-quarantined "
        "asks for them once more"
    ]
