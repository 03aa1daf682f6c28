"""The step that embeds the questions, for the arms that go by how alike these read."""

from pathlib import Path

from stat_train.embedding.model import POOLING, SentenceModel, sentence_model_folder
from stat_train.embedding.vectors import embed, forget_pieces
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import Recipe
from stat_train.run import content_hash
from stat_train.student.fingerprint import fingerprint_here

EMBEDDED_ARMS = ("embed-sel", "embed-syn")
SPLITS = ("pool", "validation")


def embed_step(recipe: Recipe) -> Step:
    """A vector for each question of the pool and of validation."""
    options = recipe.selection.embedding
    weights = fingerprint_here(options.model)
    pooling = Path(options.model).expanduser() / POOLING
    return Step(
        "embed",
        _embed,
        lambda sizes: f"{sum(sizes[split] for split in SPLITS):,} questions, by {options.model}",
        needs={"data": tuple(f"{split}.jsonl" for split in SPLITS)},
        options=options.model_dump(),
        files={
            **({"model": weights} if weights else {}),
            **({"pooling": content_hash(pooling)} if weights and pooling.is_file() else {}),
        },
    )


def _embed(work: Work) -> None:
    options = work.recipe.selection.embedding
    model = SentenceModel(sentence_model_folder(options.model), options.batch_size)
    counts = {"rows_in": 0, "rows_out": 0, "cut": 0}
    for split in SPLITS:
        questions = [example.question for example in work.split(split, "data")]
        counts["cut"] += embed(model, questions, work.stage.file(f"{split}.npy"))
        counts["rows_in"] += len(questions)
        counts["rows_out"] += len(questions)
    for split in SPLITS:
        forget_pieces(work.stage.file(f"{split}.npy"))
    notes = [f"{counts['cut']} questions were cut at {model.max_tokens} tokens"] if counts["cut"] else []
    work.stage.finish([f"{split}.npy" for split in SPLITS], counts=counts, notes=notes)
