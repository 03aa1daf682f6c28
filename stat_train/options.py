"""The base of every options model."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Immutable options; an unknown key is an error, not a silent no-op, and so is a number that is none."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


def options_in(annotation: Any) -> type[Options] | None:
    """The options model of an annotation such as `DataOptions | None`; None where it has none."""
    held = (annotation, *get_args(annotation))
    return next((its for its in held if isinstance(its, type) and issubclass(its, Options)), None)
