"""The first steps: the data, and the student."""

from collections import Counter
from typing import Any

from stat_train.assets import asset
from stat_train.data.decontamination import remove_contaminated
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.data.reading import local_place, read_examples
from stat_train.data.splits import check_disjoint, repeats_note, without_repeats
from stat_train.data.writing import write_examples
from stat_train.errors import UserError
from stat_train.pipeline.clean import benchmark_questions, task_needs
from stat_train.pipeline.opening import answers_of, grader_files, open_grader, student_options
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.precision import answering_in_keys
from stat_train.recipe import Recipe, TutorOptions
from stat_train.run import content_hash
from stat_train.student.fingerprint import fingerprint, fingerprint_here

TUTOR_SPLITS = ("pool", "validation", "development", "test", "ood")


def data_step(recipe: Recipe) -> Step:
    """Read or generate the splits; no evaluation question stays in the pool, or stands twice in its split."""
    options: dict[str, Any]
    if recipe.tutor:
        options = {"tutor": recipe.tutor.model_dump(exclude={"faults"})}
        files = {"domain": content_hash(asset("data/arithmetic/domain.yaml"))}
    else:
        assert recipe.data
        options = {"columns": recipe.data.columns.model_dump(), "splits": list(recipe.data.sources)}
        if own := {split: its.model_dump() for split, its in recipe.data.columns_of.items()}:
            options["columns_of"] = own
        files = {split: source_hash(source) for split, source in recipe.data.sources.items()}
    options |= {
        "decontamination": recipe.near_rules.model_dump(),
        "grader": recipe.grader,
        "gold": recipe.difficulty.method == "gold",
    }
    return Step(
        "data",
        _make_data,
        _plan_data,
        needs=task_needs(recipe),
        options=options,
        files=files | grader_files(recipe),
        version=2,
    )


def split_sizes(recipe: Recipe) -> dict[str, int]:
    """Questions in each split, before decontamination; reads the user's files."""
    if recipe.tutor:
        return {split: getattr(recipe.tutor, split) for split in TUTOR_SPLITS}
    return {split: len(examples) for split, examples in read_splits(recipe).items()}


def read_splits(recipe: Recipe) -> dict[str, list[Example]]:
    """The splits, each question once in every split but the pool."""
    return {
        split: examples if split == "pool" else without_repeats(examples)
        for split, examples in _given_splits(recipe).items()
    }


def _given_splits(recipe: Recipe) -> dict[str, list[Example]]:
    """The splits as the user gave them, or generated."""
    if recipe.tutor:
        return generate_splits(recipe.tutor)
    assert recipe.data
    return {
        split: read_examples(source, recipe.data.columns_in(split), split_name=split)
        for split, source in recipe.data.sources.items()
    }


def where_from(recipe: Recipe, split: str) -> str:
    """A split, and its source where the user gave it."""
    return f"{split} ({recipe.data.sources[split]})" if recipe.data else split


def generate_splits(options: TutorOptions) -> dict[str, list[Example]]:
    """The splits of the embedded domain; no question occurs in two of them."""
    from stat_train.tutor.domain import load_domain
    from stat_train.tutor.splits import even_split, pool

    domain, seen = load_domain(), set[str]()
    splits: dict[str, list[Example]] = {}
    for split in ("test", "ood", "development", "validation"):
        size = getattr(options, split)
        splits[split] = even_split(domain, size, options.seed, split, unseen=split == "ood", without=seen)
        seen.update(example.question for example in splits[split])
    pooled = pool(domain, options.pool, options.skew, options.seed, without=seen)
    return {"pool": pooled} | {split: splits[split] for split in TUTOR_SPLITS[1:]}


def student_step(recipe: Recipe) -> Step:
    """The starting point: the weights and the prompt that all later steps use."""
    options = student_options(recipe)
    assert options.template
    files = {"template": content_hash(options.template)}
    if weights := fingerprint_here(options.model):
        files["model"] = weights
    if options.adapter:
        files["adapter"] = fingerprint(options.adapter)
    depends_on = {"model", "plain", "engine", "dtype", "max_model_len"}
    said = options.model_dump(mode="json", include=depends_on) | {"dtype": answering_in_keys(options.dtype)}
    return Step(
        "student",
        _open_student,
        lambda sizes: f"{options.model}{' with an adapter' if options.adapter else ''}",
        options=said,
        files=files,
    )


def _plan_data(sizes: Sizes) -> str:
    return ", ".join(f"{split} {n:,}" for split, n in sizes.items())


def _make_data(work: Work) -> None:
    recipe = work.recipe
    given = _given_splits(recipe)
    pool = given.pop("pool")
    splits = {split: without_repeats(examples) for split, examples in given.items()}
    check_disjoint(splits)
    with open_grader(recipe, stage=work.stage) as grader:
        for split, examples in splits.items():
            if split != "validation" or recipe.difficulty.method == "gold":
                grader.require_gold(examples, where_from(recipe, split), answers_of(recipe, split))
    clean = remove_contaminated(pool, splits | benchmark_questions(work), recipe.near_rules)
    if not clean.kept:
        raise UserError(
            f"pool: all of its {len(pool)} questions stand in another split too; give others to train on"
        )
    kept = {"pool": clean.kept, **splits}
    for split, examples in kept.items():
        write_examples(work.stage.file(f"{split}.jsonl"), examples)
    write_jsonl(work.stage.file("decontamination.jsonl"), clean.hits)
    removed = len(clean.removed)
    notes = [note for split in splits for note in repeats_note(len(given[split]) - len(splits[split]), split)]
    if removed:
        notes.append(f"{removed} pool questions stand in another split, or near one: removed")
    near = Counter(hit.rule for hit in clean.hits if not hit.removed)
    if near:
        found = ", ".join(f"{rule} {n}" for rule, n in near.most_common())
        notes.append(f"pool questions near those of another split, kept: {found} (decontamination.jsonl)")
    work.stage.finish(
        [f"{split}.jsonl" for split in (*kept, "decontamination")],
        counts={split: len(examples) for split, examples in kept.items()} | {"removed": removed},
        notes=notes,
    )


def _open_student(work: Work) -> None:
    """Fetch the weights where they are not here; what is written is all that the answers depend on."""
    from stat_train.student.load import load_student

    facts = {"fingerprint": load_student(student_options(work.recipe)).fingerprint, **work.stage.identity}
    write_jsonl(work.stage.file("student.jsonl"), [facts])
    work.stage.finish(["student.jsonl"])


def source_hash(source: str) -> str:
    """Of the contents of a file or folder, with the config and split of its that are read, or of a hub data
    set's name."""
    place, rest = local_place(source)
    if place is None:
        return content_hash(source)
    return content_hash([content_hash(place), rest]) if rest else content_hash(place)
