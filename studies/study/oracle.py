"""The oracle arm: STAT-Sel by a diagnosis of the very questions that are scored, which nobody has."""

from typing import Any

from stat_train.metacognition.diagnosis import diagnose
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.stat_sel import stat_sel
from stat_train.pipeline.arms import evaluate_step, sft_step
from stat_train.pipeline.metacognition import taxonomy_of
from stat_train.pipeline.opening import open_prompts, open_teacher
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.runner import run_steps
from stat_train.pipeline.selection import pairs_in_every_arm
from stat_train.pipeline.step import Step, Work
from stat_train.pipeline.steps import steps_up_to
from stat_train.recipe import START, Recipe
from stat_train.run import Stage
from stat_train.student.response import Response

ORACLE: Any = "oracle"
SEEN = "test"
"""The split whose wrong answers are diagnosed; it is still never trained on."""


def run_oracle(recipe: Recipe, split: str) -> dict[str, Stage]:
    """The stages of the arm up to its score on a split."""
    before = f"evaluate {START}-{SEEN}"
    needed = {step.title: step for title in (before, "profile") for step in steps_up_to(recipe, title)}
    own = [_select_step(recipe, before), sft_step(recipe, ORACLE), evaluate_step(recipe, ORACLE, split)]
    return run_steps(recipe, [*needed.values(), *own])


def _select_step(recipe: Recipe, before: str) -> Step:
    return Step(
        "select",
        lambda work: _select(before, work),
        lambda sizes: "by an oracle",
        arm=ORACLE,
        needs={"label": (), "taxonomy": (), before: (), "profile": ()},
        options={"selection": recipe.selection.model_dump(), "diagnosis": recipe.diagnosis.model_dump()},
    )


def _select(before: str, work: Work) -> None:
    recipe, questions = work.recipe, work.split(SEEN)
    taxonomy, answers = taxonomy_of(work), read_rows(work.file(before, "responses.jsonl"), Response)
    with open_teacher(recipe) as teacher:
        pairs = list(zip(questions, answers, strict=True))
        found = diagnose(teacher, open_prompts(recipe), taxonomy, pairs, recipe.diagnosis)
    wrong = [its.question_id for its in found.diagnoses if its.missing_skills]
    chosen = stat_sel(
        MissingSkillProfile.from_diagnoses(found.diagnoses, questions, wrong).missing,
        questions,
        work.split("pool"),
        recipe.selection.stat_sel,
        size=pairs_in_every_arm(work),
        seed=recipe.seed,
        parents=taxonomy.parents,
    )
    chosen.write(work.stage.file("rows.jsonl"))
    work.stage.finish(["rows.jsonl"], counts=chosen.counts(), notes=chosen.notes)
