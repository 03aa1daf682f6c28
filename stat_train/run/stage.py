"""One stage's folder, named by what went into it, done when its manifest says so and still matches."""

import shutil
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from stat_train.data.atomic import atomic_file, cannot_write
from stat_train.errors import UserError
from stat_train.run.hashing import content_hash

MANIFEST = "manifest.json"
LARGE = 16_000_000
"""Bytes from which an output is taken as unchanged while its size and time are (weights)."""


class Stage:
    """A stage of a run: `identity` is all that its outputs depend on.

    While it is not done its folder may hold work that a killed process left; as the folder is named by
    the identity, that work may be taken up again.
    """

    def __init__(self, run_folder: Path, name: str, arm: str, identity: Mapping[str, Any]) -> None:
        self.name, self.arm, self.identity = name, arm, dict(identity)
        self.key = content_hash({"stage": name, "arm": arm, **self.identity})
        self.path = run_folder / "-".join(filter(None, [name, arm, self.key[:8]]))
        self.started = time.monotonic()

    def file(self, name: str) -> Path:
        """A file of the stage."""
        return self.path / name

    @property
    def title(self) -> str:
        """Its name for people."""
        return f"{self.name} {self.arm}".strip()

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """What the finished stage wrote down about itself; None while it is not done.

        A stage is done iff its manifest is there, is that of this identity and agrees with its files.
        """
        try:
            manifest: dict[str, Any] = orjson.loads(self.file(MANIFEST).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        except OSError as error:
            raise UserError(f"{self.file(MANIFEST)}: cannot be read ({error.strerror})") from error
        unchanged = manifest.get("key") == self.key and all(
            _is_unchanged(self.file(name), recorded) for name, recorded in manifest["outputs"].items()
        )
        return manifest if unchanged else None

    @property
    def done(self) -> bool:
        """Whether its outputs may be used as they are."""
        return self.manifest is not None

    @property
    def hash(self) -> str:
        """The hash of all its outputs' contents, which later stages name as input. Only once done."""
        return self.hash_of(())

    def hash_of(self, files: Sequence[str]) -> str:
        """The hash of the contents of some of its outputs (none named: of all)."""
        assert self.manifest is not None, f"{self.title} is not done"
        outputs = self.manifest["outputs"]
        return content_hash({name: outputs[name]["sha256"] for name in files or outputs})

    def begin(self, keep: Sequence[str] = ()) -> None:
        """Make the folder; outputs of an earlier time go, but those to `keep`, so that they are made anew; of
        a folder among them all of it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self.file(MANIFEST).exists():
                self._discard(keep)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.started = time.monotonic()

    def _discard(self, keep: Sequence[str]) -> None:
        try:
            outputs = orjson.loads(self.file(MANIFEST).read_bytes())["outputs"]
        except (orjson.JSONDecodeError, KeyError):
            outputs = {}
        self.file(MANIFEST).unlink()
        for top in {name.partition("/")[0] for name in outputs} - set(keep):
            if self.file(top).is_dir() and not self.file(top).is_symlink():
                shutil.rmtree(self.file(top))
            else:
                self.file(top).unlink(missing_ok=True)

    def finish(
        self,
        outputs: Sequence[str],
        *,
        counts: Mapping[str, Any] | None = None,
        usage: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Write the manifest, last and atomically. `outputs` are files or folders of the stage."""
        files = [path for name in outputs for path in _files(self.file(name))]
        manifest = {
            "stage": self.name,
            "arm": self.arm,
            "key": self.key,
            **self.identity,
            "counts": dict(counts or {}),
            "usage": dict(usage or {}),
            "notes": list(notes),
            "seconds": round(time.monotonic() - self.started, 3),
            "outputs": {path.relative_to(self.path).as_posix(): _record(path) for path in files},
        }
        with atomic_file(self.file(MANIFEST)) as file:
            file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        self.__dict__.pop("manifest", None)


def _files(path: Path) -> list[Path]:
    return sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]


def _record(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"sha256": content_hash(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _is_unchanged(path: Path, recorded: Mapping[str, Any]) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    if status.st_size != recorded["size"]:
        return False
    if status.st_size >= LARGE and status.st_mtime_ns == recorded["mtime_ns"]:
        return True
    return content_hash(path) == str(recorded["sha256"])
