"""The four pictures of docs/study.md (matplotlib, as the report draws)."""

from collections.abc import Mapping, Sequence
from typing import Any

from stat_train.report.pictures import BLUE, GREY, INK, ORANGE, PALE, SMALL_FONT, VERMILION, WIDTH, png, style
from stat_train.report.wording import points
from studies.study.evidence import EXACT, BySeed, Difference, Evidence, by_profile, difference, mean
from studies.study.plan import KEPT, TARGET, place_of
from studies.study.skills import rank_correlation, skill_gains

ROW, HEAD, FOOT, LEFT = 0.36, 0.6, 0.55, 2.0
"""Inches."""
OURS = ("stat-sel", "stat-syn")


def arms(evidence: Evidence) -> bytes | None:
    """Accuracy on test of every arm from the kept starts: a dot a seed, a line at the mean."""
    scores = evidence.kept()
    if not scores:
        return None
    shown = sorted(scores, key=lambda arm: mean(scores[arm]))
    return _dots(
        {arm: scores[arm] for arm in shown},
        "Accuracy on test from the kept starts: a dot a seed, a line at the mean",
    )


def differences(evidence: Evidence) -> bytes | None:
    """STAT-Sel minus every other arm, on test and out of distribution, with 95 % intervals."""
    found = {
        split: [difference("stat-sel", arm, evidence.scores(*place_of(arm), split)) for arm in KEPT.arms]
        for split in KEPT.splits
    }
    pairs = [
        (test, ood)
        for test, ood in zip(found["test"], found["ood"], strict=True)
        if test is not None and ood is not None and test.other != "stat-sel"
    ]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: pair[0].difference)
    with style():
        title = "STAT-Sel minus each arm (seeds), in points, with 95% intervals"
        names = [f"{test.other} ({len(test.seeds)})" for test, _ in pairs]
        figure, axes = _canvas(names, title, "points")
        for y, (test, ood) in enumerate(pairs):
            _interval(axes, test, y + 0.12, BLUE, "test" if y == 0 else None)
            _interval(axes, ood, y - 0.12, ORANGE, "ood" if y == 0 else None)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.axvline(100 * TARGET, color=GREY, linewidth=0.8, linestyle=":", label="target against random")
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=SMALL_FONT, borderpad=0
        )
        return png(figure)


def skills(evidence: Evidence) -> bytes | None:
    """How often each skill was missing, and how far STAT-Sel leads Random in it."""
    gains = skill_gains(evidence)
    if not gains:
        return None
    rho, (low, high) = rank_correlation(gains, "random")
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(WIDTH, 6))
        _title(
            figure,
            f"Where skills are missing, is there more to gain? Rank correlation {rho:+.2f} "
            f"[{low:+.2f}, {high:+.2f}]",
        )
        axes = figure.add_axes((0.08, 0.11, 0.89, 0.76))
        names = {}
        for gain in gains:
            lead = 100 * (gain.accuracy["stat-sel"] - gain.accuracy["random"])
            axes.scatter(
                100 * gain.missing, lead, s=gain.n / 3, color=BLUE if lead >= 0 else VERMILION, alpha=0.6
            )
            names[gain.name.replace("_", " ")] = (100 * gain.missing, lead)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel(
            "validation questions of the skill whose answer lacked it, %; area of a dot: its test questions"
        )
        axes.set_ylabel("STAT-Sel minus Random on test, points")
        axes.margins(x=0.07, y=0.07)
        _plain(axes)
        _name(axes, names)
        return png(figure)


def diagnosis(evidence: Evidence) -> bytes | None:
    """STAT-Sel by better and worse diagnoses, beside Random: a dot a seed, a line at the mean."""
    shown = by_profile(evidence)
    if len(shown) < 3:
        return None
    return _dots(shown, "Is it the diagnosis? Accuracy on test of STAT-Sel by better and worse profiles")


def _dots(scores: Mapping[str, BySeed], title: str) -> bytes:
    with style():
        figure, axes = _canvas(list(scores), title, "% of test")
        for y, (arm, by_seed) in enumerate(scores.items()):
            color = BLUE if arm in (*OURS, EXACT) else GREY
            accuracies = [100 * its.scores.accuracy for its in by_seed.values()]
            axes.scatter(accuracies, [y] * len(accuracies), color=color, s=26, alpha=0.55)
            average = 100 * mean(by_seed)
            axes.plot([average, average], [y - 0.3, y + 0.3], color=color, linewidth=2)
            axes.annotate(
                f"{average:.1f}",
                (average, y + 0.3),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL_FONT - 1,
                color=INK,
            )
        return png(figure)


def _name(axes: Any, names: Mapping[str, tuple[float, float]]) -> None:
    """A name beside each point, on the first side where it covers no earlier name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    taken: list[Any] = []
    sides = [(5, 3, "left"), (5, -9, "left"), (-5, 3, "right"), (-5, -9, "right"), (5, 12, "left")]
    for name, point in names.items():
        text = axes.annotate(
            name, point, (0, 0), textcoords="offset points", fontsize=SMALL_FONT - 2, color=GREY
        )
        for x, y, align in sides:
            text.set(position=(x, y), ha=align)
            covered = text.get_window_extent(renderer)
            if not any(covered.overlaps(other) for other in taken):
                break
        taken.append(covered)


def _interval(axes: Any, found: Difference, y: float, color: str, label: str | None) -> None:
    low, high = found.ci95
    axes.plot([100 * low, 100 * high], [y, y], color=color, linewidth=2, alpha=0.5)
    axes.scatter(100 * found.difference, y, color=color, s=26, label=label, zorder=3)
    axes.annotate(
        points(found.difference),
        (100 * high, y),
        xytext=(5, -3),
        textcoords="offset points",
        fontsize=SMALL_FONT - 1,
    )


def _canvas(names: Sequence[str], title: str, unit: str) -> tuple[Any, Any]:
    """A figure with a row for each name, the first at the bottom."""
    from matplotlib.figure import Figure

    height = HEAD + ROW * len(names) + FOOT
    figure = Figure(figsize=(WIDTH, height))
    _title(figure, title)
    place = (LEFT / WIDTH, FOOT / height, (WIDTH - LEFT - 0.4) / WIDTH, ROW * len(names) / height)
    axes = figure.add_axes(place)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.1)
    axes.set_xlabel(unit)
    _plain(axes)
    return figure, axes


def _title(figure: Any, title: str) -> None:
    figure.text(0.02, 1 - 0.2 / figure.get_figheight(), title, va="top", fontsize=12.5, weight="bold")


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.tick_params(length=0)
