"""What a teacher as the judge (`grader: judge`) would be asked, before there are answers to judge."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from stat_train.data.example import Example
from stat_train.pipeline.opening import JUDGE
from stat_train.pipeline.step import Step
from stat_train.recipe import Recipe
from stat_train.student.options import Sampling
from stat_train.teacher.request import BYTES_PER_TOKEN

Pair = tuple[str, str, str]
NOTE = "at most: as if no answer were the reference word for word and each as long as its sampling allows"


def is_judged(step: Step, recipe: Recipe) -> bool:
    """Whether a step asks the judge: about each answer, or which of the sampled answers agree."""
    votes = recipe.difficulty.method in ("gold", "consistency")
    return recipe.grader == JUDGE and (step.name == "evaluate" or (step.name == "difficulty" and votes))


def judged_answers(
    step: Step, recipe: Recipe, splits: Mapping[str, Sequence[Example]]
) -> tuple[Iterator[Pair], str]:
    """Stand-ins for each (response, reference, question) of a judged step, and what they assume."""
    if step.name == "evaluate":
        return _answers(_asked(step, splits), recipe.evaluation.sampling), NOTE
    if recipe.difficulty.method == "gold":
        return _answers(splits["validation"], recipe.sampling), NOTE
    return _pairs(splits["validation"], recipe.sampling), f"{NOTE}, and no two of a question agreed"


def _asked(step: Step, splits: Mapping[str, Sequence[Example]]) -> Sequence[Example]:
    return splits[step.options["split"]]


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
