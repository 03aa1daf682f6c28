"""What the raw rows say: scores by arm and seed, and differences over seeds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stat_train.data.example import Example
from stat_train.evaluation.paired import paired, paired_over_seeds
from stat_train.evaluation.scores import Scores, score
from stat_train.intervals import Interval
from studies.study.plan import FROZEN, TARGET_SPLIT
from studies.study.rows import Row, read_rows

BySeed = Mapping[int, Scores]


@dataclass(frozen=True)
class Difference:
    """`one` minus `other`, mean over `seeds`: those where both were run. With one seed the interval and p
    are of its questions alone."""

    one: str
    other: str
    seeds: tuple[int, ...]
    difference: float
    ci95: Interval
    p: float
    per_seed: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """The rows of one device, by part."""

    folder: Path
    device: str = "cpu"

    def rows(self, part: str, setting: str | None = None) -> list[Row]:
        """The rows of a part, or of one of its settings."""
        return [
            row
            for row in read_rows(self.folder, part)
            if row.get("device", self.device) == self.device and setting in (None, row.get("setting"))
        ]

    def scores(
        self, part: str = FROZEN.part, setting: str = FROZEN.name, split: str = TARGET_SPLIT
    ) -> dict[str, BySeed]:
        """Arm -> seed -> scores."""
        found: dict[str, dict[int, Scores]] = defaultdict(dict)
        for row in self.rows(part, setting):
            if row.get("split", split) == split:
                found[row["arm"]][row["seed"]] = _scores(row)
        return dict(found)


def difference(one: str, other: str, scores: Mapping[str, BySeed]) -> Difference | None:
    """None where no seed has both."""
    return differ(one, other, scores.get(one, {}), scores.get(other, {}))


def differ(one: str, other: str, a: BySeed, b: BySeed) -> Difference | None:
    """The same of scores from two places."""
    seeds = tuple(sorted(a.keys() & b.keys()))
    if not seeds:
        return None
    if len(seeds) == 1:
        alone = paired(a[seeds[0]], b[seeds[0]])
        return Difference(one, other, seeds, alone.difference, alone.ci95, alone.p, (alone.difference,))
    over = paired_over_seeds([a[seed] for seed in seeds], [b[seed] for seed in seeds])
    return Difference(one, other, seeds, over.difference, over.ci95, over.p, over.per_seed)


def t_interval(per_seed: Sequence[float]) -> Interval:
    """95 % interval of the mean of the seeds' differences by Student's t: each seed is one number."""
    from scipy.stats import sem, t

    mean = sum(per_seed) / len(per_seed)
    half = float(t.ppf(0.975, len(per_seed) - 1) * sem(per_seed))
    return mean - half, mean + half


def mean(by_seed: BySeed) -> float:
    """Mean accuracy over seeds."""
    return sum(its.accuracy for its in by_seed.values()) / len(by_seed)


def _scores(row: Row) -> Scores:
    """Questions of two seeds are two questions, but of `prompting`, where seeds are of sampling alone."""
    prefix = "" if "tokens" in row else f"{row['seed']}-"
    examples = [Example(f"{prefix}{place}", "") for place in range(len(row["correct"]))]
    return score(examples, ["correct" if digit == "1" else "wrong" for digit in row["correct"]])
