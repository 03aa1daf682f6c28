"""The one judge of answers: the same for gold, votes, rewards and evaluation."""

import os
import re
import threading
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import Protocol, Self

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading import choice, code, exact, math, numeric
from stat_train.grading.gold import BadGold as BadGold
from stat_train.grading.gold import bad_gold, bad_tests, gold_message
from stat_train.grading.judge import TeacherJudge
from stat_train.grading.pool import Outcome, WorkerPool
from stat_train.grading.sandbox import Sandbox
from stat_train.grading.verdict import Verdict
from stat_train.teacher.request import Usage

IN_PROCESS: dict[str, ModuleType] = {"numeric": numeric, "exact": exact, "choice": choice}
RULES: dict[str, ModuleType] = {"math": math, **IN_PROCESS, "code": code}
RULES_VERSION = 2
"""To be raised where a rule reads an answer otherwise: what was judged by the old ones is judged anew."""
NAMES = (*RULES, "judge")
USERS_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
LARGEST_CACHE = 200_000


class Runs(Protocol):
    """What grades outside this process."""

    def run(self, pairs: Sequence[tuple[str, ...]]) -> list[Outcome]:
        """(verdict, reason) for each (answer, gold), or with the question (answer, gold, question)."""

    def close(self) -> None:
        """Ends what it has started."""


