"""What the raw rows say: scores by arm and seed, and differences over seeds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stat_train.data.example import Example
from stat_train.evaluation.paired import paired, paired_over_seeds
from stat_train.evaluation.scores import Scores, score
from stat_train.intervals import Interval
from studies.study.plan import FROZEN, KEPT, TARGET_SPLIT
from studies.study.rows import Row, read_rows


@dataclass(frozen=True)
class Cell:
    """The scores of an arm in one seed; `start`: of which student it was trained."""

    scores: Scores
    start: str


BySeed = Mapping[int, Cell]


@dataclass(frozen=True)
class Difference:
    """`one` minus `other`, mean over `seeds`: those where both were run from one start.

    The interval is the two-level bootstrap's; `p` is Student's t over the seeds, since a bootstrap of a few
    seeds is too sure of itself in the tail. With one seed both are of its questions alone (McNemar).
    """

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
        found: dict[str, dict[int, Cell]] = defaultdict(dict)
        for row in self.rows(part, setting):
            if row.get("split", split) == split:
                found[row["arm"]][row["seed"]] = Cell(_scores(row), row["start"])
        return dict(found)

    def kept(self, split: str = TARGET_SPLIT) -> dict[str, BySeed]:
        """The same of the arms from the kept starts."""
        return self.scores(KEPT.part, KEPT.name, split)


def difference(one: str, other: str, scores: Mapping[str, BySeed]) -> Difference | None:
    """None where no seed has both, from one start."""
    return differ(one, other, scores.get(one, {}), scores.get(other, {}))


def differ(one: str, other: str, a: BySeed, b: BySeed) -> Difference | None:
    """The same of scores from two places. A seed whose two rows began at different weights (a warm-up that
    was trained again on another machine ends elsewhere) is no pair, and left out."""
    seeds = tuple(seed for seed in sorted(a.keys() & b.keys()) if a[seed].start == b[seed].start)
    if not seeds:
        return None
    if len(seeds) == 1:
        alone = paired(a[seeds[0]].scores, b[seeds[0]].scores)
        return Difference(one, other, seeds, alone.difference, alone.ci95, alone.p, (alone.difference,))
    over = paired_over_seeds([a[seed].scores for seed in seeds], [b[seed].scores for seed in seeds])
    p = _t_test(over.per_seed)
    return Difference(one, other, seeds, over.difference, over.ci95, p, over.per_seed)


def _t_test(per_seed: Sequence[float]) -> float:
    """Two-sided p of a mean of 0; seeds that agree to the last question have no spread to test by."""
    from scipy.stats import ttest_1samp

    if len(set(per_seed)) == 1:
        return 0.0 if per_seed[0] else 1.0
    return float(ttest_1samp(per_seed, 0.0).pvalue)


EXACT = "exact teacher"
WITHOUT = "no profile: "


def by_profile(evidence: Evidence) -> dict[str, BySeed]:
    """STAT-Sel by each profile that was tried, beside Random and Balanced, which have none, on the seeds that
    all of them have; the worst first as one would expect. Empty while no other profile was tried."""
    arms, tried = evidence.kept(), {row["setting"] for row in evidence.rows("diagnosis")}
    found: dict[str, BySeed] = {
        f"{WITHOUT}random": arms.get("random", {}),
        f"{WITHOUT}balanced": arms.get("balanced", {}),
        "shuffled profile": arms.get("shuffled", {}),
        **{
            f"teacher {name}": evidence.scores("diagnosis", name).get("stat-sel", {})
            for name in ("40% wrong", "20% wrong")
            if name in tried
        },
        EXACT: arms.get("stat-sel", {}),
        "oracle": evidence.scores("diagnosis", "oracle").get("oracle", {}),
    }
    found = {name: by_seed for name, by_seed in found.items() if by_seed}
    if EXACT not in found or all(name == EXACT or name.startswith(WITHOUT) for name in found):
        return {}
    common = set.intersection(*(set(by_seed) for by_seed in found.values()))
    if not common:
        return {}
    return {
        name: {seed: cell for seed, cell in by_seed.items() if seed in common}
        for name, by_seed in found.items()
    }


def t_interval(per_seed: Sequence[float], one_more: bool = False) -> Interval:
    """95 % interval of the mean of the seeds' differences by Student's t: each seed is one number. With
    `one_more` it is where one further seed is expected."""
    from scipy.stats import sem, t

    n = len(per_seed)
    mean = sum(per_seed) / n
    half = float(t.ppf(0.975, n - 1) * sem(per_seed)) * ((n + 1) ** 0.5 if one_more else 1)
    return mean - half, mean + half


def mean(by_seed: BySeed) -> float:
    """Mean accuracy over seeds."""
    return sum(cell.scores.accuracy for cell in by_seed.values()) / len(by_seed)


def _scores(row: Row) -> Scores:
    """Questions of two seeds are two questions, but of `prompting`, where seeds are of sampling alone."""
    prefix = "" if "tokens" in row else f"{row['seed']}-"
    examples = [Example(f"{prefix}{place}", "") for place in range(len(row["correct"]))]
    return score(examples, ["correct" if digit == "1" else "wrong" for digit in row["correct"]])
