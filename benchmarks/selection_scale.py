"""How long STAT-Sel takes to draw a training set from a large pool, and how much memory.

    python benchmarks/selection_scale.py [--pool 1000000] [--size 9500] [--picture PATH]

The pool is labelled as MATH is: 7 subjects, 118 skills of very different frequency, one to three labels a
question. 500 difficult questions lack three skills each: 1,500 (question, skill) pairs, five draws a pair in
whole rounds until there are 9,500, then thinned. Both ways to draw; three sizes of pool and each way in a
process of its own. Making the pool is not timed, its memory counts. The last line is JSON: `seconds` (of the
slower way) and `peak_mb` of the largest pool, `exponent` (1: linear).
"""

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from scaling import draw, exponent, measure  # noqa: E402

from stat_train.data.example import Example  # noqa: E402
from stat_train.methods.options import StatSelOptions  # noqa: E402
from stat_train.methods.stat_sel import stat_sel  # noqa: E402

WAYS = {"shared": "draw: shared", "skill_map": "draw: skill_map"}
SUBJECTS, SKILLS, DIFFICULT, LACKED = 7, 118, 500, 3
QUESTION, SOLUTION = 200, 520  # characters, about the means of MATH


def labels(chance: random.Random, skills: list[str], weights: list[float]) -> tuple[str, ...]:
    """One to three skills, the frequent ones more often."""
    return tuple(dict.fromkeys(chance.choices(skills, cum_weights=weights, k=chance.randint(1, 3))))


def examples(prefix: str, count: int, seed: int) -> list[Example]:
    chance = random.Random(seed)
    lists = []
    for subject in range(SUBJECTS):
        skills = [f"skill_{n}" for n in range(subject, SKILLS, SUBJECTS)]
        total, weights = 0.0, []
        for rank in range(len(skills)):
            total += 1 / (rank + 2)
            weights.append(total)
        lists.append((f"subject_{subject}", skills, weights))
    made = []
    for n in range(count):
        subject, skills, weights = chance.choice(lists)
        id = f"{prefix}{n}"
        question, solution = f"question {id:{QUESTION}}", f"solution {id:{SOLUTION}}"
        made.append(Example(id, question, solution, "1", subject, labels(chance, skills, weights)))
    return made


def one(pool_size: int, size: int, way: str) -> None:
    """Draws one set, here; prints its figures as JSON."""
    pool, questions = examples("p", pool_size, 1), examples("v", DIFFICULT, 2)
    chance = random.Random(3)
    skills = {its.subject: set[str]() for its in questions}
    for its in pool[:5000]:
        skills[its.subject].update(its.skills)
    missing = {its.id: chance.sample(sorted(skills[its.subject]), LACKED) for its in questions}
    started = time.perf_counter()
    made = stat_sel(missing, questions, pool, StatSelOptions(draw=way), size=size)
    print(
        json.dumps(
            {
                way: time.perf_counter() - started,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "pairs": len(made),
                "unique": made.counts()["unique"],
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=9_500)
    parser.add_argument("--picture", type=Path, help="where to draw how it grows (PNG)")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, arguments.size, arguments.way)
        return
    sizes = [arguments.pool // 4, arguments.pool // 2, arguments.pool]
    by_way = [measure(__file__, sizes, "--size", str(arguments.size), "--way", way) for way in WAYS]
    found = [
        {**shared, **uniform, "peak_mb": max(shared["peak_mb"], uniform["peak_mb"])}
        for shared, uniform in zip(*by_way, strict=True)
    ]
    print("      pool  shared, s  skill_map, s  peak, MB  pairs")
    for row in found:
        print(
            f"{row['size']:>10,} {row['shared']:>10.2f} {row['skill_map']:>13.2f} {row['peak_mb']:>9,.0f} "
            f"{row['pairs']:>6,}"
        )
    slopes = {way: exponent(sizes, [row[way] for row in found]) for way in WAYS}
    print(
        "seconds grow as the pool to the power of " + ", ".join(f"{s:.2f} ({w})" for w, s in slopes.items())
    )
    if arguments.picture:
        title = f"{arguments.size:,} pairs drawn for {DIFFICULT * LACKED:,} (question, skill) pairs"
        draw(arguments.picture, title, "questions in the pool", found, WAYS, stacked=False)
    last = found[-1]
    figures = {
        "seconds": round(max(last[way] for way in WAYS), 2),
        "peak_mb": round(last["peak_mb"]),
        "pool": sizes[-1],
        "pairs": last["pairs"],
        "unique": last["unique"],
        "exponent": round(max(slopes.values()), 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
