"""The tables of why: the worth of the diagnosis, and what each skill gained."""

from collections.abc import Sequence

from stat_train.report.markdown import table
from stat_train.report.wording import percent, points
from studies.study.evidence import BySeed, Evidence, difference, mean
from studies.study.plan import FROZEN
from studies.study.rows import Row
from studies.study.skills import rank_correlation, skill_gains
from studies.study.words import NOT_RUN, interval

MOST = 6
"""Skills in the table of the most gained."""


def diagnosis(evidence: Evidence) -> str:
    """STAT-Sel by teachers and profiles of different worth, on the seeds that each has."""
    frozen = evidence.scores()
    profiles = {(row["setting"], row["seed"]): row for row in evidence.rows("profiles")}
    shown: list[tuple[str, str, BySeed]] = [
        (
            "oracle: of the test questions themselves",
            "",
            evidence.scores("diagnosis", "oracle").get("oracle", {}),
        ),
        ("exact teacher", FROZEN.name, frozen.get("stat-sel", {})),
        *(
            (f"{name} labels and diagnoses", name, evidence.scores("diagnosis", name).get("stat-sel", {}))
            for name in ("20% wrong", "40% wrong")
        ),
        ("shuffled profile", "", frozen.get("shuffled", {})),
    ]
    rows = []
    for name, setting, by_seed in shown:
        if not by_seed:
            continue
        own = [profiles[setting, seed] for seed in by_seed if (setting, seed) in profiles]
        found = difference(name, "random", {name: by_seed, "random": frozen.get("random", {})})
        rows.append(
            [
                name,
                str(len(by_seed)),
                _share(own, "both", "named"),
                _share(own, "both", "true"),
                percent(mean(by_seed)),
                *(["", ""] if found is None else [points(found.difference), interval(found.ci95)]),
            ]
        )
    headers = ["profile", "seeds", "precision", "recall", "test", "minus Random, same seeds", "95%"]
    return table(headers, rows, right=range(1, 7)) if rows else NOT_RUN


def _share(rows: Sequence[Row], part: str, whole: str) -> str:
    total = sum(row[whole] for row in rows)
    return percent(sum(row[part] for row in rows) / total) if total else ""


def skills(evidence: Evidence) -> str:
    """The skills that gained most, and all that lost, STAT-Sel against the start."""
    gains = skill_gains(evidence)
    if not gains:
        return NOT_RUN
    by_change = sorted(gains, key=lambda gain: -gain.change)
    lost = [gain for gain in by_change[MOST:] if gain.change < 0]
    surely = [gain for gain in gains if gain.ci95[1] < 0]
    rows = [
        [
            gain.name.replace("_", " "),
            percent(gain.missing, 0),
            str(gain.n),
            *(percent(gain.accuracy[arm], 0) for arm in ("start", "random", "stat-sel")),
            points(gain.change),
            interval(gain.ci95),
        ]
        for gain in (*by_change[:MOST], *lost)
    ]
    rho, (low, high) = rank_correlation(gains)
    up = sum(gain.change > 0 for gain in gains)
    headers = ["skill", "missing", "questions", "start", "random", "stat-sel", "change", "95%"]
    return (
        f"{table(headers, rows, right=range(1, 8))}\n\n"
        f"Of {len(gains)} skills {up} gained, and {len(gains) - up} did not; of {len(surely)} that lost the "
        "interval excludes 0. Rank correlation of how often a skill was missing with STAT-Sel's lead over "
        f"Random in it: {rho:+.2f} [{low:+.2f}, {high:+.2f}]."
    )
