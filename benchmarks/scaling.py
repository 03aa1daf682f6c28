"""How a cost grows with size: each size in a process of its own, the slope, and a picture."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#6B6B6B"


def measure(script: str, sizes: Sequence[int], *arguments: str) -> list[dict[str, Any]]:
    """What `script --one SIZE` prints as JSON, size by size."""
    found = []
    for size in sizes:
        command = [sys.executable, script, "--one", str(size), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append({"size": size} | json.loads(done.stdout.splitlines()[-1]))
    return found


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of log cost over log size by least squares: 1 is linear."""
    xs, ys = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def draw(
    path: Path,
    title: str,
    unit: str,
    found: Sequence[dict[str, Any]],
    parts: dict[str, str],
    *,
    stacked: bool = True,
) -> None:
    """Seconds by `parts` (field -> name), on top of each other or side by side, and peak memory over size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [row["size"] / 1e6 for row in found]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
    if stacked:
        left.stackplot(
            [0, *sizes],
            *([0, *(row[name] for row in found)] for name in parts),
            labels=parts.values(),
            colors=[BLUE, ORANGE],
            alpha=0.55,
        )
        left.plot(sizes, [sum(row[name] for name in parts) for row in found], "o", color=GREY)
    else:
        for (name, label), color in zip(parts.items(), (BLUE, ORANGE), strict=True):
            left.plot(sizes, [row[name] for row in found], "o-", color=color, label=label)
    left.set_ylabel("seconds")
    left.legend(loc="upper left", frameon=False)
    right.plot(sizes, [row["peak_mb"] / 1024 for row in found], "o-", color=BLUE)
    right.set_ylabel("peak memory, GB")
    for axes in (left, right):
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"million {unit}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
