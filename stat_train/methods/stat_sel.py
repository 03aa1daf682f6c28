"""STAT-Sel: training questions for the skills that the student's answers lack (STAT §2.3)."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.drawing import Drawer, allocate
from stat_train.methods.neighbours import Neighbours, Skill, skill_rows
from stat_train.methods.options import StatSelOptions
from stat_train.methods.training_set import TrainingSet, training_set

if TYPE_CHECKING:
    from stat_train.methods.drawing import Places

Draw = tuple[Example, dict[str, Any]]


def stat_sel(
    missing: Mapping[str, Sequence[str]],
    questions: Sequence[Example],
    pool: Sequence[Example],
    options: StatSelOptions,
    *,
    method: Literal["stat-sel", "shuffled"] = "stat-sel",
    size: int | None = None,
    seed: int = 0,
    parents: Mapping[Skill, str] | None = None,
    drawn_before: Mapping[str, int] | None = None,
) -> TrainingSet:
    """Draw `options.k` pool questions for each (difficult question, missing skill).

    `missing` maps a difficult question's id to the skills its response failed to apply; `questions`
    hold those ids, labelled; `pool` is labelled. A skill weighs as often as it is missing: rounds of draws
    are made until each skill has its share of `size` (none: k for each pair), then thinned to it, repeats
    first.

    One pair never holds a question twice in one round. `draw="shared"` takes the questions of
    Skill-Map[skill] in the order of how alike their labels are to the difficult question's and the skill
    (Jaccard: those they share over those that either has), at random among equals. With `unique`, the
    questions drawn least often come first: a fresh one that is less alike is taken before a repeated one.
    `drawn_before`: how often earlier rounds drew a pool question, by id; with `unique` such a question counts
    as repeated, in the draws and where they are thinned. `method` is what the lineage names.

    A skill with fewer than k questions is filled from its neighbours: its family by `parents` (the skills
    under the same parent, that parent, the skills under it), then those that most often stand beside it in
    the pool, then the difficult question's own labels. Where these are too few as well they repeat, and where
    there are none the skill's share goes to the others; the notes say so. Raises UserError where nothing at
    all can be drawn.
    """
    pairs = pairs_of(missing, questions)
    if not pairs:
        raise UserError(
            "the profile names no missing skill, so STAT-Sel has nothing to draw; leave stat-sel out of "
            "`arms`, or give harder validation questions"
        )
    source = Source(pool, options, [seed, 1], parents or {})
    source.drawer.count(pool, drawn_before or {})
    times = Counter((question.subject, skill) for question, skill in pairs)
    hands = [source.hand(question, skill) for question, skill in pairs]
    drawn = [draw for hand in hands for draw in hand]
    if not drawn:
        raise UserError("no question of the pool is labelled with a missing skill or a neighbour of one")
    first = Counter(map(_skill_of, drawn))
    total = options.k * len(pairs) if size is None else size
    places = allocate({skill: times[skill] for skill in first}, total)
    able = [pair for pair, hand in zip(pairs, hands, strict=True) if hand]
    found = Counter(first)
    while short := {skill for skill, n in places.items() if found[skill] < n}:
        waiting = [(its, skill) for its, skill in able if (its.subject, skill) in short]
        more = [draw for question, skill in waiting for draw in source.hand(question, skill)]
        drawn += more
        found.update(map(_skill_of, more))
    used = drawn_before or {} if options.unique else {}
    kept = _thin(drawn, places, used)
    notes = [*_back_offs(kept), *_shortage(times, first, places, options.k), *_left_out(places)]
    return training_set(method, kept, notes)


def pairs_of(missing: Mapping[str, Sequence[str]], questions: Sequence[Example]) -> list[tuple[Example, str]]:
    """(difficult question, missing skill) for each that is `missing`; UserError for an id of no question."""
    by_id = {question.id: question for question in questions}
    if strangers := [id_ for id_ in missing if id_ not in by_id]:
        raise UserError(
            f"difficult question {strangers[0]!r} is not among the questions; pass the split diagnosed"
        )
    return [(by_id[id_], skill) for id_, skills in missing.items() for skill in skills]


class Source:
    """The pool as STAT-Sel draws from it, and STAT-Syn its references."""

    def __init__(
        self, pool: Sequence[Example], options: StatSelOptions, seed: list[int], parents: Mapping[Skill, str]
    ) -> None:
        import numpy as np

        self.pool, self.options = pool, options
        self.drawer = Drawer(len(pool), seed, unique=options.unique)
        self.rows = skill_rows(pool)
        self._labels = np.fromiter((len(example.skills) for example in pool), dtype=np.int64)
        self._has: dict[Skill, Any] = {}
        self._neighbours = Neighbours(pool, self.rows, parents)

    def hand(self, question: Example, skill: str) -> list[Draw]:
        """Up to k distinct questions for one pair, each with its lineage."""
        wanted = (question.subject, skill)
        why = {"subject": question.subject, "skill": skill, "difficult_question": question.id}
        drawn: dict[int, Draw] = {}
        for source in chain([wanted], self._neighbours.of(wanted, question.skills)):
            if len(drawn) == self.options.k:
                break
            for row in self._from(source, question, drawn):
                backed_off = {} if source == wanted else {"drawn_from": source[1]}
                drawn[row] = (self.pool[row], {**why, "draw": len(drawn), **backed_off})
        return list(drawn.values())

    def _from(self, source: Skill, question: Example, drawn: Mapping[int, Draw]) -> list[int]:
        import numpy as np

        rows = self.rows.get(source, np.empty(0, dtype=np.int64))
        if drawn:
            rows = np.setdiff1d(rows, list(drawn))
        alike = self._likeness(rows, source, question) if self.options.draw == "shared" else 0.0
        return [int(row) for row in self.drawer.hand(rows, self.options.k - len(drawn), alike)]

    def _likeness(self, rows: "Places", source: Skill, question: Example) -> Any:
        """How alike each row's labels are to the question's and the skill, in whole per cent (Jaccard)."""
        import numpy as np

        wanted = {*question.skills, source[1]}
        both = np.zeros(len(rows))
        for label in wanted:
            both += self._holders((source[0], label))[rows]
        return np.round(100 * both / (len(wanted) + self._labels[rows] - both))

    def _holders(self, skill: Skill) -> Any:
        """Whether each row of the pool has the skill's label."""
        import numpy as np

        if skill not in self._has:
            self._has[skill] = np.zeros(len(self.pool), dtype=bool)
            self._has[skill][self.rows.get(skill, [])] = True
        return self._has[skill]


