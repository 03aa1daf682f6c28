"""Reward curves of a GRPO training: overall and per skill, from its rollouts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from stat_train.intervals import RESAMPLES, Interval, percentiles, resampled_means
from stat_train.training.reward import OUTCOMES

REWARDS = "rewards.jsonl"
SPANS = 10
"""Equal spans of batches in which a skill's curve is drawn."""


@dataclass(frozen=True, slots=True)
class Group:
    """All answers to one question of one batch; `spread` is whether they earned different rewards."""

    batch: int
    keys: tuple[str, ...]
    reward: float
    spread: bool


@dataclass(frozen=True, slots=True)
class Thirds:
    """Mean reward in the first and the last third of the batches, and the last minus the first.

    One group of answers is one observation: `n_first` and `n_last` count them. The interval is a bootstrap
    over the groups of both thirds, None where that would claim certainty: one of them has fewer than two, or
    in each of them all rewards are alike.
    """

    first: float | None
    last: float | None
    n_first: int
    n_last: int
    difference: float | None
    ci95: Interval | None


def groups_of(rollouts: Iterable[dict[str, Any]]) -> list[Group]:
    """The groups of the rows of `rollouts.jsonl`, in order; keys as `reward_rows` has them."""
    members: defaultdict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rollouts:
        members[row["batch"], row["group"]].append(row)
    return [
        Group(
            batch,
            ("", *(_key(rows[0]["subject"], skill) for skill in dict.fromkeys(rows[0]["skills"]))),
            fmean(row["reward"] for row in rows),
            len({row["reward"] for row in rows}) > 1,
        )
        for (batch, _), rows in sorted(members.items())
    ]


def reward_rows(rollouts: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of `rewards.jsonl`: per batch one for all answers (skill "") and one for each skill.

    `flat` counts the groups without variance of reward, which teach nothing.
    """
    by_batch: defaultdict[int, list[Group]] = defaultdict(list)
    for group in groups_of(rollouts):
        by_batch[group.batch].append(group)
    of_batch: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rollouts:
        of_batch[row["batch"]].append(row)
    for batch, groups in by_batch.items():
        answers = of_batch[batch]
        outcomes = Counter(row["outcome"] for row in answers)
        for key in sorted({key for group in groups for key in group.keys}):
            its = [group for group in groups if key in group.keys]
            row = {
                "batch": batch,
                "skill": key,
                "reward": fmean(group.reward for group in its),
                "groups": len(its),
                "flat": sum(not group.spread for group in its),
            }
            if not key:
                row |= {outcome: outcomes[outcome] for outcome in OUTCOMES}
                row |= {
                    "cut_off": sum(answer["cut_off"] for answer in answers),
                    "tokens": fmean(answer["tokens"] for answer in answers),
                }
            yield row


def thirds(groups: Sequence[Group], batches: int, *, seed: int = 0) -> Thirds:
    """The rewards of the first and the last third of so many batches."""
    third = max(1, batches // 3)
    first = [group.reward for group in groups if group.batch < third]
    last = [group.reward for group in groups if group.batch >= batches - third]
    means = (fmean(first) if first else None, fmean(last) if last else None)
    if means[0] is None or means[1] is None:
        return Thirds(*means, len(first), len(last), None, None)
    certain = min(len(first), len(last)) < 2 or len(set(first)) == len(set(last)) == 1
    interval = None if certain else _interval(first, last, seed)
    return Thirds(*means, len(first), len(last), means[1] - means[0], interval)


def curve(groups: Sequence[Group], batches: int, spans: int = SPANS) -> list[float | None]:
    """Mean reward in equal spans of the batches; None where no group falls into one."""
    spans = min(spans, batches)
    found: list[list[float]] = [[] for _ in range(spans)]
    for group in groups:
        found[group.batch * spans // batches].append(group.reward)
    return [fmean(rewards) if rewards else None for rewards in found]


def _interval(first: Sequence[float], last: Sequence[float], seed: int) -> Interval:
    import numpy as np

    random = np.random.default_rng(seed)
    low, high = (resampled_means(np.asarray(its, dtype=float), RESAMPLES, random) for its in (first, last))
    return percentiles(high - low)


def _key(subject: str, skill: str) -> str:
    return f"{subject}/{skill}" if subject else skill


def totals(rollouts: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Batches, answers, groups of answers to one question, those without variance, and each outcome."""
    rows = list(rollouts)
    groups, outcomes = groups_of(rows), Counter(row["outcome"] for row in rows)
    return {
        "batches": len({group.batch for group in groups}),
        "answers": len(rows),
        "groups": len(groups),
        "flat": sum(not group.spread for group in groups),
        "cut_off": sum(row["cut_off"] for row in rows),
        **{outcome: outcomes[outcome] for outcome in OUTCOMES},
    }
