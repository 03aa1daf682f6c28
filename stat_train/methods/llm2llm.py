"""The LLM2LLM-like control: variants of exactly the failed questions, no skills (arXiv 2403.15042)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.proposing import SAMPLES_A_SEED, Call, Group


class LLM2LLMCalls:
    """Its requests: each shows one of the `failed` questions with its solution (or answer), in an order of
    the seed's; when all had their turn, again, for another sample.

    Calling it gives the next requests for one subject, as the group (subject, "").
    """

    def __init__(self, failed: Sequence[Example], *, seed: int = 0) -> None:
        if not failed:
            raise UserError(
                "no validation question is difficult, so there is nothing to vary; leave llm2llm out of "
                "`arms`, or give harder validation questions"
            )
        if bare := [example.id for example in failed if not (example.solution or example.answer)]:
            raise UserError(
                f"validation: row {bare[0]!r} has no solution or answer to show the teacher; map "
                "`data.columns.solution` or leave llm2llm out of `arms`"
            )
        self._failed: dict[Group, list[Example]] = defaultdict(list)
        for example in Random(f"llm2llm-{seed}").sample(failed, len(failed)):
            self._failed[example.subject, ""].append(example)
        self._given: dict[Group, int] = defaultdict(int)
        self._same = Counter[tuple[Group, str]]()
        self._first_sample = SAMPLES_A_SEED * seed

    def __call__(self, group: Group, n: int) -> list[Call]:
        failed, calls = self._failed[group], []
        for turn in range(self._given[group], self._given[group] + n):
            example = failed[turn % len(failed)]
            sample = self._first_sample + self._same[group, example.question]
            self._same[group, example.question] += 1
            calls.append(Call(group, (example,), None, sample, {"difficult_question": example.id}))
        self._given[group] += n
        return calls
