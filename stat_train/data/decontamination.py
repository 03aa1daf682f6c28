"""Evaluation stays clean: training rows that ask an evaluation question are removed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Generic, Literal, Protocol, TypeVar

from pydantic import BeforeValidator, Field

from stat_train.data.ngrams import NgramIndex
from stat_train.data.normalise import masked_key, normalise_readable, readable, words
from stat_train.options import Options

Rule = Annotated[
    Literal["remove", "report", "off"],
    BeforeValidator(lambda given: "off" if given is False else given),  # a bare `off` is False in YAML
]
BATCH = 8192


class Question(Protocol):
    """What decontamination reads of a row."""

    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...


Row = TypeVar("Row", bound=Question)


class DecontaminationOptions(Options):
    """The near rules; a question equal after normalisation is always removed.

    `numbers`: equal but for the numbers (a list of them counts as one). `ngram_13`, `ngram_8`: 13 or 8 words
    in a row in common. A domain generated from templates reports them: nearly every row is a variant of a
    test question.
    """

    numbers: Rule = Field("report", description="equal but for the numbers")
    ngram_13: Rule = Field("report", description="13 words in a row in common")
    ngram_8: Rule = Field("report", description="8 words in a row in common")


@dataclass(frozen=True, slots=True)
class Hit:
    """Row `id` matches question `matched_id` of `split` by `rule`."""

    id: str
    rule: str
    split: str
    matched_id: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Decontaminated(Generic[Row]):
    """The rows kept and removed, in order, and every hit (one a row and rule; "exact" stands alone)."""

    kept: list[Row]
    removed: list[Row]
    hits: list[Hit]


def remove_contaminated(
    rows: Iterable[Row],
    against: Mapping[str, Sequence[Question]],
    options: DecontaminationOptions | None = None,
) -> Decontaminated[Row]:
    """`rows` without those that ask a question of the splits `against` (evaluation, validation).

    Linear in the rows and in the questions.
    """
    options = options or DecontaminationOptions()
    questions = [
        (split, question.id, readable(question.question)) for split in against for question in against[split]
    ]
    keys = [normalise_readable(text) for _, _, text in questions]
    exact = _first_places(keys)
    masked = (masked_key(text) for _, _, text in questions)
    numbers = _first_places(masked) if options.numbers != "off" else {}
    token_lists = [words(text) for _, _, text in questions]
    ngrams = {
        rule: NgramIndex(token_lists, n)
        for rule, n in (("ngram_13", 13), ("ngram_8", 8))
        if getattr(options, rule) != "off"
    }
    kept: list[Row] = []
    removed: list[Row] = []
    hits: list[Hit] = []
    for batch in _batches(rows):
        texts = [readable(row.question) for row in batch]
        tokens = [words(text) for text in texts] if ngrams else []
        near = {rule: index.first_matches(tokens) for rule, index in ngrams.items()}
        for place, (row, text) in enumerate(zip(batch, texts, strict=True)):
            key = normalise_readable(text)
            if key in exact:
                matches = {"exact": exact[key]}
            else:
                candidates = {"numbers": numbers.get(masked_key(text)) if numbers else None}
                candidates |= {rule: found[place] for rule, found in near.items()}
                matches = {rule: match for rule, match in candidates.items() if match is not None}
            row_hits = []
            for rule, match in matches.items():
                remove = rule == "exact" or getattr(options, rule) == "remove"
                row_hits.append(Hit(row.id, rule, *questions[match][:2], remove))
            hits += row_hits
            (removed if any(hit.removed for hit in row_hits) else kept).append(row)
    return Decontaminated(kept, removed, hits)


def _first_places(keys: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, place)
    return places


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
