"""Which questions GRPO asks, batch by batch: a function of the rows, the options and the seed."""

import random
from collections.abc import Mapping, Sequence

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.training.grpo_options import GRPOOptions

Skill = tuple[str, str]
"""(subject, skill)."""


def prompt_order(
    rows: Sequence[Example], options: GRPOOptions, weights: Mapping[Skill, float] | None = None
) -> list[int]:
    """Places in `rows`, `options.questions` for each batch, in the order in which they are asked.

    Evenly: every question once an epoch. With `weights` (prompts: profile) skills come as often as they
    weigh, evenly mixed, and the questions of a skill in turn. Fixed beforehand, so that a resumed run asks
    exactly what an uninterrupted one would. Raises UserError where there is not one batch, or no question
    of the skills that weigh.
    """
    batches = options.batches(len(rows))
    if not batches:
        raise UserError(
            f"grpo: {len(rows)} questions that can be scored do not fill a batch of {options.questions}; "
            "lower grpo.questions"
        )
    chance = random.Random(options.seed)
    if weights is not None:
        return _by_weight(rows, weights, batches, options.questions, chance)
    whole = len(rows) - len(rows) % options.questions
    order: list[int] = []
    while len(order) < batches * options.questions:
        order += chance.sample(range(len(rows)), whole)
    return order[: batches * options.questions]


def unasked(rows: Sequence[Example], weights: Mapping[Skill, float]) -> list[Skill]:
    """The skills that weigh and that no question needs."""
    needed = {(row.subject, skill) for row in rows for skill in row.skills}
    return [skill for skill, weight in weights.items() if weight > 0 and skill not in needed]


def _by_weight(
    rows: Sequence[Example],
    weights: Mapping[Skill, float],
    batches: int,
    questions: int,
    chance: random.Random,
) -> list[int]:
    members: dict[Skill, list[int]] = {skill: [] for skill, weight in weights.items() if weight > 0}
    for place, row in enumerate(rows):
        for name in dict.fromkeys(row.skills):
            if (row.subject, name) in members:
                members[row.subject, name].append(place)
    members = {skill: places for skill, places in members.items() if places}
    if not members:
        raise UserError(
            "grpo.prompts profile: no question needs a skill that the profile found missing; set it to even"
        )
    waiting: dict[Skill, list[int]] = {skill: [] for skill in members}
    credit = dict.fromkeys(members, 0.0)
    whole = sum(weights[skill] for skill in members)
    order: list[int] = []
    for _ in range(batches):
        batch: list[int] = []
        for _ in range(questions):
            for skill in members:
                credit[skill] += weights[skill]
            chosen = max(members, key=lambda its: credit[its])
            credit[chosen] -= whole
            batch.append(_next(waiting[chosen], members[chosen], batch, chance))
        order += batch
    return order


def _next(waiting: list[int], places: Sequence[int], batch: Sequence[int], chance: random.Random) -> int:
    """The next of `places` in turn; one that the batch has already waits, as long as there is another."""
    found = next((place for place in waiting if place not in batch), None)
    if found is None:
        waiting += chance.sample(places, len(places))
        found = next((place for place in waiting if place not in batch), waiting[0])
    waiting.remove(found)
    return found
