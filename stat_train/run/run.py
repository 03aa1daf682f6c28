"""A run: a folder of stages, written by one process at a time."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from stat_train.data.atomic import cannot_write
from stat_train.errors import UserError
from stat_train.run.stage import Stage

LOCK = "run.lock"


class Run:
    """The folder of a run, locked while the block runs.

    The lock is the kernel's and goes with the process, however that ends; it is not inherited by worker
    processes. Raises UserError where another process holds it or the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        path = self.folder / LOCK
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = path.open("a+")
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text().strip() or "unknown"
            raise UserError(
                f"{self.folder}: process {holder} is writing this run; wait for it or change `run_dir`"
            ) from None
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def stage(
        self,
        name: str,
        *,
        arm: str = "",
        version: int,
        inputs: Mapping[str, str],
        options: Any,
        templates: Mapping[str, str] | None = None,
    ) -> Stage:
        """The stage with this identity. `inputs` and `templates` are content hashes; `options` is JSON."""
        identity = {
            "version": version,
            "inputs": dict(inputs),
            "options": options,
            "templates": dict(templates or {}),
        }
        return Stage(self.folder, name, arm, identity)
