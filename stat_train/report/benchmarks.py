"""`benchmarks.json`: what benchmarks found, for programs."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from stat_train.errors import UserError
from stat_train.report.results import Difference, Part, Share


class Figure(Part):
    """A figure over `n` questions with its 95 % interval."""

    value: Share
    ci95: tuple[Share, Share]
    n: int = Field(ge=1)


class TaskScore(Part):
    """One arm on one benchmark: the benchmark's own metric in all and by group, then what else the samples
    tell. Of `answers`, `cut_off` reached the token limit; `tokens` is their mean length."""

    score: Figure
    metrics: dict[str, Figure]
    per_skill: dict[str, Figure] = Field({})
    per_subject: dict[str, Figure] = Field({})
    per_level: dict[str, Figure] = Field({})
    answers: int
    cut_off: int
    tokens: float
    verdicts: dict[str, int]


class ArmsCompared(Part):
    """`arm` minus `against` on the same questions: `gained` went better, `lost` worse.

    `p` is McNemar's exact test (the sign test on each question's figure where that is no yes or no);
    `p_adjusted` counts all comparisons of the benchmark (Holm).
    """

    arm: str
    against: str
    difference: Difference
    ci95: tuple[Difference, Difference]
    p: Share
    p_adjusted: Share
    gained: int
    lost: int


class TaskResult(Part):
    """All arms on one benchmark; `temperature`, `samples` and `max_tokens` are those of the answers."""

    task: str
    metric: str
    grader: str
    temperature: float
    samples: int
    max_tokens: int
    arms: dict[str, TaskScore]
    compared: list[ArmsCompared] = Field([])


class Overlap(Part):
    """Of `n` questions of a benchmark, `same` stand in `other` and `near` share 13 words in a row with it."""

    task: str
    other: str
    same: int
    near: int
    n: int


class Benchmarks(Part):
    """Everything that a run of benchmarks measured."""

    name: str
    tasks: list[TaskResult]
    overlaps: list[Overlap] = Field([])
    versions: dict[str, str] = Field({})
    seed: int

    @property
    def warnings(self) -> list[str]:
        """What makes a score worth less, a sentence each."""
        told = [
            f"{its.task}: {its.same:,} of its {its.n:,} questions stand in {its.other}"
            + (f", and {its.near:,} share 13 words in a row with it" if its.near else "")
            for its in self.overlaps
            if its.same
        ]
        for task in self.tasks:
            for arm, its in task.arms.items():
                if its.cut_off > 0.1 * its.answers:
                    told.append(
                        f"{task.task}: {its.cut_off:,} of {its.answers:,} answers of {arm} were cut off at "
                        f"{task.max_tokens:,} tokens"
                    )
                if failed := its.verdicts.get("error", 0) + its.verdicts.get("timeout", 0):
                    told.append(f"{task.task}: {failed:,} answers of {arm} could not be graded")
        return told

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote. UserError where it is not that."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: no benchmarks of this version: run them again") from error
