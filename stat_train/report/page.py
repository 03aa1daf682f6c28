"""`report.md`: a run told to someone who was not there."""

from collections.abc import Iterator
from pathlib import Path

from stat_train.data.atomic import atomic_file
from stat_train.report import pictures
from stat_train.report.extras import Extras
from stat_train.report.grpo_page import grpo_sections
from stat_train.report.grpo_picture import grpo_picture
from stat_train.report.grpo_wording import grpo_arms
from stat_train.report.markdown import bullets, code, fence, prose, table
from stat_train.report.reading import (
    cut_off,
    headline,
    profile_headline,
    reading,
    sampled,
    skills_headline,
)
from stat_train.report.results import START, Results
from stat_train.report.round_page import round_sections
from stat_train.report.rounds import described_arms
from stat_train.report.sets import SETS_COLUMNS, sets_figures, sets_headline, source_text
from stat_train.report.views import (
    arm_order,
    main_split,
    method_arm,
    ranked,
    shown_arms,
    skill_name,
    skill_views,
    split_order,
)
from stat_train.report.wording import (
    duration,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    verdict,
)
from stat_train.report.yields import EXPLANATION, HEADERS, yield_rows

PROFILE_PICTURE = "report-profile.png"
SKILLS_PICTURE = "report-skills.png"
GRPO_PICTURE = "report-grpo.png"
ARMS = {
    "start": "the student before training",
    "random": "pairs drawn at random from the pool",
    "train": "the pool as it is, with its own solutions: all of it, or a sample where it is larger",
    "balanced": "pairs drawn evenly over skills, whatever the student lacks",
    "augment": "questions of the pool at random, each with several solutions that the teacher reworded",
    "hard": "pairs of the hard levels, or of the kinds of question that the student got wrong; no diagnosis",
    "embed-sel": "the pairs whose questions read most like the difficult ones, with no diagnosis of skills",
    "embed-syn": "new pairs from the teacher, like the pool questions that read most like the difficult ones",
    "llm2llm": "new pairs from the teacher: variants of the questions that the student got wrong, no skills",
    "shuffled": "pairs drawn as for stat-sel, but for other skills than those missing: a placebo",
    "stat-sel": "pairs drawn by missing skill: each (difficult question, missing skill) calls for its share",
    "stat-syn": "new pairs from the teacher for each (difficult question, missing skill)",
}


def write_report(folder: Path, results: Results, extras: Extras | None = None) -> Path:
    """Write `report.md` and its pictures into `folder`; returns the page's path.

    The same input gives the same page. Without matplotlib the page says which extra draws the
    pictures. UserError where the folder cannot be written.
    """
    drawn = pictures.matplotlib_is_here()
    if drawn:
        _draw(folder, results)
    page = "\n\n".join(_sections(results, extras or Extras(), drawn))
    return _write(folder / "report.md", f"{page}\n".encode())


def _draw(folder: Path, results: Results) -> None:
    if results.profile:
        _write(folder / PROFILE_PICTURE, pictures.profile_picture(results.profile))
    if split := _split_of_skills(results):
        picture = pictures.skills_picture(skill_views(results, split), shown_arms(results), split)
        _write(folder / SKILLS_PICTURE, picture)
    if results.grpo:
        _write(folder / GRPO_PICTURE, grpo_picture(results.grpo))


def _write(path: Path, content: bytes) -> Path:
    with atomic_file(path) as file:
        file.write(content)
    return path


def _split_of_skills(results: Results) -> str | None:
    """The split of the per-skill view, where a trained arm was scored there per skill."""
    split = main_split(results)
    return split if split is not None and method_arm(results) and skill_views(results, split) else None


def _sections(results: Results, extras: Extras, drawn: bool) -> Iterator[str]:
    yield f"# {prose(extras.name or 'Run')}: what the student lacked, and what training on it changed"
    for warning in extras.warnings:
        yield f"> **⚠ WARNING: {prose(warning)}**"
    yield f"**{prose(headline(results))}**"
    yield from _setting(results, extras)
    yield from _profile(results, extras, drawn)
    yield from _yields(extras)
    yield from _training_sets(extras)
    yield from _learning_rates(extras)
    yield from _outcome(results)
    yield from round_sections(results)
    if results.grpo:
        curves = _picture(GRPO_PICTURE, "Reward over the batches of GRPO, overall and per skill", drawn)
        yield from grpo_sections(results, curves)
    yield from _per_skill(results, drawn)
    yield from _accounts(results, extras)


