"""The one judge of answers: the same for gold, votes, rewards and evaluation."""

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Self

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading import choice, exact, math, numeric
from stat_train.grading.pool import Outcome, WorkerPool
from stat_train.grading.verdict import Verdict

IN_PROCESS: dict[str, ModuleType] = {"numeric": numeric, "exact": exact, "choice": choice}
USERS_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
LARGEST_CACHE = 200_000


@dataclass(frozen=True, slots=True)
class BadGold:
    """A gold answer that its own grader does not accept."""

    id: str
    answer: str | None
    verdict: Verdict


class Grader:
    """Judges responses by `name`: math (math-verify), numeric, exact, choice, or `module:function`.

    A user's function takes (response, gold) and returns a bool; it sees the whole response, the
    others its final answer. It and math run in worker processes; an answer has `timeout_s` seconds of
    CPU time. Verdicts: "error" where grading failed (the gold cannot be parsed, the function raised),
    "timeout" where it was stopped; neither is "wrong". Raises UserError for a name that is none.
    """

    def __init__(self, name: str = "math", *, timeout_s: float = 5.0, workers: int | None = None) -> None:
        if name != "math" and name not in IN_PROCESS and not USERS_FUNCTION.fullmatch(name):
            raise UserError(
                f"grader '{name}': unknown; choose math, numeric, exact, choice or module:function"
            )
        self.name = name
        self.first_error: str | None = None
        self._rules = IN_PROCESS.get(name) or (math if name == "math" else exact)
        self._cache: dict[tuple[str, str], Outcome] = {}
        self._lock = threading.Lock()
        self._pool: WorkerPool | None = None
        if name not in IN_PROCESS:
            size = workers or min(8, os.cpu_count() or 1)
            self._pool = WorkerPool(name, size=size, cpu_seconds=timeout_s)
            if name != "math":
                self._pool.start()

    def grade(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """A verdict for each (response, gold answer), in order. A response without an answer is wrong."""
        if self._pool is None:
            return [self._grade_here(response, gold) for response, gold in pairs]
        if self.name == "math":
            answers = [self.extract(response) for response, _ in pairs]
            asked = [(answer or "", gold) for answer, (_, gold) in zip(answers, pairs, strict=True)]
        else:
            asked = list(pairs)
        return self._judge(asked)

    def extract(self, text: str) -> str | None:
        """The final answer of a response, None without one; alternatives stay joined by " or "."""
        answer: str | None = self._rules.extract(text)
        return answer

    def same(self, a: str, b: str) -> bool:
        """Whether two extracted answers are one vote."""
        return self.groups([a, b]) == [0, 0]

    def groups(self, answers: Sequence[str | None]) -> list[int | None]:
        """Numbers equal answers alike, from 0 in order of appearance; None stays None: no vote.

        An answer joins the first group whose first answer it equals.
        """
        distinct = list(dict.fromkeys(answer for answer in answers if answer is not None))
        leaders: list[str] = []
        group: dict[str, int] = {}
        for answer in distinct:
            equal = self._equal(answer, leaders)
            group[answer] = equal.index(True) if True in equal else len(leaders)
            if group[answer] == len(leaders):
                leaders.append(answer)
        return [None if answer is None else group[answer] for answer in answers]

    def check_gold(self, examples: Sequence[Example]) -> list[BadGold]:
        """The examples whose gold answer, given as the response, is not correct; [] where all is well."""
        golds = [example.answer or "" for example in examples]
        if self._pool is None:
            verdicts = [self._grade_here(_as_response(gold), gold) for gold in golds]
        else:
            verdicts = self._judge([(gold, gold) for gold in golds])
        return [
            BadGold(example.id, example.answer, verdict)
            for example, verdict in zip(examples, verdicts, strict=True)
            if verdict != "correct"
        ]

    def require_gold(self, examples: Sequence[Example], split_name: str) -> None:
        """Raises UserError, naming the first rows, where `check_gold` finds any."""
        bad = self.check_gold(examples)
        if bad:
            named = ", ".join(f"{gold.id} ({gold.answer!r}: {gold.verdict})" for gold in bad[:3])
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            raise UserError(
                f"{split_name}: field 'answer': grader '{self.name}' does not accept the gold answer of "
                f"{named}{more}; mend the answers or choose another grader"
            )

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
        if not self._rules.gradable(gold):
            return "error"
        answer = self.extract(response)
        return "correct" if answer is not None and self._rules.same(answer, gold) else "wrong"

    def _judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """Verdicts of the workers, each distinct pair asked once."""
        assert self._pool is not None
        with self._lock:
            if len(self._cache) > LARGEST_CACHE:
                self._cache.clear()
            asked = []
            for pair in dict.fromkeys(pairs):
                if pair not in self._cache:
                    outcome = self._without_asking(pair)
                    if outcome is None:
                        asked.append(pair)
                    else:
                        self._cache[pair] = outcome
            self._cache.update(zip(asked, self._pool.run(asked), strict=True))
            outcomes = [self._cache[pair] for pair in pairs]
        if self.first_error is None:
            self.first_error = next((reason for verdict, reason in outcomes if verdict == "error"), None)
        return [verdict for verdict, _ in outcomes]

    def _without_asking(self, pair: tuple[str, str]) -> Outcome | None:
        answer, gold = pair
        if self.name != "math":
            return None
        if not gold.strip() or len(gold) > math.LONGEST_ANSWER:
            return "error", "the gold answer is empty or too long"
        if len(answer) > math.LONGEST_ANSWER:
            return "error", f"the answer is longer than {math.LONGEST_ANSWER} characters"
        verdict = math.compare_plain(answer, gold) if answer.strip() else "wrong"
        return None if verdict is None else (verdict, None)

    def _equal(self, answer: str, leaders: Sequence[str]) -> list[bool]:
        if self._pool is None:
            return [bool(self._rules.same(answer, leader)) for leader in leaders]
        verdicts = self._judge([(leader, answer) for leader in leaders])
        return [verdict == "correct" for verdict in verdicts]


def _as_response(gold: str) -> str:
    return f"#### {gold}"
