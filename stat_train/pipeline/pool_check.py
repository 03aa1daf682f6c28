"""Whether the arms can be drawn from the pool at all: told before the teacher is asked, not when they are."""

from collections.abc import Sequence

from stat_train.data.example import Example
from stat_train.data.reading import read_examples
from stat_train.errors import UserError
from stat_train.methods.controls import group_of, places_of_levels
from stat_train.pipeline.data import where_from
from stat_train.pipeline.draws import hard_by_levels
from stat_train.pipeline.step import Step
from stat_train.pipeline.steps import finished
from stat_train.recipe import SYNTHESIZED, Recipe
from stat_train.run import Stage

DRAWING = ("select", "rewrite")
SHOWN = 40


def check_pool(recipe: Recipe, steps: Sequence[Step], data: Stage) -> None:
    """Raises UserError, one line, where an arm that these steps draw anew needs what the pool of `data`
    lacks: a solution in every row, or for `hard` one of its levels, or its column, which validation has too.
    What is finished stays so."""
    arms = {
        step.title: recipe.method_of(step.arm)
        for step in steps
        if step.name in DRAWING and _draws(recipe, recipe.method_of(step.arm))
    }
    if arms.keys() - finished(recipe, steps).keys():
        pool = read_examples(data.file("pool.jsonl"), split_name="pool")
        _check_solutions(recipe, list(arms.values()), pool)
        if "hard" in arms.values():
            validation = read_examples(data.file("validation.jsonl"), split_name="validation")
            _check_groups(recipe, pool, validation)


def _draws(recipe: Recipe, method: str) -> bool:
    return method not in SYNTHESIZED or bool(recipe.selection.rehearsed(method))


def _check_solutions(recipe: Recipe, arms: Sequence[str], pool: Sequence[Example]) -> None:
    if bare := [example for example in pool if not example.solution]:
        first = bare[0]
        raise UserError(
            f"{where_from(recipe, 'pool')}: {len(bare):,} of {len(pool):,} rows have no solution to train "
            f"on, the first {first.id!r} ({first.question[:SHOWN]!r}), and {arms[0]} may draw any; fill them "
            "in, remove them, or map `data.columns.solution` to the column that has it"
        )


def _check_groups(recipe: Recipe, pool: Sequence[Example], validation: Sequence[Example]) -> None:
    if hard_by_levels(recipe, pool):
        places_of_levels(pool, recipe.selection.hard.levels)
    elif group := recipe.selection.hard.group:
        for split, examples in (("pool", pool), ("validation", validation)):
            for example in examples:
                group_of(example, group, where_from(recipe, split))
