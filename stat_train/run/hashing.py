"""Content hashes: what a stage read and wrote, in 64 hex digits."""

import hashlib
from pathlib import Path
from typing import Any

import orjson

from stat_train.errors import UserError


def content_hash(value: Any) -> str:
    """sha256 of a file's bytes (a Path: a file, or a folder's files by name) or of canonical JSON (all else).

    Raises UserError where a path cannot be read.
    """
    if not isinstance(value, Path):
        return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
    try:
        if value.is_dir():
            files = sorted(path for path in value.rglob("*") if path.is_file())
            return content_hash({path.relative_to(value).as_posix(): content_hash(path) for path in files})
        with value.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{value}: no such file; check the path") from None
    except OSError as error:
        raise UserError(f"{value}: cannot be read ({error.strerror}); check its permissions") from error
