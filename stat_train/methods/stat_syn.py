"""STAT-Syn: what new questions are asked for, one request for each missing skill of a difficult question."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.neighbours import Skill
from stat_train.methods.options import StatSelOptions, StatSynOptions
from stat_train.methods.proposing import Call, Group
from stat_train.methods.stat_sel import Source, pairs_of


class StatSynCalls:
    """The requests of STAT-Syn: for each (difficult question, missing skill) `options.references` training
    questions of the skill, drawn as STAT-Sel draws; when all pairs had their turn, other references.

    `missing`, `questions`, `pool`, `seed` and `parents` as in `stat_sel`; `described` has each missing
    (subject, skill) as the prompt shows it, {"id": name, "text": description}. Calling it gives the next
    requests for one (subject, skill): fewer than asked where the pool has no question of the skill or of a
    neighbour. Raises UserError for a skill that is not described and a question that is not there.
    """

    def __init__(
        self,
        missing: Mapping[str, Sequence[str]],
        questions: Sequence[Example],
        pool: Sequence[Example],
        described: Mapping[Skill, Mapping[str, str]],
        options: StatSynOptions,
        *,
        seed: int = 0,
        parents: Mapping[Skill, str] | None = None,
    ) -> None:
        self._pairs = pairs_of(missing, questions)
        groups = {(question.subject, skill) for question, skill in self._pairs}
        if bare := sorted(groups - described.keys()):
            raise UserError(
                f"skill {bare[0][1]!r} of subject {bare[0][0]!r} has no description to show the teacher; "
                'give one, as {(subject, skill): {"id": skill, "text": what it is}}'
            )
        self._described = described
        draws = StatSelOptions(k=options.references, draw=options.draw)
        self._source = Source(pool, draws, [seed, 5], parents or {})
        self._waiting: dict[Group, deque[Call]] = defaultdict(deque)
        self._same: Counter[tuple[Group, tuple[str, ...]]] = Counter()

    def __call__(self, group: Group, n: int) -> list[Call]:
        waiting = self._waiting[group]
        while len(waiting) < n:
            before = len(waiting)
            self._all_pairs_once()
            if len(waiting) == before:
                break
        return [waiting.popleft() for _ in range(min(n, len(waiting)))]

    def _all_pairs_once(self) -> None:
        for question, skill in self._pairs:
            group = (question.subject, skill)
            drawn = self._source.hand(question, skill)
            if not drawn:
                continue
            ids = tuple(example.id for example, _ in drawn)
            elsewhere = [why["drawn_from"] for _, why in drawn if "drawn_from" in why]
            lineage = {"difficult_question": question.id} | ({"drawn_from": elsewhere} if elsewhere else {})
            self._waiting[group].append(
                Call(
                    group,
                    tuple(example for example, _ in drawn),
                    self._described[group],
                    self._same[group, ids],
                    lineage,
                )
            )
            self._same[group, ids] += 1
