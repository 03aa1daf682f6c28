"""New question-answer pairs: asked for, cleaned, solved, voted on, and asked for again (STAT §2.3)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stat_train.data.decontamination import (
    DecontaminationOptions,
    Hit,
    Question,
    remove_contaminated,
)
from stat_train.data.duplicates import DuplicateIndex
from stat_train.data.example import Example
from stat_train.grading.grader import Grader
from stat_train.metacognition.asking import Asks, Unanswered
from stat_train.methods.options import SynthesisOptions
from stat_train.methods.proposing import Call, Group, Proposed, propose
from stat_train.methods.solving import Vote, solve
from stat_train.methods.training_set import TrainingSet, training_set
from stat_train.methods.yields import Rejected, Why, Yield, yield_notes
from stat_train.teacher.prompts import Prompts

More = Callable[[Group, int], list[Call]]
"""The next so many requests for a group, in an order that does not depend on how many are taken at a time."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """`pairs`: each kept question once for each of its agreeing solutions that differ. Every question asked
    for is in `pairs` or `rejected`, and counted in `yields`. `hits`: those that match one of another split.

    `unsolved` single solutions were no vote. Where anything is `owed`, the rest is not finished.
    """

    pairs: TrainingSet
    rejected: list[Rejected]
    yields: list[Yield]
    hits: list[Hit]
    unsolved: list[Unanswered]
    owed: list[Unanswered]


@dataclass(frozen=True, slots=True)
class Synthesizer:
    """Who makes new pairs and by which rules.

    `against` are the splits that no new question may ask again (evaluation, validation, development);
    `teacher_name` is recorded with each pair.
    """

    teacher: Asks
    prompts: Prompts
    grader: Grader
    against: Mapping[str, Sequence[Question]]
    options: SynthesisOptions = field(default_factory=SynthesisOptions)
    decontamination: DecontaminationOptions = field(default_factory=DecontaminationOptions)
    teacher_name: str = ""

    def make(self, method: str, wanted: Mapping[Group, int], questions: int, more: More) -> Synthesis:
        """At least `wanted` pairs for each group, as far as `options.rounds` rounds of asking reach.

        A request asks for so many new `questions`. The first round asks for as many as are needed if nothing
        is lost, the next for what is then missing at the yield seen so far. Each new question is checked
        against the splits before it is paid to be solved, then voted on, then compared with all references
        and all questions kept before it.
        """
        pairs_a_request = questions * self.options.solutions
        making = _Making(
            self, method, questions, {group: Yield(*group, n) for group, n in wanted.items() if n}
        )
        rounds = 0
        for _ in range(self.options.rounds):
            calls = [
                call
                for group, its in making.yields.items()
                for call in more(group, its.next_requests(pairs_a_request))
            ]
            if not calls or making.owed:
                break
            rounds += 1
            making.round(calls)
        yields = list(making.yields.values())
        notes = yield_notes(yields, questions, self.options.solutions, rounds)
        return Synthesis(
            training_set(method, making.pairs, notes),
            making.rejected,
            yields,
            making.hits,
            making.unsolved,
            making.owed,
        )


class _Making:
    """One synthesis on its way."""

    def __init__(self, by: Synthesizer, method: str, questions: int, yields: dict[Group, Yield]) -> None:
        self.by, self.method, self.questions, self.yields = by, method, questions, yields
        self.pairs: list[tuple[Example, dict[str, Any]]] = []
        self.rejected: list[Rejected] = []
        self.hits: list[Hit] = []
        self.unsolved: list[Unanswered] = []
        self.owed: list[Unanswered] = []
        self._asked: dict[str, Proposed] = {}
        self._index = DuplicateIndex(by.options.near_duplicate)

    def round(self, calls: Sequence[Call]) -> None:
        """One round of asking, from requests to pairs."""
        references = {its.id: its for call in calls for its in call.references}
        self._index.add([(its.id, its.question) for its in references.values()])
        valid = list(self._propose(calls))
        clean = [] if self.owed else list(self._clean(valid))
        by = self.by
        solved = solve(by.teacher, by.prompts, by.grader, clean, by.options)
        self.unsolved += solved.quarantined
        self.owed += solved.owed
        if not self.owed:
            self._keep(clean, solved.votes)

    def _propose(self, calls: Sequence[Call]) -> Iterator[Example]:
        """The new questions that have a text."""
        by = self.by
        for call in calls:
            self.yields[call.group].requests += 1
        for new in propose(by.teacher, by.prompts, calls, self.questions, by.options.temperature):
            id = f"{self.method}-q{len(self._asked):05d}"
            self._asked[id] = new
            its = self.yields[new.call.group]
            its.asked += 1
            if new.owed:
                self.owed.append(Unanswered(id, new.reason))
            elif new.reason:
                self._reject(id, "invalid", new.reason)
            else:
                its.valid += 1
                yield Example(id, new.question, subject=its.subject)

    def _clean(self, valid: Sequence[Example]) -> Iterator[Example]:
        """Those that ask no question of another split."""
        cleaned = remove_contaminated(valid, self.by.against, self.by.decontamination)
        self.hits += cleaned.hits
        why = {hit.id: f"{hit.rule}: {hit.split} {hit.matched_id}" for hit in cleaned.hits if hit.removed}
        for question in cleaned.removed:
            self._yield_of(question.id).contaminated += 1
            self._reject(question.id, "contaminated", why[question.id])
        yield from cleaned.kept

    def _keep(self, questions: Sequence[Example], votes: Sequence[Vote]) -> None:
        """Those whose solutions agree and that say something new."""
        consistent = []
        for question, vote in zip(questions, votes, strict=True):
            if vote.solutions:
                self._yield_of(question.id).consistent += 1
                consistent.append((question, vote))
            else:
                self._reject(question.id, "inconsistent", vote.reason)
        duplicates = self._index.add([(question.id, question.question) for question, _ in consistent])
        for (question, vote), duplicate in zip(consistent, duplicates, strict=True):
            its = self._yield_of(question.id)
            if duplicate:
                its.duplicate += 1
                self._reject(question.id, "duplicate", f"{duplicate.similarity:.2f} alike to {duplicate.of}")
                continue
            its.kept += 1
            its.pairs += len(vote.solutions)
            self.pairs += [
                (
                    Example(question.id, question.question, solution, vote.answer, question.subject),
                    self._lineage(question.id)
                    | {
                        "solution": number,
                        "votes": vote.agreeing,
                        "of": vote.of,
                        "answer": vote.answer,
                    },
                )
                for number, solution in enumerate(vote.solutions)
            ]

    def _yield_of(self, id: str) -> Yield:
        return self.yields[self._asked[id].call.group]

    def _reject(self, id: str, why: Why, detail: str) -> None:
        new = self._asked[id]
        self.rejected.append(Rejected(id, new.question, why, detail, self._lineage(id)))

    def _lineage(self, id: str) -> dict[str, Any]:
        new = self._asked[id]
        subject, skill = new.call.group
        return {
            "subject": subject,
            "skill": skill,
            "references": [reference.id for reference in new.call.references],
            "prompt": new.prompt,
            "teacher": self.by.teacher_name,
            **new.call.lineage,
        }
