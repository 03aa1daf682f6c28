"""One cell of the study: an arm of a seed in a setting, trained and scored; what it leaves are rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.recipe import DEVELOPMENT, GRPO_SUFFIX, START, Recipe, trained_by
from stat_train.recipe_file import read_recipe
from stat_train.run import Stage, content_hash
from studies.study.oracle import ORACLE, run_oracle
from studies.study.plan import FOLDER, RATES, ROOT, TRAINED, TUNING_SEED, Setting, method_of
from studies.study.rows import Row, read_rows


@dataclass(frozen=True)
class Place:
    """Where the study works: rows in `folder`, run folders in `runs`; `overrides` change every recipe."""

    folder: Path
    runs: Path
    device: str
    overrides: tuple[str, ...] = ()


def run_cell(place: Place, setting: Setting, seed: int, arm: str) -> tuple[list[Row], dict[str, Stage]]:
    """A row for each split, and the stages behind them; what is there of the run is not made again."""
    recipe = recipe_of(place, setting, seed, arm)
    stages: dict[str, Stage] = {}
    for split in setting.splits:
        oracle = arm == ORACLE
        stages |= run_oracle(recipe, split) if oracle else run_recipe(recipe, f"evaluate {arm}-{split}")
    own = [title for title in stages if _belongs(title, arm)]
    seconds = sum(seconds_of(stages[title]) for title in own)
    if arm == START:
        seconds += sum(seconds_of(stage) for stage in warmed_up(place, setting, seed).values())
    rate = None if method_of(arm) == START else recipe.sft.rates[0]
    return [
        _row(place, setting, seed, arm, split, stages[f"evaluate {arm}-{split}"], rate, seconds)
        for split in setting.splits
    ], stages


def recipe_of(place: Place, setting: Setting, seed: int, arm: str, *more: str) -> Recipe:
    """The recipe of a cell, from a warm-up of its seed, which is trained where it is not there."""
    method = method_of(arm)
    lines = [f"seed={seed}", f"run_dir={_run_folder(place, setting, seed)}"]
    if setting.recipe != "rounds":
        lines.append(f"arms=[{method if method != START else ''}]")
    if arm.endswith(GRPO_SUFFIX):
        lines.append(f"grpo.arms=[{method}]")
    if method != START:
        lines.append(f"sft.learning_rate={setting.rate or chosen_rate(place, method)}")
    lines += [*_start(place, setting, seed), *setting.both, *setting.run, *place.overrides, *more]
    return read_recipe(ROOT / "recipes" / f"{setting.recipe}.yaml", lines)


def chosen_rate(place: Place, method: str) -> float:
    """The learning rate that does best on the development split of the tuning seed; of equals the lower.

    A folder without rates of its own goes by the study's. Raises UserError where it was not tried yet.
    """
    own = read_rows(place.folder, "rates") or read_rows(FOLDER, "rates")
    rows = [row for row in own if row["arm"] == method]
    tried = {row["learning_rate"]: row["correct"].count("1") for row in rows if row["device"] == place.device}
    if missing := [f"{rate:g}" for rate in RATES if rate not in tried]:
        raise UserError(
            f"{place.folder / 'rates.jsonl'}: {method} has no row of learning rate {missing[0]}; "
            "run the part rates first"
        )
    return max(RATES, key=lambda rate: (tried[rate], -rate))


def _start(place: Place, setting: Setting, seed: int) -> Sequence[str]:
    if seed == TUNING_SEED:
        return ()  # the recipes' own, which is the warm-up of this seed
    adapter = warmed_up(place, setting, seed)["sft random"].file("model") / "adapter"
    return (f"student.adapter={adapter}", "student.adapter_sha256=null")


def warmed_up(place: Place, setting: Setting, seed: int) -> dict[str, Stage]:
    """The stages of the warm-up of a seed: the start of all its arms."""
    folder = place.runs / f"study-warmup-{seed}-{content_hash(setting.both)[:6]}"
    lines = [f"seed={seed}", f"run_dir={folder}", *setting.both, *place.overrides]
    return run_recipe(read_recipe(ROOT / "recipes" / "warmup.yaml", lines), "sft")


def _run_folder(place: Place, setting: Setting, seed: int) -> Path:
    """One for all settings of a seed that share its pool: stages are named by what went into them."""
    return place.runs / f"study-{seed}-{content_hash(setting.both)[:6]}"


def _row(
    place: Place,
    setting: Setting,
    seed: int,
    arm: str,
    split: str,
    scored: Stage,
    rate: float | None,
    seconds: float,
) -> Row:
    verdicts = read_jsonl(scored.file("verdicts.jsonl"))
    return {
        "setting": setting.name,
        "seed": seed,
        "device": place.device,
        "arm": arm,
        "split": split,
        "correct": "".join("01"[row["verdict"] == "correct"] for row in verdicts),
        "learning_rate": rate,
        "seconds": round(seconds),
    }


def _belongs(title: str, arm: str) -> bool:
    """Whether a stage was made for this arm; what all arms share counts for the start."""
    if arm == START:
        return not any(title.partition(" ")[2].startswith(other) for other in TRAINED)
    splits = ("test", "ood", DEVELOPMENT)
    return title in (
        trained_by(arm),
        *(f"{stage} {arm}" for stage in ("rewrite", "synthesize", "select")),
        *(f"evaluate {arm}-{split}" for split in splits),
    )


def seconds_of(stage: Stage) -> float:
    """How long a stage took, by its manifest."""
    assert stage.manifest is not None
    return float(stage.manifest["seconds"])
