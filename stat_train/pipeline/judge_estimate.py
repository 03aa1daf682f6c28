"""What a teacher as the judge (`grader: judge`) would be asked, before there are answers to judge."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations

from stat_train.data.example import Example
from stat_train.pipeline.opening import JUDGE
from stat_train.pipeline.step import Step
from stat_train.recipe import Recipe
from stat_train.student.options import Sampling
from stat_train.teacher.request import BYTES_PER_TOKEN
from stat_train.training.grpo_options import GRPOOptions

Pair = tuple[str, str, str]
NOTE = "at most: as if no answer were the reference word for word and each as long as its sampling allows"
VOTES = f"{NOTE}, and no two of a question agreed"
JUDGED = ("evaluate", "grpo", "agreement")


def is_judged(step: Step, recipe: Recipe) -> bool:
    """Whether a step asks the judge: about each answer, or which of the sampled answers agree.

    Not those that ask the teacher for something to be judged, which is in their own estimate.
    """
    votes = step.name == "difficulty" and recipe.difficulty.method in ("gold", "consistency")
    return recipe.grader == JUDGE and (step.name in JUDGED or votes)


def judged_answers(
    step: Step, recipe: Recipe, splits: Mapping[str, Sequence[Example]]
) -> tuple[Iterator[Pair], str]:
    """Stand-ins for each (response, reference, question) of a judged step, and what they assume."""
    if step.name == "evaluate":
        return _samples(splits[step.options["split"]], recipe.evaluation.sampling)
    if step.name == "grpo" and recipe.grpo:
        return _rollouts(splits["pool"], recipe.grpo), f"{NOTE}, to the first questions of the pool"
    if step.name == "agreement" and "consistency" in step.options["methods"]:
        return _samples(splits["validation"], recipe.sampling)
    if step.name == "agreement" or recipe.difficulty.method == "gold":
        return _answers(splits["validation"], recipe.sampling), NOTE
    return _pairs(splits["validation"], recipe.sampling), VOTES


def judged_solutions(
    questions: Sequence[Example], samples: int, max_tokens: int, *, stated: bool
) -> Iterator[Pair]:
    """Stand-ins for what the judge is asked about `samples` of the teacher's solutions of each question: each
    beside the known answer, or (`stated`) beside the one it states, and which of those agree."""
    sampling = Sampling(n=samples, max_tokens=max_tokens)
    for example in questions:
        known = example.answer or example.solution or ""
        states = [f"{known} {sample}" if stated else known for sample in range(samples)]
        for sample, answer in enumerate(states):
            yield _stand_in(sample, sampling), answer, example.question
        if stated:
            yield from ((*pair, example.question) for pair in combinations(states, 2))


def _samples(examples: Sequence[Example], sampling: Sampling) -> tuple[Iterator[Pair], str]:
    """Each answer, and of several to a question which of them are one vote."""
    if sampling.n == 1:
        return _answers(examples, sampling), NOTE
    return chain(_answers(examples, sampling), _pairs(examples, sampling)), VOTES


def _rollouts(pool: Sequence[Example], options: GRPOOptions) -> Iterator[Pair]:
    sampling = Sampling(max_tokens=options.max_tokens)
    for number in range(options.batches(len(pool)) * options.answers):
        example = pool[number // options.rollouts % len(pool)]
        yield _stand_in(number, sampling), example.answer or "", example.question


def _answers(examples: Sequence[Example], sampling: Sampling) -> Iterator[Pair]:
    for example in examples:
        for sample in range(sampling.n):
            yield _stand_in(sample, sampling), example.answer or "", example.question


def _pairs(examples: Sequence[Example], sampling: Sampling) -> Iterator[Pair]:
    for example in examples:
        for first, second in combinations(range(sampling.n), 2):
            yield _stand_in(first, sampling), _stand_in(second, sampling), example.question


def _stand_in(sample: int, sampling: Sampling) -> str:
    return f"{sample:x<{BYTES_PER_TOKEN * sampling.max_tokens}}"
