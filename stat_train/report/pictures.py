"""The report's two pictures (matplotlib, drawn without a display and without global state)."""

import textwrap
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from stat_train.report.reading import profile_headline, skills_headline
from stat_train.report.results import START, ProfileRow
from stat_train.report.views import FEW, SkillView, ranked, skill_name
from stat_train.report.wording import half_width, one_line, percent, points

# Okabe and Ito's palette: told apart with every common kind of colour blindness.
BLUE, ORANGE, VERMILION = "#0072B2", "#E69F00", "#D55E00"
LIGHT_BLUE, DARK_BLUE = "#7DB9DE", "#0B3C5D"
INK, GREY, PALE = "#222222", "#6B6B6B", "#D3DAE0"

WIDTH = 9.6
"""Inches; so are all lengths below."""
FOOT, RIGHT, EDGE = 0.5, 1.72, 0.2
TALL_ROW, LOW_ROW, MANY = 0.3, 0.215, 40
LONGEST_LABEL = 54
LONGEST_TITLE = 160
FONT, SMALL_FONT = 9.5, 8.5
STYLE = {
    "font.size": FONT,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": PALE,
    "axes.axisbelow": True,
}


def matplotlib_is_here() -> bool:
    return find_spec("matplotlib") is not None


def profile_picture(profile: Sequence[ProfileRow]) -> bytes:
    """PNG of the Missing-Skill-Profile: a bar with its 95% interval per skill, highest rate first."""
    rows = ranked(profile)
    solid = sum(row.difficult >= FEW for row in rows)
    titles = [profile_headline(rows, top) for top in (3, 2, 1)]
    with style():
        figure, axes, ys = _canvas(
            [skill_name(row) for row in rows],
            solid,
            title=next((title for title in titles if len(title) <= LONGEST_TITLE), titles[-1]),
            subtitle="How often each skill was missing among the difficult questions that have to do with it "
            "(line: 95% interval)",
        )
        for row, y in zip(rows, ys, strict=True):
            axes.barh(y, row.rate, height=0.66, color=LIGHT_BLUE if row.difficult >= FEW else PALE)
            axes.plot(row.ci95, [y, y], color=DARK_BLUE, linewidth=1.5, solid_capstyle="butt")
            _column(axes, y, 0.62, percent(row.rate, 0), weight="bold")
            _column(axes, y, 1.48, f"{row.missing} of {row.difficult}", color=GREY)
        return png(figure)


