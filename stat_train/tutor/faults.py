"""Planted faults, so that audits, votes, repairs and quarantine have something to find."""

import hashlib
import random
from typing import Annotated, Literal

from pydantic import Field

from stat_train.options import Options

Rate = Annotated[float, Field(ge=0, le=1)]
Fault = Literal[
    "wrong_labels", "off_list", "wrong_solutions", "malformed", "wrong_diagnoses", "wrong_verdicts"
]


class TutorFaults(Options):
    """How often the tutor errs, or writes as the pool does not, 0 to 1. The same request meets the same
    faults, another sample others."""

    wrong_labels: Rate = Field(0.0, description="questions labelled with a skill that they do not need")
    off_list: Rate = Field(0.0, description="names of skills that are not on the closed list")
    wrong_solutions: Rate = Field(0.0, description="solutions with a wrong final answer")
    malformed: Rate = Field(0.0, description="answers that are no JSON")
    wrong_diagnoses: Rate = Field(0.0, description="responses diagnosed with a skill that is not missing")
    wrong_verdicts: Rate = Field(0.0, description="answers judged right that are wrong, and the reverse")
    other_order: Rate = Field(
        0.0, description="sums and products of its solutions that stand in the other order, which is no error"
    )
    seed: int = Field(0, description="another seed plants the faults elsewhere")

    def strikes(self, fault: Fault, *item: str) -> bool:
        """Whether this item of a request is one of the faulty ones."""
        rate: float = getattr(self, fault)
        return rate > 0 and drawing(str(self.seed), fault, *item).random() < rate


def drawing(*item: str) -> random.Random:
    """Random numbers that depend on the item alone."""
    return random.Random(hashlib.sha256("\0".join(item).encode()).digest())
