"""The folder of a training: checkpoints while it runs, a plain model folder when it is done."""

import json
import shutil
from pathlib import Path

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError

DONE = "training.json"
MODEL = "model"
LOG = "log.json"


def check_finished(out: Path, key: str) -> None:
    """Raises UserError unless `out` holds the finished training of this key."""
    try:
        finished = json.loads((out / DONE).read_text())["key"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{out}: exists and is no finished training; delete it or choose another") from error
    if finished != key:
        raise UserError(f"{out}: holds a training with other data or options; delete it or choose another")


def work_folder(out: Path, key: str) -> Path:
    """The folder of checkpoints; one of another training, or with a half-written checkpoint, is cleaned."""
    work = out.with_name(out.name + ".partial")
    stamp = work / "key"
    if work.exists() and (not stamp.is_file() or stamp.read_text() != key):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    with atomic_file(stamp) as file:
        file.write(key.encode())
    shutil.rmtree(work / MODEL, ignore_errors=True)
    (work / LOG).unlink(missing_ok=True)  # written last: a sign that the model is whole
    for checkpoint in work.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())  # the last file that is written
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return work
