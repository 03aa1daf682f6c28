"""The picture of GRPO: reward by batch, overall and for the skills that were asked most often."""

import math
from collections.abc import Sequence
from typing import Any

from stat_train.report.pictures import BLUE, GREY, ORANGE, PALE, SMALL_FONT, VERMILION, WIDTH, png, style
from stat_train.report.results import GRPOTraining
from stat_train.report.wording import one_line, points

COLORS = (GREY, ORANGE, BLUE, VERMILION, "#009E73", "#CC79A7")
COLUMNS, MOST = 4, 12
TOP, ROW, HEAD, FOOT = 2.3, 1.25, 0.75, 0.45
"""Inches: the height of the panel of all questions, of a row of skills, and the margins."""


def grpo_picture(trainings: Sequence[GRPOTraining]) -> bytes:
    """PNG: a line for each training in a panel for all questions and one for each of up to 12 skills."""
    from matplotlib.figure import Figure

    skills = _most_asked(trainings)
    rows = math.ceil(len(skills) / COLUMNS)
    height = HEAD + TOP + FOOT + rows * ROW + (0.35 if rows else 0)
    with style():
        figure = Figure(figsize=(WIDTH, height))
        figure.text(0.02, 1 - 0.12 / height, _title(trainings), va="top", fontsize=12.5, weight="bold")
        left, width = 0.055, 0.925
        axes = figure.add_axes((left, 1 - (HEAD + TOP) / height, width, TOP / height))
        for training, color in zip(trainings, _colors(trainings), strict=True):
            _line(
                axes, training.curve, color, label=one_line(f"{training.arm} ({points(training.difference)})")
            )
        _dress(axes, "all questions: mean reward by batch (last third minus first, in points)")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.03), ncols=4, frameon=False, fontsize=SMALL_FONT)
        cell = width / COLUMNS
        for number, name in enumerate(skills):
            bottom = FOOT + (rows - 1 - number // COLUMNS) * ROW - 0.2
            place = (left + number % COLUMNS * cell, bottom / height, cell - 0.035, (ROW - 0.42) / height)
            small = figure.add_axes(place)
            for training, color in zip(trainings, _colors(trainings), strict=True):
                for skill in training.skills:
                    if skill.skill == name:
                        _line(small, skill.curve, color)
            _dress(small, one_line(name).replace("_", " ")[:34], small=True)
        return png(figure)


def _most_asked(trainings: Sequence[GRPOTraining]) -> list[str]:
    asked: dict[str, int] = {}
    for training in trainings:
        for skill in training.skills:
            asked[skill.skill] = asked.get(skill.skill, 0) + skill.groups
    return sorted(asked, key=lambda name: (-asked[name], name))[:MOST]


def _title(trainings: Sequence[GRPOTraining]) -> str:
    rose = sum(training.ci95 is not None and training.ci95[0] > 0 for training in trainings)
    return f"GRPO: the reward rose clearly in {rose} of {len(trainings)} trainings"


def _colors(trainings: Sequence[GRPOTraining]) -> list[str]:
    return [COLORS[number % len(COLORS)] for number in range(len(trainings))]


def _line(axes: Any, curve: Sequence[float | None], color: str, label: str | None = None) -> None:
    """The means at the middle of their spans; gaps are bridged."""
    known = [((place + 0.5) / len(curve), mean) for place, mean in enumerate(curve) if mean is not None]
    if known:
        axes.plot(
            *zip(*known, strict=True), color=color, linewidth=1.6, marker=".", markersize=4, label=label
        )


def _dress(axes: Any, title: str, small: bool = False) -> None:
    axes.set_title(title, loc="left", fontsize=SMALL_FONT - small, color=GREY, pad=3)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_ylim(top=max(1.0, axes.get_ylim()[1]))
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=SMALL_FONT - 1.5 * small, colors=GREY)
    axes.grid(axis="y", color=PALE, linewidth=0.6)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
