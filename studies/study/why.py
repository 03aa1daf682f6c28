"""The tables of why: the worth of the diagnosis, and what each skill gained."""

from collections.abc import Sequence

from stat_train.report.markdown import table
from stat_train.report.wording import percent, points
from studies.study.evidence import EXACT, Evidence, by_profile, difference, mean
from studies.study.plan import KEPT
from studies.study.rows import Row
from studies.study.skills import SkillGain, rank_correlation, skill_gains
from studies.study.words import NOT_RUN, interval

MOST = 6
"""Skills in the table of the most gained."""


def diagnosis(evidence: Evidence) -> str:
    """STAT-Sel by teachers and profiles of different worth, on the seeds that all of them have."""
    compared = by_profile(evidence)
    if len(compared) < 3:
        return NOT_RUN
    profiles = {(row["setting"], row["seed"]): row for row in evidence.rows("profiles")}
    rows = []
    for name, by_seed in compared.items():
        setting = KEPT.name if name == EXACT else name.removeprefix("teacher ")
        own = [profiles[setting, seed] for seed in by_seed if (setting, seed) in profiles]
        exact = None if name == EXACT else difference(EXACT, name, compared)
        rows.append(
            [
                name,
                _share(own, "both", "named"),
                _share(own, "both", "true"),
                percent(mean(by_seed)),
                *(["", ""] if exact is None else [points(exact.difference), interval(exact.ci95)]),
            ]
        )
    seeds = compared[EXACT]
    which = (
        f"Seeds {', '.join(map(str, seeds))}."
        if len(seeds) > 1
        else f"Seed {next(iter(seeds))} alone: the intervals are of its questions, not of other trainings."
    )
    headers = ["STAT-Sel by", "precision", "recall", "test", f"{EXACT} minus it", "95%"]
    return f"{table(headers, rows, right=range(1, 6))}\n\n{which}"


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
    by_random = _correlation(gains, "random")
    by_balanced = (
        f", over Balanced: {_correlation(gains, 'balanced')}" if "balanced" in gains[0].accuracy else ""
    )
    up = sum(gain.change > 0 for gain in gains)
    headers = ["skill", "missing", "questions", "start", "random", "stat-sel", "change", "95%"]
    return (
        f"{table(headers, rows, right=range(1, 8))}\n\n"
        f"Of {len(gains)} skills {up} gained, and {len(gains) - up} did not; of {len(surely)} that lost the "
        "interval (of the skill alone, not adjusted for their number) excludes 0. Rank correlation of how "
        f"often a skill was missing with STAT-Sel's lead in it over Random: {by_random}{by_balanced}."
    )


def _correlation(gains: Sequence[SkillGain], control: str) -> str:
    rho, (low, high) = rank_correlation(gains, control)
    return f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]"
