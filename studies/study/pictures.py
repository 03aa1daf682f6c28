"""The four pictures of docs/study.md (matplotlib, as the report draws)."""

from collections.abc import Mapping, Sequence
from typing import Any

from stat_train.report.pictures import BLUE, GREY, INK, ORANGE, PALE, SMALL_FONT, VERMILION, WIDTH, png, style
from stat_train.report.wording import points
from studies.study.evidence import EXACT, BySeed, Difference, Evidence, by_profile, difference, mean
from studies.study.plan import FROZEN, KEPT, TARGET, place_of
from studies.study.skills import rank_correlation, skill_gains
from studies.study.words import signed

ROW, HEAD, FOOT, LEFT = 0.46, 0.6, 0.55, 2.4
"""Inches."""
DOT = 26
"""Square points."""
OURS = ("stat-sel", "stat-syn")


def arms(evidence: Evidence) -> bytes | None:
    """Accuracy on test of every arm from the kept starts."""
    scores = evidence.kept()
    if not scores:
        return None
    shown = sorted(scores, key=lambda arm: mean(scores[arm]))
    return _dots({arm: scores[arm] for arm in shown}, "Accuracy on test from the kept starts")


def differences(evidence: Evidence) -> bytes | None:
    """STAT-Sel minus every other arm, on test and out of distribution, with 95 % intervals: dashed and hollow
    where one seed's questions alone are behind it."""
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
        title = "STAT-Sel minus each arm; *: the claim's warm-ups; hollow: one seed's questions only"
        named = [f"{test.other}*" if test.other in FROZEN.arms else test.other for test, _ in pairs]
        names = [_of_seeds(name, len(test.seeds)) for name, (test, _) in zip(named, pairs, strict=True)]
        figure, axes = _canvas(names, title, "points")
        for y, (test, ood) in enumerate(pairs):
            _interval(axes, test, y + 0.17, BLUE)
            _interval(axes, ood, y - 0.17, ORANGE)
            if test.other == "random":
                axes.plot([100 * TARGET] * 2, [y - 0.4, y + 0.4], color=INK, linestyle=":", label="target")
        axes.scatter([], [], color=BLUE, s=DOT, label="test")
        axes.scatter([], [], color=ORANGE, s=DOT, label="ood")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=SMALL_FONT, borderpad=0
        )
        return png(figure)


def skills(evidence: Evidence) -> bytes | None:
    """How often each skill was missing, and how far STAT-Sel leads Random in it."""
    gains = skill_gains(evidence)
    if not gains:
        return None
    rho, (low, high) = rank_correlation(gains, "stat-sel", "random")
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(WIDTH, 6))
        _title(
            figure,
            f"STAT-Sel's lead by how often a skill is missing: rank correlation {signed(rho, 2)} "
            f"[{signed(low, 2)}, {signed(high, 2)}]",
        )
        axes = figure.add_axes((0.08, 0.11, 0.89, 0.76))
        names = {}
        for gain in gains:
            lead = 100 * gain.lead
            color = BLUE if lead >= 0 else VERMILION
            axes.scatter(100 * gain.missing, lead, s=gain.n / 3, color=color, alpha=0.6)
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
    """STAT-Sel by better and worse diagnoses, beside arms that have none."""
    shown = by_profile(evidence)
    if not shown:
        return None
    return _dots(shown, "Is it the diagnosis? Accuracy on test without, and by better and worse profiles")


def _dots(scores: Mapping[str, BySeed], title: str) -> bytes:
    """A dot a seed and a line at their mean; of one seed the 95 % interval of its questions (Wilson)."""
    with style():
        names = [_of_seeds(name, len(by_seed)) for name, by_seed in scores.items()]
        figure, axes = _canvas(
            names, title, "% of test; a dot a seed; of one seed, the interval of its questions"
        )
        for y, (arm, by_seed) in enumerate(scores.items()):
            color = BLUE if arm in (*OURS, EXACT) else GREY
            accuracies = [100 * its.scores.accuracy for its in by_seed.values()]
            if len(by_seed) == 1:
                (only,) = by_seed.values()
                axes.plot(
                    [100 * its for its in only.scores.ci95], [y, y], color=color, linewidth=2, alpha=0.4
                )
            axes.scatter(accuracies, [y] * len(accuracies), color=color, s=DOT, alpha=0.55)
            average = 100 * mean(by_seed)
            axes.plot([average, average], [y - 0.25, y + 0.25], color=color, linewidth=2)
            axes.annotate(
                f"{average:.1f}",
                (average, y + 0.25),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL_FONT - 1,
                color=INK,
            )
        return png(figure)


def _of_seeds(name: str, seeds: int) -> str:
    return f"{name} ({seeds} seed{'s' * (seeds > 1)})"


def _name(axes: Any, names: Mapping[str, tuple[float, float]]) -> None:
    """A name beside each point: of the places around it the one that covers least of names and points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    points_at = axes.transData.transform(list(names.values()))
    taken = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in points_at]
    sides = [(7, 3, "left"), (7, -10, "left"), (-7, 3, "right"), (-7, -10, "right")]
    sides += [(0, 9, "center"), (0, -16, "center"), (7, 11, "left"), (-7, 11, "right")]
    for name, point in names.items():
        text = axes.annotate(
            name, point, (0, 0), textcoords="offset points", fontsize=SMALL_FONT - 2, color=GREY
        )

        def covered(side: tuple[int, int, str], text: Any = text) -> float:
            text.set(position=side[:2], ha=side[2])
            its = text.get_window_extent(renderer)
            outside = not axes.bbox.x0 < its.x0 < its.x1 < axes.bbox.x1
            shared = [Bbox.intersection(its, other) for other in taken]
            return outside * 1e6 + sum(box.width * box.height for box in shared if box)

        covered(min(sides, key=covered))
        taken.append(text.get_window_extent(renderer))


def _interval(axes: Any, found: Difference, y: float, color: str) -> None:
    low, high = found.ci95
    alone = len(found.seeds) == 1
    axes.plot(
        [100 * low, 100 * high], [y, y], color=color, linewidth=2, alpha=0.5, linestyle=":" if alone else "-"
    )
    axes.scatter(
        100 * found.difference, y, s=DOT, color="white" if alone else color, edgecolors=color, zorder=3
    )
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
