"""The later rounds: the steps of one arm once more, from the student that the round before trained."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial

from stat_train.pipeline.metacognition import label_step
from stat_train.pipeline.round_selection import round_select_step
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.pipeline.validation import FILE, asks_anew, validation_size, validation_step
from stat_train.recipe import START, Recipe, RoundsOptions, round_arm

SEED_STRIDE = 10_000
"""Between the seeds that two rounds draw with, so that Random does not draw the same again."""
SHARED = ("data", "student", "label")

OneRound = Callable[[Recipe], list[Step]]


def later_steps(recipe: Recipe, steps_of: OneRound) -> list[Step]:
    """The steps of the rounds after the first, then those of the arm of equal budget.

    `steps_of` gives a recipe's first round.
    """
    rounds = recipe.rounds
    if rounds is None:
        return []
    later = [step for number in range(2, rounds.n + 1) for step in _round(recipe, rounds, number, steps_of)]
    return [*later, *(_at_once(recipe, rounds, steps_of) if rounds.at_once else ())]


def _round(recipe: Recipe, rounds: RoundsOptions, number: int, steps_of: OneRound) -> Iterator[Step]:
    """The arm's steps, and what reads new questions or the student, once more; the rest is there already."""
    arm, suffix = rounds.arm, f"round-{number}"
    seed = recipe.seed + SEED_STRIDE * (number - 1)
    own = recipe.model_copy(update={"arms": (arm,), "seed": seed})
    moved: dict[str, str] = {}
    first = [step for step in steps_of(own) if step.title not in SHARED and not step.arm.startswith(START)]
    if asks_anew(recipe):
        yield validation_step(recipe, number)
        moved = {f"data/{FILE}": f"data {suffix}", f"label/{FILE}": f"label {suffix}"}
        first = [label_step(own, ("validation",)), *first]
    known_size = cache(lambda: validation_size(recipe, number))

    def sizes(split_sizes: Sizes) -> Sizes:
        return {**split_sizes, "validation": known_size() or split_sizes["validation"]}

    before = f"sft {round_arm(arm, number - 1)}"
    for step in first:
        if not (step.arm or "student" in step.needs or _moved(step, moved).called):
            continue
        again = _moved(replace(step, arm=_renamed(step.arm, arm, suffix), round=number), moved)
        if step.name == "select":
            again = round_select_step(again, rounds, number)
        own_model = step.name == "evaluate" or (step.name == "sft" and rounds.train_from == "start")
        trained = before if "student" in step.needs and not own_model else None
        if step.name != "label":  # of which only a file is read elsewhere
            moved[step.title] = again.title
        yield replace(
            again,
            needs={**again.needs, **({trained: ()} if trained else {})},
            work=partial(_work, step_work=again.work, recipe=own, trained=trained),
            plan=partial(_plan, again.plan, sizes),
        )


def _at_once(recipe: Recipe, rounds: RoundsOptions, steps_of: OneRound) -> Iterator[Step]:
    """The arm once more from the start, on as many pairs as all rounds have together."""
    assert recipe.selection.size
    selection = recipe.selection.model_copy(update={"size": rounds.n * recipe.selection.size})
    own = recipe.model_copy(update={"arms": (rounds.arm,), "selection": selection})
    moved: dict[str, str] = {}
    for step in steps_of(own):
        if step.arm == rounds.arm or step.arm.startswith(f"{rounds.arm}-"):
            again = _moved(replace(step, arm=_renamed(step.arm, rounds.arm, "at-once")), moved)
            moved[step.title] = again.title
            yield replace(again, work=partial(_work, step_work=again.work, recipe=own, trained=None))


def _renamed(step_arm: str, arm: str, suffix: str) -> str:
    """ "stat-sel-test" -> "stat-sel-round-2-test"; "" -> "round-2"."""
    name, rest = (arm, step_arm.removeprefix(arm)) if step_arm.startswith(arm) else (step_arm, "")
    return f"{name}-{suffix}{rest}".removeprefix("-")


def _moved(step: Step, moved: Mapping[str, str]) -> Step:
    """`step` reading the stages, and the "stage/file"s, in `moved` from where they are now."""
    needs: dict[str, list[str]] = {}
    called = {title: moved[title] for title in (*step.needs, *step.checks) if title in moved}
    for title, files in step.needs.items():
        its = needs.setdefault(moved.get(title, title), [])
        elsewhere = {name: place for name, place in moved.items() if name.startswith(f"{title}/")}
        for file in files:
            place = elsewhere.get(f"{title}/{file}")
            (needs.setdefault(place, []) if place else its).append(file)
            called |= {f"{title}/{file}": place} if place else {}
        if not files:
            called |= elsewhere
            needs |= {place: [] for place in elsewhere.values()}
        elif not its:
            del needs[title]
    return replace(
        step,
        needs={title: tuple(files) for title, files in needs.items()},
        checks=tuple(moved.get(title, title) for title in step.checks),
        called=called,
    )


def _plan(plan: Callable[[Sizes], str], sizes: Callable[[Sizes], Sizes], split_sizes: Sizes) -> str:
    return plan(sizes(split_sizes))


def _work(work: Work, *, step_work: Callable[[Work], None], recipe: Recipe, trained: str | None) -> None:
    """The first round's work, by the round's recipe; where the student is needed it is `trained`'s model."""
    if trained:
        model = str(work.given[trained].file("model"))
        own = {"model": model, "adapter": None, "adapter_sha256": None}
        recipe = recipe.model_copy(update={"student": recipe.student.model_copy(update=own)})
    step_work(replace(work, recipe=recipe))
