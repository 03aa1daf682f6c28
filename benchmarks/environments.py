"""Virtual environments of the packages that a benchmark runs beside ours: made once, kept in the cache."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("STAT_TRAIN_CACHE") or "~/.cache/stat_train").expanduser() / "environments"


def python_with(name: str, *requirements: str) -> Path | None:
    """The interpreter of the environment `name` with these requirements; None, said why, where pip fails."""
    folder = CACHE / name
    python, ready = folder / "bin" / "python", folder / "ready"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (ready.is_file() and ready.read_text().split() == list(requirements)):
            print(f"installing {' '.join(requirements)} into {folder} ...", file=sys.stderr, flush=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, *requirements]):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                    print(f"{name}: cannot be installed here ({reason}); left out", file=sys.stderr)
                    return None
            ready.write_text(" ".join(requirements))
    return python
