"""The step that makes an arm's training set, and how large every arm is."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.rehearsal import most_pairs, rehearsal_pairs
from stat_train.methods.rewritten import some_pairs
from stat_train.methods.size import within_tokens
from stat_train.methods.training_set import TrainingRow, TrainingSet
from stat_train.methods.yields import Yield, take
from stat_train.pipeline.draws import Make, draw_needs, draw_options, draws_of, rehearsing
from stat_train.pipeline.opening import student_options
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import SYNTHESIZED, Method, Recipe
from stat_train.student.load import model_folder, student_prompt
from stat_train.teacher.request import BYTES_PER_TOKEN

SPARE = 1.25
"""So many times the pairs that a number of tokens should take are made by the teacher, and then cut."""
COUNTED = 200
"""Pairs of the pool whose tokens are counted to know their mean."""


def select_step(recipe: Recipe, arm: Method) -> Step:
    """The training set of one arm."""
    needs: dict[str, tuple[str, ...]]
    if arm in SYNTHESIZED:
        needs = {f"synthesize {arm}": ("rows.jsonl", "yield.jsonl")}
        if recipe.selection.rehearsed(arm):
            needs["label"] = ("pool.jsonl",)
    elif recipe.selection.rewrites(arm):
        needs = {f"rewrite {arm}": ("rows.jsonl",)}
    else:
        needs = draw_needs(arm)
    own = {} if arm in SYNTHESIZED or recipe.selection.rewrites(arm) else draw_options(recipe, arm)
    return Step(
        "select",
        partial(_select, arm),
        lambda sizes: f"{planned_size(recipe)}{planned_rehearsal(recipe, arm)}",
        arm=arm,
        needs=needs | dict.fromkeys(size_needs(recipe), ()),
        options={**size_options(recipe, arm), "method": own},
        version=4,
    )


def size_needs(recipe: Recipe) -> tuple[str, ...]:
    """The stages that the size of every arm depends on."""
    selection = recipe.selection
    return ("student",) if selection.tokens else () if selection.size else ("profile",)


def size_options(recipe: Recipe, arm: Method) -> dict[str, float | None]:
    """The options that an arm's size, and the seed that which pairs these are, depends on."""
    selection = recipe.selection
    by_draws = not (selection.size or selection.tokens)
    return {
        "size": selection.size,
        "k": selection.stat_sel.k if by_draws else None,
        "seed": recipe.seed,
        **({"tokens": selection.tokens} if selection.tokens else {}),
        **({"rehearsal": share} if (share := selection.rehearsed(arm)) else {}),
    }


def planned_size(recipe: Recipe) -> str:
    """How large every arm is, for a plan."""
    selection = recipe.selection
    if selection.tokens:
        return f"{selection.tokens:,} tokens"
    return f"{selection.size:,} pairs" if selection.size else "as many pairs as STAT-Sel draws"


def planned_rehearsal(recipe: Recipe, arm: Method) -> str:
    """What of an arm's size is rehearsal, for a plan."""
    selection = recipe.selection
    share = selection.rehearsed(arm)
    if not share:
        return ""
    if selection.size is None or selection.rewrites(arm):
        return f", of which a share of {share:g} is rehearsal"
    return f", {rehearsal_pairs(selection.size, share):,} of them rehearsal"


def source_of(recipe: Recipe, arm: str) -> str:
    """Where the pairs of an arm, or of a later round of it, are from."""
    method = recipe.method_of(arm)
    if method in SYNTHESIZED:
        return "written by the teacher"
    rewrites = recipe.selection.rewrites(method)
    return f"pool, {rewrites} reworded solutions each" if rewrites else "pool"


def pairs_in_every_arm(work: Work) -> int:
    """The number of pairs; with `selection.tokens` enough to cut these from.

    Raises UserError where the profile that should tell it is empty.
    """
    selection = work.recipe.selection
    if selection.tokens:
        return math.ceil(SPARE * _pairs_of_tokens(work, token_cost(work.recipe)))
    size = selection.size or _pairs(work) * selection.stat_sel.k
    if not size:
        raise UserError(
            "the profile names no missing skill, so there is no number of pairs to give every arm; set "
            "`selection.size` and leave stat-sel out of `arms`, or give harder validation questions"
        )
    return size


