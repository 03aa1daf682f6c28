"""How long it takes, and how much memory, to clean a large synthetic set.

    python benchmarks/decontamination_scale.py [--rows 1000000] [--questions 10000] [--picture PATH]

Rows (about 40 words, numbers and some LaTeX) are cleaned of the questions of an evaluation set with every
rule on (exact, numbers, 13 and 8 words in a row), and then of duplicates and near duplicates among
themselves. A hundredth of the rows are evaluation questions in another spelling, a hundredth such with
other numbers, a fiftieth copies of an earlier row with one word changed. Three sizes, each in a process of
its own; making the rows is not timed, their memory counts. The last line is JSON: `seconds` and `peak_mb`
of the largest size, `exponent` (1: linear).
"""

import argparse
import json
import random
import re
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from scaling import draw, exponent, measure  # noqa: E402

from stat_train.data.decontamination import DecontaminationOptions, remove_contaminated  # noqa: E402
from stat_train.data.duplicates import DuplicateIndex  # noqa: E402

PARTS = {"decontamination": "questions of other splits", "duplicates": "near duplicates"}
LATEX = ("$x^2 + {}$", "$\\frac{{{}}}{{7}}$", "$\\sqrt{{{}}}$", "$y = {}x$", "$\\left( {} \\right)$")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    question: str


class Writer:
    """Questions of words that occur as unevenly as those of a language do."""

    def __init__(self, seed: int, words: int = 20_000) -> None:
        self.random = random.Random(seed)
        fixed = random.Random(0)
        self.words = ["".join(fixed.choices(LETTERS, k=fixed.randint(2, 9))) for _ in range(words)]
        total, self.weights = 0.0, []
        for rank in range(1, words + 1):
            total += 1 / (rank + 10)
            self.weights.append(total)

    def question(self) -> str:
        count = self.random.randint(20, 60)
        drawn = self.random.choices(self.words, cum_weights=self.weights, k=count)
        for place in range(3, count, 9):
            number = self.random.randrange(2, 500)
            latex = self.random.random() < 0.3
            drawn[place] = self.random.choice(LATEX).format(number) if latex else str(number)
        return f"{' '.join(drawn).capitalize()}?"


def rows_of(size: int, questions: list[str]) -> Iterator[Row]:
    """The set to clean; what was planted shows in the ids."""
    writer, long = Writer(1), ""
    for n in range(size):
        kind, text = "new", writer.question()
        other = questions[n % len(questions)]
        if n % 100 == 17:
            kind, text = "spelled", other.upper().replace(" ", "  ")
        elif n % 100 == 34:
            kind, text = "numbers", re.sub(r"\d+", lambda match: str(int(match[0]) + 501), other)
        elif n % 50 == 13 and long:
            words = long.split()
            words[len(words) // 2] = "otherwise"
            kind, text, long = "copy", " ".join(words), ""
        elif text.count(" ") > 35:
            long = text
        yield Row(f"{kind}-{n}", text)


def one(size: int, count: int) -> None:
    """Cleans one set, here; prints its figures as JSON."""
    writer = Writer(2)
    questions = [writer.question() for _ in range(count)]
    rows = list(rows_of(size, questions))
    against = {"test": [Row(f"t{n}", question) for n, question in enumerate(questions)]}
    cpu, started = time.process_time(), time.perf_counter()
    clean = remove_contaminated(rows, against, DecontaminationOptions())
    between = time.perf_counter()
    repeats = DuplicateIndex(0.8).add([(row.id, row.question) for row in clean.kept])
    cpu, ended = time.process_time() - cpu, time.perf_counter()
    hit = {(found.id, found.rule) for found in clean.hits}
    spelled = [row.id for row in rows if row.id.startswith("spelled")]
    numbers = [row.id for row in rows if row.id.startswith("numbers")]
    copies = sum(row.id.startswith("copy") for row in clean.kept)
    found = sum(
        repeat is not None and row.id.startswith("copy")
        for row, repeat in zip(clean.kept, repeats, strict=True)
    )
    print(
        json.dumps(
            {
                "decontamination": between - started,
                "duplicates": ended - between,
                "cpu": cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "missed": sum((id, "exact") not in hit for id in spelled)
                + sum((id, "numbers") not in hit for id in numbers),
                "copies": copies,
                "copies_found": found,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--picture", type=Path, help="where to draw how it grows (PNG)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, arguments.questions)
        return
    sizes = [arguments.rows // 4, arguments.rows // 2, arguments.rows]
    found = measure(__file__, sizes, "--questions", str(arguments.questions))
    print("      rows  splits, s  near dupl., s   all, s  peak, MB  missed  copies found")
    for row in found:
        seconds = row["decontamination"] + row["duplicates"]
        print(
            f"{row['size']:>10,} {row['decontamination']:>10.1f} {row['duplicates']:>14.1f} {seconds:>8.1f} "
            f"{row['peak_mb']:>9,.0f} {row['missed']:>7} {row['copies_found']:>8,} of {row['copies']:,}"
        )
    seconds = [row["decontamination"] + row["duplicates"] for row in found]
    slope = exponent(sizes, seconds)
    print(f"against {arguments.questions:,} questions; seconds grow as rows to the power of {slope:.2f}")
    if arguments.picture:
        title = f"Rows cleaned of {arguments.questions:,} evaluation questions and of near duplicates"
        draw(arguments.picture, title, "rows", found, PARTS)
    last = found[-1]
    figures = {
        "seconds": round(seconds[-1], 1),
        "cpu_seconds": round(last["cpu"], 1),
        "peak_mb": round(last["peak_mb"]),
        "rows": sizes[-1],
        "exponent": round(slope, 3),
        "missed": sum(row["missed"] for row in found),
        "copies_found": round(last["copies_found"] / last["copies"], 4) if last["copies"] else None,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
