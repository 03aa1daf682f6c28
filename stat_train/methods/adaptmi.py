"""AdaptMI and AdaptMI+: few-shot exemplars by skill, only where the student struggles (no training)."""

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from stat_train.data.example import Example
from stat_train.data.normalise import normalise_question
from stat_train.errors import UserError
from stat_train.methods.few_shot import FewShotPrompt
from stat_train.methods.neighbours import Neighbours, Skill, skill_rows

LOOKED_AT = 100
"""Exemplars of a skill that are drawn, at least, to find the few that a prompt takes."""


class AdaptMI:
    """Chooses `k` exemplars for each question (AdaptMI, arXiv 2505.00147, §2.2).

    `exemplars` are labelled training examples with solutions; never questions that are evaluated.
    `skill_map` maps (subject, skill) to ids among them; none: their own labels. `fixed` are the exemplars of
    the prompt that is the same for every question, and that fills the places no skill can; none: `k` drawn
    once, of as many different skills as there are. `parents`: `SkillTaxonomy.parents`, for back-off.
    A question never stands among its own exemplars; of exemplars with one question the first is used.
    Raises UserError for exemplars that cannot be used.
    """

    def __init__(
        self,
        exemplars: Sequence[Example],
        skill_map: Mapping[Skill, Sequence[str]] | None = None,
        k: int = 5,
        *,
        fixed: Sequence[Example] = (),
        parents: Mapping[Skill, str] | None = None,
        seed: int = 0,
    ) -> None:
        usable = _once([example for example in exemplars if example.solution])
        if k < 1:
            raise UserError(f"AdaptMI: k is {k}; give one exemplar or more")
        if len(usable) < k:
            raise UserError(
                f"AdaptMI: {len(usable)} different exemplars with a solution are fewer than k {k}; give "
                "more, or a smaller k"
            )
        self.exemplars, self.k, self.seed = usable, k, seed
        self._looked_at = max(LOOKED_AT, 2 * k)
        rows = skill_rows(usable)
        self._places = (
            {skill: its.tolist() for skill, its in rows.items()}
            if skill_map is None
            else _places_of(usable, exemplars, skill_map)
        )
        self._neighbours = Neighbours(usable, rows, parents or {})
        self.fixed = tuple(fixed) or tuple(self._drawn_once())
        if strange := [example.id for example in self.fixed if not example.solution]:
            raise UserError(
                f"AdaptMI: fixed exemplar {strange[0]!r} has no solution; give one with a solution"
            )

    def prompts(
        self,
        questions: Sequence[Example],
        difficult: Collection[str],
        skills: Mapping[str, Sequence[str]],
    ) -> list[FewShotPrompt]:
        """The prompt of each question, in order: the fixed one where it is easy, else exemplars by skill.

        `difficult` are ids; `skills` maps a difficult question's id to the skills to show, the most
        important first: its labels (AdaptMI), or what its own stage-1 answer lacks by the teacher's
        diagnosis (AdaptMI+). A difficult question without skills keeps the fixed prompt.

        The places are shared over up to `k` skills in their order, the first taking what is left over.
        Where a skill has too few exemplars its neighbours fill in, then the fixed exemplars; each prompt
        says so (`backed_off`, `filled`). The draw depends on `seed` and the question's id alone.
        Raises UserError for an id in `difficult` or `skills` that no question has.
        """
        chosen, known = set(difficult), {question.id for question in questions}
        for name, ids in (("difficult", chosen), ("skills", skills)):
            if stranger := next((id for id in ids if id not in known), None):
                raise UserError(f"AdaptMI: {name}: no question has the id {stranger!r}; mend or remove it")
        return [
            self._by_skill(question, skills[question.id])
            if question.id in chosen and skills.get(question.id)
            else self.fixed_prompt(question)
            for question in questions
        ]

    def fixed_prompt(self, question: Example) -> FewShotPrompt:
        """The same exemplars for every question, but for the question itself."""
        others = _others(question, chain(self.fixed, self._random_order(question)))
        return FewShotPrompt(question, tuple(islice(others, self.k)))

    def random_prompt(self, question: Example) -> FewShotPrompt:
        """Exemplars drawn for this question, whatever they need: a control."""
        return FewShotPrompt(question, tuple(islice(_others(question, self._random_order(question)), self.k)))

    def _by_skill(self, question: Example, skills: Sequence[str]) -> FewShotPrompt:
        draw = random.Random(f"{self.seed} {question.id}")
        wanted = [(question.subject, skill) for skill in dict.fromkeys(skills)][: self.k]
        taken: dict[str, Example] = {}
        backed_off: dict[str, str] = {}
        for skill, short in _shared(wanted, self.k):
            for source in chain([skill], self._neighbours.of(skill, question.skills)):
                if not short:
                    break
                for example in islice(self._drawn(source, question, taken, draw), short):
                    taken[example.id] = example
                    short -= 1
                    if source != skill:
                        backed_off[example.id] = source[1]
        others = (its for its in self.fixed_prompt(question).exemplars if its.id not in taken)
        fill = list(islice(others, self.k - len(taken)))
        return FewShotPrompt(
            question, (*taken.values(), *fill), tuple(skill for _, skill in wanted), backed_off, len(fill)
        )

    def _drawn(
        self, source: Skill, question: Example, taken: Collection[str], draw: random.Random
    ) -> Iterator[Example]:
        places = self._places.get(source, [])
        for place in draw.sample(places, min(len(places), self._looked_at)):
            example = self.exemplars[place]
            if example.id not in taken and not _same(example, question):
                yield example

    def _random_order(self, question: Example) -> Iterator[Example]:
        draw = random.Random(f"{self.seed} random {question.id}")
        most = min(len(self.exemplars), self._looked_at)
        return (self.exemplars[place] for place in draw.sample(range(len(self.exemplars)), most))

    def _drawn_once(self) -> list[Example]:
        """`k` exemplars, first of skills that none before has, then any."""
        order = random.Random(f"{self.seed} fixed").sample(self.exemplars, len(self.exemplars))
        shown: set[Skill] = set()
        fresh: list[Example] = []
        others: list[Example] = []
        for example in order:
            its = {(example.subject, skill) for skill in example.skills}
            (fresh if its - shown else others).append(example)
            shown |= its
            if len(fresh) == self.k:
                break
        return [*fresh, *others][: self.k]


