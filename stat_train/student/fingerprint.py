"""What a model folder is, in 64 characters."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

CACHE = ".fingerprint.json"
CACHE_ABOVE = (
    20_000_000  # bytes; smaller folders (adapters) are hashed each time, and nothing is left in them
)
PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")


def fingerprint_here(model: str) -> str | None:
    """The fingerprint of a model named by its folder (`~` is the user's home); None of one on the hub."""
    folder = Path(model).expanduser()
    return fingerprint(folder) if folder.is_dir() else None


def fingerprint(folder: Path) -> str:
    """sha256 (hex) over the names and bytes of a model's weights, configuration and tokenizer.

    A large folder keeps it beside sizes and modification times, so that unchanged weights are read once.
    """
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern) if path.name != CACHE)
    seen = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    cache = folder / CACHE
    try:
        cached = json.loads(cache.read_text())
        if cached["files"] == seen:
            return str(cached["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no usable cache: hash again
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    if sum(path.stat().st_size for path in files) > CACHE_ABOVE:
        with suppress(OSError):  # a read-only folder is hashed each time
            cache.write_text(json.dumps({"files": seen, "sha256": total.hexdigest()}))
    return total.hexdigest()
