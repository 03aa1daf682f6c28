"""A fault in a recipe as one line: where, which key, what it takes."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stat_train.options import options_in
from stat_train.recipe import Recipe

Place = tuple[int | str, ...]
TYPE = re.compile(r"(float|int|str|bool)|(tuple|list|dict)\[.*\]")
"""What pydantic adds to the place of a fault in a value of several types."""


def fault_line(error: ValidationError, file: Path, overridden: Sequence[str]) -> str:
    """The first fault of a recipe; `overridden` are the keys that the command line gave."""
    place, first = _first(error)
    key = ".".join(map(str, place))
    where = (
        "command line" if any(key == its or key.startswith(f"{its}.") for its in overridden) else str(file)
    )
    if first["type"] == "extra_forbidden":
        return f"{where}: {key}: unknown key; {_did_you_mean(place)}"
    if first["type"] == "missing":
        return f"{where}: {key}: this key is missing; add it"
    is_no_list = first["type"] in ("tuple_type", "list_type")
    message = "write a list, such as [a, b]" if is_no_list else first["msg"].removeprefix("Value error, ")
    if not key:
        return f"{where}: {message}"
    return f"{where}: {key}: {message} (it is {_short(first['input'])})"


def _first(error: ValidationError) -> tuple[Place, ErrorDetails]:
    """The first fault and its place as a recipe writes it; where a value may be of several types, the fault
    of the type that came furthest."""
    faults = [(_written(its["loc"]), its) for its in error.errors(include_url=False)]
    first = faults[0][0]
    return max((its for its in faults if its[0][: len(first)] == first), key=lambda its: len(its[0]))


def _written(place: Place) -> Place:
    return tuple(part for part in place if isinstance(part, int) or not TYPE.fullmatch(part))


def _did_you_mean(place: Place) -> str:
    section: Any = Recipe
    parts = iter(place[:-1])
    for part in parts:
        annotation = section.model_fields[str(part)].annotation
        section = options_in(annotation)
        if get_origin(annotation) is dict:
            next(parts)  # a name of the user's own
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys there are {', '.join(known)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
