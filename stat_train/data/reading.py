"""A user's data set, whatever its format, as Examples; each defect is one line that a user can act on."""

import csv
import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from stat_train.data.columns import Columns, content_id, example_from_row
from stat_train.data.example import Example
from stat_train.data.jsonl import numbered_rows
from stat_train.data.normalise import normalise_question
from stat_train.errors import UserError, first_line

HUB_SOURCE = re.compile(
    r"(?P<name>[^@]+?)(?::(?P<config>[^:@/\\]+))?(?:@(?P<split>[^@:/\\\[\]]+))?"
    r"(?:\[(?P<first>\d+)?:(?P<end>\d+)?\])?"
)
ALL = "*"
SAVED = "state.json"
"""In a folder that `Dataset.save_to_disk` has written."""
SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".csv")


def read_examples(
    source: str | Path, columns: Columns | None = None, *, split_name: str = "data"
) -> list[Example]:
    """All rows of a data set, in order.

    `source` is a .jsonl, .parquet or .csv file, or `name[:config][@split]`, where `name` is a
    data set on the Hugging Face hub, a folder in the hub's layout or one of `save_to_disk`, and the config
    `*` is all of them.
    A part `[first:end]` behind it is of an even mixture, in an order fixed by the questions' text: parts
    that do not overlap share no question. `split_name` is what the recipe calls these rows; it stands in the
    messages. Raises UserError, naming the file, the row (from 1; for JSONL the line), the field and the
    mend.
    """
    columns = columns or Columns()
    where, kind, rows = _open(str(source))
    numbered = list(rows)
    if not numbered:
        raise UserError(f"{split_name}: {where}: no rows; give a file that holds some")
    present = list(dict.fromkeys(name for _, row in numbered for name in row))
    try:
        fields = columns.resolve(present)
    except ValueError as error:
        raise UserError(f"{split_name}: {where}: {error}") from error
    examples: list[Example] = []
    seen_ids: dict[str, int] = {}
    repeats: Counter[str] = Counter()
    for number, row in numbered:
        at = f"{split_name}: {where}, {kind} {number}"
        try:
            example = example_from_row(row, fields, columns)
        except ValueError as error:
            raise UserError(f"{at}: {error}") from error
        if "id" not in fields:
            base = content_id(example.question)
            repeats[base] += 1
            example = replace(example, id=base if repeats[base] == 1 else f"{base}-{repeats[base]}")
        elif not example.id:
            raise UserError(
                f"{at}: field '{fields['id']}': the id is empty; fill it in, or set columns.id to \"\""
            )
        elif example.id in seen_ids:
            raise UserError(
                f"{at}: field '{fields['id']}': id '{example.id}' stands already in {kind} "
                f"{seen_ids[example.id]}; ids must be unique"
            )
        seen_ids[example.id] = number
        examples.append(example)
    if columns.answer_in_solution and not any(example.answer for example in examples):
        raise UserError(
            f"{split_name}: {where}: field '{fields['solution']}': no row marks its answer by "
            f"{columns.answer_from}; check columns.answer_from"
        )
    part = HUB_SOURCE.fullmatch(str(source)) if kind == "row" and not _whole(str(source)).exists() else None
    if part is None or not (part["first"] or part["end"]):
        return examples
    if chosen := even_part(examples, int(part["first"] or 0), int(part["end"]) if part["end"] else None):
        return chosen
    raise UserError(f"{split_name}: {where}: that part of its {len(examples)} rows is empty")


def local_place(source: str) -> tuple[Path | None, str]:
    """The file or folder here that a source names, and what stands behind it: config, split, part.

    A path that is there is taken whole, whatever signs are in it. None where there is none.
    """
    if (whole := _whole(source)).exists():
        return whole, ""
    match = HUB_SOURCE.fullmatch(source)
    if match and (folder := _whole(match["name"])).is_dir():
        return folder, source.removeprefix(match["name"])
    return None, source


def _whole(source: str) -> Path:
    """The source as a path; `~` is the user's home."""
    try:
        return Path(source).expanduser()
    except RuntimeError:  # nobody's home
        return Path(source)


