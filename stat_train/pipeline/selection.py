"""The step that makes an arm's training set."""

from collections.abc import Mapping
from functools import partial

from stat_train.difficulty.difficult import Difficulty
from stat_train.errors import UserError
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.controls import balanced, hard, random_set
from stat_train.methods.stat_sel import stat_sel
from stat_train.methods.training_set import TrainingSet
from stat_train.methods.yields import Yield, take
from stat_train.pipeline.metacognition import taxonomy_of
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import SYNTHESIZED, Method, Recipe

POOL_AND_VALIDATION = ("pool.jsonl", "validation.jsonl")
NEEDS: dict[Method, tuple[str, ...]] = {
    "random": (),
    "balanced": (),
    "hard": ("difficulty",),
    "stat-sel": ("profile", "taxonomy"),
}


def select_step(recipe: Recipe, arm: Method) -> Step:
    """The training set of one arm."""
    selection = recipe.selection
    own = {"stat-sel": selection.stat_sel, "hard": selection.hard}
    needs: dict[str, tuple[str, ...]]
    if arm in SYNTHESIZED:
        needs = {f"synthesize {arm}": ("rows.jsonl", "yield.jsonl")}
    else:
        needs = {"label": POOL_AND_VALIDATION} | dict.fromkeys(NEEDS[arm], ())
    return Step(
        "select",
        partial(_select, arm),
        lambda sizes: f"{selection.size:,} pairs" if selection.size else "as many pairs as STAT-Sel draws",
        arm=arm,
        needs=needs | dict.fromkeys(size_needs(recipe), ()),
        options={**size_options(recipe), "method": own[arm].model_dump() if arm in own else {}},
        version=2,
    )


def size_needs(recipe: Recipe) -> tuple[str, ...]:
    """The stages that the number of pairs depends on."""
    return () if recipe.selection.size else ("profile",)


def size_options(recipe: Recipe) -> dict[str, int | None]:
    """The options that the number of pairs, and the seed that which of them, depends on."""
    selection = recipe.selection
    return {
        "size": selection.size,
        "k": None if selection.size else selection.stat_sel.k,
        "seed": recipe.seed,
    }


def pairs_in_every_arm(work: Work) -> int:
    """The number of pairs. Raises UserError where the profile that should tell it is empty."""
    selection = work.recipe.selection
    size = selection.size or _pairs(work) * selection.stat_sel.k
    if not size:
        raise UserError(
            "the profile names no missing skill, so there is no number of pairs to give every arm; set "
            "`selection.size` and leave stat-sel out of `arms`, or give harder validation questions"
        )
    return size


def _select(arm: Method, work: Work) -> None:
    chosen = training_set_of(arm, work)
    chosen.write(work.stage.file("rows.jsonl"))
    work.stage.finish(["rows.jsonl"], counts=chosen.counts(), notes=chosen.notes)


def training_set_of(
    arm: Method, work: Work, size: int | None = None, drawn_before: Mapping[str, int] | None = None
) -> TrainingSet:
    """An arm's set, of `size` pairs or the recipe's size; `drawn_before`: see `stat_sel`."""
    size = size or pairs_in_every_arm(work)
    if arm in SYNTHESIZED:
        return _of_new_questions(arm, work, size)
    recipe, pool = work.recipe, work.split("pool")
    options, seed = recipe.selection, recipe.seed
    if arm == "random":
        return random_set(pool, size, seed=seed)
    if arm == "balanced":
        return balanced(pool, size, seed=seed)
    questions = work.split("validation")
    if arm == "hard":
        difficulties = read_rows(work.file("difficulty", "difficulty.jsonl"), Difficulty)
        difficult = {row.question_id for row in difficulties if row.difficult}
        failed = [question for question in questions if question.id in difficult]
        return hard(failed, pool, size, group=options.hard.group, seed=seed)
    profile = MissingSkillProfile.read(work.file("profile", "profile.json"))
    parents = taxonomy_of(work).parents
    return stat_sel(
        profile.missing,
        questions,
        pool,
        options.stat_sel,
        size=size,
        seed=seed,
        parents=parents,
        drawn_before=drawn_before,
    )


def _of_new_questions(arm: Method, work: Work, size: int) -> TrainingSet:
    made = TrainingSet.read(work.file(f"synthesize {arm}", "rows.jsonl"))
    return take(made, read_rows(work.file(f"synthesize {arm}", "yield.jsonl"), Yield), size)


def _pairs(work: Work) -> int:
    return len(MissingSkillProfile.read(work.file("profile", "profile.json")).pairs())
