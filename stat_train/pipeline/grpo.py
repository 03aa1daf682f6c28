"""The steps of GRPO after the arms' SFT: the training, and the scores of what it made."""

import json
from collections.abc import Iterator, Mapping
from functools import partial

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.pipeline.arms import evaluate_step
from stat_train.pipeline.card import write_card
from stat_train.pipeline.clean import clean_questions, task_needs
from stat_train.pipeline.opening import billed, grader_files, open_grader, student_options
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import DEVELOPMENT, START, GRPOSection, Recipe, grpo_arm, trained_by
from stat_train.student.load import model_folder, student_prompt
from stat_train.training.folder import DONE
from stat_train.training.prompt_order import Skill, unasked
from stat_train.training.rewards import totals
from stat_train.training.rollouts import ROLLOUTS

MOSTLY = 0.5
"""From this share of groups without variance on, the run says so."""


def grpo_steps(recipe: Recipe) -> list[Step]:
    """For each arm of the section `grpo:` one training from its weights, and its scores on every split."""
    if recipe.grpo is None:
        return []
    splits = [*((DEVELOPMENT,) if recipe.has_development else ()), *recipe.evaluation_splits]
    return [
        step
        for arm in recipe.grpo_bases
        for step in (
            grpo_step(recipe, recipe.grpo, arm),
            *(evaluate_step(recipe, grpo_arm(arm), split) for split in splits),
        )
    ]


def grpo_step(recipe: Recipe, options: GRPOSection, arm: str) -> Step:
    """One training from the weights of `arm`, on the questions of the pool."""
    needs: dict[str, tuple[str, ...]] = {"student": (), "label": ("pool.jsonl",)}
    if options.prompts == "profile":
        needs["profile"] = ()
    if arm != START:
        needs[trained_by(arm)] = ()
    return Step(
        "grpo",
        partial(_train, arm, options),
        partial(_plan, options),
        arm=arm,
        needs=needs,
        checks=("data", *task_needs(recipe)),
        options={**options.identity(), "grader": recipe.grader},
        files=grader_files(recipe),
    )


def _plan(options: GRPOSection, sizes: Sizes) -> str:
    updates = f", {options.updates} updates each" if options.updates > 1 else ""
    return (
        f"{options.batches(sizes['pool']):,} batches of {options.questions} questions x {options.rollouts} "
        f"answers{updates}; loss {options.loss_type}, beta {options.beta:g}"
    )


def _train(arm: str, options: GRPOSection, work: Work) -> None:
    from stat_train.training.grpo import grpo

    recipe, pool = work.recipe, work.split("pool")
    clean = (*recipe.evaluation_splits, *((DEVELOPMENT,) if recipe.has_development else ()))
    forbidden = [example.question for rows in clean_questions(work, clean).values() for example in rows]
    student = student_options(recipe)
    start = model_folder(student)
    weights = _weights(work) if options.prompts == "profile" else None
    model = start if arm == START else work.file(trained_by(arm), "model")
    with open_grader(recipe, stage=work.stage) as grader:
        out = grpo(
            model,
            pool,
            student_prompt(student, start),
            grader,
            options,
            work.stage.file("model"),
            forbidden,
            weights,
        )
        usage = billed(grader.usage)
    done = json.loads((out / DONE).read_text())
    counts = {"rows_in": len(pool), "rows_out": done["rows"], "quarantined": done["quarantined"]}
    counts |= totals(read_jsonl(out / ROLLOUTS))
    notes = [
        *_notes(counts),
        *(f"no question of the pool needs {name}" for _, name in unasked(pool, weights or {})),
    ]
    work.stage.finish(["model"], counts=counts, usage=usage, notes=notes)
    write_card(recipe, grpo_arm(arm), {**work.given, work.stage.title: work.stage})


def _weights(work: Work) -> dict[Skill, float]:
    """How often the profile found each skill missing. Raises UserError where it found none."""
    counts = MissingSkillProfile.read(work.file("profile", "profile.json")).counts()
    if not counts:
        raise UserError("grpo: the profile found no skill missing; set grpo.prompts to even")
    return {skill: float(n) for skill, n in counts.items()}


def _notes(counts: Mapping[str, int]) -> Iterator[str]:
    if counts["quarantined"]:
        yield (
            f"{counts['quarantined']} gold answers are not accepted by their own grader: never asked "
            "(quarantined.jsonl)"
        )
    if counts["error"] or counts["timeout"]:
        yield (
            f"grading failed {counts['error']} times and timed out {counts['timeout']} times: these answers "
            "earned 0"
        )
    if counts["flat"] >= MOSTLY * counts["groups"]:
        yield (
            f"{counts['flat']} of {counts['groups']} groups of answers earned one and the same reward: they "
            "teach nothing; more grpo.rollouts, or questions neither too hard nor too easy"
        )
    if counts["cut_off"] > 0.1 * counts["answers"]:
        yield f"{counts['cut_off']} answers were cut off at grpo.max_tokens"
