"""Redrawing docs/study.md: its tables between markers, and its pictures, from the raw rows alone."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError
from studies.study import again, beyond, claims, mix, pictures, primary, remedies, tuning, why
from studies.study.evidence import Evidence

BLOCKS: Mapping[str, Callable[[Evidence], str]] = {
    "headline": primary.headline,
    "primary": primary.primary,
    "rerun": again.rerun,
    "arms": claims.arms,
    "mix": mix.mix,
    "remedies": remedies.remedies,
    "secondary": claims.secondary,
    "rates": tuning.rates,
    "diagnosis": why.diagnosis,
    "skills": why.skills,
    "solutions": beyond.solutions,
    "prompting": beyond.prompting,
    "grpo": beyond.grpo,
    "rounds": beyond.rounds,
    "hours": claims.hours,
}
"""What stands in the page between `<!-- name -->` and `<!-- /name -->`."""
PICTURES: Mapping[str, Callable[[Evidence], bytes | None]] = {
    "arms.png": pictures.arms,
    "differences.png": pictures.differences,
    "skills.png": pictures.skills,
    "diagnosis.png": pictures.diagnosis,
}


def redraw(evidence: Evidence, write: bool) -> int:
    """Put every table and picture into the page beside the folder of the raw rows.

    With `write` false only says what is stale, and returns 1 if anything is. Raises UserError where the page
    lacks a block. Pictures of rows that are not there yet are left out.
    """
    folder = evidence.folder
    page = folder.with_suffix(".md")
    try:
        text = page.read_text()
    except OSError as error:
        raise UserError(f"{page}: cannot be read ({error.strerror}); copy docs/study.md there") from error
    drawn = {name: block(evidence) for name, block in BLOCKS.items()}
    stale = [name for name, block in drawn.items() if _block(text, name, page) != block]
    for name in stale:
        text = _replaced(text, name, drawn[name])
    if not write:
        for name in stale:
            print(f"{page}: {name} is not what the raw rows say; run `make study-tables`", file=sys.stderr)
        return 1 if stale else 0
    _write(page, text.encode())
    for name, draw in PICTURES.items():
        if picture := draw(evidence):
            _write(folder / name, picture)
    return 0


def _block(text: str, name: str, page: Path) -> str:
    found = re.search(_pattern(name), text, re.DOTALL)
    if found is None:
        raise UserError(
            f"{page}: no block {name!r}; put <!-- {name} --> and <!-- /{name} --> where it belongs"
        )
    return found[2].strip("\n")


def _replaced(text: str, name: str, block: str) -> str:
    return re.sub(_pattern(name), lambda found: f"{found[1]}\n{block}\n{found[3]}", text, flags=re.DOTALL)


def _pattern(name: str) -> str:
    return rf"(<!-- {name} -->)(.*?)(<!-- /{name} -->)"


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)
