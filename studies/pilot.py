"""The pilot: does the diagnosis stand clear of its controls on the arithmetic domain?

Each seed reseeds everything: the pool and which skills are rare in it, all splits, the warm-up, the
selection and the training. `run` is resumable and writes each finished seed's rows; `table` prints what
docs/results.md shows.

    python studies/pilot.py run --seeds 1 2 3 [--setting NAME] [key=value ...]
    python studies/pilot.py table
"""

import argparse
from collections import defaultdict
from itertools import groupby
from pathlib import Path

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl, write_jsonl
from stat_train.evaluation.paired import paired_over_seeds
from stat_train.evaluation.scores import Scores, score
from stat_train.pipeline import run_recipe
from stat_train.recipe_file import read_recipe

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "docs" / "results" / "pilot.jsonl"
ARMS = ("random", "balanced", "hard", "stat-sel")
SPLITS = ("test", "ood")


def run(seeds: list[int], setting: str, overrides: list[str], runs: Path) -> None:
    """One warm-up per seed, then all arms from it; rows of seeds done before are kept."""
    for seed in seeds:
        warmup = read_recipe(
            ROOT / "recipes" / "warmup.yaml", [f"seed={seed}", f"run_dir={runs / f'warmup-{seed}'}"]
        )
        adapter = run_recipe(warmup, "sft")["sft random"].file("model") / "adapter"
        recipe = read_recipe(
            ROOT / "recipes" / "demo.yaml",
            [
                f"seed={seed}",
                f"student.adapter={adapter}",
                "student.adapter_sha256=null",
                f"arms=[{','.join(ARMS)}]",
                f"run_dir={runs / f'pilot-{seed}'}",
                *overrides,
            ],
        )
        stages = run_recipe(recipe)
        done = [row for row in read_rows() if (row["setting"], row["seed"]) != (setting, seed)]
        for arm in ("start", *recipe.arms):
            for split in SPLITS:
                verdicts = read_jsonl(stages[f"evaluate {arm}-{split}"].file("verdicts.jsonl"))
                correct = "".join("01"[row["verdict"] == "correct"] for row in verdicts)
                done.append(
                    {"setting": setting, "seed": seed, "arm": arm, "split": split, "correct": correct}
                )
        ROWS.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(ROWS, sorted(done, key=lambda row: (row["setting"], row["seed"])))


def read_rows() -> list[dict]:
    """The rows so far: setting, seed, arm, split, and a 1 or 0 for each question of the split."""
    return list(read_jsonl(ROWS)) if ROWS.exists() else []


def table() -> None:
    """Accuracy per seed and arm, and STAT-Sel against each other arm over the seeds."""
    rows = sorted(read_rows(), key=lambda row: (row["setting"], row["split"] != "test"))
    for (setting, split), group in groupby(rows, lambda row: (row["setting"], row["split"])):
        scores: dict[str, dict[int, Scores]] = defaultdict(dict)
        for row in group:
            scores[row["arm"]][row["seed"]] = _scores(row)
        seeds = sorted({seed for by_seed in scores.values() for seed in by_seed})
        n = next(its.n for by_seed in scores.values() for its in by_seed.values())
        print(f"\n{setting}, {split}, {n} questions a seed\n")
        print(f"| arm | {' | '.join(f'seed {seed}' for seed in seeds)} | mean | STAT-Sel minus this arm |")
        print(f"|---|{'---|' * (len(seeds) + 2)}")
        for arm in [arm for arm in ("start", *ARMS) if arm in scores]:
            by_seed = scores[arm]
            accuracies = [its.accuracy for its in by_seed.values()]
            cells = [f"{by_seed[seed].accuracy:.3f}" if seed in by_seed else "-" for seed in seeds]
            cells.append(f"{sum(accuracies) / len(accuracies):.3f}")
            print(f"| {arm} | {' | '.join(cells)} | {_against(scores, arm, seeds)} |")


def _scores(row: dict) -> Scores:
    """Questions of different seeds are different questions, so the seed is part of the id."""
    examples = [Example(f"{row['seed']}-{place}", "") for place in range(len(row["correct"]))]
    return score(examples, ["correct" if c == "1" else "wrong" for c in row["correct"]])


def _against(scores: dict[str, dict[int, Scores]], arm: str, seeds: list[int]) -> str:
    if arm == "stat-sel" or "stat-sel" not in scores or len(seeds) < 2:
        return ""
    if any(seed not in scores[one] for one in (arm, "stat-sel") for seed in seeds):
        return ""
    found = paired_over_seeds(
        [scores["stat-sel"][seed] for seed in seeds], [scores[arm][seed] for seed in seeds]
    )
    low, high = found.ci95
    return f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--setting", default="frozen")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    given, overrides = parser.parse_known_args()
    if given.what == "run":
        run(given.seeds, given.setting, overrides, given.runs)
    else:
        table()
