"""Figures in words: the same everywhere a person reads them."""

import math
from collections.abc import Sequence

from stat_train.report.results import Paired

MINUS = "\N{MINUS SIGN}"
SIGNIFICANT = 0.05


def percent(share: float, digits: int = 1) -> str:
    """0.6125 -> "61.3%"."""
    return f"{100 * share:.{digits}f}%"


def percent_interval(ci95: tuple[float, float]) -> str:
    """(0.57, 0.65) -> "57 to 65%"."""
    return f"{100 * ci95[0]:.0f} to {100 * ci95[1]:.0f}%"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign: 0.062 -> "+6.2"."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def points_interval(ci95: tuple[float, float]) -> str:
    return f"{points(ci95[0])} to {points(ci95[1])}"


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """The p-value after "p": "= 0.012" or "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def verdict(pair: Paired) -> str:
    """What a paired difference lets one say: its 95% interval excludes 0, and p is below 0.05 too."""
    low, high = pair.ci95
    if pair.p < SIGNIFICANT:
        if low > 0:
            return "better"
        if high < 0:
            return "worse"
    return "no difference shown"


def comparison(pair: Paired) -> str:
    """A paired difference as a sentence."""
    low, high = pair.ci95
    if verdict(pair) == "no difference shown":
        doubt = f", but p {p_equals(pair.p)}" if low > 0 or high < 0 else ""
        return (
            f"{pair.arm} against {pair.against} on {pair.split}: no difference shown "
            f"({points(pair.difference)} points; anything from {points(low)} to {points(high)} fits the "
            f"data{doubt})."
        )
    side = "above" if low > 0 else "below"
    return (
        f"{pair.arm} is {points(abs(pair.difference)).removeprefix('+')} points {side} {pair.against} on "
        f"{pair.split} (95% interval {points_interval(pair.ci95)}; p {p_equals(pair.p)})."
    )


def half_width(n: int) -> float:
    """Half the 95% interval of an accuracy near one half, measured on `n` questions."""
    return min(1.0, 1.96 * math.sqrt(0.25 / n))


def duration(seconds: float) -> str:
    """75.2 -> "1 min 15 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def listing(items: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def printable(text: str) -> str:
    """Text from a model or a data set without what could steer a terminal or hide itself.

    Control characters and direction overrides become U+FFFD; line ends become "\\n".
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c in "\n\t" or not _steers(c) else "\N{REPLACEMENT CHARACTER}" for c in lines)


def one_line(text: str) -> str:
    """`printable` text with every run of white space as one space."""
    return " ".join(printable(text).split())


def _steers(char: str) -> bool:
    code = ord(char)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
