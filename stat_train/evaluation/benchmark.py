"""A benchmark: a declared set of questions, and how a student is scored on it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from stat_train.data.columns import Columns
from stat_train.data.example import Example
from stat_train.data.reading import HUB_SOURCE, SUFFIXES, even_part, local_place, read_examples
from stat_train.errors import UserError
from stat_train.evaluation.metrics import Metric
from stat_train.grading.grader import Grader
from stat_train.options import Options
from stat_train.student.options import Sampling

PART = re.compile(r"(\d*):(\d*)")


class Benchmark(Options):
    """Where the questions are, who judges the answers, how many are sampled, and what they count for.

    `hub` is a data set of the Hugging Face hub, `path` a local file or a folder in the hub's layout; with
    neither, a source must be given where the benchmark is used.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    hub: str | None = None
    path: str | None = None
    config: str | None = Field(None, description="`*`: all of them")
    split: str | None = None
    part: str | None = Field(None, description="FIRST:END of an even mixture of the rows")
    rows: int | None = Field(None, ge=1, description="as published, before `part`; another number is noted")
    columns: Columns = Columns()
    grader: str = "math"
    sampling: Sampling = Sampling()
    metric: str = "pass@1"
    without: tuple[str, ...] = Field((), description="ids of rows to leave out: their answers are unusable")

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        return str(Metric.parse(metric))

    @field_validator("part")
    @classmethod
    def _bounds(cls, part: str | None) -> str | None:
        if part is not None and not PART.fullmatch(part):
            raise ValueError("write FIRST:END, such as 1000: or 0:200")
        return part

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        if (wanted := self.scored_by.k) > self.sampling.n:
            raise ValueError(f"metric {self.metric} needs sampling.n {wanted}; it is {self.sampling.n}")
        if equal := all_equal(self.sampling):
            raise ValueError(f"sampling: {equal}")
        if self.hub and self.path:
            raise ValueError("give hub or path, not both")
        return self

    @property
    def scored_by(self) -> Metric:
        """The metric, parsed."""
        return Metric.parse(self.metric)

    def source(self, given: str | None = None) -> str:
        """Where to read from, as `read_examples` wants it; `given` is a user's place for it.

        Config and split are the declared ones, unless `given` is a file or names its own.
        """
        name = given or self.path or self.hub
        if name is None:
            raise UserError(
                f"benchmark {self.name}: no hub id is known for it; give a local file as "
                f"benchmarks.sources.{self.name}, or --source {self.name}=FILE"
            )
        place, behind = local_place(name)
        own = HUB_SOURCE.fullmatch(f"folder{behind}" if place else name)
        if Path(name).suffix.lower() in SUFFIXES or (place and place.is_file()) or own is None:
            return name
        if own["split"] or own["first"] or own["end"]:
            return name
        config = f":{self.config}" if self.config and not own["config"] else ""
        return name + config + (f"@{self.split}" if self.split else "")


def all_equal(sampling: Sampling) -> str:
    """What is wrong with several samples at temperature 0, which are all the same; "" where nothing is."""
    if sampling.n == 1 or sampling.temperature:
        return ""
    return f"n {sampling.n} at temperature 0 draws equal answers; set n to 1, or temperature above 0"


def read_questions(benchmark: Benchmark, source: str, grader: Grader) -> list[Example]:
    """The questions of a benchmark, from `source`, each gold answer proved against `grader`.

    Raises UserError, one line naming the row, where a column is missing or a gold answer is not accepted.
    """
    name = f"benchmark {benchmark.name}"
    examples = read_examples(source, benchmark.columns, split_name=name)
    if unknown := sorted(set(benchmark.without) - {example.id for example in examples}):
        raise UserError(f"{name}: without: {source} has no row {unknown[0]!r}; check the ids")
    left = [example for example in examples if example.id not in benchmark.without]
    _require_gold(left, examples, name, source, grader)
    if benchmark.part and (bounds := PART.fullmatch(benchmark.part)):
        first, end = (int(bound) if bound else None for bound in bounds.groups())
        left = even_part(left, first or 0, end)
    if not left:
        raise UserError(f"{name}: no row of {source} is left; check part and without")
    return [replace(example, meta={}) for example in left]


def _require_gold(
    left: Sequence[Example], all_rows: Sequence[Example], name: str, source: str, grader: Grader
) -> None:
    bad = grader.check_gold(left)
    if bad:
        row = 1 + [example.id for example in all_rows].index(bad[0].id)
        more = f"; so with {len(bad) - 1} more" if len(bad) > 1 else ""
        raise UserError(
            f"{name}: {source}, row {row} (id {bad[0].id}): field 'answer': grader '{grader.name}' does not "
            f"accept the gold answer {bad[0].answer!r} ({bad[0].verdict}){more}; mend it, choose another "
            f"grader, or list the ids under `without`: {', '.join(gold.id for gold in bad[:3])}"
            + (", ..." if len(bad) > 3 else "")
        )
