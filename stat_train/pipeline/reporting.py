"""The last step: what the run found, for programs and for people."""

import platform
from collections.abc import Iterator, Mapping, Sequence

from stat_train.data.atomic import atomic_file
from stat_train.evaluation.metrics import metrics_of
from stat_train.evaluation.paired import paired
from stat_train.evaluation.scores import Scores, score
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.pipeline.answers import VERDICTS, read_verdicts
from stat_train.pipeline.card import write_card
from stat_train.pipeline.extras import extras_of
from stat_train.pipeline.grpo_results import grpo_comparisons, grpo_trainings
from stat_train.pipeline.round_results import rounds_of
from stat_train.pipeline.step import Step, Work
from stat_train.pipeline.versions import versions
from stat_train.recipe import METHODS, START, Recipe, round_arm
from stat_train.report.page import GRPO_PICTURE, PROFILE_PICTURE, SKILLS_PICTURE, write_report
from stat_train.report.results import Paired, ProfileRow, Results, SkillScore, SplitScore

RESULTS, EXTRAS, PAGE = "results.json", "extras.json", "report.md"
PICTURES = (PROFILE_PICTURE, SKILLS_PICTURE, GRPO_PICTURE)
SHOWN = (RESULTS, PAGE, *PICTURES)


def report_step(recipe: Recipe, steps: Sequence[Step]) -> Step:
    """results.json, report.md and its pictures."""
    return Step(
        "report",
        _report,
        lambda sizes: ", ".join(SHOWN[:2]),
        needs={step.title: () for step in steps},
        version=11,
        options={
            "seed": recipe.seed,
            "name": recipe.name,
            "arms": list(recipe.arms),
            **({"grpo": list(recipe.grpo_bases)} if recipe.grpo else {}),
        },
    )


def _report(work: Work) -> None:
    results, extras = _results(work), extras_of(work)
    results.write(work.stage.file(RESULTS))
    with atomic_file(work.stage.file(EXTRAS)) as file:
        file.write(extras.model_dump_json(indent=1).encode())
    write_report(work.stage.path, results, extras)
    for arm in work.recipe.scored_arms[1:]:
        write_card(work.recipe, arm, work.given)
    drawn = [name for name in PICTURES if work.stage.file(name).exists()]
    work.stage.finish([RESULTS, EXTRAS, PAGE, *drawn], notes=extras.warnings)


def _results(work: Work) -> Results:
    recipe = work.recipe
    arms = recipe.scored_arms
    scores = {arm: {split: _scores(work, arm, split) for split in recipe.evaluation_splits} for arm in arms}
    profile = MissingSkillProfile.read(work.file("profile", "profile.json"))
    return Results(
        arms={
            arm: {split: _split(work, arm, split, its) for split, its in splits.items()}
            for arm, splits in scores.items()
        },
        paired=[
            _paired(arm, against, split, scores)
            for split in recipe.evaluation_splits
            for arm, against in comparisons(recipe)
        ],
        profile=[ProfileRow(**row) for row in profile.rows()],
        rounds=list(rounds_of(work)),
        grpo=list(grpo_trainings(work)),
        timings={title: stage.manifest["seconds"] for title, stage in work.given.items() if stage.manifest},
        versions={"python": platform.python_version()} | dict(versions()),
        seed=recipe.seed,
    )


def _scores(work: Work, arm: str, split: str) -> Scores:
    examples = work.split(split, "label" if work.recipe.evaluation.per_skill else "data")
    verdicts, _ = read_verdicts(work.file(f"evaluate {arm}-{split}", VERDICTS), examples)
    manifest = work.given[f"evaluate {arm}-{split}"].manifest
    assert manifest is not None
    cut_off = manifest["counts"]["cut_off"]
    return score(examples, verdicts, cut_off=cut_off, seed=work.recipe.seed)


def _metrics(work: Work, arm: str, split: str) -> dict[str, float]:
    """What several samples a question tell, by metric; nothing for one."""
    n = work.recipe.evaluation.sampling.n
    if n == 1:
        return {}
    examples = work.split(split, "data")
    verdicts, votes = read_verdicts(work.file(f"evaluate {arm}-{split}", VERDICTS), examples)
    values = {str(its): its.values(verdicts, votes) for its in metrics_of(n, votes is not None)}
    return {name: sum(shares) / len(shares) for name, shares in values.items()}


def _split(work: Work, arm: str, split: str, scores: Scores) -> SplitScore:
    per_skill = {
        skill: SkillScore(accuracy=group.accuracy, n=group.n) for skill, group in scores.per_skill.items()
    }
    return SplitScore(
        accuracy=scores.accuracy,
        ci95=scores.ci95,
        n=scores.n,
        per_skill=per_skill,
        cut_off=scores.cut_off,
        metrics=_metrics(work, arm, split),
    )


def _paired(arm: str, against: str, split: str, scores: Mapping[str, Mapping[str, Scores]]) -> Paired:
    found = paired(scores[arm][split], scores[against][split])
    return Paired(
        arm=arm, against=against, split=split, difference=found.difference, ci95=found.ci95, p=found.p
    )


def comparisons(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Every arm against the start, each method against the arms before it in this order: its controls,
    then STAT-Sel, then STAT-Syn; each round against the one before; and the arms after GRPO."""
    yield from ((arm, START) for arm in recipe.trained_arms)
    methods = [arm for arm in METHODS if arm in recipe.arms]
    controls = [arm for arm in recipe.arms if arm not in METHODS]
    for place, method in enumerate(methods):
        yield from ((method, other) for other in (*controls, *methods[:place]))
    if rounds := recipe.rounds:
        named = [round_arm(rounds.arm, number) for number in range(1, rounds.n + 1)]
        yield from zip(named[1:], named, strict=False)
        yield from ((named[-1], arm) for arm in rounds.later_arms if arm not in named)
    yield from grpo_comparisons(recipe)
