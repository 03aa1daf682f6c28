"""What became of the questions that a teacher was asked for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from stat_train.errors import UserError
from stat_train.methods.drawing import allocate
from stat_train.methods.training_set import TrainingSet

Why = Literal["invalid", "contaminated", "inconsistent", "duplicate"]
MOST_NAMED = 5
SPARE = 1.25
MOST_AT_ONCE = 4
"""A later round asks for at most so many times the first round's questions."""


@dataclass(slots=True)
class Yield:
    """What became of the questions asked for one skill ("" for a method that knows none).

    `asked` = invalid + `valid`; `valid` = `contaminated` + inconsistent + `consistent`; `consistent` =
    `duplicate` + `kept`. `kept` questions have `pairs` different agreeing solutions; `wanted` were needed.
    """

    subject: str
    skill: str
    wanted: int
    requests: int = 0
    asked: int = 0
    valid: int = 0
    contaminated: int = 0
    consistent: int = 0
    duplicate: int = 0
    kept: int = 0
    pairs: int = 0

    @property
    def name(self) -> str:
        """The skill, after its subject where there is one."""
        return "/".join(filter(None, [self.subject, self.skill])) or "all questions"

    @property
    def short(self) -> int:
        """Pairs that are still missing."""
        return max(0, self.wanted - self.pairs)

    def first_requests(self, pairs_a_request: int) -> int:
        """As many as are needed if nothing is lost."""
        return math.ceil(self.wanted / pairs_a_request)

    def next_requests(self, pairs_a_request: int) -> int:
        """As many as should fill what is missing at the yield seen so far, and some to spare."""
        first = self.first_requests(pairs_a_request)
        if not self.short:
            return 0
        if not self.pairs:
            return first
        return min(MOST_AT_ONCE * first, math.ceil(SPARE * self.short * self.requests / self.pairs))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A question that was not kept: why, in what way, and where it came from. An invalid one may be ""."""

    id: str
    question: str
    why: Why
    detail: str
    lineage: Mapping[str, Any]


def yield_notes(yields: Sequence[Yield], questions: int, solutions: int, rounds: int) -> list[str]:
    """One-line remarks: who was asked for more and why, and who is short all the same.

    A request asks for so many new `questions`, each of which is solved so many times (`solutions`).
    """
    pairs_a_request = questions * solutions
    again = [its for its in yields if its.requests > its.first_requests(pairs_a_request)]
    short = [its for its in yields if its.short]
    notes = []
    if again:
        more = _named([f"{its.name} ({_came_of(its, solutions)})" for its in again])
        notes.append(f"asked for more where too few pairs came of it, in {rounds} rounds at most: {more}")
    if short:
        few = _named([f"{its.name} {its.pairs} of {its.wanted} pairs" for its in short])
        notes.append(f"still short after {rounds} rounds (selection.synthesis.rounds): {few}")
    return notes


def _came_of(its: Yield, solutions: int) -> str:
    kept = f"{its.kept} of {its.asked} questions kept"
    if its.pairs == its.kept * solutions:
        return kept
    return f"{kept}, and of their {its.kept * solutions} solutions {its.pairs} agree and differ in wording"


def take(made: TrainingSet, yields: Sequence[Yield], size: int) -> TrainingSet:
    """`size` of the pairs, each skill as many as it is `wanted`, so far as it has them; what a skill lacks is
    shared among the others in that proportion, and noted.

    A pair is a question with one of its agreeing solutions. Where there are too many, third solutions go
    before second ones, so that as many questions as possible stay. Raises UserError where there are fewer
    pairs than `size`: every arm has the same size.
    """
    if len(made) < size:
        raise UserError(
            f"{made.method}: {len(made)} pairs could be made of the {size} that every arm is given; raise "
            "selection.synthesis.rounds, lower selection.size, or mend what is lost (see rejected.jsonl)"
        )
    held = {(its.subject, its.skill): its.pairs for its in yields}
    wanted = {(its.subject, its.skill): its.wanted for its in yields}
    places = dict.fromkeys(held, 0)
    while (left := size - sum(places.values())) > 0:
        room = {key: wanted[key] for key in held if places[key] < held[key]}
        for key, n in allocate(room, left).items():
            places[key] = min(held[key], places[key] + n)
    by_group: dict[tuple[str, str], list[tuple[int, int]]] = {key: [] for key in held}
    for place, row in enumerate(made.rows):
        by_group[row.lineage["subject"], row.lineage["skill"]].append((row.lineage["solution"], place))
    kept = sorted(place for key, its in by_group.items() for _, place in sorted(its)[: places[key]])
    rows = tuple(
        replace(made.rows[place], id=f"{made.method}-{number:05d}") for number, place in enumerate(kept)
    )
    return TrainingSet(made.method, rows, _filled(yields))


def _filled(yields: Sequence[Yield]) -> tuple[str, ...]:
    short = [its for its in yields if its.short]
    if not short:
        return ()
    names = _named([its.name for its in short])
    return (f"{sum(its.short for its in short)} pairs that {names} lacked are of other skills",)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
