"""Running what is missing of the plan, cell by cell; each leaves its rows as soon as it is done."""

import sys
from collections.abc import Iterator, Sequence

from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.precision import answers_in
from stat_train.recipe import GRPO_SUFFIX, START, Recipe
from stat_train.report.wording import points
from studies.study.cells import Place, fingerprint, recipe_of, run_cell, seconds_of, started, warm_up
from studies.study.evidence import Evidence, difference, t_interval
from studies.study.facts import mix_of, profile_row, prompt_rows, rewards_of, skills_of
from studies.study.plan import FOLDER, FROZEN, KEPT, PRIMARY, PROMPTS, Setting
from studies.study.rows import CELL, Row, add_rows, read_rows

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
    for number, cell in enumerate(cells, 1):
        setting, seed, arm = cell
        said = f"[{number} of {len(cells)}] {setting.part}, {setting.name}, seed {seed}, {arm}"
        if _done(place, *cell):
            print(f"{said}: has its rows", file=sys.stderr)
            continue
        print(said, file=sys.stderr, flush=True)
        if shared := _of_the_claim(place, *cell):
            add_rows(place.folder, setting.part, shared, (*CELL, "split"))
        else:
            make = _run_prompts if arm == PROMPTS else _run
            make(place, *cell)
        print(outcome(place, *cell), file=sys.stderr, flush=True)


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
    """Whether the cell has all its rows. Raises UserError where they were made by another recipe."""
    its = _rows(place, setting, seed, arm)
    if not its or {row["split"] for row in its} < set(setting.splits):
        return False
    if its[0]["recipe"] != fingerprint(_recipe(place, setting, seed, arm)):
        raise UserError(
            f"{place.folder / setting.part}.jsonl: {arm}, seed {seed}, {setting.name}: its rows were made by "
            "another recipe; take them out to make them again, or undo the change"
        )
    return True


def _rows(place: Place, setting: Setting, seed: int, arm: str) -> list[Row]:
    cell = (setting.name, seed, place.device)
    return [
        row
        for row in read_rows(place.folder, setting.part)
        if tuple(row[name] for name in CELL[:3]) == cell and arm in (row["arm"], PROMPTS)
    ]


def _of_the_claim(place: Place, setting: Setting, seed: int, arm: str) -> list[Row]:
    """Rows of the primary claim that are this cell's: a kept start may have that claim's very weights."""
    if setting != KEPT:
        return []
    starts = {row["start"] for row in _rows(place, KEPT, seed, START)}
    recipe = fingerprint(_recipe(place, KEPT, seed, arm))
    return [
        row | {"setting": KEPT.name}
        for row in _rows(place, FROZEN, seed, arm)
        if row["start"] in starts and row["recipe"] == recipe
    ]


def _recipe(place: Place, setting: Setting, seed: int, arm: str) -> Recipe:
    if arm != PROMPTS:
        return recipe_of(place, setting, seed, arm)
    domain = f"tutor.seed={setting.seeds[0]}"  # the seed is of sampling alone
    return recipe_of(place, setting, seed, START, domain)


def _run(place: Place, setting: Setting, seed: int, arm: str) -> None:
    rows, stages = run_cell(place, setting, seed, arm)
    cell = {"setting": setting.name, "seed": seed, "device": place.device}
    if setting.profile and arm == setting.arms[0]:
        add_rows(place.folder, "profiles", [cell | profile_row(stages)], CELL[:3])
    if setting == FROZEN and arm == START:
        questions = [
            {"seed": seed, "split": split, "skills": skills_of(stages, split), **mix_of(stages, split)}
            for split in setting.splits
        ]
        add_rows(place.folder, "questions", questions, ("seed", "split"))
    if setting.part == "rates":
        questions = [{"seed": seed, "split": split, **mix_of(stages, split)} for split in setting.splits]
        add_rows(place.folder, "questions", questions, ("seed", "split"))
    if arm.endswith(GRPO_SUFFIX):
        add_rows(place.folder, "rewards", [cell | {"arm": arm, "batches": rewards_of(stages, arm)}], CELL)
    add_rows(place.folder, setting.part, rows, (*CELL, "split"))


def _run_prompts(place: Place, setting: Setting, seed: int, arm: str) -> None:
    recipe = _recipe(place, setting, seed, arm)
    start, _ = warm_up(place, setting, setting.seeds[0])
    stages = run_recipe(started(recipe, start), "adaptmi")
    seconds = sum(
        seconds_of(stage) for stage in stages.values() if stage.name.startswith(("adaptmi", "prompt"))
    )
    cell = {
        "setting": setting.name,
        "seed": seed,
        "device": place.device,
        "recipe": fingerprint(recipe),
        "start": stages["student"].key[:12],
        "split": setting.splits[0],
        "seconds": round(seconds),
        "threads": place.threads,
        "answers": answers_in(recipe.student.dtype),
    }
    add_rows(place.folder, setting.part, [cell | row for row in prompt_rows(stages)], CELL)


def outcome(place: Place, setting: Setting, seed: int, arm: str) -> str:
    """The cell's accuracies; of the primary claim also its difference, beside the seeds on record."""
    shown = ", ".join(
        f"{row['arm']} {row['split']} {row['correct'].count('1') / len(row['correct']):.1%}"
        for row in _rows(place, setting, seed, arm)
    )
    if setting != FROZEN or arm not in PRIMARY:
        return shown
    here, recorded = (
        difference(*PRIMARY, Evidence(folder, place.device).scores()) for folder in (place.folder, FOLDER)
    )
    if here is not None and seed in here.seeds:
        own = here.per_seed[here.seeds.index(seed)]
        shown += f"\nseed {seed}: {' minus '.join(PRIMARY)} {points(own)} points on test"
    if recorded is not None and len(recorded.seeds) > 1:
        least, most = min(recorded.per_seed), max(recorded.per_seed)
        expected = " to ".join(map(points, t_interval(recorded.per_seed, one_more=True)))
        shown += (
            f"; the {len(recorded.seeds)} seeds on record: {points(least)} to {points(most)}, one more is "
            f"expected from {expected} (95%)"
        )
    return shown
