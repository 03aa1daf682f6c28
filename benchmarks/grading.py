"""Grading with stat_train's workers beside math-verify in one process, on the same answers.

    python benchmarks/grading.py [--answers 10000] [--rounds 3] [--data FOLDER]

Two sets of answers to the same gold answers (those of MATH, where --data has math_val.jsonl, else made up):
`repeats`, as ten samples a question come out (frequent answers often, right ones in several spellings), and
`distinct`, in which no answer to a gold occurs twice. math-verify is given the answers as boxes and parses
each gold once; its import is not timed. stat_train is given whole responses; finding the answers, starting
the workers and their import of math-verify are timed. `speedup` is that of `repeats`, the median over the
rounds; `disagreements` counts both sets.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
SHARED = HERE.parents[2] / "shared" / "data"

SAMPLES = 10
RIGHT = 0.55
RESPONSE = (
    "Let me work it out. First, ${a} + {b} = {c}$, and from the second condition $x = {b}$.\n\n"
    "Together, the value asked for follows after {a} steps.\n\nThe answer is $\\boxed{{{answer}}}$."
)


def read_golds(folder: Path, count: int) -> tuple[list[str], str]:
    """Gold answers, and whose they are."""
    file = folder / "math_val.jsonl"
    if not file.is_file():
        return list(made_up_golds(count, random.Random(0))), "made up"
    with file.open(encoding="utf-8") as lines:
        golds = [json.loads(line)["answer"] for line in lines]
    return [golds[n % len(golds)] for n in range(count)], "MATH"


def made_up_golds(count: int, draw: random.Random) -> Iterator[str]:
    """Answers of the kinds that MATH has, about as often."""
    kinds = ["{a}"] * 12 + [r"\frac{{{a}}}{{{b}}}"] * 4 + [r"-\frac{{{a}}}{{{b}}}", r"{a}\sqrt{{{b}}}"]
    kinds += [
        "({a}, {b})",
        "{a}x^2 + {b}x - 1",
        r"\frac{{{a}\pi}}{{{b}}}",
        "{a}.{b}",
        r"{a}\%",
        "[{a}, 1{b}0)",
    ]
    for _ in range(count):
        yield draw.choice(kinds).format(a=draw.randrange(1, 300), b=draw.choice((3, 7, 11, 13, 17)))


def spellings(gold: str) -> list[str]:
    """The gold answer in other spellings."""
    found = [
        gold,
        gold.replace(r"\frac", r"\dfrac"),
        gold.replace(" ", ""),
        f"{gold} ",
        gold.replace(",", ", "),
    ]
    if re.fullmatch(r"-?[0-9]+", gold):
        found += [f"{gold}.0", rf"{gold} \text{{ units}}", f"x = {gold}"]
    if "sqrt" not in gold and "pi" not in gold:
        found.append(re.sub(r"\\frac\{([0-9]+)\}\{([0-9]+)\}", r"\1/\2", gold))
    return list(dict.fromkeys(found))


def others(gold: str) -> Iterator[str]:
    """Wrong answers of the gold's form, without end."""
    for n in range(1, 1_000_000):
        changed = re.sub(r"[0-9]+", lambda number, n=n: str(int(number[0]) + n), gold, count=1)
        yield changed if changed != gold else f"{gold} + {n}"
        if n == 1:
            yield gold[1:] if gold.startswith("-") else f"-{gold}"
            yield f"{gold} + x"


def with_repeats(golds: Sequence[str], answers: int, draw: random.Random) -> list[tuple[str, str]]:
    """Samples of a model that is right about every other time."""
    pairs = []
    for gold in golds:
        right, wrong = spellings(gold), [other for other, _ in zip(others(gold), range(6), strict=False)]
        for _ in range(SAMPLES):
            if draw.random() < RIGHT:
                pairs.append((right[0] if draw.random() < 0.7 else draw.choice(right), gold))
            else:
                pairs.append((wrong[min(int(draw.expovariate(0.7)), len(wrong) - 1)], gold))
    return pairs[:answers]


