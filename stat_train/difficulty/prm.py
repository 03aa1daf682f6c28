"""Difficult questions by a process reward model (STAT §2.2, eq. 1)."""

import logging
from collections.abc import Sequence
from typing import Protocol

from stat_train.difficulty.difficult import Answered, Difficulty, all_of
from stat_train.difficulty.options import DifficultyOptions
from stat_train.difficulty.steps import split_steps

logger = logging.getLogger(__name__)

Steps = tuple[str, list[str]]
"""A question and the steps of one response."""


class StepScorer(Protocol):
    """A process reward model."""

    def score(self, responses: Sequence[Steps], batch_tokens: int) -> list[list[float] | None]:
        """For each response the score of each of its steps, 0 to 1; None where it exceeds the context."""


def find_by_prm(
    answered: Sequence[Answered], options: DifficultyOptions, scorer: StepScorer
) -> list[Difficulty]:
    """One judgment a question, of its sample with the highest mean step score.

    A blank response, or one that exceeds the model's context, scores 0 (the log counts the latter).
    """
    samples = [(example, response) for example, responses in answered for response in responses]
    steps = [(example.question, split_steps(response.text)) for example, response in samples]
    found = iter(scorer.score([row for row in steps if row[1]], options.prm_batch_tokens))
    scores = [next(found) if split else [0.0] for _, split in steps]
    if too_long := scores.count(None):
        logger.warning("prm: %d responses exceed the model's context and score 0", too_long)
    judged, at = [], 0
    for example, responses in answered:
        own = [step_scores or [0.0] for step_scores in scores[at : at + len(responses)]]
        at += len(responses)
        best = max(range(len(own)), key=lambda n: _mean(own[n]))
        difficult = is_difficult(own[best], options.tau1, options.tau2)
        shown = responses[best].sample
        judged.append(Difficulty(example.id, difficult, _mean(own[best]), shown, all_of(responses)))
    return judged


def is_difficult(scores: Sequence[float], tau1: float, tau2: float) -> bool:
    """r_t <= tau1, or mean(r) <= tau1, or r_i <= tau2 for a step i before the last (STAT §2.2, eq. 1)."""
    return scores[-1] <= tau1 or _mean(scores) <= tau1 or any(score <= tau2 for score in scores[:-1])


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)
