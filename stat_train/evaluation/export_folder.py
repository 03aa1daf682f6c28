"""The folder of an export: a later one takes the place of an earlier one, and of nothing else."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stat_train.data.atomic import atomic_file, cannot_write
from stat_train.errors import UserError

FILES = "export.json"
"""Which files of the folder the export wrote."""
WORK = ".export"


def check_folder(folder: Path) -> None:
    """Raise UserError where `folder` holds something and is not the folder of an earlier export."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file, not a folder; choose another place")
    held = sorted({path.name for path in folder.iterdir()} - {WORK}) if folder.exists() else []
    if held and FILES not in held:
        raise UserError(f"{folder}: holds {held[0]!r}, which no export wrote; choose an empty folder")
    _earlier(folder)


@contextmanager
def exporting_to(folder: Path) -> Iterator[Path]:
    """An empty folder to write an export to.

    At the end its files are moved to `folder` in place of those of an earlier export; what else stands there
    stays. Raises UserError as `check_folder` does, and where a file of another's is in the way.
    """
    check_folder(folder)
    made = folder / WORK
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        yield made
        _replace(folder, made)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _replace(folder: Path, made: Path) -> None:
    """Move the files of `made` into `folder`, instead of those listed there, and list them."""
    new = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    old = _earlier(folder)
    if strange := [path for path in new if (folder / path).exists() and path not in old]:
        raise UserError(f"{folder / strange[0]}: no export wrote it; move it, or choose another folder")
    _list(folder, [*old, *new])
    for path in old:
        (folder / path).unlink(missing_ok=True)
    for parent in {folder / path.parent for path in old} - {folder}:
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
    for path in new:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).replace(folder / path)
    _list(folder, new)


def _earlier(folder: Path) -> list[Path]:
    """The files that an earlier export wrote, relative to `folder`."""
    file = folder / FILES
    if not file.is_file():
        return []
    try:
        paths = [Path(name) for name in json.loads(file.read_text(encoding="utf-8"))["files"]]
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(f"{file}: not the list of an export's files; choose an empty folder") from None
    if outside := [path for path in paths if path.is_absolute() or ".." in path.parts]:
        raise UserError(f"{file}: {str(outside[0])!r} is outside the folder; choose an empty folder")
    return paths


def _list(folder: Path, paths: list[Path]) -> None:
    names = sorted({path.as_posix() for path in paths})
    with atomic_file(folder / FILES) as file:
        file.write(json.dumps({"files": names}, indent=1).encode())