def _skill_of(draw: Draw) -> Skill:
    return draw[1]["subject"], draw[1]["skill"]


def _back_offs(kept: Sequence[Draw]) -> list[str]:
    """One line for each skill that had too few questions: where those of the set are from."""
    sources: dict[Skill, Counter[str]] = defaultdict(Counter)
    for draw in kept:
        if "drawn_from" in draw[1]:
            sources[_skill_of(draw)][draw[1]["drawn_from"]] += 1
    return [
        f"skill {skill[1]!r} has too few questions in the pool: "
        + ", ".join(f"{n} drawn from {name!r}" for name, n in its.most_common())
        for skill, its in sorted(sources.items())
    ]


def _left_out(places: Mapping[Skill, int]) -> list[str]:
    """A line where skills that could be drawn for get no pair of so small a set."""
    none, pairs = sum(not n for n in places.values()), sum(places.values())
    if not none:
        return []
    got = f"{none} missing skill{'s' if none > 1 else ''} got no pair"
    if pairs < len(places):
        return [f"{got}: {pairs} pair{'s are' if pairs > 1 else ' is'} fewer than the skills missing"]
    return [f"{got}: missing too seldom for a share of {pairs} pairs"]


def _shortage(
    times: Mapping[Skill, int], drawn: Mapping[Skill, int], places: Mapping[Skill, int], k: int
) -> list[str]:
    """One line for each skill whose neighbours could not fill its k questions either, where it matters."""
    return [
        f"skill {skill[1]!r} and its neighbours have fewer than {k} questions in the pool: they repeat"
        if drawn.get(skill)
        else f"skill {skill[1]!r} (missing {n} times) has no question in the pool and no neighbour there: "
        "its share goes to the others"
        for skill, n in sorted(times.items())
        if drawn.get(skill, 0) < min(k * n, places.get(skill, 1))
    ]


def _thin(drawn: Sequence[Draw], places: Mapping[Skill, int], used: Mapping[str, int]) -> list[Draw]:
    """As many of the draws as each skill has `places`; repeats, also of what earlier rounds `used`, and later
    draws of a pair go first."""
    seen = Counter(used)
    by_skill: dict[Skill, list[tuple[int, int, int]]] = defaultdict(list)
    for place, draw in enumerate(drawn):
        id_ = draw[0].id
        by_skill[_skill_of(draw)].append((seen[id_], draw[1]["draw"], place))
        seen[id_] += 1
    kept = sorted(place for skill, draws in by_skill.items() for *_, place in sorted(draws)[: places[skill]])
    return [drawn[place] for place in kept]
