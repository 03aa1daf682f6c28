"""What the study runs. Fixed before any of its seeds was run: seeds, arms, claims and rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stat_train.recipe import START
from stat_train.recipe_file import read_recipe

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "study"
SEEDS = (100, 101, 102, 103, 104)
"""Of warm-up, pool and which skills are rare in it, all splits, selection and training; not in the pilot."""
FEWER = SEEDS[:3]
TUNING_SEED, TUNING = 99, ("tutor.development=612",)
"""Where learning rates are chosen: a seed of its own, on a development split as large as test."""
STARTS = ROOT / "data" / "arithmetic" / "starts"
"""The adapter of each seed's warm-up, by seed."""
RATES = (5e-4, 1e-3, 2e-3)
"""The pilot's rate, its half and its double, for every arm alike."""
TRAINED: tuple[str, ...] = read_recipe(ROOT / "recipes" / "arms.yaml").arms
PRIMARY = ("stat-sel", "random")
PROMPTS = "prompts"
"""Stands for all ways to prompt, which are answered together."""
TARGET_SPLIT, TARGET, HALF_WIDTH = "test", 0.08, 0.05
"""Of the primary claim: mean difference on this split, at least; its interval to either side, at most."""


@dataclass(frozen=True)
class Setting:
    """Cells of one part that differ in seed and arm alone.

    `both` changes the warm-up and the run, `run` the run. `rate`: none is the one chosen for the arm.
    With `profile` the profile of each seed is kept too, beside the tutor's truth. With `kept` its arms begin
    at the starts in `STARTS`, so that arms trained on several machines are pairs; without, at a warm-up that
    is trained where they are.
    """

    part: str
    name: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...] = SEEDS
    recipe: str = "arms"
    splits: tuple[str, ...] = ("test", "ood")
    both: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    rate: float | None = None
    profile: bool = False
    kept: bool = True


def _wrong(share: float) -> tuple[str, ...]:
    return (f"tutor.faults={{wrong_labels: {share}, wrong_diagnoses: {share}}}",)


SIMPLE = (START, "random", "balanced", "stat-sel")
FROZEN = Setting("primary", "frozen", SIMPLE, profile=True, kept=False)
KEPT = Setting("arms", "kept starts", (START, *TRAINED), profile=True)
SETTINGS = (
    *(
        Setting(
            "rates", f"{rate:g}", TRAINED, (TUNING_SEED,), splits=("development",), both=TUNING, rate=rate
        )
        for rate in RATES
    ),
    FROZEN,
    KEPT,
    Setting("diagnosis", "oracle", ("oracle",), FEWER),
    Setting("diagnosis", "20% wrong", ("stat-sel",), FEWER, run=_wrong(0.2), profile=True),
    Setting("diagnosis", "40% wrong", ("stat-sel",), FEWER, run=_wrong(0.4), profile=True),
    Setting(
        "solutions", "either order", ("augment", "stat-syn"), FEWER, run=("tutor.faults={other_order: 0.5}",)
    ),
    Setting("rehearsal", "half", ("stat-sel",), FEWER, run=("selection.rehearsal=0.5",)),
    Setting("rounds", "two", ("stat-sel", "stat-sel-round-2", "stat-sel-at-once"), FEWER, recipe="rounds"),
    Setting(
        "grpo",
        "on top",
        ("start+grpo", "stat-sel", "stat-sel+grpo", "random", "random+grpo"),
        SEEDS[:1],
        recipe="grpo",
    ),
    Setting("skew", "0", SIMPLE, both=("tutor.skew=0",), kept=False),
    Setting("skew", "0.75", SIMPLE, both=("tutor.skew=0.75",), kept=False),
    Setting("prompting", "all prompts", (PROMPTS,), FEWER, recipe="adaptmi", splits=("test",)),
)
"""In the order in which they run. Seeds of `prompting` are of sampling, on the domain of the first seed.
`solutions` and the kept starts were added when the primary claim was known: the first when no arm of the
tutor's solutions had been run, the second since another machine cannot make the claim's warm-ups again. So
were `stat-sel` and `random` of `rounds` and `grpo`: what goes on from a training is compared with it.
`rehearsal` was added last, when it was known what STAT-Sel loses on the pool's own mix."""
PARTS = tuple(dict.fromkeys(setting.part for setting in SETTINGS))
ARMS = tuple(dict.fromkeys(arm for setting in SETTINGS for arm in setting.arms))


def best_rate(scores: Mapping[float, float]) -> float:
    """The learning rate of the best score; of equals the lower."""
    return max(scores, key=lambda rate: (scores[rate], -rate))


def method_of(arm: str) -> str:
    """The arm whose learning rate an arm is trained with."""
    base = arm.removesuffix("+grpo")
    return "stat-sel" if base == "oracle" or base.startswith("stat-sel-") else base


def place_of(arm: str) -> tuple[str, str]:
    """Part and setting in which STAT-Sel is compared with an arm."""
    setting = FROZEN if arm in FROZEN.arms else KEPT
    return setting.part, setting.name


Comparison = tuple[str, str, str, str, str]
"""Part, setting, split, an arm, and the arm taken from it."""
SECONDARY: tuple[Comparison, ...] = (
    *((*place_of(arm), "test", "stat-sel", arm) for arm in TRAINED if arm not in (*PRIMARY, "stat-syn")),
    *((KEPT.part, KEPT.name, "test", "stat-syn", arm) for arm in ("random", "balanced", "stat-sel")),
    (FROZEN.part, FROZEN.name, "ood", "stat-sel", "random"),
    (KEPT.part, KEPT.name, "ood", "stat-syn", "random"),
    ("skew", "0", "test", "stat-sel", "random"),
    ("skew", "0", "test", "stat-sel", "balanced"),
    ("skew", "0.75", "test", "stat-sel", "random"),
    ("skew", "0.75", "test", "stat-sel", "balanced"),
)
"""All other comparisons that are tested; their p-values are adjusted for each other (Holm)."""