def _open(source: str) -> tuple[str, str, Iterator[tuple[int, Mapping[str, Any]]]]:
    """(name for messages, what a row is called, numbered rows)."""
    path = _whole(source)
    suffix = path.suffix.lower()
    if path.is_dir() or (suffix not in SUFFIXES and not path.is_file()):
        return source, "row", _hub_rows(source)
    if not path.is_file():
        raise UserError(f"{source}: no such file; check the path")
    if suffix in (".jsonl", ".ndjson"):
        return source, "line", numbered_rows(path, exact=True)
    if suffix == ".parquet":
        return source, "row", enumerate(_parquet_rows(path), start=1)
    if suffix == ".csv":
        return source, "row", enumerate(_csv_rows(path), start=1)
    raise UserError(
        f"{source}: format '{suffix}' is not read; give {', '.join(SUFFIXES)} or a folder in hub layout"
    )


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file: {first_line(error)}; write it again") from error


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            names = Counter(name for name in rows.fieldnames or () if name)
            if twice := [name for name, count in names.items() if count > 1]:
                raise UserError(
                    f"{path}, line 1: column '{twice[0]}' stands twice in the header; rename or remove one"
                )
            for number, row in enumerate(rows, start=1):
                if None in row or None in row.values():
                    raise UserError(
                        f"{path}, row {number}: more or fewer cells than the header; quote cells with commas"
                    )
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not CSV in UTF-8: {first_line(error)}; save it anew") from error


def _hub_rows(source: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if _whole(source).is_dir():
        return enumerate(_load_from_hub(source, source, None, None), start=1)
    match = HUB_SOURCE.fullmatch(source)
    if match is None:
        raise UserError(f"{source}: neither a file nor name[:config][@split]; check the path")
    return enumerate(_load_from_hub(source, match["name"], match["config"], match["split"]), start=1)


def even_part(examples: list[Example], first: int, end: int | None) -> list[Example]:
    """Examples `first` to `end` in the order of their questions' hashes; equal questions stay together."""
    keys = [hashlib.sha256(normalise_question(example.question).encode()).digest() for example in examples]
    order = sorted(range(len(examples)), key=lambda i: keys[i])
    starts: dict[bytes, int] = {}
    for place, i in enumerate(order):
        starts.setdefault(keys[i], place)
    end = len(examples) if end is None else end
    return [examples[i] for i in order if first <= starts[keys[i]] < end]


def _load_from_hub(
    source: str, name: str, config: str | None, split: str | None
) -> Iterable[Mapping[str, Any]]:
    folder = _whole(name)
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_local and not folder.is_dir():
        raise UserError(f"{source}: no such file or folder; check the path")
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"{source}: hub data sets need the extra 'train'; pip install 'stat-train[train]'"
        ) from error
    path = str(folder) if folder.is_dir() else name
    try:
        with _cache_of(folder) as cache:
            if (folder / SAVED).is_file():
                return _chosen(_saved(source, path, config), source, name, split)
            configs = datasets.get_dataset_config_names(path) if config == ALL else [config]
            loaded = (datasets.load_dataset(path, one, cache_dir=cache) for one in configs)
            return [row for splits in loaded for row in _chosen(splits, source, name, split)]
    except UserError:
        raise
    except Exception as error:  # the library raises many kinds, of the network, the folder and the files
        raise UserError(
            f"{source}: cannot be loaded: {first_line(error)}; check name[:config][@split]"
        ) from error


def _saved(source: str, path: str, config: str | None) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    """The one split, named as it was or "train", of a folder that `Dataset.save_to_disk` has written."""
    import datasets

    if config not in (None, ALL):
        raise UserError(f"{source}: a data set of save_to_disk has no configs; leave out :{config}")
    saved = datasets.load_from_disk(path).with_format(None)
    return {str(saved.split or "train"): list(saved)}


@contextmanager
def _cache_of(folder: Path) -> Iterator[str | None]:
    """Where the library keeps what it has read: of a folder only while it is read, since it would take
    another folder of the same name, or an edited one, for the one that it knows."""
    if not folder.is_dir():
        yield None
        return
    with tempfile.TemporaryDirectory() as cache:
        yield cache


def _chosen(
    splits: Mapping[str, Iterable[Mapping[str, Any]]], source: str, name: str, split: str | None
) -> Iterable[Mapping[str, Any]]:
    if split is None and len(splits) > 1:
        raise UserError(
            f"{source}: several splits ({', '.join(splits)}); name one, as {name}@{next(iter(splits))}"
        )
    chosen = split or next(iter(splits))
    if chosen not in splits:
        raise UserError(f"{source}: no split '{chosen}'; splits there: {', '.join(splits)}")
    return splits[chosen]
