"""The tables of why: the worth of the diagnosis, and what each skill gained."""

from collections.abc import Sequence

from stat_train.intervals import Interval
from stat_train.report.markdown import table
from stat_train.report.wording import percent, points
from studies.study.evidence import EXACT, Difference, Evidence, by_profile, difference, mean, t_interval
from studies.study.plan import KEPT
from studies.study.rows import Row
from studies.study.skills import CONTROL, SkillGain, rank_correlation, skill_gains
from studies.study.words import NOT_RUN, interval, signed

MOST = 6
"""Skills in the table of the most gained."""


def diagnosis(evidence: Evidence) -> str:
    """STAT-Sel by teachers and profiles of different worth, on the seeds that all of them have."""
    compared = by_profile(evidence)
    if not compared:
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
                *(["", "", ""] if exact is None else _against(exact)),
            ]
        )
    seeds = compared[EXACT]
    which = (
        f"Seeds {', '.join(map(str, seeds))}."
        if len(seeds) > 1
        else f"Seed {next(iter(seeds))} alone: the intervals are of its questions, not of other trainings."
    )
    headers = ["trained by", "precision", "recall", "test", f"{EXACT} minus it", "95%", "95% (t)"]
    return f"{table(headers, rows, right=range(1, 7))}\n\n{which}"


def _against(found: Difference) -> list[str]:
    """With both intervals over seeds: over two or three a bootstrap is too sure of itself."""
    t = interval(t_interval(found.per_seed)) if len(found.seeds) > 1 else ""
    return [points(found.difference), interval(found.ci95), t]


def _share(rows: Sequence[Row], part: str, whole: str) -> str:
    total = sum(row[whole] for row in rows)
    return percent(sum(row[part] for row in rows) / total) if total else ""


def skills(evidence: Evidence) -> str:
    """The skills that gained most, and all in which STAT-Sel is behind the start or Random."""
    gains = skill_gains(evidence)
    if not gains:
        return NOT_RUN
    by_change = sorted(gains, key=lambda gain: -gain.change)
    shown = [*by_change[:MOST], *(gain for gain in by_change[MOST:] if min(gain.change, gain.lead) < 0)]
    rows = [
        [
            gain.name.replace("_", " "),
            percent(gain.missing, 0),
            str(gain.n),
            *(percent(gain.accuracy[arm], 0) for arm in ("start", "random", "stat-sel")),
            points(gain.change),
            interval(gain.change_ci95),
            points(gain.lead),
            interval(gain.lead_ci95),
        ]
        for gain in shown
    ]
    headers = ["skill", "missing", "questions", "start", "random", "stat-sel"]
    headers += ["minus start", "95%", "minus random", "95%"]
    told = [
        _tally("the start", [(gain.change, gain.change_ci95) for gain in gains]),
        _tally("Random", [(gain.lead, gain.lead_ci95) for gain in gains]),
    ]
    return (
        f"{table(headers, rows, right=range(1, 10))}\n\n"
        f"Of {len(gains)} skills STAT-Sel is {'; '.join(told)}. The intervals are of the skill's questions "
        "alone, adjusted for nothing.\n\n"
        f"Rank correlation over the skills, with how often one was missing: {_correlations(gains)}."
    )


def _tally(other: str, differences: Sequence[tuple[float, Interval]]) -> str:
    ahead, behind = (sum(sign * its > 0 for its, _ in differences) for sign in (1, -1))
    surely = sum(high < 0 for _, (_, high) in differences)
    return f"ahead of {other} in {ahead} and behind in {behind}, {surely} with an interval below 0"


def _correlations(gains: Sequence[SkillGain]) -> str:
    measured = {"the start's accuracy": ("start", None), "STAT-Sel minus Random": ("stat-sel", "random")}
    if CONTROL in gains[0].accuracy:
        measured["Balanced minus Random"] = (CONTROL, "random")
        measured["STAT-Sel minus Balanced"] = ("stat-sel", CONTROL)
    said = []
    for name, (arm, other) in measured.items():
        rho, (low, high) = rank_correlation(gains, arm, other)
        said.append(f"{name} {signed(rho, 2)} [{signed(low, 2)}, {signed(high, 2)}]")
    return "; ".join(said)
