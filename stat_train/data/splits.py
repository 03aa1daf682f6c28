"""Splits that share no question."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Integral

from stat_train.data.example import Example
from stat_train.data.normalise import normalise_question
from stat_train.errors import UserError


def split_examples(
    examples: Sequence[Example], sizes: Mapping[str, int | None], *, seed: int
) -> dict[str, list[Example]]:
    """Draws splits of the given sizes; a size of None takes what is left.

    Questions equal after normalisation stay together. The draw depends on the seed and the
    questions, not on their order; each split keeps the order of `examples`. Raises UserError
    where there are too few examples, or where no whole questions make up a size.
    """
    keys = [normalise_question(example.question) for example in examples]
    counts = Counter(keys)
    rest = [name for name, size in sizes.items() if size is None]
    if len(rest) > 1:
        raise UserError(f"splits: {' and '.join(rest)} both take what is left; give all but one a size")
    asked = {name: size for name, size in sizes.items() if size is not None}
    for name, size in asked.items():
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 0:
            raise UserError(
                f"splits: {name} has the size {size!r}; give a whole number from 0, or None for what is left"
            )
    chosen, short = _draw(counts, asked, seed)
    if short:
        raise UserError(f"splits: {_why_short(counts, asked, short, seed)}")
    splits: dict[str, list[Example]] = {name: [] for name in sizes}
    for key, example in zip(keys, examples, strict=True):
        if key in chosen or rest:
            splits[chosen.get(key) or rest[0]].append(example)
    return splits


def _draw(
    counts: Mapping[str, int], sizes: Mapping[str, int], seed: int
) -> tuple[dict[str, str], dict[str, int]]:
    """(the split of each drawn question, how many examples each split lacks), by the examples a question."""
    room = dict(sizes)
    chosen: dict[str, str] = {}
    for key in sorted(counts, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest()):
        split = next((name for name in room if room[name] >= counts[key]), None)
        if split is not None:
            room[split] -= counts[key]
            chosen[key] = split
    return chosen, {name: missing for name, missing in room.items() if missing}


def _why_short(
    counts: Mapping[str, int], asked: Mapping[str, int], short: Mapping[str, int], seed: int
) -> str:
    if sum(asked.values()) > (total := sum(counts.values())):
        lacking = ", ".join(f"{name} lacks {missing}" for name, missing in short.items())
        return f"{total} examples are too few: {lacking}; ask for smaller splits"
    refused = " and ".join(f"{name} cannot be exactly {asked[name]}" for name in short)
    nearest = " and ".join(f"{name} {_nearest(counts, asked, name, short, seed)}" for name in short)
    return f"equal questions stay together, and {refused}; ask for {nearest}"


def _nearest(
    counts: Mapping[str, int], asked: Mapping[str, int], name: str, short: Mapping[str, int], seed: int
) -> str:
    """The nearest sizes of a split that can be drawn, below and (if only this one is short) above."""
    below = asked[name] - short[name]
    if len(short) > 1:
        return str(below)
    most = min(sum(counts.values()), asked[name] + max(counts.values()))
    larger = (size for size in range(asked[name] + 1, most + 1))
    above = next((size for size in larger if not _draw(counts, {**asked, name: size}, seed)[1]), None)
    return " or ".join(str(size) for size in (below, above) if size)


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
