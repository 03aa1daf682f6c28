"""Whether grader `math` accepts the published answers of MATH, AMC23 and AIME24, and rejects altered ones.

    python benchmarks/grading_agreement.py [--data FOLDER] [--solutions 1000] [--altered 300]

Every gold answer is graded against itself; the first 1,000 worked solutions of MATH's training split against
their answers; and 300 gold answers of MATH, altered (another sign, one more or less, another numerator or
denominator, entries changed places), against the unaltered. What is not as it should be is printed with the
reason. The JSON of the last line: `gold` and `solutions` as shares of correct ones, `unexplained` failures,
and `altered_accepted`. The data are not part of this project; without them it says so and ends.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
SHARED = HERE.parents[2] / "shared" / "data"

from stat_train.data.columns import Columns  # noqa: E402
from stat_train.data.example import Example  # noqa: E402
from stat_train.data.reading import read_examples  # noqa: E402
from stat_train.grading.grader import Grader  # noqa: E402

GOLD = ("math_val", "amc23", "aime24")
TRAINING = "math_train"
NUMBER = re.compile(r"-?[0-9]+")
FRACTION = re.compile(r"(-?)\\d?frac\{([0-9]+)\}\{([0-9]+)\}")
PAIR = re.compile(r"\(([^(),]+),([^(),]+)\)")


def alterations(gold: str) -> dict[str, str]:
    """What -> the answer so altered that it has another value."""
    if match := FRACTION.fullmatch(gold):
        sign, top, bottom = match[1], int(match[2]), int(match[3])
        return {
            "sign": rf"{'' if sign else '-'}\frac{{{top}}}{{{bottom}}}",
            "numerator": rf"{sign}\frac{{{top + 1}}}{{{bottom}}}",
            "denominator": rf"{sign}\frac{{{top}}}{{{bottom + 1}}}",
            "upside down": rf"{sign}\frac{{{bottom}}}{{{top}}}" if top != bottom and top else f"{gold} + 1",
        }
    if NUMBER.fullmatch(gold):
        value = int(gold)
        return {"sign": str(-value or 1), "one more": str(value + 1), "one less": str(value - 1)}
    if (match := PAIR.fullmatch(gold)) and match[1].strip() != match[2].strip():
        return {"places": f"({match[2]},{match[1]})"}
    if re.fullmatch(r"[0-9]*\\sqrt\{[0-9]+\}", gold):
        return {
            "sign": f"-{gold}",
            "root": re.sub(r"[0-9]+\}$", lambda last: f"{int(last[0][:-1]) + 1}}}", gold),
        }
    return {}


def altered(golds: Sequence[str], count: int, draw: random.Random) -> list[tuple[str, str, str]]:
    """(what, altered answer, gold answer), no two alike, every kind of alteration in turn."""
    kinds: dict[str, list[tuple[str, str, str]]] = {}
    for gold in dict.fromkeys(golds):
        for what, answer in alterations(gold).items():
            kinds.setdefault(what, []).append((what, answer, gold))
    for rows in kinds.values():
        draw.shuffle(rows)
    turns = [row for turn in range(count) for rows in kinds.values() for row in rows[turn : turn + 1]]
    return turns[:count]


def explained(grader: Grader, example: Example) -> str | None:
    """Why a published solution does not reach its answer, where the rules say so."""
    answer = grader.extract(example.solution or "")
    if answer and " or " in answer:
        return f"its boxes hold different values: {answer}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="a folder with the data sets as JSONL")
    parser.add_argument("--solutions", type=int, default=1000)
    parser.add_argument("--altered", type=int, default=300)
    given = parser.parse_args()
    missing = [name for name in (*GOLD, TRAINING) if not (given.data / f"{name}.jsonl").is_file()]
    if missing:
        print(f"skipped: no {', '.join(f'{name}.jsonl' for name in missing)} in {given.data} (--data)")
        print(json.dumps({"skipped": True}))
        return

    def read(name: str) -> list[Example]:
        return read_examples(given.data / f"{name}.jsonl", Columns(), split_name=name)

    figures: dict[str, Any] = {}
    with Grader("math") as grader:
        for name in GOLD:
            examples = read(name)
            bad = grader.check_gold(examples)
            for row in bad:
                print(f"{name} {row.id}: {row.answer!r} against itself: {row.verdict}")
            figures[name] = {"n": len(examples), "correct": len(examples) - len(bad)}
        solved = [example for example in read(TRAINING) if example.answer and example.solution]
        solved = solved[: given.solutions]
        verdicts = grader.grade([(example.solution or "", example.answer or "") for example in solved])
        failed = [
            (example, verdict)
            for example, verdict in zip(solved, verdicts, strict=True)
            if verdict != "correct"
        ]
        reasons = [explained(grader, example) for example, _ in failed]
        for (example, verdict), reason in zip(failed, reasons, strict=True):
            print(f"{TRAINING} {example.id}: {example.answer!r}: {verdict}: {reason or 'unexplained'}")
        rows = altered([example.answer or "" for example in read(GOLD[0])], given.altered, random.Random(0))
        accepted = [
            row
            for row, verdict in zip(
                rows, grader.grade([(rf"\boxed{{{answer}}}", gold) for _, answer, gold in rows]), strict=True
            )
            if verdict != "wrong"
        ]
        for what, answer, gold in accepted:
            print(f"altered ({what}): {answer!r} for {gold!r} is not wrong")
    kinds = {what: sum(row[0] == what for row in rows) for what in dict.fromkeys(row[0] for row in rows)}
    golds = sum(figures[name]["n"] for name in GOLD)
    print(", ".join(f"{name}: {figures[name]['correct']} of {figures[name]['n']}" for name in GOLD))
    print(f"solutions: {len(solved) - len(failed)} of {len(solved)}; altered: {kinds}")
    print(
        json.dumps(
            {
                "gold": sum(figures[name]["correct"] for name in GOLD) / golds,
                "gold_answers": golds,
                "solutions": (len(solved) - len(failed)) / len(solved),
                "solutions_n": len(solved),
                "unexplained": reasons.count(None) + golds - sum(figures[name]["correct"] for name in GOLD),
                "altered": len(rows),
                "altered_accepted": len(accepted),
            }
        )
    )


if __name__ == "__main__":
    main()
