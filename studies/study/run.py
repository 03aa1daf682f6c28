"""Running what is missing of the plan, cell by cell; each leaves its rows as soon as it is done."""

import sys
from collections.abc import Iterator, Sequence

from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.recipe import GRPO_SUFFIX, START
from stat_train.run import Stage
from studies.study.cells import Place, recipe_of, run_cell, seconds_of
from studies.study.facts import profile_row, prompt_rows, rewards_of, skills_of
from studies.study.plan import FROZEN, Setting
from studies.study.rows import CELL, add_rows, read_rows

Cell = tuple[Setting, int, str]


def run(
    place: Place, settings: Sequence[Setting], seeds: Sequence[int] | None, arms: Sequence[str] | None
) -> None:
    """Run the cells of these settings that have no rows yet, those of the chosen seeds and arms.

    Raises UserError where the choice leaves no cell at all.
    """
    cells = list(_cells(settings, seeds, arms))
    if not cells:
        raise UserError("no cell of the plan has these parts, seeds and arms; see studies/study/plan.py")
    for number, (setting, seed, arm) in enumerate(cells, 1):
        said = f"[{number} of {len(cells)}] {setting.part}, {setting.name}, seed {seed}, {arm}"
        if _done(place, setting, seed, arm):
            print(f"{said}: has its rows", file=sys.stderr)
            continue
        print(said, file=sys.stderr, flush=True)
        if setting.part == "prompting":
            _run_prompts(place, setting, seed)
        else:
            _run(place, setting, seed, arm)


def _cells(
    settings: Sequence[Setting], seeds: Sequence[int] | None, arms: Sequence[str] | None
) -> Iterator[Cell]:
    """Seed by seed within a setting, so that whole seeds are there first."""
    for setting in settings:
        for seed in setting.seeds:
            for arm in setting.arms:
                if (seeds is None or seed in seeds) and (arms is None or arm in arms):
                    yield setting, seed, arm


def _done(place: Place, setting: Setting, seed: int, arm: str) -> bool:
    cell = (setting.name, seed, place.device)
    return any(
        tuple(row[name] for name in CELL[:3]) == cell and arm in (row["arm"], "prompts")
        for row in read_rows(place.folder, setting.part)
    )


def _run(place: Place, setting: Setting, seed: int, arm: str) -> None:
    rows, stages = run_cell(place, setting, seed, arm)
    cell = {"setting": setting.name, "seed": seed, "device": place.device}
    if setting.profile and arm == setting.arms[0]:
        stages |= run_recipe(recipe_of(place, setting, seed, arm), "profile")
        add_rows(place.folder, "profiles", [cell | profile_row(stages)], CELL[:3])
    if setting == FROZEN and arm == START:
        questions = [
            {"seed": seed, "split": split, "skills": skills_of(stages, split)} for split in setting.splits
        ]
        add_rows(place.folder, "questions", questions, ("seed", "split"))
    if arm.endswith(GRPO_SUFFIX):
        add_rows(place.folder, "rewards", [cell | {"arm": arm, "batches": rewards_of(stages, arm)}], CELL)
    add_rows(place.folder, setting.part, rows, (*CELL, "split"))


def _run_prompts(place: Place, setting: Setting, seed: int) -> None:
    domain = setting.seeds[0]
    frozen = [f"seed={seed}", f"tutor.seed={domain}"]
    stages: dict[str, Stage] = run_recipe(recipe_of(place, setting, domain, START, *frozen), "adaptmi")
    made = ("adaptmi", "prompt")
    seconds = sum(seconds_of(stage) for stage in stages.values() if stage.name.startswith(made))
    cell = {"setting": setting.name, "seed": seed, "device": place.device, "seconds": round(seconds)}
    add_rows(place.folder, setting.part, [cell | row for row in prompt_rows(stages)], CELL)