def own_pairs(arm: Method, recipe: Recipe, pairs: int) -> int:
    """Of the pairs of an arm those that are not rehearsal."""
    return pairs - rehearsal_pairs(pairs, recipe.selection.rehearsed(arm))


def expected_pairs(recipe: Recipe, splits: Mapping[str, Sequence[Example]]) -> tuple[int, str]:
    """The number of pairs that the teacher is to make for an arm, before the profile is there or a
    tokenizer, and what is assumed for it."""
    selection = recipe.selection
    if selection.size:
        return selection.size, ""
    if selection.tokens:
        some = splits["pool"][:COUNTED]
        size = sum(len(f"{its.question}{its.solution or ''}".encode()) for its in some) / len(some)
        return math.ceil(SPARE * selection.tokens * BYTES_PER_TOKEN / size), "as many pairs as guessed; "
    most = len(splits["validation"]) * recipe.diagnosis.max_skills * selection.stat_sel.k
    return most, "at most: as if every question were difficult and lacked as many skills as it may; "


def token_cost(recipe: Recipe) -> Callable[[TrainingRow], int]:
    """A pair's tokens, prompt and answer, as the student is trained on them."""
    options = student_options(recipe)
    prompt = student_prompt(options, model_folder(options))
    return lambda row: len(prompt.training(row.question, row.solution)[0])


def training_set_of(
    arm: Method, work: Work, size: int | None = None, drawn_before: Mapping[str, int] | None = None
) -> TrainingSet:
    """An arm's set, of `size` pairs or the recipe's size; `drawn_before`: see `stat_sel`."""
    recipe, tokens = work.recipe, work.recipe.selection.tokens
    made: TrainingSet | None = None
    make: Make
    if arm in SYNTHESIZED:
        made = TrainingSet.read(work.file(f"synthesize {arm}", "rows.jsonl"))
        yields = read_rows(work.file(f"synthesize {arm}", "yield.jsonl"), Yield)
        make = rehearsing(arm, work, partial(take, made, yields), drawn_before)
    elif answers := recipe.selection.rewrites(arm):
        made = TrainingSet.read(work.file(f"rewrite {arm}", "rows.jsonl"))
        make = partial(some_pairs, made, answers, seed=recipe.seed)
    else:
        make = draws_of(arm, work, drawn_before)
    if size or not tokens:
        return make(size or pairs_in_every_arm(work))
    cost = token_cost(recipe)
    if made is None:
        return within_tokens(make, tokens, cost, guess=_pairs_of_tokens(work, cost), seed=recipe.seed)
    if not made.rows:
        raise UserError(f"{arm}: no pair could be made of the {tokens:,} tokens asked for; see its yield")
    guess = round(len(made) * tokens / sum(map(cost, made.rows)))
    share = recipe.selection.rehearsed(arm) if arm in SYNTHESIZED else 0.0
    most = most_pairs(len(made), share)
    return within_tokens(make, tokens, cost, guess=guess, most=most, seed=recipe.seed)


def _select(arm: Method, work: Work) -> None:
    chosen = training_set_of(arm, work)
    chosen.write(work.stage.file("rows.jsonl"))
    counts: dict[str, Any] = chosen.counts()
    if work.recipe.selection.tokens:
        counts["tokens"] = sum(map(token_cost(work.recipe), chosen.rows))
    work.stage.finish(["rows.jsonl"], counts=counts, notes=chosen.notes)


def _pairs(work: Work) -> int:
    return len(MissingSkillProfile.read(work.file("profile", "profile.json")).pairs())


def _pairs_of_tokens(work: Work, cost: Callable[[TrainingRow], int]) -> int:
    """As many pairs as should hold `selection.tokens`, at the mean length of the pool's."""
    tokens = work.recipe.selection.tokens
    assert tokens
    some = [TrainingRow("", its.question, its.solution or "", {}) for its in work.split("pool")[:COUNTED]]
    return max(1, round(tokens * len(some) / sum(map(cost, some))))