def _setting(results: Results, extras: Extras) -> Iterator[str]:
    yield "## What was asked"
    yield (
        "Which skills does this student lack, and does training on exactly those teach it more than "
        "training on as many examples chosen without that knowledge? The student answered a validation "
        "split; a teacher read its answers to the difficult questions and named the skills that each one "
        "failed to apply; training sets were drawn, one per arm; the student was trained on each from the "
        "same starting point, and all were scored on questions that no training set holds."
    )
    described = {"Student": extras.student, "Teacher": extras.teacher, "Data": extras.data}
    if any(described.values()):
        yield bullets(f"**{what}**: {prose(text)}" for what, text in described.items() if text)
    known = ARMS | described_arms(results) | grpo_arms(results)
    arms = [f"{code(arm)}: {prose(known[arm])}" if arm in known else code(arm) for arm in arm_order(results)]
    yield f"The arms:\n\n{bullets(arms)}"
    if rehearsing := [arm for arm, held in extras.sets.items() if held.rehearsal]:
        told = ", ".join(f"{code(arm)} {extras.sets[arm].rehearsal:,}" for arm in rehearsing)
        yield f"A part of the pairs is rehearsal, drawn uniformly from the pool: {told}."


def _profile(results: Results, extras: Extras, drawn: bool) -> Iterator[str]:
    yield "## What the student lacks: the Missing-Skill-Profile"
    if not results.profile:
        yield "The profile is empty: no difficult question was diagnosed."
        return
    yield f"{prose(profile_headline(results.profile))}."
    yield (
        "Of the difficult questions labelled with a skill or diagnosed for it, the rate is the share in "
        "which the teacher found it missing. A teacher errs, and few questions prove little: mind the "
        "intervals."
    )
    yield _picture(PROFILE_PICTURE, "Missing rate of each skill with its interval", drawn)
    yield table(
        ["skill", "missing", "of difficult", "rate", "95% interval"],
        (
            [
                code(skill_name(row), cell=True),
                str(row.missing),
                str(row.difficult),
                percent(row.rate, 0),
                percent_interval(row.ci95),
            ]
            for row in ranked(results.profile)
        ),
        right=(1, 2, 3, 4),
    )
    for number, example in enumerate(extras.diagnoses, start=1):
        missing = ", ".join(map(code, example.missing_skills)) or "none"
        yield f"### Diagnosis, example {number}: missing {missing}"
        yield f"The question:\n\n{fence(example.question)}"
        yield f"The student wrote:\n\n{fence(example.response)}"
        if example.reason:
            yield f"The teacher's reason:\n\n{fence(example.reason)}"


def _yields(extras: Extras) -> Iterator[str]:
    if not extras.yields:
        return
    yield "## New questions, and what became of them"
    yield prose(EXPLANATION)
    for arm, rows in extras.yields.items():
        yield f"### {code(arm)}"
        yield table(
            ["skill", *HEADERS],
            ([code(name, cell=True), *map(str, counts)] for name, counts in yield_rows(rows)),
            right=range(1, 1 + len(HEADERS)),
        )


def _training_sets(extras: Extras) -> Iterator[str]:
    if not extras.sets and not extras.selected:
        return
    yield "## What was selected, and why"
    if extras.sets:
        yield f"{prose(sets_headline(extras.sets, extras.tokens_in_every_arm))}."
        yield table(
            ["arm", *SETS_COLUMNS, "source"],
            (
                [code(arm, cell=True), *sets_figures(held), prose(source_text(held))]
                for arm, held in extras.sets.items()
            ),
            right=range(1, 1 + len(SETS_COLUMNS)),
        )
        yield (
            "Tokens: prompts and answers, as the student read them in one epoch. A back-off is a draw that "
            "found too few questions where it should have drawn, and took a neighbour's."
        )
    notes = [f"{code(arm)}: {prose(note)}" for arm, held in extras.sets.items() for note in held.notes]
    if notes:
        yield bullets(notes)
    for number, example in enumerate(extras.selected, start=1):
        yield f"### Lineage, example {number}: {code(example.arm)} teaches {code(example.missing_skill)}"
        yield f"The student lacked that skill in this question:\n\n{fence(example.difficult_question)}"
        how = "written" if example.arm == "stat-syn" else "drawn"
        yield f"So this one was {how} to train on:\n\n{fence(example.question)}"
        if example.solution:
            yield f"With its solution:\n\n{fence(example.solution)}"


def _learning_rates(extras: Extras) -> Iterator[str]:
    if not extras.learning_rates:
        return
    yield "## Learning rates that were tried"
    yield table(
        ["arm", "learning rate", "development", ""],
        (
            [code(arm, cell=True), f"{row.learning_rate:g}", percent(row.development), "kept" * row.kept]
            for arm, rows in extras.learning_rates.items()
            for row in rows
        ),
        right=(1, 2),
    )


