"""Steps of `stat-train adaptmi`: one split answered with one kind of prompt, by one student."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError
from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.methods.adaptmi import AdaptMI
from stat_train.methods.few_shot import FewShotPrompt
from stat_train.pipeline.answers import (
    RESPONSES,
    VERDICTS,
    grading_notes,
    open_student,
    student_needs,
    write_answers,
)
from stat_train.pipeline.metacognition import taxonomy_of
from stat_train.pipeline.opening import billed, grader_files, open_grader, student_template
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import Recipe
from stat_train.student.options import Sampling
from stat_train.student.template import PROBE

Kind = Literal["zero-shot", "fixed", "random", "skills", "missing", "samples"]
"""No exemplars; the same for every question; drawn for each; by its labels; by what its own answer lacks;
and the fixed prompt, sampled."""

KINDS: tuple[Kind, ...] = ("zero-shot", "fixed", "random", "skills", "samples")
"""The kinds that every question is answered with."""
DIFFICULTY, DIAGNOSE = "prompt-difficulty", "prompt-diagnose"
SHOTS = "shots.jsonl"


def adaptmi_split(recipe: Recipe) -> str:
    """The evaluation split that is answered."""
    split = recipe.adaptmi.split or recipe.evaluation_splits[0]
    if split not in recipe.evaluation_splits:
        raise UserError(
            f"adaptmi.split: no evaluation split {split!r}; choose one of "
            f"{', '.join(recipe.evaluation_splits)}"
        )
    if not recipe.evaluation.per_skill:
        raise UserError("adaptmi chooses by the questions' labels: set evaluation.per_skill to true")
    return split


def prompt_step(recipe: Recipe, kind: Kind) -> Step:
    """The answers to one kind of prompt, with their verdicts and the exemplars shown."""
    options, split = recipe.adaptmi, adaptmi_split(recipe)
    if options.student not in recipe.scored_arms:
        arms = ", ".join(recipe.scored_arms)
        raise UserError(f"adaptmi.student: no arm {options.student!r}; choose one of {arms}")
    if kind != "zero-shot":
        student_template(recipe).messages(PROBE, [(PROBE, PROBE)])
    needs = student_needs(options.student) | {"label": ("pool.jsonl", f"{split}.jsonl")}
    if kind in ("skills", "missing"):
        needs["taxonomy"] = ()
    if kind == "missing":
        needs[DIAGNOSE] = ()
    shown = {} if kind == "zero-shot" else options.model_dump(include={"k", "fixed"}) | {"seed": recipe.seed}
    samples = options.samples if kind == "samples" else 1
    return Step(
        "prompt",
        partial(_answer, kind),
        lambda sizes: f"{sizes[split]:,} questions x {samples}" + " at most" * (kind == "missing"),
        arm=kind,
        needs=needs,
        options={
            "kind": kind,
            "shown": shown,
            "sampling": _sampling(recipe, kind).model_dump(),
            "split": split,
            "grader": recipe.grader,
        },
        files=grader_files(recipe),
        version=2 if kind in ("skills", "missing") else 1,
    )


def _sampling(recipe: Recipe, kind: Kind) -> Sampling:
    options = recipe.adaptmi
    several = {"n": options.samples, "temperature": options.temperature} if kind == "samples" else {"n": 1}
    return recipe.evaluation.sampling.model_copy(update=several)


def _answer(kind: Kind, work: Work) -> None:
    recipe, sampling = work.recipe, _sampling(work.recipe, kind)
    student = open_student(work, recipe.adaptmi.student)
    context = student.context

    def fits(question: str, shots: Sequence[tuple[str, str]]) -> bool:
        return context is None or student.prompt_tokens(question, shots) + sampling.max_tokens <= context

    prompts = [prompt.fitted(fits) for prompt in _prompts(kind, work)]
    questions = [prompt.question for prompt in prompts]
    shots = {prompt.question.id: prompt.shots for prompt in prompts}
    with open_grader(recipe, stage=work.stage) as grader:
        counts = write_answers(student, questions, sampling, grader, work.stage, shots)
        usage, first_error = billed(grader.usage), grader.first_error
    write_jsonl(
        work.stage.file(SHOTS),
        [
            {
                "question_id": prompt.question.id,
                "exemplars": [example.id for example in prompt.exemplars],
                "skills": prompt.skills,
                "backed_off": prompt.backed_off,
                "filled": prompt.filled,
                "dropped": prompt.dropped,
                "prompt_tokens": student.prompt_tokens(prompt.question.question, prompt.shots),
            }
            for prompt in prompts
        ],
    )
    counts |= {
        "backed_off": sum(len(prompt.backed_off) for prompt in prompts),
        "filled": sum(prompt.filled for prompt in prompts),
        "dropped": sum(prompt.dropped for prompt in prompts),
    }
    notes = [*grading_notes(counts, "evaluation.sampling.max_tokens", first_error), *_notes(counts)]
    work.stage.finish([RESPONSES, VERDICTS, SHOTS], counts=counts, usage=usage, notes=notes)


def _prompts(kind: Kind, work: Work) -> list[FewShotPrompt]:
    questions = work.split(adaptmi_split(work.recipe))
    if kind == "zero-shot":
        return [FewShotPrompt(question, ()) for question in questions]
    chooser = _chooser(kind, work)
    if kind == "random":
        return [chooser.random_prompt(question) for question in questions]
    if kind == "skills":
        labels = {question.id: question.skills for question in questions}
        return chooser.prompts(questions, labels.keys(), labels)
    if kind == "missing":
        diagnoses = read_rows(work.file(DIAGNOSE, "diagnoses.jsonl"), Diagnosis)
        missing = {row.question_id: row.missing_skills for row in diagnoses if row.missing_skills}
        lacking = [question for question in questions if question.id in missing]
        return chooser.prompts(lacking, missing.keys(), missing)
    return [chooser.fixed_prompt(question) for question in questions]


def _chooser(kind: Kind, work: Work) -> AdaptMI:
    recipe, pool = work.recipe, work.split("pool")
    parents = taxonomy_of(work).parents if kind in ("skills", "missing") else {}
    fixed = _fixed(recipe.adaptmi.fixed, pool)
    return AdaptMI(pool, k=recipe.adaptmi.k, fixed=fixed, parents=parents, seed=recipe.seed)


def _fixed(ids: Sequence[str], pool: Sequence[Example]) -> list[Example]:
    wanted = set(ids)
    by_id = {example.id: example for example in pool if example.id in wanted}
    if unknown := [id for id in ids if id not in by_id]:
        raise UserError(f"adaptmi.fixed: the pool has no question {unknown[0]!r}; name ids of the pool")
    return [by_id[id] for id in ids]


def _notes(counts: Mapping[str, int]) -> list[str]:
    said = {
        "backed_off": "exemplars are of a neighbouring skill, where a skill has too few",
        "filled": "places are filled with fixed exemplars, where no skill had any left",
        "dropped": "exemplars were left out, so that prompt and answer fit the student's context",
    }
    return [f"{counts[name]} {what}" for name, what in said.items() if counts[name]]
