"""The tables beyond the arms: prompts, GRPO on top, rounds, solutions of another form."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from stat_train.recipe import GRPO_SUFFIX, START
from stat_train.report.markdown import table
from stat_train.report.wording import percent, points
from stat_train.training.rewards import Group, thirds
from studies.study.evidence import BySeed, Difference, Evidence, difference, mean
from studies.study.rows import Row
from studies.study.words import NOT_RUN, interval, signed

PROMPTS = ("zero-shot", "fixed", "random", "skills", "consistency@5", "adaptmi", "adaptmi+")
"""In the order of the table; others (the oracles) after them."""
FIXED = "fixed"
EITHER = "either order"


def prompting(evidence: Evidence) -> str:
    """Ways to prompt: mean over the sampling seeds, and AdaptMI+ against each."""
    scores = evidence.scores("prompting", "all prompts")
    costs: dict[str, list[Row]] = {arm: [] for arm in scores}
    for row in evidence.rows("prompting"):
        costs[row["arm"]].append(row)
    rows = []
    for arm in sorted(scores, key=lambda arm: (*PROMPTS, arm).index(arm)):
        found = None if arm == "adaptmi+" else difference("adaptmi+", arm, scores)
        rows.append(
            [
                arm,
                str(len(scores[arm])),
                percent(mean(scores[arm])),
                f"{fmean(row['tokens'] for row in costs[arm]):,.0f}",
                f"{fmean(row['teacher_questions'] for row in costs[arm]):.0f}",
                *(["", ""] if found is None else [points(found.difference), interval(found.ci95)]),
            ]
        )
    if not rows:
        return NOT_RUN
    headers = ["prompt", "seeds", "accuracy", "tokens a question", "questions to the teacher"]
    shown = table([*headers, "AdaptMI+ minus it", "95%"], rows, right=range(1, 7))
    return "\n\n".join([shown, *_first_answers(scores), *_oracles(scores)])


def _first_answers(scores: Mapping[str, BySeed]) -> Iterator[str]:
    """What became of the questions that the fixed exemplars, AdaptMI's first answers, had right and wrong."""
    told = []
    for arm in ("adaptmi", "adaptmi+"):
        found = difference(arm, FIXED, scores)
        if found is None:
            return
        pairs = [(scores[FIXED][seed].scores, scores[arm][seed].scores) for seed in found.seeds]
        first, then = ([its for pair in pairs for its in pair[at].questions.values()] for at in (0, 1))
        lost = sum(before > after for before, after in zip(first, then, strict=True))
        gained = sum(before < after for before, after in zip(first, then, strict=True))
        told.append(f"{arm} loses {lost} of these and gains {gained} of the others")
    right = sum(before == 1 for before in first)
    yield f"Of {len(first)} answers with fixed exemplars {right} are right: {'; '.join(told)}."


def _oracles(scores: Mapping[str, BySeed]) -> Iterator[str]:
    if found := difference("adaptmi+ (oracle)", "adaptmi (oracle)", scores):
        yield f"{found.one} minus {found.other}: {points(found.difference)} {interval(found.ci95)}."


def rounds(evidence: Evidence) -> str:
    """Two rounds, one round, and one training of double size, on the seeds that have all."""
    both = {**_start(evidence), **evidence.scores("rounds", "two")}
    found = [
        difference("stat-sel-round-2", other, both) for other in ("start", "stat-sel", "stat-sel-at-once")
    ]
    return _differences(filter(None, found), both)


def solutions(evidence: Evidence) -> str:
    """Arms that the teacher writes for: sums and products in either order, beside those in the pool's."""
    varied, kept = evidence.scores("solutions", EITHER), evidence.kept()
    both = {**kept, **{f"{arm}, {EITHER}": by_seed for arm, by_seed in varied.items()}}
    shown = _differences(filter(None, (difference(f"{arm}, {EITHER}", arm, both) for arm in varied)), both)
    return "\n\n".join([shown, *_different_questions(evidence)])


def _different_questions(evidence: Evidence) -> Iterator[str]:
    """Of how many different questions the pairs are, which a form that repeats them makes fewer."""
    found = {
        (row["seed"], row["arm"]): row for row in evidence.rows("solutions", EITHER) if "distinct" in row
    }
    for (seed, arm), row in sorted(found.items()):
        yield f"Seed {seed}, {arm}, {EITHER}: {row['pairs']} pairs of {row['distinct']} different questions."


def _start(evidence: Evidence) -> dict[str, BySeed]:
    return {START: evidence.kept().get(START, {})}


def _differences(found: Iterable[Difference], scores: Mapping[str, BySeed]) -> str:
    rows = [
        [
            its.one,
            its.other,
            str(len(its.seeds)),
            *(percent(_mean_of(scores[arm], its.seeds)) for arm in (its.one, its.other)),
            points(its.difference),
            interval(its.ci95),
        ]
        for its in found
    ]
    headers = ["arm", "minus", "seeds", "accuracy", "of the other", "points", "95%"]
    return table(headers, rows, right=range(2, 7)) if rows else NOT_RUN


def _mean_of(by_seed: BySeed, seeds: Sequence[int]) -> float:
    return mean({seed: by_seed[seed] for seed in seeds})


def grpo(evidence: Evidence) -> str:
    """What each GRPO training earned, in its first and last third, and what it changed on test."""
    both = {**_start(evidence), **evidence.scores("grpo", "on top")}
    rows = []
    for row in evidence.rows("rewards"):
        arm, batches = row["arm"], row["batches"]
        groups = [Group(at, (), its, False) for at, batch in enumerate(batches) for its in batch]
        earned = thirds(groups, len(batches))
        assert earned.first is not None and earned.last is not None  # noqa: PT018
        change = earned.last - earned.first
        rewards = [f"{earned.first:.3f}", f"{earned.last:.3f}", signed(change, 3)]
        rewards.append(f"[{', '.join(signed(end, 3) for end in earned.ci95)}]" if earned.ci95 else "")
        rows.append([arm, str(row["seed"]), *rewards])
    if not rows:
        return NOT_RUN
    headers = ["arm", "seed", "first third", "last third", "difference", "95%"]
    pairs = [(arm, arm.removesuffix(GRPO_SUFFIX)) for arm in both if arm.endswith(GRPO_SUFFIX)]
    last = [(f"stat-sel{GRPO_SUFFIX}", f"{arm}{GRPO_SUFFIX}") for arm in ("start", "random")]
    found = [difference(one, other, both) for one, other in (*pairs, *last)]
    return (
        f"Reward of a question, 0 to 1:\n\n{table(headers, rows, right=range(1, 6))}\n\n"
        f"Accuracy on test:\n\n{_differences(filter(None, found), both)}"
    )
