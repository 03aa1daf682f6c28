"""What the samples of a question count for: average@n, pass@k, majority@k."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, cast

from stat_train.evaluation.samples import average_at_n, majority_at_k, pass_at_k
from stat_train.grading.verdict import Verdict

Kind = Literal["pass", "average", "majority"]
WRITTEN = re.compile(r"(pass|average|majority)@([1-9][0-9]*)")

Verdicts = Sequence[Sequence[Verdict]]
Votes = Sequence[Sequence[int | None]]


@dataclass(frozen=True, slots=True)
class Metric:
    """`kind`@`k`, a figure between 0 and 1 for each question; see `samples` for each kind."""

    kind: Kind
    k: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of "pass@1" and the like, majority@1 as pass@1; ValueError where it is none."""
        match = WRITTEN.fullmatch(text)
        if match is None:
            raise ValueError(f"metric {text!r}: write pass@K, average@N or majority@K")
        return cls(cast(Kind, match[1]), int(match[2]))._of_more_than_one()

    def within(self, n: int) -> Self:
        """The metric of `n` samples a question: no more than that, and for an average all of them."""
        return type(self)(self.kind, n if self.kind == "average" else min(self.k, n))._of_more_than_one()

    def values(self, verdicts: Verdicts, votes: Votes | None = None) -> list[float]:
        """One figure a question; majority needs the `votes`. ValueError where there are fewer samples."""
        if self.kind == "pass":
            return pass_at_k(verdicts, self.k)
        if self.kind == "average":
            return average_at_n([samples[: self.k] for samples in verdicts])
        if votes is None:
            raise ValueError(f"{self} needs the votes of the samples")
        return majority_at_k(verdicts, votes, self.k)

    def _of_more_than_one(self) -> Self:
        """The same, but pass@1 where it is the majority of one answer, on which nobody votes."""
        return type(self)("pass", 1) if (self.kind, self.k) == ("majority", 1) else self

    def __str__(self) -> str:
        return f"{self.kind}@{self.k}"


def metrics_of(n: int, voted: bool) -> list[Metric]:
    """What `n` samples a question can tell: their average, pass@k for doubling k, and, where they were
    `voted` on, the majority's answer."""
    if n == 1:
        return [Metric("pass", 1)]
    doubling = [2**power for power in range(1, n.bit_length()) if 2**power < n]
    passes = [Metric("pass", k) for k in (*doubling, n)]
    return [Metric("average", n), *passes, *([Metric("majority", n)] if voted else [])]