def skills_picture(skills: Sequence[SkillView], arms: Sequence[str], split: str) -> bytes:
    """PNG of accuracy per skill at the start and in each of `arms` (start, control, method)."""
    method = arms[-1]
    typical = sorted(skill.n for skill in skills)[len(skills) // 2]
    with style():
        figure, axes, ys = _canvas(
            [skill.name for skill in skills],
            sum(skill.difficult >= FEW for skill in skills),
            title=skills_headline(skills, method),
            subtitle=f"Accuracy per skill on {split}, the most often missing on top; with {typical} "
            f"questions a typical one is uncertain by ±{100 * half_width(typical):.0f} points",
            legend=True,
        )
        for skill, y in zip(skills, ys, strict=True):
            change = skill.change(method, START)
            color = BLUE if change >= 0 else VERMILION
            ends = [skill.accuracy[START], skill.accuracy[method]]
            axes.plot(ends, [y, y], color=color, linewidth=3.2, alpha=0.3)
            _column(axes, y, 0.62, points(change), weight="bold", color=color if change else GREY)
            _column(axes, y, 1.16, "-" if skill.rate is None else percent(skill.rate, 0), color=GREY)
            _column(axes, y, 1.52, str(skill.n), color=GREY)
        for offset, header in ((0.62, "change"), (1.16, "missing"), (1.52, "n")):
            _column(axes, -0.95, offset, header, color=GREY, fontsize=SMALL_FONT)
        for arm in arms:
            axes.scatter(
                [skill.accuracy[arm] for skill in skills],
                ys,
                label=one_line(arm),
                clip_on=False,
                **_marker(arm, method),
            )
        figure.legend(
            loc="upper left",
            bbox_to_anchor=(EDGE / WIDTH - 0.014, axes.get_position().y1 + 0.34 / figure.get_figheight()),
            borderaxespad=0,
            ncols=len(arms),
            frameon=False,
            handletextpad=0.2,
            columnspacing=1.4,
        )
        return png(figure)


def _canvas(
    labels: Sequence[str], solid: int, title: str, subtitle: str, legend: bool = False
) -> tuple[Any, Any, list[int]]:
    """A figure whose height follows its rows, an axis of shares, and the height of each label's row.

    The rows after the first `solid` ones stand apart, under a note that they are little evidence.
    """
    from matplotlib.figure import Figure

    names = [_shortened(label) for label in labels]
    apart = 0 < solid < len(names)
    ys = [number + (apart and number >= solid) for number in range(len(names))]
    row, font = (TALL_ROW, FONT) if len(names) <= MANY else (LOW_ROW, SMALL_FONT)
    heading = textwrap.wrap(one_line(title).replace("_", " "), 84, max_lines=2, placeholder=" …")
    head = 0.5 + 0.24 * len(heading) + 0.3 * legend + (0.2 if len(names) > MANY else 0)
    body = row * (len(names) + apart + 0.9)
    height = head + body + FOOT
    left = EDGE + 0.1 + 0.0082 * font * max(map(len, names), default=0)

    figure = Figure(figsize=(WIDTH, height))
    x = EDGE / WIDTH
    figure.text(
        x, 1 - 0.14 / height, "\n".join(heading), va="top", fontsize=12.5, weight="bold", linespacing=1.25
    )
    figure.text(x, 1 - (0.2 + 0.24 * len(heading)) / height, one_line(subtitle), va="top", color=GREY)

    axes = figure.add_axes((left / WIDTH, FOOT / height, 1 - (left + RIGHT) / WIDTH, body / height))
    axes.set_yticks(ys, names)
    axes.set_ylim(len(names) + apart - 0.3, -1.2)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
    axes.tick_params(length=0, labelsize=font)
    axes.tick_params(axis="x", colors=GREY, labeltop=len(names) > MANY)
    axes.grid(axis="x", color="#E6EAED", linewidth=0.8)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    if apart:
        note = f"fewer than {FEW} difficult questions: little evidence"
        axes.text(0.006, solid, note, va="center_baseline", color=GREY, style="italic", fontsize=SMALL_FONT)
    return figure, axes, ys


def _marker(arm: str, method: str) -> dict[str, Any]:
    """Nested sizes, so that equal accuracies stay visible: a ring, in it a dot, in it a diamond."""
    if arm == START:
        return {"s": 78, "facecolors": "white", "edgecolors": GREY, "linewidths": 1.5, "zorder": 3}
    if arm == method:
        return {"s": 50, "color": BLUE, "linewidths": 0, "zorder": 4}
    return {"s": 30, "color": ORANGE, "marker": "D", "edgecolors": "white", "linewidths": 0.7, "zorder": 5}


def _column(axes: Any, y: float, offset: float, text: str, **style: Any) -> None:
    """Right-aligned text, `offset` inches to the right of the axes."""
    at = 1 + offset / (axes.get_position().width * WIDTH)
    axes.text(at, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center_baseline", **style)


def _shortened(label: str) -> str:
    label = one_line(label).replace("_", " ")
    keep = (LONGEST_LABEL - 1) // 2
    return label if len(label) <= LONGEST_LABEL else f"{label[:keep]}…{label[-keep:]}"


def style() -> Any:
    """Matplotlib's defaults whatever the user's settings, and a font for CJK names where there is one."""
    import matplotlib.style
    from matplotlib.font_manager import get_font_names

    fonts = ["DejaVu Sans", *sorted(name for name in get_font_names() if "CJK" in name)[:1]]
    return matplotlib.style.context(["default", STYLE, {"font.family": fonts}])


def png(figure: Any) -> bytes:
    """The figure as it is written: equal figures are equal bytes."""
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(content, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return content.getvalue()
