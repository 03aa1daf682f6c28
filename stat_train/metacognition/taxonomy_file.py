"""The YAML of a taxonomy: what may stand in it, and errors that name file, entry and mend."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError

if TYPE_CHECKING:
    from stat_train.metacognition.skill import Change, Skill

SKILL_FIELDS: dict[str, type] = {
    "name": str,
    "description": str,
    "subject": str,
    "aliases": list,
    "parent": str,
}
CHANGE_FIELDS: dict[str, type] = {
    "change": str,
    "subject": str,
    "before": list,
    "after": list,
    "moved": list,
}
CHANGES = ("merge", "split", "rename")


def read_taxonomy_file(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The fields of each skill and of each log entry. Raises UserError naming file, entry and mend."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check `taxonomy:`") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save the taxonomy as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"{path}{line}: {problem}; mend the YAML") from None
    if not isinstance(content, dict) or not isinstance(content.get("skills"), list):
        raise UserError(
            f"{path}: no list of skills; begin the file with `skills:` and a `- name: ...` for each"
        )
    if unknown := sorted(map(str, content.keys() - {"skills", "log"})):
        raise UserError(f"{path}: unknown field {unknown[0]!r}; a taxonomy has `skills` and `log`")
    skills = [_skill(entry, f"{path}: skill {n}") for n, entry in enumerate(content["skills"], start=1)]
    log = content.get("log") or []
    if not isinstance(log, list):
        raise UserError(f"{path}: `log` is not a list; remove it or restore what was there")
    return skills, [_change(entry, f"{path}: log entry {n}") for n, entry in enumerate(log, start=1)]


def write_taxonomy_file(path: Path, skills: "Sequence[Skill]", log: "Sequence[Change]") -> None:
    """Write the file whole or not at all. Raises UserError where the disk refuses."""
    content: dict[str, Any] = {"skills": [_fields(skill, SKILL_FIELDS) for skill in skills]}
    if log:
        content["log"] = [_fields(change, CHANGE_FIELDS) for change in log]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    with atomic_file(path) as file:
        file.write(text.encode())


def _fields(entry: "Skill | Change", names: dict[str, type]) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in names}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value
    }


def _skill(entry: Any, where: str) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"name": entry}
    fields = _typed(entry, SKILL_FIELDS, where)
    if not str(fields.get("name", "")).strip():
        raise UserError(f"{where}: no name; give it a `name:`")
    return fields


def _change(entry: Any, where: str) -> dict[str, Any]:
    fields = {"subject": "", **_typed(entry, CHANGE_FIELDS, where)}
    if fields.get("change") not in CHANGES or "before" not in fields or "after" not in fields:
        raise UserError(f"{where}: needs `change` ({', '.join(CHANGES)}), `before` and `after`; restore them")
    return fields


def _typed(entry: Any, types: dict[str, type], where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise UserError(
            f"{where}: {entry!r} is neither a name nor a mapping; write `- name: ...` (quote numbers)"
        )
    fields: dict[str, Any] = {}
    for name, value in entry.items():
        if name not in types:
            raise UserError(f"{where}: unknown field {name!r}; the fields are {', '.join(types)}")
        if value is None:
            continue
        if types[name] is str and isinstance(value, str):
            fields[name] = value
        elif types[name] is list and isinstance(value, list) and all(isinstance(item, str) for item in value):
            fields[name] = tuple(value)
        else:
            wanted = "a string (quote it)" if types[name] is str else "a list of strings"
            raise UserError(f"{where}: field {name!r} is {value!r}; make it {wanted}")
    return fields
