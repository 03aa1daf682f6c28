"""Whether the data go by the user's own list of skills: told before the teacher is asked for any label."""

from collections.abc import Iterator, Sequence

from stat_train.data.example import Example
from stat_train.data.reading import read_examples
from stat_train.metacognition.labelling import check_listed
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.pipeline.data import where_from
from stat_train.pipeline.step import Step
from stat_train.pipeline.steps import finished
from stat_train.pipeline.validation import new_validation
from stat_train.recipe import DISCOVER, Recipe
from stat_train.run import Stage


def check_lists(recipe: Recipe, steps: Sequence[Step], data: Stage) -> None:
    """Raises UserError, one line, where a split of `data` that these steps are to label, or a later round's
    validation, has a subject or a label that the taxonomy's file lacks. What is finished stays so."""
    labelling = [step for step in steps if step.name == "label"]
    if recipe.taxonomy == DISCOVER or not labelling:
        return
    done = finished(recipe, steps)
    taxonomy = SkillTaxonomy.read(recipe.taxonomy)
    for step in labelling:
        if step.title not in done:
            for where, examples in _to_label(recipe, step, data):
                check_listed(examples, taxonomy, where)


def _to_label(recipe: Recipe, step: Step, data: Stage) -> Iterator[tuple[str, list[Example]]]:
    """The splits that a step is to label, as far as they are there when the data are, and where from."""
    for file in step.needs.get("data", ()):
        split = file.removesuffix(".jsonl")
        yield where_from(recipe, split), read_examples(data.file(file), split_name=split)
    if step.round > 1 and recipe.data and recipe.rounds:
        where = f"validation of round {step.round} ({recipe.rounds.validation[step.round - 2]})"
        yield where, new_validation(recipe, step.round, {})
