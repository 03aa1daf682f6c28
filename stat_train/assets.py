"""Where the prompts, data and recipes that come with the package stand."""

from pathlib import Path

from stat_train.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def asset(relative: str) -> Path:
    """The path of `prompts/...`, `data/...` or `recipes/...`: in an installed wheel, else in a checkout."""
    for root in (_PACKAGE / "_assets", _PACKAGE.parent):
        if (path := root / relative).exists():
            return path
    raise UserError(f"{relative}: not found in the installation; install stat-train again")
