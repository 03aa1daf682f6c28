"""The pilot: does the diagnosis stand clear of its controls on the arithmetic domain?

Each seed reseeds everything: the pool and which skills are rare in it, all splits, the warm-up, the
selection and the training. `run` scores the frozen setting on test and ood; `vary` changes one thing at a
time and looks at a development split of 340 questions only, so that nothing is chosen on test. Both are
resumable and write each finished row; `table` and `variations` print what docs/results.md shows.

    python studies/pilot.py run --seeds 1 2 3 [--setting NAME] [key=value ...]
    python studies/pilot.py table
    python studies/pilot.py vary --seeds 3 [--settings NAME ...]
    python studies/pilot.py variations
"""

import argparse
import fcntl
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl, write_jsonl
from stat_train.evaluation.paired import paired, paired_over_seeds
from stat_train.evaluation.scores import Scores, score
from stat_train.pipeline import run_recipe
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.run import Stage, content_hash

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "docs" / "results" / "pilot.jsonl"
VARIED = ROWS.with_name("pilot_variations.jsonl")
ARMS = ("random", "balanced", "hard", "stat-sel")
SPLITS = ("test", "ood")
DEVELOPMENT = "development"
COARSE = ROOT / "studies" / "coarse_skills.yaml"


@dataclass(frozen=True)
class Variation:
    """What a setting changes in both recipes, the warm-up's, or the demo's; and the arms that it changes."""

    both: tuple[str, ...] = ()
    warmup: tuple[str, ...] = ()
    demo: tuple[str, ...] = ()
    arms: tuple[str, ...] = ("balanced", "hard", "stat-sel")


VARIATIONS = {
    "frozen": Variation(arms=ARMS),
    "4 skills instead of 34": Variation(demo=(f"taxonomy={COARSE}",), arms=("balanced", "stat-sel")),
    "uniform draw": Variation(demo=("selection.stat_sel.draw=skill_map",), arms=("stat-sel",)),
    "learning rate 3e-4": Variation(demo=("sft.learning_rate=3e-4",), arms=("stat-sel", "hard", "balanced")),
    "150 pairs": Variation(demo=("selection.size=150",)),
    "no skew": Variation(both=("tutor.skew=0",)),
    "warm-up of 500": Variation(warmup=("selection.size=500",), arms=("balanced", "stat-sel", "hard")),
    "warm-up of 3,000": Variation(warmup=("selection.size=3000",)),
    "600 pairs": Variation(demo=("selection.size=600",)),
}


def run(seeds: list[int], setting: str, overrides: list[str], runs: Path) -> None:
    """One warm-up per seed, then all arms from it; rows of seeds done before are kept."""
    for seed in seeds:
        recipe = _recipe(seed, ARMS, runs, (), overrides)
        stages = run_recipe(recipe)
        done = [row for row in read_rows() if (row["setting"], row["seed"]) != (setting, seed)]
        for arm in ("start", *recipe.arms):
            for split in SPLITS:
                correct = _correct(stages[f"evaluate {arm}-{split}"])
                done.append(
                    {"setting": setting, "seed": seed, "arm": arm, "split": split, "correct": correct}
                )
        ROWS.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(ROWS, sorted(done, key=lambda row: (row["setting"], row["seed"])))


def vary(seeds: list[int], settings: list[str], runs: Path) -> None:
    """Each setting's arms, scored on the development split as they finish; rows done before are kept."""
    for seed in seeds:
        for setting in settings:
            varied = VARIATIONS[setting]
            both = ("tutor.development=340", *varied.both)
            recipe = _recipe(seed, varied.arms, runs, (*both, *varied.warmup), (*both, *varied.demo))
            with _locked_rows() as rows:
                there = {_cell(row) for row in rows}
            for arm in ("start", *varied.arms):
                if (setting, seed, arm) in there:
                    continue
                title = f"evaluate {arm}-{DEVELOPMENT}"
                correct = _correct(run_recipe(recipe, title)[title])
                row = {"setting": setting, "seed": seed, "arm": arm, "split": DEVELOPMENT, "correct": correct}
                with _locked_rows() as rows:
                    rows[:] = [its for its in rows if _cell(its) != _cell(row)] + [row]


