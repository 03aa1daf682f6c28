"""The tables of all arms, the secondary comparisons, and what it took."""

from statistics import fmean

from stat_train.evaluation.paired import holm
from stat_train.recipe import START
from stat_train.report.markdown import table
from stat_train.report.wording import p_value, percent, points
from studies.study.evidence import Evidence, difference, mean
from studies.study.plan import FROZEN, KEPT, PARTS, PRIMARY, SECONDARY, SEEDS, Setting
from studies.study.words import NOT_RUN, interval, kept_by_seed

LEAST = 3
"""Seeds behind a p."""


def arms(evidence: Evidence) -> str:
    """Mean accuracy of every arm over its seeds, and STAT-Sel against it on the seeds that both have; first
    from the warm-ups of the primary claim, then from the kept starts, these seed by seed too."""
    rows = []
    for setting, start in ((FROZEN, "primary"), (KEPT, "kept")):
        test, ood = (evidence.scores(setting.part, setting.name, split) for split in setting.splits)
        for arm in setting.arms:
            if arm not in test or arm not in ood:
                continue
            found = None if arm == "stat-sel" else difference("stat-sel", arm, test)
            rows.append(
                [
                    start,
                    arm,
                    str(len(test[arm])),
                    percent(mean(test[arm])),
                    percent(mean(ood[arm])),
                    f"{fmean(seen):.0f}" if (seen := _seen(evidence, setting, arm)) else "",
                    *(["", ""] if found is None else [points(found.difference), interval(found.ci95)]),
                ]
            )
    headers = ["warm-ups", "arm", "seeds", "test", "ood", "old pairs", "STAT-Sel minus it, test", "95%"]
    if not rows:
        return NOT_RUN
    kept = {
        arm: {seed: cell.scores.accuracy for seed, cell in its.items()}
        for arm, its in evidence.kept().items()
    }
    shown = table(headers, rows, right=range(2, 8))
    by_seed = kept_by_seed("test", kept)
    told = ["Seed by seed:", *by_seed] if by_seed else []
    return "\n\n".join([shown, *told, *_precisions(evidence)])


def _precisions(evidence: Evidence) -> list[str]:
    """Which seeds from the kept starts were trained in which precision, where a row says."""
    seeds: dict[str, set[int]] = {}
    for row in evidence.rows(KEPT.part, KEPT.name):
        if row["arm"] != START and "precision" in row:
            seeds.setdefault(row["precision"], set()).add(row["seed"])
    told = [f"{precision}: {', '.join(map(str, sorted(its)))}" for precision, its in seeds.items()]
    return [f"Seeds from the kept starts that were trained in {'; in '.join(sorted(told))}."] if told else []


def _seen(evidence: Evidence, setting: Setting, arm: str) -> list[int]:
    """Of each seed's pairs, how many the start had been trained on already."""
    rows = evidence.rows(setting.part, setting.name)
    return [row["seen"] for row in rows if row["arm"] == arm and row.get("seen") is not None]


def secondary(evidence: Evidence) -> str:
    """Every other comparison that was planned. One seed says nothing of other trainings, and two that agree
    by luck have any p: such have none, and count as 1 for Holm's adjustment, as does what was not run yet."""
    found = [
        (comparison, difference(comparison[3], comparison[4], evidence.scores(*comparison[:3])))
        for comparison in SECONDARY
    ]
    adjusted = holm([its.p if its and len(its.seeds) >= LEAST else 1.0 for _, its in found])
    rows = [
        [
            f"{its.one} minus {its.other}",
            {FROZEN.part: split, KEPT.part: f"{split}, {setting}"}.get(part, f"{split}, {part} {setting}"),
            str(len(its.seeds)),
            points(its.difference),
            interval(its.ci95),
            *([p_value(its.p), p_value(p)] if len(its.seeds) >= LEAST else ["", ""]),
        ]
        for ((part, setting, split, *_), its), p in zip(found, adjusted, strict=True)
        if its is not None
    ]
    if not rows:
        return NOT_RUN
    missing = [f"{c[3]} minus {c[4]} ({c[2]}, {c[0]}, {c[1]})" for c, its in found if its is None]
    note = f"\n\nNot run yet: {'; '.join(missing)}." if missing else ""
    headers = ["comparison", "on", "seeds", "points", "95% (bootstrap)", "p (Student's t)", "p (Holm)"]
    return table(headers, rows, right=range(2, 7)) + note


def hours(evidence: Evidence) -> str:
    """How long the cells took, by part; one seed of the primary claim apart."""
    rows, total = [], 0.0
    for part in PARTS:
        cells = {
            (row["setting"], row["seed"], "" if part == "prompting" else row["arm"]): (
                row["seconds"] * row["threads"]
            )
            for row in evidence.rows(part)
        }
        total += sum(cells.values())
        if cells:
            rows.append([part, str(len(cells)), f"{sum(cells.values()) / 3600:.1f}"])
    if not rows:
        return NOT_RUN
    took = {(row["seed"], row["arm"]): row["seconds"] for row in evidence.rows(FROZEN.part)}
    needed = ("start", *PRIMARY)
    whole = [
        sum(took[seed, arm] for arm in needed) / 60
        for seed in SEEDS
        if all((seed, arm) in took for arm in needed)
    ]
    said = f" One seed of the primary claim: {min(whole):.0f} to {max(whole):.0f} minutes." if whole else ""
    rows.append(["together", "", f"{total / 3600:.1f}"])
    note = (
        "Hours of one CPU core, of a stage that was stopped those of its last attempt; a training that parts "
        f"share counts in each.{said}"
    )
    return f"{table(['part', 'cells', 'hours'], rows, right=(1, 2))}\n\n{note}"
