"""Whether all that a run would ask fits into the teacher's context, before anything is paid for."""

from collections.abc import Iterator

from stat_train.errors import UserError
from stat_train.pipeline.data import read_splits
from stat_train.pipeline.estimate import StageEstimate, estimate
from stat_train.recipe import Recipe
from stat_train.teacher.prompts import escaped

MENDS = {
    "label": "labelling.batch_size",
    "diagnose": "diagnosis.batch_size or sampling.max_tokens",
    "taxonomy": "discovery.batch_size",
    "difficulty": "sampling.max_tokens",
    "evaluate": "evaluation.sampling.max_tokens",
    "grpo": "grpo.max_tokens",
}
NAMED = 3


def check_context(recipe: Recipe) -> Iterator[str]:
    """A line for each stage that asks the teacher: its longest request over all the data.

    Tokens are a guess (four bytes each), answers as long as teacher.max_tokens. Raises UserError where a
    request exceeds `teacher.context`, naming the stage and the rows in it.
    """
    context, answer = recipe.teacher.context, recipe.teacher.max_tokens
    for row in estimate(recipe, anew=True):
        if context is not None and row.longest_tokens + answer > context:
            raise UserError(
                f"{row.stage}: a request of about {row.longest_tokens:,} prompt tokens (rows "
                f"{', '.join(_rows(recipe, row)) or 'unknown'}) and up to {answer:,} of the answer exceeds "
                f"teacher.context {context:,}; lower {_mend(row)} or teacher.max_tokens, "
                "shorten these rows, or take a teacher with a longer context"
            )
        yield (
            f"{row.stage:16} {'ok' if context else '?':3} about {row.longest_tokens:,} prompt tokens "
            f"at most, and up to {answer:,} of the answer"
        )
    if context is None:
        yield "teacher.context is not set: set it to the model's context, to have these compared with it"


def _mend(row: StageEstimate) -> str:
    return MENDS.get(row.stage.split()[0], "the number of references")


def _rows(recipe: Recipe, row: StageEstimate) -> list[str]:
    """The ids of the data's rows whose questions stand in the longest request, the longest of them first."""
    text = "\n".join(message["content"] for message in row.longest.messages) if row.longest else ""
    found = {
        example.id: len(example.question) + len(example.solution or "")
        for examples in read_splits(recipe).values()
        for example in examples
        if escaped(example.question) in text
    }
    ids = sorted(found, key=lambda id_: -found[id_])
    return [*ids[:NAMED], *(["..."] if len(ids) > NAMED else [])]
