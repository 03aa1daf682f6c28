"""What the figures allow one to say, in sentences."""

from collections.abc import Sequence

from stat_train.report.results import START, ProfileRow, Results
from stat_train.report.views import (
    DIAGNOSED,
    FEW,
    SkillView,
    arm_order,
    control_arm,
    main_split,
    method_arm,
    pairs_of,
    ranked,
    shown_arms,
    skill_name,
    skill_views,
    split_order,
)
from stat_train.report.wording import comparison, half_width, listing, percent, points, verdict


def headline(results: Results) -> str:
    """The outcome on the main split: before, after, and against start and control."""
    split, arm = main_split(results), method_arm(results)
    if split is None or split not in results.arms[START]:
        return "The starting point was not scored."
    before = results.arms[START][split]
    told = (
        f"On {split} ({before.n} questions) the student got {percent(before.accuracy)} right before training"
    )
    if arm is None or split not in results.arms[arm]:
        return f"{told}. No arm was trained and scored there."
    told += f" and {percent(results.arms[arm][split].accuracy)} after training on {arm}."
    compared = [pair for pair in pairs_of(results, arm, split) if pair.against in shown_arms(results)]
    return " ".join([told, *map(comparison, compared)])


def cut_off(results: Results) -> str:
    """Which scores rest on answers that reached the token limit; "" where none does."""
    cut = [
        f"{results.arms[arm][split].cut_off:,} of {arm} on {split}"
        for split in split_order(results)
        for arm in arm_order(results)
        if split in results.arms[arm] and results.arms[arm][split].cut_off
    ]
    return f"Answers cut off at the token limit: {listing(cut)}" if cut else ""


def sampled(results: Results) -> str:
    """What several samples a question tell; "" where there is one."""
    told = [
        f"{arm} on {split}: {listing([f'{name} {percent(share)}' for name, share in score.metrics.items()])}"
        for split in split_order(results)
        for arm in arm_order(results)
        if (score := results.arms[arm].get(split)) and score.metrics
    ]
    return f"Several samples a question: {'; '.join(told)}" if told else ""


def profile_headline(profile: Sequence[ProfileRow], top: int = 3) -> str:
    """The `top` most often missing skills in one sentence."""
    rows = [row for row in ranked(profile) if row.missing and row.difficult >= FEW][:top]
    if not rows:
        return f"No skill was found missing in {FEW} or more difficult questions"
    named = [f"{skill_name(row)} ({percent(row.rate, 0)} of {row.difficult})" for row in rows]
    return f"Most often missing: {listing(named)} difficult questions"


def skills_headline(skills: Sequence[SkillView], arm: str) -> str:
    """How many skills rose and fell from the start to an arm, and which did most, in one sentence."""
    by_change = sorted(skills, key=lambda skill: skill.change(arm, START))
    rose = [skill for skill in reversed(by_change) if skill.change(arm, START) > 0]
    fell = [skill for skill in by_change if skill.change(arm, START) < 0]
    return f"Of {len(skills)} skills {arm} raised {_counted(rose, arm)} and lowered {_counted(fell, arm)}"


def _counted(skills: Sequence[SkillView], arm: str) -> str:
    """How many, and the first of them."""
    if not skills:
        return "none"
    return f"{len(skills)} (most: {skills[0].name} {points(skills[0].change(arm, START))})"


def reading(results: Results) -> list[str]:
    """The honest reading: every comparison of the method in words, then what limits them."""
    arm = method_arm(results)
    if arm is None:
        return [
            "Only the starting point was scored: these figures say what is missing, not what training "
            "changes."
        ]
    told = [comparison(pair) for split in split_order(results) for pair in pairs_of(results, arm, split)]
    told += [
        comparison(pair)
        for pair in results.paired
        if pair.arm != arm and pair.against == START and verdict(pair) == "worse"
    ]
    split = main_split(results)
    if split is not None and split in results.arms[arm]:
        told += _per_skill(skill_views(results, split), arm, control_arm(results), split)
    return told + _limits(results)


def _per_skill(skills: Sequence[SkillView], arm: str, control: str | None, split: str) -> list[str]:
    told = []
    half = len(skills) // 2
    aimed, others = skills[:half], skills[half:]
    if arm in DIAGNOSED and half >= 2 and any(skill.missing for skill in skills):
        sentence = (
            f"Where it was aimed: on the {half} most often missing skills {arm} changed accuracy on {split} "
            f"{_before_after(aimed, arm)}, on the other {len(others)} {_before_after(others, arm)}"
        )
        if control:
            sentence += (
                f"; {control} by {_mean_change(aimed, control)} and {_mean_change(others, control)} points "
                "(what is low has more room to rise, whatever it is trained on)"
            )
        told.append(f"{sentence}. These are means over skills: a question counts for each skill it needs.")
    fell = sorted((s for s in skills if s.change(arm, START) < 0), key=lambda skill: skill.change(arm, START))
    if fell:
        worst = [f"{s.name} ({points(s.change(arm, START))} points, {s.n} questions)" for s in fell[:3]]
        told.append(
            f"What fell: {len(fell)} of {len(skills)} skills on {split}, most of all {listing(worst)}."
        )
    if skills:
        sizes = sorted(skill.n for skill in skills)
        typical = sizes[len(sizes) // 2]
        told.append(
            f"One skill is few questions: {sizes[0]} to {sizes[-1]}, so the accuracy of a typical one "
            f"({typical} questions) is uncertain by up to "
            f"±{100 * half_width(typical):.0f} points. Read the pattern, not single rows."
        )
    return told


def _before_after(skills: Sequence[SkillView], arm: str) -> str:
    before, after = (sum(skill.accuracy[which] for skill in skills) / len(skills) for which in (START, arm))
    return f"from {percent(before)} to {percent(after)} ({_mean_change(skills, arm)} points)"


def _mean_change(skills: Sequence[SkillView], arm: str) -> str:
    return points(sum(skill.change(arm, START) for skill in skills) / len(skills))


def _limits(results: Results) -> list[str]:
    told = [
        f"One run with seed {results.seed}: the intervals are over questions only. What another seed of "
        "selection and training would change, they do not hold; repeat the run with other seeds before "
        "believing a small gap."
    ]
    if len(results.paired) > 1:
        told.append(
            f"{len(results.paired)} comparisons stand here, each at 95% and unadjusted: where there is no "
            "difference, about one in twenty shows one all the same."
        )
    return told
