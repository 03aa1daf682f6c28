"""The validation questions of a later round, new to the student and to every split."""

from collections.abc import Mapping, Sequence
from functools import partial

from stat_train.data.decontamination import remove_contaminated
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.data.reading import read_examples
from stat_train.data.splits import check_disjoint, repeats_note, without_repeats
from stat_train.data.writing import write_examples
from stat_train.errors import UserError
from stat_train.pipeline.data import TUTOR_SPLITS, source_hash
from stat_train.pipeline.opening import answers_of, grader_files, open_grader
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import Recipe

FILE = "validation.jsonl"


def asks_anew(recipe: Recipe) -> bool:
    """Whether later rounds have validation questions of their own."""
    return bool(recipe.tutor or (recipe.rounds and recipe.rounds.validation))


def validation_step(recipe: Recipe, number: int) -> Step:
    """The validation split of round `number`, without questions of any other split or earlier round."""
    earlier = [f"data round-{other}" for other in range(2, number)]
    source = None if recipe.tutor else _source(recipe, number)
    return Step(
        "data",
        partial(_make, number),
        lambda sizes: f"validation {sizes['validation']:,}",
        arm=f"round-{number}",
        needs={"data": (), **dict.fromkeys(earlier, (FILE,))},
        options={
            "tutor": recipe.tutor.model_dump(include={"validation", "seed"}) if recipe.tutor else None,
            "columns": recipe.data.columns_in("validation").model_dump() if recipe.data else None,
            "decontamination": recipe.near_rules.model_dump(),
            "grader": recipe.grader,
            "gold": recipe.difficulty.method == "gold",
        },
        files=({"validation": source_hash(source)} if source else {}) | grader_files(recipe),
    )


def new_validation(recipe: Recipe, number: int, others: Mapping[str, Sequence[Example]]) -> list[Example]:
    """The questions of round `number`, each once; where they are generated, beside the splits `others`."""
    return without_repeats(_given_validation(recipe, number, others))


def _given_validation(recipe: Recipe, number: int, others: Mapping[str, Sequence[Example]]) -> list[Example]:
    if recipe.tutor is None:
        assert recipe.data
        name = f"validation of round {number}"
        return read_examples(_source(recipe, number), recipe.data.columns_in("validation"), split_name=name)
    from stat_train.tutor.domain import load_domain
    from stat_train.tutor.splits import even_split

    options, name = recipe.tutor, f"validation-round-{number}-"
    seen = {example.question for examples in others.values() for example in examples}
    return even_split(load_domain(), options.validation, options.seed, name, without=seen)


def validation_size(recipe: Recipe, number: int) -> int | None:
    """How many questions the user gave for round `number`; None: as many as for the first."""
    if recipe.tutor or not asks_anew(recipe):
        return None
    return len(new_validation(recipe, number, {}))


def _source(recipe: Recipe, number: int) -> str:
    assert recipe.rounds
    return recipe.rounds.validation[number - 2]


def _make(number: int, work: Work) -> None:
    recipe = work.recipe
    splits = TUTOR_SPLITS if recipe.tutor else tuple(recipe.data.sources) if recipe.data else ()
    others = {split: work.split(split, "data") for split in splits}
    others |= {
        f"validation of round {other}": work.split("validation", f"data round-{other}")
        for other in range(2, number)
    }
    given = _given_validation(recipe, number, others)
    found = without_repeats(given)
    name = f"validation of round {number}"
    pool = others.pop("pool")
    check_disjoint({**others, name: found})
    clean = remove_contaminated(found, {"pool": pool}, recipe.near_rules)
    if not clean.kept:
        raise UserError(f"{name}: all of its {len(found)} questions stand in the pool too; give others")
    if recipe.difficulty.method == "gold":
        with open_grader(recipe) as grader:
            grader.require_gold(clean.kept, name, answers_of(recipe, "validation"))
    write_examples(work.stage.file(FILE), clean.kept)
    write_jsonl(work.stage.file("decontamination.jsonl"), clean.hits)
    removed = len(clean.removed)
    notes = repeats_note(len(given) - len(found), name)
    if removed:
        notes.append(f"{removed} questions stand in the pool, or near one of it: removed")
    counts = {"validation": len(clean.kept), "removed": removed}
    work.stage.finish([FILE, "decontamination.jsonl"], counts=counts, notes=notes)
