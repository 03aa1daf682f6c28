"""Planning with data that are not in reach: as many stand-ins as there should be rows."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stat_train.data.columns import FIELDS, Columns
from stat_train.data.jsonl import write_jsonl
from stat_train.data.reading import SUFFIXES, read_examples
from stat_train.errors import UserError
from stat_train.pipeline.steps import finished
from stat_train.recipe import Recipe

CHARACTERS = 210
"""Of a stand-in's question: the mean of MATH's training questions."""


@contextmanager
def plannable(recipe: Recipe) -> Iterator[tuple[Recipe, str]]:
    """A recipe that can be planned and estimated, and a word on what is guessed in it ("" for nothing).

    Where hub data sets cannot be read and `data.rows` says how many rows they have, stand-ins take their
    place while the block runs. Raises UserError where that is not said, or a file cannot be read.
    """
    missing = _missing(recipe)
    if not missing or recipe.data is None:
        yield recipe, ""
        return
    data = recipe.data
    with tempfile.TemporaryDirectory() as folder:
        sources = dict(data.sources) | {
            split: _stand_ins(Path(folder) / f"{split}.jsonl", data.columns_in(split), data.rows[split])
            for split in missing
        }
        evaluation = {split: sources[split] for split in data.evaluation}
        own = {split: source for split, source in sources.items() if split not in evaluation}
        planned = data.model_copy(update={**own, "evaluation": evaluation})
        counted = ", ".join(f"{split} {data.rows[split]:,}" for split in missing)
        said = (
            f"{', '.join(dict.fromkeys(missing.values()))} cannot be read from here: counted as data.rows "
            f"says ({counted}), each question as {CHARACTERS} characters"
        )
        yield recipe.model_copy(update={"data": planned}), said


def _missing(recipe: Recipe) -> Mapping[str, str]:
    """Split -> source for the hub data sets that cannot be read; after the first, the hub is left alone."""
    if recipe.data is None or "data" in finished(recipe):
        return {}
    found: dict[str, str] = {}
    for split, source in recipe.data.sources.items():
        expected = _on_hub(source) and split in recipe.data.rows
        if found and expected:
            found[split] = source
            continue
        try:
            read_examples(source, recipe.data.columns_in(split), split_name=split)
        except UserError:
            if not expected:
                raise
            found[split] = source
    return found


def _on_hub(source: str) -> bool:
    path = Path(source).expanduser()
    return not path.exists() and path.suffix.lower() not in SUFFIXES


def _stand_ins(path: Path, columns: Columns, rows: int) -> str:
    names = {field: getattr(columns, field) or field for field in FIELDS}
    empty = dict.fromkeys(names.values(), "")
    answered = {names["solution"]: r"#### \boxed{1}", names["answer"]: "1"}
    ids = (f"{path.stem} {number}" for number in range(rows))
    lines = ({names["id"]: id, names["question"]: f"{id:x<{CHARACTERS}}"} for id in ids)
    write_jsonl(path, ({**empty, **answered, **line} for line in lines))
    return str(path)
