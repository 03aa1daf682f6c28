"""YAML files that people write: read safely, each fault one line with the place of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stat_train.errors import UserError

MERGE = "tag:yaml.org,2002:merge"


class _NoKeyTwice(yaml.SafeLoader):
    """Refuses a mapping with a key that stands there twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen and key.tag != MERGE:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} stands here twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_mapping(file: Path, otherwise: str) -> dict[str, Any]:
    """The mapping that a file holds; `otherwise` says what it should be where it holds anything else.

    Raises UserError naming file, line and mend.
    """
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), Loader=_NoKeyTwice)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"{file}: cannot be read: {reason}; give a YAML file") from None
    except (yaml.YAMLError, ValueError) as error:  # or a date that is none
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or f"not YAML ({error})"
        raise UserError(f"{file}{line}: {problem}; mend the YAML") from None
    if not isinstance(tree, dict):
        raise UserError(f"{file}: {otherwise}")
    require_plain(tree, str(file))
    return tree


def require_plain(tree: Any, where: str, key: str = "") -> None:
    """UserError for what YAML can say and no fingerprint can hold: a number of more than 64 bits, or a list
    or mapping inside itself. `key` is the tree's own."""
    try:
        found = _too_large(tree, key)
    except RecursionError:
        raise UserError(f"{where}: {key or 'a list or mapping'} holds itself; write it out") from None
    if found:
        raise UserError(f"{where}: {found}: a number of more than 64 bits; give a smaller one")


def _too_large(tree: Any, key: str) -> str:
    """The key of a whole number that is; "" where there is none."""
    if isinstance(tree, Mapping | list):
        items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        found = (_too_large(value, f"{key}.{name}".strip(".")) for name, value in items)
        return next(filter(None, found), "")
    return key if isinstance(tree, int) and not -(2**63) <= tree < 2**63 else ""