def without_repeats(golds: Sequence[str], answers: int) -> list[tuple[str, str]]:
    """As many different answers to each gold: its spellings, then wrong ones."""
    pairs: dict[tuple[str, str], None] = {}
    for gold in golds:
        wrong, first = others(gold), len(pairs)
        for answer in spellings(gold)[: SAMPLES // 2]:
            pairs[answer, gold] = None
        while len(pairs) < first + SAMPLES:
            pairs[next(wrong), gold] = None
    return list(pairs)[:answers]


def grade_bare(pairs: Sequence[tuple[str, str]]) -> tuple[list[bool], float]:
    """math-verify, one answer after the other."""
    import logging

    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    parse(r"\boxed{1}")
    start, parsed, right = time.perf_counter(), {}, []
    for answer, gold in pairs:
        if gold not in parsed:
            parsed[gold] = parse(rf"\boxed{{{gold}}}")
        right.append(bool(verify(parsed[gold], parse(rf"\boxed{{{answer}}}"))))
    return right, time.perf_counter() - start


def cpu_seconds() -> float:
    """Of this process and of those that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def grade_ours(pairs: Sequence[tuple[str, str]], workers: int) -> tuple[list[bool], float]:
    """stat_train, from whole responses to verdicts."""
    from stat_train.grading.grader import Grader

    responses = [
        (RESPONSE.format(a=n % 17, b=n % 23, c=n % 17 + n % 23, answer=answer), gold)
        for n, (answer, gold) in enumerate(pairs)
    ]
    start = time.perf_counter()
    with Grader("math", workers=workers) as grader:
        verdicts = grader.grade(responses)
    return [verdict == "correct" for verdict in verdicts], time.perf_counter() - start


def run(contestant: str, pairs: Path, workers: int) -> dict[str, Any]:
    """One contestant in a process of its own."""
    command = [sys.executable, str(HERE), "--contestant", contestant, "--pairs", str(pairs)]
    done = subprocess.run(
        [*command, "--workers", str(workers)], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode != 0:
        sys.exit(f"{contestant} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(name: str, pairs: Sequence[tuple[str, str]], rounds: int, workers: int) -> dict[str, Any]:
    """Medians over the rounds; the verdicts of the first."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.json"
        file.write_text(json.dumps(pairs))
        turns = [(run("bare", file, workers), run("ours", file, workers)) for _ in range(rounds)]
    bare, ours = turns[0]
    verdicts = zip(pairs, bare["right"], ours["right"], strict=True)
    differing = [pair for pair, theirs, own in verdicts if theirs is not own]
    for answer, gold in differing[:10]:
        print(f"{name}: the verdicts on {answer!r} for {gold!r} differ")

    def median(values: Iterable[float]) -> float:
        return round(statistics.median(values), 2)

    found = {
        "answers": len(pairs),
        "repeat_share": round(1 - len(set(pairs)) / len(pairs), 3),
        "right": round(sum(bare["right"]) / len(pairs), 3),
        "bare_s": median(bare["seconds"] for bare, _ in turns),
        "ours_s": median(ours["seconds"] for _, ours in turns),
        "speedup": median(bare["seconds"] / ours["seconds"] for bare, ours in turns),
        "bare_cpu_s": median(bare["cpu"] for bare, _ in turns),
        "ours_cpu_s": median(ours["cpu"] for _, ours in turns),
        "disagreements": len(differing),
    }
    print(f"{name:9}", *(f"{key} {value}" for key, value in found.items()), sep="  ", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--data", type=Path, default=SHARED, help="a folder with math_val.jsonl")
    parser.add_argument("--rounds", type=int, default=3, help="each contestant once, in turns")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--contestant", choices=["bare", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        asked = [(answer, gold) for answer, gold in json.loads(given.pairs.read_text())]
        right, seconds = grade_bare(asked) if given.contestant == "bare" else grade_ours(asked, given.workers)
        print(json.dumps({"right": right, "seconds": seconds, "cpu": cpu_seconds()}))
        return

    golds, source = read_golds(given.data, -(-given.answers // SAMPLES))
    sets = {
        "repeats": with_repeats(golds, given.answers, random.Random(1)),
        "distinct": without_repeats(golds, given.answers),
    }
    figures = {name: compared(name, pairs, given.rounds, given.workers) for name, pairs in sets.items()}
    print(
        json.dumps(
            {
                "speedup": figures["repeats"]["speedup"],
                "speedup_distinct": figures["distinct"]["speedup"],
                "disagreements": sum(each["disagreements"] for each in figures.values()),
                "repeat_share": figures["repeats"]["repeat_share"],
                "golds": source,
                "workers": given.workers,
                **figures,
            }
        )
    )


if __name__ == "__main__":
    main()
