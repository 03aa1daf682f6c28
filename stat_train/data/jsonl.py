"""JSON lines: one object a line, UTF-8, sorted keys, so that equal rows are equal bytes."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from stat_train.data.atomic import atomic_file, cannot_write
from stat_train.errors import UserError

LONG_NUMBER = re.compile(rb"[0-9][0-9.]{15}")
"""What may be a number of more digits than 64 bits hold."""
NAME = re.compile(rb'"[ \t]*:')
"""Where a name in an object ends; a text may hold it too."""


def write_jsonl(path: Path, rows: Iterable[Any]) -> int:
    """Writes mappings or dataclasses atomically and returns their number."""
    count = 0
    with atomic_file(path) as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(_line(row))
    return count


def append_jsonl(path: Path, batch: Iterable[Any]) -> None:
    """Appends a whole batch and returns when it is on the disk.

    A torn last line, left by a killed process, is cut off first: what
    `read_jsonl(path, torn_tail_ok=True)` did not show is no part of the file.
    """
    path = Path(path)
    payload = b"".join(_line(row) for row in batch)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            size = file.seek(0, os.SEEK_END)
            if (whole := _end_of_last_line(file, size)) < size:
                file.truncate(whole)
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def read_jsonl(path: Path, *, torn_tail_ok: bool = False) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file, in order; blank lines are skipped.

    Raises UserError, naming the line, where a line is not one JSON object. With
    `torn_tail_ok` a last line without its line break is still owed and not read:
    for files of `append_jsonl`, whose writer may have been killed.
    """
    for _, row in numbered_rows(path, torn_tail_ok=torn_tail_ok):
        yield row


def numbered_rows(
    path: Path, *, torn_tail_ok: bool = False, exact: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `read_jsonl`, each row with its line number (from 1).

    With `exact` a number that 64 bits would round is its text, and a name that an object has twice is a
    UserError: for files of users.
    """
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if torn_tail_ok and not line.endswith(b"\n"):
                    return
                if line.strip():
                    row = _parse(path, number, line)
                    if exact and len(NAME.findall(line)) > len(row):
                        _refuse_a_name_twice(path, number, line)
                    yield number, _exact(line) if exact and LONG_NUMBER.search(line) else row
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _line(row: Any) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except orjson.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {number}: not JSON ({error.msg}, character {error.colno}); mend or remove the line"
        ) from error
    if not isinstance(row, dict):
        kind = type(row).__name__
        raise UserError(f"{path}, line {number}: a JSON {kind}; each line must be one object {{...}}")
    return row


def _refuse_a_name_twice(path: Path, number: int, line: bytes) -> None:
    def checked(pairs: Sequence[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise UserError(
                f"{path}, line {number}: '{name}' stands twice in one object; rename or remove one"
            )

    json.loads(line.decode("utf-8-sig"), object_pairs_hook=checked, parse_int=len, parse_float=len)


def _exact(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line.decode("utf-8-sig"), parse_int=_whole, parse_float=_decimal)
    return row


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= 20 and -(2**63) <= int(text) < 2**64 else text


def _decimal(text: str) -> float | str:
    try:
        return value if Decimal(repr(value := float(text))) == Decimal(text) else text
    except InvalidOperation:  # an exponent of more digits than there are decimals
        return text


def _end_of_last_line(file: BinaryIO, end: int) -> int:
    """Offset behind the last line break before `end`: where the next whole line belongs."""
    while end > 0:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
