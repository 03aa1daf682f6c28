"""What each arm draws from the pool."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stat_train.data.example import Example
from stat_train.difficulty.difficult import Difficulty
from stat_train.embedding.vectors import read_vectors
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.controls import balanced, hard, hard_levels, random_set, train
from stat_train.methods.embed_sel import embed_sel
from stat_train.methods.rehearsal import rehearsal_pairs, rehearse
from stat_train.methods.shuffled import shuffled_profile
from stat_train.methods.stat_sel import stat_sel
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.metacognition import taxonomy_of
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Work
from stat_train.recipe import Method, Recipe

POOL_AND_VALIDATION = ("pool.jsonl", "validation.jsonl")
NEEDS: dict[Method, tuple[str, ...]] = {
    "random": (),
    "train": (),
    "augment": (),
    "balanced": (),
    "hard": ("difficulty",),
    "embed-sel": ("difficulty", "embed"),
    "shuffled": ("profile", "taxonomy"),
    "stat-sel": ("profile", "taxonomy"),
}

Make = Callable[[int], TrainingSet]
"""From a number of pairs to the set that an arm has of them."""


def draw_needs(arm: Method) -> dict[str, tuple[str, ...]]:
    """The stages that an arm's draws depend on."""
    return {"label": POOL_AND_VALIDATION} | dict.fromkeys(NEEDS[arm], ())


def draw_options(recipe: Recipe, arm: Method) -> dict[str, Any]:
    """The options that are this arm's own."""
    selection = recipe.selection
    if arm in ("stat-sel", "shuffled"):
        return selection.stat_sel.model_dump()
    if arm == "hard":
        return selection.hard.model_dump(include={"group"} if selection.hard.group else {"levels"})
    return {}


def rehearsing(arm: Method, work: Work, make: Make, drawn_before: Mapping[str, int] | None = None) -> Make:
    """`make` with the arm's share of rehearsal; `drawn_before`: see `stat_sel`."""
    share = work.recipe.selection.rehearsed(arm)
    if not share:
        return make
    pool, seed = work.split("pool"), work.recipe.seed

    def both(size: int) -> TrainingSet:
        pairs = rehearsal_pairs(size, share)
        return rehearse(make(size - pairs), pool, pairs, seed=seed, drawn_before=drawn_before)

    return both


def draws_of(arm: Method, work: Work, drawn_before: Mapping[str, int] | None = None) -> Make:
    """How an arm draws from the pool, each question with its own solution; `drawn_before`: see `stat_sel`."""
    return rehearsing(arm, work, _targeted(arm, work, drawn_before), drawn_before)


def _targeted(arm: Method, work: Work, drawn_before: Mapping[str, int] | None) -> Make:
    options, seed, pool = work.recipe.selection, work.recipe.seed, work.split("pool")
    if arm == "random":
        return lambda size: random_set(pool, size, seed=seed)
    if arm in ("train", "augment"):
        return lambda size: train(pool, size, method=arm, seed=seed)
    if arm == "balanced":
        return lambda size: balanced(pool, size, seed=seed)
    questions = work.split("validation")
    if arm in ("stat-sel", "shuffled"):
        missing = MissingSkillProfile.read(work.file("profile", "profile.json")).missing
        if arm == "shuffled":
            missing, questions = shuffled_profile(missing, questions, pool, seed=seed)
        parents = taxonomy_of(work).parents
        return lambda size: stat_sel(
            missing,
            questions,
            pool,
            options.stat_sel,
            method=arm,
            size=size,
            seed=seed,
            parents=parents,
            drawn_before=drawn_before,
        )
    places = difficult_places(work)
    failed = [questions[place] for place in places]
    if arm == "embed-sel":
        vectors = read_vectors(work.file("embed", "validation.npy"))[places]
        pool_vectors = read_vectors(work.file("embed", "pool.npy"))
        return lambda size: embed_sel(failed, vectors, pool, pool_vectors, size, seed=seed)
    if hard_by_levels(work.recipe, pool):
        return lambda size: hard_levels(pool, size, options.hard.levels, seed=seed)
    return lambda size: hard(failed, pool, size, group=options.hard.group or "skills", seed=seed)


def difficult_places(work: Work) -> list[int]:
    """The places of the difficult questions in the validation split."""
    rows = read_rows(work.file("difficulty", "difficulty.jsonl"), Difficulty)
    return [place for place, row in enumerate(rows) if row.difficult]


def hard_by_levels(recipe: Recipe, pool: Sequence[Example]) -> bool:
    """Whether the arm hard goes by the levels of the pool, and not by what failed."""
    return recipe.selection.hard.group is None and any(example.level is not None for example in pool)
