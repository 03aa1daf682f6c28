"""The declared problem types of the domain (`data/arithmetic/domain.yaml`)."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from stat_train.assets import asset
from stat_train.options import Options
from stat_train.tutor.problem import NotWhole, Problem, Step, compute

SLOT = re.compile(r"\{(\w+)\}")
STEP = re.compile(r"(?:(?P<concept>\w+): )?(?P<name>\w+) = (?P<left>\w+) (?P<operator>[-+*/]) (?P<right>\w+)")
EQUALITY = re.compile(r"(\w+) - (\w+) = (\w+) - (\w+)")


@dataclass(frozen=True, slots=True)
class StepRule:
    """`concept: name = left operator right`; left and right are numbers or names."""

    concept: str
    name: str
    left: str
    operator: str
    right: str


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: the choices for its numbers, its steps, and its wordings."""

    name: str
    numbers: Mapping[str, tuple[int, ...]]
    steps: tuple[StepRule, ...]
    wordings: tuple[str, ...]
    unseen: tuple[str, ...]
    require: str
    ood: bool

    @property
    def concepts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.concept for rule in self.steps if rule.concept))

    def solve(self, numbers: Mapping[str, int], largest: int) -> tuple[Step, ...] | None:
        """The worked steps, or None where a step is not a whole number from 1 to `largest`."""
        if self.require:
            a, b, c, d = (numbers[name] for name in _equality(self.require))
            if a - b != c - d:
                return None
        values = dict(numbers)
        steps = []
        for rule in self.steps:
            left, right = _value(rule.left, values), _value(rule.right, values)
            try:
                value = compute(left, rule.operator, right)
            except NotWhole:
                return None
            if not 1 <= value <= largest:
                return None
            values[rule.name] = value
            steps.append(Step(left, rule.operator, right, value, rule.concept))
        return tuple(steps)


@dataclass(frozen=True, slots=True)
class Domain:
    """All problem types, and the names and things that their wordings speak of."""

    types: tuple[ProblemType, ...]
    names: tuple[str, ...]
    things: tuple[str, ...]
    largest: int

    def problem(self, kind: ProblemType, wording: str, rng: random.Random) -> Problem:
        """A fresh problem of this type and wording."""
        while True:
            numbers = {name: rng.choice(choices) for name, choices in kind.numbers.items()}
            steps = kind.solve(numbers, self.largest)
            if steps is not None and not _contradicts(kind, numbers):
                break
        name, name2 = rng.sample(self.names, 2)
        words = {"name": name, "name2": name2, "things": rng.choice(self.things)}
        slots = {**words, **{key: str(value) for key, value in numbers.items()}}
        question = SLOT.sub(lambda match: slots[match[1]], wording)
        return Problem(kind.name, question[0].upper() + question[1:], numbers, steps)


def _contradicts(kind: ProblemType, numbers: Mapping[str, int]) -> bool:
    """A fraction of one and more."""
    takes_fraction = any(rule.concept == "fraction_of" for rule in kind.steps)
    return takes_fraction and numbers["a"] >= numbers["b"]


def _value(token: str, values: Mapping[str, int]) -> int:
    return int(token) if token.isdigit() else values[token]


def _equality(text: str) -> tuple[str, ...]:
    match = EQUALITY.fullmatch(text)
    if match is None:
        raise ValueError(f"require: {text!r} is not of the form `b - a = c - b`")
    return match.groups()


@cache
def load_domain(path: Path | None = None) -> Domain:
    """The domain declared at `path`, by default the one that comes with the package."""
    text = (path or asset("data/arithmetic/domain.yaml")).read_text()
    declared = _DeclaredDomain.model_validate(yaml.safe_load(text))
    types = tuple(_problem_type(name, entry) for name, entry in declared.types.items())
    return Domain(types, declared.names, declared.things, declared.largest)


class _DeclaredType(Options):
    numbers: dict[str, str]
    steps: tuple[str, ...]
    wordings: tuple[str, ...] = ()
    unseen: tuple[str, ...]
    require: str = ""
    ood: bool = False


class _DeclaredDomain(Options):
    largest: int
    names: tuple[str, ...]
    things: tuple[str, ...]
    types: dict[str, _DeclaredType]


def _problem_type(name: str, declared: _DeclaredType) -> ProblemType:
    return ProblemType(
        name=name,
        numbers={key: _choices(text) for key, text in declared.numbers.items()},
        steps=tuple(_step_rule(text) for text in declared.steps),
        wordings=declared.wordings,
        unseen=declared.unseen,
        require=declared.require,
        ood=declared.ood,
    )


def _choices(text: str) -> tuple[int, ...]:
    if "|" in text:
        return tuple(int(part) for part in text.split("|"))
    span, _, factor = text.partition("x")
    low, _, high = span.partition("-")
    return tuple(n * int(factor or 1) for n in range(int(low), int(high) + 1))


def _step_rule(text: str) -> StepRule:
    match = STEP.fullmatch(text)
    if match is None:
        raise ValueError(f"steps: {text!r} is not of the form `concept: name = left op right`")
    parts = {key: value or "" for key, value in match.groupdict().items()}
    return StepRule(**parts)
