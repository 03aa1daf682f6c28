"""Kinds of prompts beside each other over all questions: how often each is right, and what it costs."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from stat_train.data.example import Example
from stat_train.evaluation.paired import Paired, paired
from stat_train.evaluation.samples import majority_at_k
from stat_train.evaluation.scores import Scores, score
from stat_train.grading.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's samples with one kind of prompt, and the student's tokens of all of them."""

    verdicts: Sequence[Verdict]
    votes: Sequence[int | None] | None
    prompt_tokens: int
    completion_tokens: int


Answers = Mapping[str, Answered]
"""By question id."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What found the `difficult` questions (ids); an `oracle` has seen the gold answers."""

    method: str
    difficult: Collection[str]
    oracle: bool


@dataclass(frozen=True, slots=True)
class Prompting:
    """One way to prompt: its scores over all questions, and over those that the first judge finds easy and
    difficult (None: there are none); the student's tokens for all questions; and how many questions were
    put to the teacher, for labels or for a diagnosis, while answering."""

    name: str
    oracle: bool
    scores: Scores
    easy: float | None
    difficult: float | None
    prompt_tokens: int
    completion_tokens: int
    teacher_questions: int


@dataclass(frozen=True, slots=True)
class Compared:
    """All ways to prompt; AdaptMI and AdaptMI+ against each control, and against each other."""

    promptings: list[Prompting]
    paired: list[tuple[str, str, Paired]]


def compare_prompts(
    questions: Sequence[Example], answers: Mapping[str, Answers], judges: Sequence[Judge], *, seed: int = 0
) -> Compared:
    """AdaptMI and AdaptMI+ by each judge, beside what they are made of and consistency.

    `answers` has zero-shot, fixed, random, skills (everything by its labels), samples (of the fixed prompt)
    and missing (by the diagnosis of a difficult question's own answer; only where one lacks a skill).
    AdaptMI keeps the answer to the fixed prompt where a question is easy, and takes that by its labels where
    it is difficult; AdaptMI+ that by what is missing, if anything is. A prompt that is the same for both is
    answered once. What a vote cost to find what is difficult is counted.
    """
    parts = _Parts(questions, answers, judges, seed)
    controls = [parts.alone(kind) for kind in ("zero-shot", "fixed", "random", "skills")]
    controls.append(parts.consistency())
    adapted = [parts.adapted(name, kind, judge) for judge in judges for name, kind in _ADAPTED.items()]
    against = [*product(adapted, controls), *zip(adapted[1::2], adapted[::2], strict=True)]
    return Compared(
        [*controls, *adapted],
        [(one.name, other.name, paired(one.scores, other.scores, seed=seed)) for one, other in against],
    )


_ADAPTED = {"adaptmi": "skills", "adaptmi+": "missing"}


class _Parts:
    def __init__(
        self, questions: Sequence[Example], answers: Mapping[str, Answers], judges: Sequence[Judge], seed: int
    ) -> None:
        self._questions, self._answers, self._seed = questions, answers, seed
        self._by_judge = judges[0].difficult

    def alone(self, kind: str) -> Prompting:
        """Every question by this kind of prompt."""
        teacher = len(self._questions) if kind == "skills" else 0
        return self._prompting(kind, False, lambda id: [self._answers[kind][id]], teacher)

    def consistency(self) -> Prompting:
        """The most frequent answer of the samples of the fixed prompt."""
        samples = self._answers["samples"]
        n = min(len(answered.verdicts) for answered in samples.values())

        def voted(id: str) -> list[Answered]:
            its = samples[id]
            (right,) = majority_at_k([its.verdicts], [its.votes or [None] * n], n)
            return [
                Answered(["correct" if right else "wrong"], None, its.prompt_tokens, its.completion_tokens)
            ]

        return self._prompting(f"consistency@{n}", False, voted, 0)

    def adapted(self, name: str, kind: str, judge: Judge) -> Prompting:
        """The fixed prompt, and where the judge finds that difficult, this kind after it."""
        first, second = self._answers["fixed"], self._answers[kind]
        again = [id for id in first if id in judge.difficult and id in second]

        def answered(id: str) -> Iterator[Answered]:
            if judge.method == "consistency":
                yield self._answers["samples"][id]
            yield first[id]
            if id in judge.difficult and id in second:
                yield second[id]

        asked = len(judge.difficult) if kind == "missing" else len(again)
        name += " (oracle)" if judge.oracle else ""
        return self._prompting(name, judge.oracle, lambda id: list(answered(id)), asked)

    def _prompting(
        self, name: str, oracle: bool, answered: Callable[[str], list[Answered]], teacher: int
    ) -> Prompting:
        """The last of what was answered counts; all of it costs."""
        costs = {question.id: answered(question.id) for question in self._questions}
        scores = score(self._questions, [its[-1].verdicts[0] for its in costs.values()], seed=self._seed)
        shares = scores.questions
        return Prompting(
            name,
            oracle,
            scores,
            _mean([share for id, share in shares.items() if id not in self._by_judge]),
            _mean([share for id, share in shares.items() if id in self._by_judge]),
            sum(part.prompt_tokens for its in costs.values() for part in its),
            sum(part.completion_tokens for its in costs.values() for part in its),
            teacher,
        )


def _mean(shares: Sequence[float]) -> float | None:
    return sum(shares) / len(shares) if shares else None
