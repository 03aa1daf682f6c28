"""Whether the arms can be drawn from the pool at all: told before the teacher is asked, not when they are."""

from collections.abc import Sequence

from stat_train.data.example import Example
from stat_train.data.reading import read_examples
from stat_train.errors import UserError
from stat_train.methods.controls import places_of_levels
from stat_train.pipeline.draws import hard_by_levels
from stat_train.pipeline.step import Step
from stat_train.pipeline.steps import finished
from stat_train.recipe import SYNTHESIZED, Recipe
from stat_train.run import Stage

DRAWING = ("select", "rewrite")
SHOWN = 40


def check_pool(recipe: Recipe, steps: Sequence[Step], data: Stage) -> None:
    """Raises UserError, one line, where an arm that these steps draw anew needs what the pool of `data`
    lacks: a solution in every row, or for `hard` one of its levels. What is finished stays so."""
    arms = {
        step.title: recipe.method_of(step.arm)
        for step in steps
        if step.name in DRAWING and _draws(recipe, recipe.method_of(step.arm))
    }
    if arms.keys() - finished(recipe, steps).keys():
        _check(recipe, list(arms.values()), read_examples(data.file("pool.jsonl"), split_name="pool"))


def _draws(recipe: Recipe, method: str) -> bool:
    return method not in SYNTHESIZED or bool(recipe.selection.rehearsed(method))


def _check(recipe: Recipe, arms: Sequence[str], pool: Sequence[Example]) -> None:
    source = f" ({recipe.data.pool})" if recipe.data else ""
    if bare := [example for example in pool if not example.solution]:
        first = bare[0]
        raise UserError(
            f"pool{source}: {len(bare):,} of {len(pool):,} rows have no solution to train on, the first "
            f"{first.id!r} ({first.question[:SHOWN]!r}), and {arms[0]} may draw any; fill them in, remove "
            "them, or map `data.columns.solution` to the column that has it"
        )
    if "hard" in arms and hard_by_levels(recipe, pool):
        places_of_levels(pool, recipe.selection.hard.levels)