class Grader:
    """Judges responses by `name`: math (math-verify), numeric, exact, choice, code, judge, `module:function`.

    A user's function takes (response, gold) and returns a bool; it and the judge see the whole response, the
    others its final answer. `code` runs the last code block in a sandbox with the gold answer, which is the
    user's tests; `judge` is a teacher. `math`, `code` and a user's function run in other processes, `workers`
    at a time; an answer has `timeout_s` seconds of CPU time. Verdicts: "error" where grading failed (the gold
    cannot be parsed, the function raised), "timeout" where it was stopped; neither is "wrong". Raises
    UserError for a name that is none.
    """

    def __init__(
        self,
        name: str = "math",
        *,
        timeout_s: float = 5.0,
        workers: int | None = None,
        judge: TeacherJudge | None = None,
    ) -> None:
        if name not in NAMES and not USERS_FUNCTION.fullmatch(name):
            raise UserError(f"grader '{name}': unknown; choose {', '.join(NAMES)} or module:function")
        if name == "judge" and judge is None:
            raise UserError("grader 'judge': it needs a teacher; give judge=TeacherJudge(teacher, prompts)")
        self.name = name
        self.first_error: str | None = None
        self._rules = RULES.get(name)
        self._cache: dict[tuple[str, ...], Outcome] = {}
        self._lock = threading.Lock()
        self._judge = judge if name == "judge" else None
        self._pool: Runs | None = self._judge
        size = workers or min(8, os.cpu_count() or 1)
        if name == "code":
            self._pool = Sandbox(size=size, cpu_seconds=timeout_s)
        elif name not in IN_PROCESS and name != "judge":
            pool = self._pool = WorkerPool(name, size=size, cpu_seconds=timeout_s)
            if name != "math":
                pool.start()

    @property
    def reads_whole(self) -> bool:
        """Whether the whole response is the answer: that of the judge and of a user's function."""
        return self._rules is None

    @property
    def usage(self) -> Usage | None:
        """What a `judge` has asked its teacher; None for the others."""
        return self._judge.usage if self._judge else None

    def grade(
        self, pairs: Sequence[tuple[str, str]], questions: Sequence[str] | None = None
    ) -> list[Verdict]:
        """A verdict for each (response, gold answer), in order. A response without an answer is wrong.

        `questions` are those answered, one a pair; only `judge` looks at them.
        """
        if self._pool is None:
            return [self._grade_here(response, gold) for response, gold in pairs]
        if self.name == "judge":
            asked = questions if questions is not None else [""] * len(pairs)
            return self._outside([(*pair, question) for pair, question in zip(pairs, asked, strict=True)])
        if self.name in RULES:
            answers = [self.extract(response) for response, _ in pairs]
            return self._outside(
                [(answer or "", gold) for answer, (_, gold) in zip(answers, pairs, strict=True)]
            )
        return self._outside(pairs)

    def extract(self, text: str) -> str | None:
        """The final answer of a response, None without one; alternatives stay joined by " or ".

        For the judge and a user's function it is the whole response.
        """
        if self._rules is None:
            return text.strip() or None
        answer: str | None = self._rules.extract(text)
        return answer

    def same(self, a: str, b: str, question: str = "") -> bool:
        """Whether two extracted answers are one vote."""
        return self.groups([a, b], question) == [0, 0]

    def groups(self, answers: Sequence[str | None], question: str = "") -> list[int | None]:
        """Numbers equal answers alike, from 0 in order of appearance; None stays None: no vote.

        An answer joins the first group whose first answer it equals; programs are equal where they differ
        in comments and spacing only. A user's function gets one as the response and the other as the gold
        answer. `question` is the one answered, for `judge`, which is not asked about texts that are equal.
        """
        distinct = list(dict.fromkeys(answer for answer in answers if answer is not None))
        leaders: list[str] = []
        group: dict[str, int] = {}
        for answer in distinct:
            equal = self._equal(answer, leaders, question)
            group[answer] = equal.index(True) if True in equal else len(leaders)
            if group[answer] == len(leaders):
                leaders.append(answer)
        return [None if answer is None else group[answer] for answer in answers]

    def check_gold(self, examples: Sequence[Example]) -> list[BadGold]:
        """The examples whose gold answer, given as the response, is not correct; [] where all is well.

        Tests (`code`) are bad where the example's own solution does not pass them, or an empty program does.
        """
        golds = [example.answer or "" for example in examples]
        if self.name == "code":
            return bad_tests(examples, self._outside, self.extract)
        if self._pool is None:
            verdicts = [self._grade_here(_as_response(gold), gold) for gold in golds]
        else:
            verdicts = self._outside([(gold, gold) for gold in golds])
        return bad_gold(examples, verdicts)

    def require_gold(self, examples: Sequence[Example], split_name: str, answer_from: str = "column") -> None:
        """Raises UserError, naming the first rows, where `check_gold` finds any; `answer_from` says where
        the data have their answers."""
        bad = self.check_gold(examples)
        if bad:
            raise UserError(gold_message(split_name, self.name, bad, self.first_error, answer_from))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _grade_here(self, response: str, gold: str) -> Verdict:
        assert self._rules is not None
        if not self._rules.gradable(gold):
            return "error"
        answer = self.extract(response)
        return "correct" if answer is not None and self._rules.same(answer, gold) else "wrong"

    def _outside(self, pairs: Sequence[tuple[str, ...]]) -> list[Verdict]:
        """Verdicts from outside this process, each distinct pair asked once."""
        assert self._pool is not None
        with self._lock:
            if len(self._cache) > LARGEST_CACHE:
                self._cache.clear()
            asked = []
            for pair in dict.fromkeys(pairs):
                if pair not in self._cache:
                    outcome = self._without_asking(*pair[:2])
                    if outcome is None:
                        asked.append(pair)
                    else:
                        self._cache[pair] = outcome
            self._cache.update(zip(asked, self._pool.run(asked), strict=True))
            outcomes = [self._cache[pair] for pair in pairs]
        if self.first_error is None:
            self.first_error = next((reason for verdict, reason in outcomes if verdict == "error"), None)
        return [verdict for verdict, _ in outcomes]

    def _without_asking(self, answer: str, gold: str) -> Outcome | None:
        """The outcome where it is certain here; a user's function is always asked."""
        if self.name not in NAMES:
            return None
        if not gold.strip():
            return "error", "the gold answer is empty"
        if self.name == "math" and (outcome := math.without_asking(answer, gold)):
            return outcome
        if self.name == "judge" and _same_text(answer, gold):
            return "correct", None
        return None if answer.strip() else ("wrong", None)

    def _equal(self, answer: str, leaders: Sequence[str], question: str) -> list[bool]:
        if self._rules is not None and (self._pool is None or self.name == "code"):
            return [bool(self._rules.same(answer, leader)) for leader in leaders]
        if self.name == "judge" and any(alike := [_same_text(answer, leader) for leader in leaders]):
            return alike
        asked = (question,) if self.name == "judge" else ()
        verdicts = self._outside([(leader, answer, *asked) for leader in leaders])
        return [verdict == "correct" for verdict in verdicts]


def _same_text(a: str, b: str) -> bool:
    """Whether two whole texts are one but for case, white space, quotes and closing punctuation."""
    return a.strip() == b.strip() or exact.same(a, b)


def _as_response(gold: str) -> str:
    return f"#### {gold}"
