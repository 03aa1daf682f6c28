"""Every key that a recipe may hold, with its values, default and meaning: read from the options models."""

import difflib
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from stat_train.errors import UserError
from stat_train.options import Options, options_in
from stat_train.recipe import Recipe
from stat_train.report.markdown import code, table

MAPPING = "mapping"
WORDS = {bool: "true, false", int: "whole number", float: "number", str: "text", Path: "path"}
INTRODUCTION = (
    "What a recipe leaves out has its default; `null`, *none* in the descriptions, is left open. "
    "[recipe.md](recipe.md) says how a recipe is read. `stat-train keys [KEY]` prints the same, `make keys` "
    "writes this page."
)
HEADER = ("key", "values", "default", "meaning")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a recipe; `default` is "required" where there is none, "" for a section. A section whose
    keys stand elsewhere already is `like` that one."""

    path: str
    values: str
    default: str
    meaning: str
    like: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one part of a recipe; `name` is "" for those that stand alone."""

    name: str
    told: str
    keys: tuple[Key, ...]


def recipe_sections(path: str = "") -> list[Section]:
    """All sections in a recipe's order, those that stand alone first; or only the keys at and below `path`,
    or of that name in any section.

    Raises UserError where no key is called that.
    """
    fields = Recipe.model_fields
    alone = [_key(name, field) for name, field in fields.items() if options_in(field.annotation) is None]
    sections = [Section("", "", tuple(alone))]
    shown: dict[type[Options], str] = {}
    for name, field in fields.items():
        if options := options_in(field.annotation):
            shown[options] = name
            keys = tuple(_keys(name, options, shown))
            told = f"{_told(options)} ({field.description})" if field.description else _told(options)
            sections.append(Section(name, told, keys))
    return _below(sections, path.strip(".")) if path else sections


def page() -> str:
    """All of them in Markdown, a table for each section."""
    parts = ["# Every key of a recipe", INTRODUCTION]
    for section in recipe_sections():
        rows = [
            (code(key.path), _cell(key.values), _code(key.default), _cell(key.meaning))
            for key in section.keys
        ]
        parts += [f"## `{section.name}`", f"{section.told}."] if section.name else []
        parts.append(table(HEADER, rows))
    return "\n\n".join(parts) + "\n"


def _below(sections: list[Section], path: str) -> list[Section]:
    whole = [section for section in sections if section.name == path]
    if not whole and (alike := _alike(sections, path)):
        return alike
    kept = [
        Section(section.name, section.told if section in whole else "", keys)
        for section in sections
        if (keys := tuple(key for key in section.keys if f".{path}." in f".{key.path}."))
    ]
    if not kept:
        known = [key.path for section in sections for key in section.keys]
        names = {*known, *(part for its in known for part in its.split("."))}
        close = difflib.get_close_matches(path, sorted(names), n=1)
        hint = f"did you mean {close[0]}?" if close else "`stat-train keys` lists all"
        raise UserError(f"{path}: no key of a recipe; {hint}")
    return kept


def _alike(sections: list[Section], path: str) -> list[Section]:
    """The keys of a section that stand elsewhere already, or the key that holds names of a user's own."""
    for key in (key for section in sections for key in section.keys):
        below = path.removeprefix(f"{key.path}.")
        if below == path:
            continue
        if key.values.startswith(MAPPING):
            return [Section(path.partition(".")[0], "", (key,))]
        if key.like:
            wanted = f"{key.like}.{below}"
            shared = (its for section in sections for its in section.keys if its.path == wanted)
            named = tuple(replace(its, path=path) for its in shared)
            return [Section(path.partition(".")[0], "", named)] if named else []
    return []


def _keys(path: str, options: type[Options], shown: dict[type[Options], str]) -> Iterator[Key]:
    for name, field in options.model_fields.items():
        place, inner = f"{path}.{name}", options_in(field.annotation)
        if inner is None:
            yield _key(place, field)
        elif get_origin(field.annotation) is dict:
            meaning = f"{field.description}; the keys of each are those of `{shown[inner]}`"
            yield Key(place, f"{MAPPING} (name: section)", _default(field), meaning)
        elif inner in shown:
            meaning = f"{field.description or _told(inner)}; its keys are those of `{shown[inner]}`"
            yield Key(place, "section", "", meaning, like=shown[inner])
        else:
            shown[inner] = place
            yield Key(place, "section", "", field.description or _told(inner))
            yield from _keys(place, inner, shown)


def _key(path: str, field: FieldInfo) -> Key:
    return Key(path, _values(field.annotation), _default(field), field.description or "")


def _told(options: type[Options]) -> str:
    """The first sentence of what an options model says of itself."""
    first = " ".join((options.__doc__ or "").split("\n\n")[0].split())
    return first.partition(". ")[0].removesuffix(".")


def _code(default: str) -> str:
    return code(default, cell=True) if default else ""


def _cell(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", r"\|")


def _values(annotation: Any) -> str:
    """What may be written, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin in (Union, types.UnionType):
        return " or ".join(_values(part) for part in parts if part is not type(None))
    if origin is tuple:
        return f"list ({_values(parts[0])})"
    if origin is dict:
        return f"{MAPPING} (name: {_values(parts[1])})"
    return WORDS[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return "null" if value is None else str(value) or '""'