def _others(question: Example, exemplars: Iterable[Example]) -> Iterator[Example]:
    """The exemplars without the question itself, each once."""
    seen: set[str] = set()
    for example in exemplars:
        if example.id not in seen and not _same(example, question):
            seen.add(example.id)
            yield example


def _once(exemplars: Sequence[Example]) -> list[Example]:
    first: dict[str, Example] = {}
    for example in exemplars:
        first.setdefault(normalise_question(example.question), example)
    return list(first.values())


def _same(example: Example, question: Example) -> bool:
    return example.id == question.id or (
        normalise_question(example.question) == normalise_question(question.question)
    )


def _shared(skills: Sequence[Skill], k: int) -> Iterator[tuple[Skill, int]]:
    """Each skill with its number of places; the first takes what is left over."""
    each, left = divmod(k, len(skills))
    return ((skill, each + (left if place == 0 else 0)) for place, skill in enumerate(skills))


def _places_of(
    usable: Sequence[Example], exemplars: Sequence[Example], skill_map: Mapping[Skill, Sequence[str]]
) -> dict[Skill, list[int]]:
    """The Skill-Map by place among the usable exemplars; UserError for an id that is no exemplar's."""
    places = {example.id: place for place, example in enumerate(usable)}
    known = {example.id for example in exemplars}
    for (_, skill), ids in skill_map.items():
        if strange := [id for id in ids if id not in known]:
            raise UserError(
                f"AdaptMI: skill_map has {strange[0]!r} under {skill!r}, which is no exemplar's id; make the "
                "map of the exemplars you pass"
            )
    return {
        skill: [places[id] for id in dict.fromkeys(ids) if id in places] for skill, ids in skill_map.items()
    }
