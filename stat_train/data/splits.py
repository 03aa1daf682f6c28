"""Splits that share no question."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from stat_train.data.example import Example
from stat_train.data.normalise import normalise_question
from stat_train.errors import UserError


def split_examples(
    examples: Sequence[Example], sizes: Mapping[str, int | None], *, seed: int
) -> dict[str, list[Example]]:
    """Draws splits of the given sizes; a size of None takes what is left.

    Questions equal after normalisation stay together. The draw depends on the seed and the
    questions, not on their order; each split keeps the order of `examples`. Raises UserError
    where there are too few examples.
    """
    groups: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        groups[normalise_question(example.question)].append(example)
    rest = [name for name, size in sizes.items() if size is None]
    if len(rest) > 1:
        raise UserError(f"splits: {' and '.join(rest)} both take what is left; give all but one a size")
    room = {name: size for name, size in sizes.items() if size is not None}
    chosen: dict[str, str] = {}
    for key in sorted(groups, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest()):
        split = next((name for name in room if room[name] >= len(groups[key])), None)
        if split is not None:
            room[split] -= len(groups[key])
            chosen[key] = split
        elif rest:
            chosen[key] = rest[0]
    short = {name: missing for name, missing in room.items() if missing}
    if short:
        lacking = ", ".join(f"{name} lacks {missing}" for name, missing in short.items())
        raise UserError(f"splits: {len(examples)} examples are too few: {lacking}; ask for smaller splits")
    splits: dict[str, list[Example]] = {name: [] for name in sizes}
    for example in examples:
        key = normalise_question(example.question)
        if key in chosen:
            splits[chosen[key]].append(example)
    return splits


def check_disjoint(splits: Mapping[str, Sequence[Example]]) -> None:
    """Raises UserError, naming the ids, where a question stands in two splits (after normalisation)."""
    owner: dict[str, tuple[str, str]] = {}
    shared: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for name, examples in splits.items():
        for example in examples:
            other, other_id = owner.setdefault(normalise_question(example.question), (name, example.id))
            if other != name:
                shared[other, name] += 1
                first.setdefault((other, name), (other_id, example.id))
    if shared:
        (one, two), count = shared.most_common(1)[0]
        ids = first[one, two]
        raise UserError(
            f"splits '{one}' and '{two}' share {count} question(s), such as id {ids[0]} and id {ids[1]}; "
            f"remove them from one of the two"
        )


def without_repeats(examples: Sequence[Example]) -> list[Example]:
    """The first row of each question (as `check_disjoint` compares them), in order."""
    seen: set[str] = set()
    kept = []
    for example in examples:
        key = normalise_question(example.question)
        if key not in seen:
            seen.add(key)
            kept.append(example)
    return kept


def repeats_note(repeats: int, name: str) -> list[str]:
    """A note on the rows that `without_repeats` left out, if there are any."""
    if not repeats:
        return []
    return [f"{repeats:,} rows of {name} repeat a question of it: left out, since a question counts once"]
