"""Gold answers that their own grader does not accept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stat_train.data.example import Example
from stat_train.grading.verdict import Verdict

NAMED = 3
LONGEST_SHOWN = 60
NO_PROGRAM = "pass"
MARKS = {"boxed": "\\boxed{}", "####": "####"}
"""What a solution marks its answer with, by `data.columns.answer_from`."""


@dataclass(frozen=True, slots=True)
class BadGold:
    """A gold answer that its own grader does not accept, of the `number`-th example (from 1); `reason` where
    the verdict does not say enough."""

    number: int
    id: str
    answer: str | None
    verdict: Verdict
    reason: str = ""


def bad_gold(examples: Sequence[Example], verdicts: Sequence[Verdict]) -> list[BadGold]:
    """The examples whose verdict is not "correct"."""
    return [
        BadGold(number, example.id, example.answer, verdict)
        for number, (example, verdict) in enumerate(zip(examples, verdicts, strict=True), start=1)
        if verdict != "correct"
    ]


def bad_tests(
    examples: Sequence[Example],
    run: Callable[[Sequence[tuple[str, str]]], list[Verdict]],
    extract: Callable[[str], str | None],
) -> list[BadGold]:
    """The examples whose tests do not run, pass without a program, or fail on the example's own solution."""
    tests = [example.answer or "" for example in examples]
    own = [extract(example.solution or "") or example.solution for example in examples]
    empty = run([(NO_PROGRAM, its) for its in tests])
    solved = iter(run([(code, its) for code, its in zip(own, tests, strict=True) if code]))
    bad = []
    for number, (example, code, verdict) in enumerate(zip(examples, own, empty, strict=True), start=1):
        after = next(solved) if code else "correct"
        if verdict == "correct":
            bad.append(BadGold(number, example.id, example.answer, "error", "they pass without any program"))
        elif verdict == "error":
            bad.append(BadGold(number, example.id, example.answer, "error"))
        elif after != "correct":
            bad.append(BadGold(number, example.id, example.answer, after, "on the row's own solution"))
    return bad


def gold_message(
    split_name: str,
    grader: str,
    bad: Sequence[BadGold],
    first_error: str | None = None,
    answer_from: str = "column",
) -> str:
    """What is wrong with a split's gold answers, in one line; `first_error` is what the grader said first,
    `answer_from` where the answers were read (`data.columns`)."""
    none = [its for its in bad if its.answer is None]
    unusable = [its for its in bad if its.answer is not None]
    told = [
        *([_not_accepted(grader, unusable, first_error)] if unusable else ()),
        *([_no_answer(none, answer_from)] if none else ()),
    ]
    return f"{split_name}: {'; '.join(told)}"


def _not_accepted(grader: str, bad: Sequence[BadGold], first_error: str | None) -> str:
    unsaid = any(its.verdict == "error" and not its.reason for its in bad)
    why = f" (its first error: {first_error})" if first_error and unsaid else ""
    return (
        f"field 'answer': grader '{grader}' does not accept the gold answer of "
        f"{_listed(list(map(_named, bad)))}{why}; mend the answers or choose another grader"
    )


def _no_answer(none: Sequence[BadGold], answer_from: str) -> str:
    named = _listed([f"question {its.number}, {its.id}" for its in none])
    if answer_from in MARKS:
        return (
            f"no answer in {named}: the solution has no {MARKS[answer_from]} "
            f"(data.columns.answer_from: '{answer_from}'); add the mark, or remove the row"
        )
    return (
        f"no answer in {named}; fill it in, or set data.columns.answer to the column that has it, or "
        "data.columns.answer_from to 'boxed' or '####' where the solution marks it"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _named(its: BadGold) -> str:
    why = f", {its.reason}" if its.reason else ""
    return f"question {its.number}, {its.id} ({_short(its.answer)}: {its.verdict}{why})"


def _short(answer: str | None) -> str:
    shown = repr(answer)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}..."
