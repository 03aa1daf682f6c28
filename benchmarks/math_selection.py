"""STAT-Sel on MATH, in the shape of the paper: what 9,500 pairs hold.

    python benchmarks/math_selection.py [--data ../shared/data] [--seed 0] [--size 9500]

The Skill-Map is made of the labels published for MATH's training split. The profile is simulated: of the
1,000 questions of the test split that have a published label, 500 are difficult; each lacks its own skill
and one or two more of its subject, some skills more often than others. For both ways to draw, with and
without `unique`: different questions, draws from a neighbouring skill, and how far the pairs per skill are
from the profile's proportions (chi-square; its p is near 1 where they are as near as whole numbers can be).
The last line is JSON: those of `draw: shared`, `unique: false`.
"""

import argparse
import json
import random
import sys
from collections import defaultdict
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from stat_train.data.columns import Columns  # noqa: E402
from stat_train.data.example import Example  # noqa: E402
from stat_train.data.reading import read_examples  # noqa: E402
from stat_train.methods.options import StatSelOptions  # noqa: E402
from stat_train.methods.stat_sel import stat_sel  # noqa: E402
from stat_train.methods.training_set import TrainingSet  # noqa: E402

DIFFICULT = 500
LABELLED = Columns(subject="subject", skills="published_skills")


def simulated(validation: list[Example], pool: list[Example], seed: int) -> dict[str, list[str]]:
    """Difficult question -> two or three missing skills of its subject, its own first."""
    chance = random.Random(seed)
    skills: dict[str, dict[str, None]] = defaultdict(dict)
    for example in pool:
        skills[example.subject].update(dict.fromkeys(example.skills))
    ranked = {subject: chance.sample(sorted(its), len(its)) for subject, its in sorted(skills.items())}
    known = [its for its in validation if set(its.skills) & set(ranked.get(its.subject, ()))]
    missing = {}
    for example in sorted(chance.sample(known, DIFFICULT), key=lambda example: example.id):
        lacked = dict.fromkeys(skill for skill in example.skills if skill in skills[example.subject])
        names = ranked[example.subject]
        weights = [1 / (rank + 2) for rank in range(len(names))]
        count = chance.randint(2, 3)
        while len(lacked) < count:
            lacked[chance.choices(names, weights)[0]] = None
        missing[example.id] = list(lacked)
    return missing


def chi_square(
    made: TrainingSet, missing: dict[str, list[str]], by_id: dict[str, Example]
) -> tuple[float, float]:
    """Of the pairs per (subject, skill) against the profile's proportions, and its p."""
    from scipy.stats import chisquare

    profile: dict[tuple[str, str], int] = defaultdict(int)
    for id, skills in missing.items():
        for skill in skills:
            profile[by_id[id].subject, skill] += 1
    held = dict.fromkeys(profile, 0)
    for row in made.rows:
        held[row.lineage["subject"], row.lineage["skill"]] += 1
    whole = sum(profile.values())
    found = chisquare(list(held.values()), [len(made) * n / whole for n in profile.values()])
    return float(found.statistic), float(found.pvalue)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=9_500)
    arguments = parser.parse_args()
    pool = read_examples(arguments.data / "math_train.jsonl", LABELLED, split_name="pool")
    validation = read_examples(arguments.data / "math_val.jsonl", LABELLED, split_name="validation")
    missing = simulated(validation, pool, arguments.seed)
    by_id = {example.id: example for example in validation}
    pairs = sum(map(len, missing.values()))
    lacked = {(by_id[id].subject, skill) for id, skills in missing.items() for skill in skills}
    print(
        f"{len(pool):,} training questions, {sum(bool(its.skills) for its in pool):,} labelled; "
        f"{len(missing)} difficult questions, {pairs:,} (question, skill) pairs, {len(lacked)} skills"
    )
    print("draw       unique  pairs  questions  back-offs  chi-square     p")
    for draw, unique in product(("shared", "skill_map"), (True, False)):
        options = StatSelOptions(draw=draw, unique=unique)
        made = stat_sel(missing, validation, pool, options, size=arguments.size, seed=arguments.seed)
        counts, (statistic, p) = made.counts(), chi_square(made, missing, by_id)
        print(
            f"{draw:10} {unique!s:6} {len(made):>6,} {counts['unique']:>10,} {counts['backed_off']:>10,} "
            f"{statistic:>11.2f} {p:>5.2f}"
        )
        if (draw, unique) == ("shared", False):
            figures = {
                "pairs": len(made),
                "unique_questions": counts["unique"],
                "skills": len(lacked),
                "chi_square": round(statistic, 2),
                "p": round(p, 3),
            }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
