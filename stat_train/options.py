"""The base of every options model."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Immutable options; an unknown key is an error, not a silent no-op, and so is a number that is none."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)
