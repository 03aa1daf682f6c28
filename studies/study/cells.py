"""One cell of the study: an arm of a seed in a setting, trained and scored; what it leaves are rows."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline import run_recipe
from stat_train.precision import answers_in
from stat_train.recipe import DEVELOPMENT, START, Recipe, trained_by
from stat_train.recipe_file import read_recipe
from stat_train.run import Stage, content_hash
from studies.study.oracle import ORACLE, run_oracle
from studies.study.plan import FOLDER, RATES, ROOT, STARTS, TRAINED, Setting, best_rate, method_of
from studies.study.rows import Row, read_rows


@dataclass(frozen=True)
class Place:
    """Where the study works: rows in `folder`, run folders in `runs`; `overrides` change every recipe.
    `device` and `threads` stand in the rows."""

    folder: Path
    runs: Path
    device: str = "cpu"
    threads: int = 1
    overrides: tuple[str, ...] = ()


def run_cell(place: Place, setting: Setting, seed: int, arm: str) -> tuple[list[Row], dict[str, Stage]]:
    """A row for each split, and the stages behind them; what is there of the run is not made again."""
    start, warmed_up = warm_up(place, setting, seed)
    recipe = started(recipe_of(place, setting, seed, arm), start)
    stages: dict[str, Stage] = run_recipe(recipe, "profile") if setting.profile else {}
    for split in setting.splits:
        oracle = arm == ORACLE
        stages |= run_oracle(recipe, split) if oracle else run_recipe(recipe, f"evaluate {arm}-{split}")
    own = [stage for title, stage in stages.items() if _belongs(title, arm)]
    row = {
        "setting": setting.name,
        "seed": seed,
        "device": place.device,
        "arm": arm,
        "recipe": fingerprint(recipe),
        "start": stages["student"].key[:12],
        "learning_rate": None if method_of(arm) == START else recipe.sft.rates[0],
        **_pairs(stages.get(f"select {arm}"), warmed_up["select random"]),
        "seconds": round(sum(map(seconds_of, [*own, *(warmed_up.values() if arm == START else ())]))),
        "threads": place.threads,
        "precision": "bf16" if recipe.sft.autocast else "fp32",
        "answers": answers_in(recipe.student.dtype),
    }
    return [
        row | {"split": split, "correct": _correct(stages[f"evaluate {arm}-{split}"])}
        for split in setting.splits
    ], stages


def recipe_of(place: Place, setting: Setting, seed: int, arm: str, *more: str) -> Recipe:
    """The recipe of a cell, but for its start. UserError where its learning rate is not chosen."""
    method = method_of(arm)
    lines = [f"seed={seed}", f"run_dir={_run_folder(place, setting, seed)}"]
    if setting.recipe != "rounds":
        lines.append(f"arms=[{method if method != START else ''}]")
    if setting.recipe == "grpo":
        lines.append(f"grpo.arms=[{method}]")
    if method != START:
        lines.append(f"sft.learning_rate={setting.rate or chosen_rate(place, method)}")
    lines += [*setting.both, *setting.run, *place.overrides, *more]
    return read_recipe(ROOT / "recipes" / f"{setting.recipe}.yaml", lines)


def started(recipe: Recipe, adapter: Path) -> Recipe:
    """The recipe, from the warm-up of its seed."""
    student = recipe.student.model_copy(update={"adapter": adapter, "adapter_sha256": None})
    return recipe.model_copy(update={"student": student})


def fingerprint(recipe: Recipe) -> str:
    """Of all that a recipe says, but where it stands and which weights it begins with."""
    said = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"run_dir"})
    said["student"] = {k: v for k, v in said["student"].items() if not k.startswith("adapter")}
    return content_hash(json.dumps(said, sort_keys=True).replace(f"{ROOT}/", ""))[:12]


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
    return best_rate(tried)


def warm_up(place: Place, setting: Setting, seed: int) -> tuple[Path, dict[str, Stage]]:
    """The adapter that all arms of a seed begin with, and the stages before it.

    It is trained where it is not there; a kept one, which stands in `STARTS` from then on, just once.
    """
    folder = place.runs / f"study-warmup-{seed}-{content_hash(setting.both)[:6]}"
    lines = [f"seed={seed}", f"run_dir={folder}", *setting.both, *place.overrides]
    recipe, kept = read_recipe(ROOT / "recipes" / "warmup.yaml", lines), STARTS / str(seed)
    to_keep = setting.kept and not place.overrides
    if to_keep and kept.exists():
        return kept, run_recipe(recipe, "select")
    stages = run_recipe(recipe, "sft")
    trained = stages["sft random"].file("model") / "adapter"
    if not to_keep:
        return trained, stages
    partial = kept.with_suffix(".partial")
    shutil.copytree(trained, partial, dirs_exist_ok=True)
    partial.rename(kept)
    return kept, stages


def _run_folder(place: Place, setting: Setting, seed: int) -> Path:
    """One for all settings of a seed that share its pool: stages are named by what went into them."""
    return place.runs / f"study-{seed}-{content_hash(setting.both)[:6]}"


def _pairs(selected: Stage | None, warmed_up: Stage) -> Row:
    """How many pairs an arm holds, of how many questions, and how many of them the warm-up had too."""
    if selected is None:
        return {"pairs": None, "distinct": None, "seen": None}
    its, before = (TrainingSet.read(stage.file("rows.jsonl")).rows for stage in (selected, warmed_up))
    known = {row.question for row in before}
    return {
        "pairs": len(its),
        "distinct": len({row.question for row in its}),
        "seen": sum(row.question in known for row in its),
    }


def _correct(scored: Stage) -> str:
    """A 1 or 0 for each question."""
    return "".join("01"[row["verdict"] == "correct"] for row in read_jsonl(scored.file("verdicts.jsonl")))


def _belongs(title: str, arm: str) -> bool:
    """Whether a stage was made for this arm; what all arms share counts for the start."""
    if arm == START:
        shared = title != "embed" and not title.endswith(" round-2")
        return shared and not any(title.partition(" ")[2].startswith(other) for other in TRAINED)
    own: Mapping[str, Sequence[str]] = {
        "embed-sel": ("embed",),
        "stat-sel-round-2": [f"{stage} round-2" for stage in _ROUND],
    }
    return title in (
        trained_by(arm),
        *(f"{stage} {arm}" for stage in ("rewrite", "synthesize", "select")),
        *(f"evaluate {arm}-{split}" for split in ("test", "ood", DEVELOPMENT)),
        *own.get(arm, ()),
    )


_ROUND = ("data", "label", "answer", "difficulty", "diagnose", "profile")


def seconds_of(stage: Stage) -> float:
    """How long a stage took, by its manifest."""
    assert stage.manifest is not None
    return float(stage.manifest["seconds"])