def _outcome(results: Results) -> Iterator[str]:
    yield "## What training changed"
    scores = [
        (split, arm, results.arms[arm][split])
        for split in split_order(results)
        for arm in arm_order(results)
        if split in results.arms[arm]
    ]
    yield table(
        ["split", "arm", "accuracy", "95% interval", "questions"],
        (
            [
                code(split, cell=True),
                code(arm, cell=True),
                percent(score.accuracy),
                percent_interval(score.ci95),
                str(score.n),
            ]
            for split, arm, score in scores
        ),
        right=(2, 3, 4),
    )
    if note := sampled(results):
        yield f"{prose(note)}."
    if note := cut_off(results):
        yield f"{prose(note)}. With more tokens some of them might have been right."
    if results.paired:
        yield "Differences on the same questions, in points (better, worse: interval without 0, p < 0.05):"
        yield table(
            ["split", "arm", "against", "points", "95% interval", "p", "verdict"],
            (
                [
                    *(code(name, cell=True) for name in (pair.split, pair.arm, pair.against)),
                    points(pair.difference),
                    points_interval(pair.ci95),
                    p_value(pair.p),
                    f"**{verdict(pair)}**" if verdict(pair) != "no difference shown" else verdict(pair),
                ]
                for pair in results.paired
            ),
            right=(3, 4, 5),
        )
    yield "### How to read this"
    yield bullets(map(prose, reading(results)))


def _per_skill(results: Results, drawn: bool) -> Iterator[str]:
    split = _split_of_skills(results)
    if split is None:
        return
    skills, arms = skill_views(results, split), shown_arms(results)
    method = arms[-1]
    yield f"## Skill by skill on {code(split)}, before and after"
    yield f"{prose(skills_headline(skills, method))}."
    yield _picture(SKILLS_PICTURE, "Accuracy per skill before and after training", drawn)
    yield table(
        ["skill", "missing", "questions", *(code(arm, cell=True) for arm in arms), "change"],
        (
            [
                code(skill.name, cell=True),
                "-" if skill.rate is None else percent(skill.rate, 0),
                str(skill.n),
                *(percent(skill.accuracy[arm], 0) for arm in arms),
                points(skill.change(method, START)),
            ]
            for skill in skills
        ),
        right=range(1, 4 + len(arms)),
    )
    yield (
        f"Change: {code(method)} minus {code(START)}, in points. A question that needs several skills "
        "counts for each of them. Every arm and split, skill by skill, stands in `results.json`."
    )


def _accounts(results: Results, extras: Extras) -> Iterator[str]:
    if extras.counts:
        yield "## Rows kept and set aside"
        yield table(
            ["stage", "rows in", "rows out", "quarantined", "owed"],
            (
                [code(c.stage, cell=True), *map(str, (c.rows_in, c.rows_out, c.quarantined, c.owed))]
                for c in extras.counts
            ),
            right=(1, 2, 3, 4),
        )
        yield (
            "Quarantined: the answer was unusable twice, or the request was refused or too long to be sent; "
            "the stage's folder has each row with its reason, and `--retry-quarantined` asks the teacher for "
            "it once more. Owed: the request failed and is asked again by the next run."
        )
    if extras.teacher_bill:
        bill = extras.teacher_bill
        cost = "price unknown" if bill.usd is None else f"{bill.usd:,.2f} US dollars"
        yield "## The teacher's bill"
        yield (
            f"{bill.requests:,} requests sent, {bill.cached:,} answers from the cache; "
            f"{bill.prompt_tokens:,} prompt tokens, {bill.completion_tokens:,} completion tokens: {cost}."
        )
    if results.timings:
        total = sum(results.timings.values())
        rows = [*results.timings.items(), ("all stages", total)]
        yield "## Time"
        yield table(
            ["stage", "time"],
            ([code(stage, cell=True), duration(seconds)] for stage, seconds in rows),
            right=(1,),
        )
        yield "Of a stage that was stopped, the time of its last attempt."
    yield "## To repeat this"
    if extras.commands:
        yield fence("\n".join(extras.commands))
    yield f"Seed {results.seed}. The figures of this page stand in `results.json` beside it."
    if results.versions:
        yield table(
            ["software", "version"],
            (
                [code(name, cell=True), code(version, cell=True)]
                for name, version in sorted(results.versions.items())
            ),
        )


def _picture(name: str, alt: str, drawn: bool) -> str:
    if drawn:
        return f"![{alt}]({name})"
    return '*No picture: matplotlib is not installed. `pip install "stat-train[report]"` brings it.*'