def _recipe(seed: int, arms: Sequence[str], runs: Path, warmup: Sequence[str], demo: Sequence[str]) -> Recipe:
    """The demo's recipe from a warm-up of this seed, which is trained where it is not there."""
    start = read_recipe(
        ROOT / "recipes" / "warmup.yaml",
        [f"seed={seed}", f"run_dir={runs / f'warmup-{seed}-{content_hash(warmup)[:6]}'}", *warmup],
    )
    adapter = run_recipe(start, "sft")["sft random"].file("model") / "adapter"
    return read_recipe(
        ROOT / "recipes" / "demo.yaml",
        [
            f"seed={seed}",
            f"student.adapter={adapter}",
            "student.adapter_sha256=null",
            f"arms=[{','.join(arms)}]",
            f"run_dir={runs / f'pilot-{seed}-{content_hash(warmup)[:6]}'}",
            "sampling.batch_size=32",  # as it was when the table was made
            "evaluation.sampling.batch_size=32",
            *demo,
        ],
    )


def _correct(stage: Stage) -> str:
    """A 1 or 0 for each question of the split."""
    return "".join("01"[row["verdict"] == "correct"] for row in read_jsonl(stage.file("verdicts.jsonl")))


def _cell(row: dict) -> tuple[str, int, str]:
    return row["setting"], row["seed"], row["arm"]


@contextmanager
def _locked_rows() -> Iterator[list[dict]]:
    """The rows of `vary`, to change in place; several processes may run at once."""
    VARIED.parent.mkdir(parents=True, exist_ok=True)
    with VARIED.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = list(read_jsonl(VARIED)) if VARIED.exists() else []
        yield rows
        write_jsonl(
            VARIED, sorted(rows, key=lambda row: (list(VARIATIONS).index(row["setting"]), row["seed"]))
        )


def variations() -> None:
    """Accuracy on development per setting and arm, and STAT-Sel against each control."""
    rows = list(read_jsonl(VARIED))
    for seed in sorted({row["seed"] for row in rows}):
        print(f"\nseed {seed}, {DEVELOPMENT}\n")
        print(f"| setting | {' | '.join(('start', *ARMS))} | STAT-Sel minus Balanced | minus Hard |")
        print(f"|---|{'---|' * 7}")
        frozen = {row["arm"]: row for row in rows if row["seed"] == seed and row["setting"] == "frozen"}
        for setting, varied in VARIATIONS.items():
            its = {row["arm"]: row for row in rows if row["seed"] == seed and row["setting"] == setting}
            if not its:
                continue
            shared = set(ARMS) - set(varied.arms) if not (varied.both or varied.warmup) else set()
            cells = [f"{_scores(its[arm]).accuracy:.3f}" if arm in its else "" for arm in ("start", *ARMS)]
            print(
                f"| {setting} | {' | '.join(cells)} | {_lead(its, frozen, shared, 'balanced')} | "
                f"{_lead(its, frozen, shared, 'hard')} |"
            )


def _lead(its: dict[str, dict], frozen: dict[str, dict], shared: set[str], control: str) -> str:
    """STAT-Sel minus a control of its setting, or the frozen one where the setting does not change it."""
    other = its.get(control) or (frozen.get(control) if control in shared else None)
    if other is None or "stat-sel" not in its:
        return ""
    found = paired(_scores(its["stat-sel"]), _scores(other))
    low, high = found.ci95
    return f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]"


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
    parser.add_argument("what", choices=["run", "table", "vary", "variations"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--setting", default="frozen")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument("--settings", nargs="+", default=list(VARIATIONS), choices=list(VARIATIONS))
    given, overrides = parser.parse_known_args()
    if given.what == "run":
        run(given.seeds, given.setting, overrides, given.runs)
    elif given.what == "vary":
        vary(given.seeds, given.settings, given.runs)
    else:
        {"table": table, "variations": variations}[given.what]()
