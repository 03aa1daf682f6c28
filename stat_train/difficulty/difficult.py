"""Which validation questions the student finds difficult."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from stat_train.data.example import Example
from stat_train.difficulty.options import DifficultyOptions
from stat_train.errors import UserError
from stat_train.student.response import Response


class Grader(Protocol):
    """What is needed of `stat_train.grading.grader.Grader`."""

    def grade(self, pairs: Sequence[tuple[str, str]], questions: Sequence[str]) -> Sequence[str]:
        """ "correct" or another verdict for each (response, gold answer) to one of the questions."""

    def extract(self, text: str) -> str | None:
        """The final answer of a response."""

    def groups(self, answers: Sequence[str | None], question: str) -> list[int | None]:
        """Numbers equal final answers to a question alike; None is no vote."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The judgment of one question.

    `score` by method: the share of correct samples (gold), the share of samples that give the most
    frequent answer (consistency), mean words (length), mean step score (prm): lower is more difficult,
    but for length. `sample` is the response that shows it: the first that is not correct (gold), the
    first with the most frequent answer (consistency), the longest (length), the best (prm). `samples` are
    all that count against the question: those that are not correct (gold), else every one.
    """

    question_id: str
    difficult: bool
    score: float
    sample: int
    samples: tuple[int, ...]


def find_difficult(
    examples: Sequence[Example],
    responses: Sequence[Response],
    options: DifficultyOptions,
    grader: Grader | None = None,
) -> list[Difficulty]:
    """One judgment for each example, in order, from all its responses (several samples where drawn).

    `gold` and `consistency` need the grader. Raises UserError where an example has no response, or
    lacks what the method needs (a gold answer, several samples).
    """
    answered = list(_answered(examples, responses))
    if options.method == "length":
        return [_by_length(example, samples, options) for example, samples in answered]
    if options.method == "prm":
        from stat_train.difficulty.prm import find_by_prm
        from stat_train.difficulty.prm_models import load_prm

        return find_by_prm(answered, options, load_prm(options.prm_model))
    if grader is None:
        raise UserError(f"difficulty: method {options.method!r} needs a grader; set `grader:`")
    if options.method == "gold":
        return _by_gold(answered, options, grader)
    return [_by_consistency(example, samples, options, grader) for example, samples in answered]


Answered = tuple[Example, list[Response]]


def _answered(examples: Sequence[Example], responses: Sequence[Response]) -> Iterator[Answered]:
    samples: dict[str, list[Response]] = {}
    for response in responses:
        samples.setdefault(response.question_id, []).append(response)
    for example in examples:
        if example.id not in samples:
            raise UserError(f"difficulty: question {example.id!r} has no response; finish the answer stage")
        yield example, sorted(samples[example.id], key=lambda response: response.sample)


def _by_gold(answered: Sequence[Answered], options: DifficultyOptions, grader: Grader) -> list[Difficulty]:
    pairs, questions = [], []
    for example, samples in answered:
        if example.answer is None:
            raise UserError(
                f"difficulty: question {example.id!r} has no answer to grade against; "
                "map `data.columns.answer`, or use method consistency, length or prm"
            )
        pairs += [(response.text, example.answer) for response in samples]
        questions += [example.question] * len(samples)
    verdicts = iter(grader.grade(pairs, questions))
    found = []
    for example, samples in answered:
        correct = [next(verdicts) == "correct" for _ in samples]
        share = sum(correct) / len(correct)
        wrong = tuple(its.sample for its, right in zip(samples, correct, strict=True) if not right)
        shown = wrong[0] if wrong else samples[0].sample
        found.append(Difficulty(example.id, share < options.gold_share, share, shown, wrong))
    return found


def _by_consistency(
    example: Example, samples: Sequence[Response], options: DifficultyOptions, grader: Grader
) -> Difficulty:
    if len(samples) < options.min_votes:
        raise UserError(
            f"difficulty: question {example.id!r} has {len(samples)} sampled answer(s), fewer than "
            f"`min_votes` {options.min_votes}; draw more samples (5 in the paper) or use another method"
        )
    groups = grader.groups([grader.extract(response.text) for response in samples], example.question)
    votes = Counter(group for group in groups if group is not None)
    group, most = votes.most_common(1)[0] if votes else (groups[0], 0)
    shown = samples[groups.index(group)]
    difficult = most < options.min_votes
    return Difficulty(example.id, difficult, most / len(samples), shown.sample, all_of(samples))


def _by_length(example: Example, samples: Sequence[Response], options: DifficultyOptions) -> Difficulty:
    words = [len(response.text.split()) for response in samples]
    mean = sum(words) / len(words)
    longest = samples[words.index(max(words))]
    return Difficulty(example.id, mean >= options.words, mean, longest.sample, all_of(samples))


def all_of(samples: Sequence[Response]) -> tuple[int, ...]:
    """The numbers of all samples."""
    return tuple(response.sample for response in samples)
