"""Results in the terminal: tables that fit 80 columns and use more where there is more."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from stat_train.report.extras import Extras, TrainingSetSummary, YieldRow
from stat_train.report.grpo_wording import GRPO_COLUMNS, grpo_figures
from stat_train.report.reading import cut_off, sampled
from stat_train.report.results import START, Paired, ProfileRow, Results
from stat_train.report.rounds import round_headline, round_scores
from stat_train.report.sets import SETS_COLUMNS, sets_figures, sets_headline, source_text
from stat_train.report.views import (
    FEW,
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
    one_line,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    verdict,
)
from stat_train.report.yields import ALL, SHORT_HEADERS, yield_rows

TOP = 12
LABEL_WIDTH = 32
METHOD_COLOR, CONTROL_COLOR, START_COLOR = "blue", "dark_orange", "grey50"
VERDICT_STYLES = {"better": "bold green", "worse": "bold red"}


def print_results(results: Results, extras: Extras | None = None, console: Console | None = None) -> None:
    """Print warnings, profile, accuracy, paired differences and the most often missing skills."""
    console = console or Console()
    for warning in extras.warnings if extras else []:
        console.print(
            Panel(Text(one_line(warning)), title="Warning", style="bold yellow", border_style="yellow")
        )
    for part in tables(results, extras):
        console.print()
        console.print(part)
    console.print()


def tables(results: Results, extras: Extras | None = None) -> list[RenderableType]:
    """The tables of `print_results`; those without rows are left out."""
    parts: list[RenderableType] = []
    if results.profile:
        parts.append(profile_table(results.profile))
    parts += [yield_table(arm, rows) for arm, rows in (extras.yields if extras else {}).items()]
    if extras and extras.sets:
        parts.append(sets_table(extras.sets, extras.tokens_in_every_arm))
    parts.append(accuracy_table(results))
    if results.paired:
        parts.append(paired_table(results.paired))
    if results.rounds:
        parts.append(rounds_table(results))
    if results.grpo:
        parts.append(grpo_table(results))
    split = main_split(results)
    if split is not None and method_arm(results) and skill_views(results, split):
        parts.append(skills_table(results, split))
    return parts


def profile_table(profile: Sequence[ProfileRow], top: int = TOP) -> RenderableType:
    """The Missing-Skill-Profile, highest rate first; what is not among the `top` is counted below."""
    table = _table("Missing-Skill-Profile: what the student lacks in difficult questions")
    _label_column(table, "skill")
    for header in ("missing", "of", "rate", "95% interval"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("", ratio=1, min_width=12)
    rows = ranked(profile)
    for row in rows[:top]:
        table.add_row(
            _skill(row),
            str(row.missing),
            str(row.difficult),
            percent(row.rate, 0),
            percent_interval(row.ci95),
            Bar(1.0, 0.0, row.rate, color=START_COLOR if row.difficult < FEW else METHOD_COLOR),
        )
    return _with_note(table, _profile_note(rows[top:], rows[:top]))


def yield_table(arm: str, rows: Sequence[YieldRow], top: int = TOP) -> RenderableType:
    """What became of the questions an arm asked for, all together and by skill."""
    table = _table(f"Yield of {arm}: what became of the questions that the teacher was asked for")
    _label_column(table, "skill", width=28)
    for header in SHORT_HEADERS:
        table.add_column(header, justify="right", no_wrap=True)
    shown = yield_rows(rows)
    for name, counts in shown[: top + 1]:
        table.add_row(_data(name), *map(str, counts), end_section=name == ALL)
    left_out = len(shown) - top - 1
    note = "pairs: kept questions, each with each of its agreeing solutions"
    return _with_note(table, f"{note}; {left_out} more skills in the report" if left_out > 0 else note)


def sets_table(sets: Mapping[str, TrainingSetSummary], tokens: int | None = None) -> RenderableType:
    """What each arm was trained on."""
    headline = sets_headline(sets, tokens)
    table = _table(f"Training sets: {headline[0].lower()}{headline[1:]}")
    _label_column(table, "arm")
    for header in SETS_COLUMNS:
        table.add_column(header, justify="right")
    table.add_column("source", ratio=1, min_width=12)
    for arm, held in sets.items():
        table.add_row(_data(arm), *sets_figures(held), _data(source_text(held)))
    return table


def accuracy_table(results: Results) -> RenderableType:
    """Accuracy with its interval, by split and arm."""
    table = _table("Accuracy")
    _label_column(table, "split")
    _label_column(table, "arm")
    for header in ("accuracy", "95% interval", "n"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("", ratio=1, min_width=12)
    method = method_arm(results)
    for split in split_order(results):
        arms = [arm for arm in arm_order(results) if split in results.arms[arm]]
        for arm in arms:
            score = results.arms[arm][split]
            table.add_row(
                _data(split if arm == arms[0] else ""),
                _data(arm),
                percent(score.accuracy),
                percent_interval(score.ci95),
                str(score.n),
                Bar(
                    1.0,
                    0.0,
                    score.accuracy,
                    color=START_COLOR if arm == START else METHOD_COLOR if arm == method else CONTROL_COLOR,
                ),
                end_section=arm == arms[-1],
            )
    return _with_note(table, "\n".join(filter(None, map(one_line, (sampled(results), cut_off(results))))))


def paired_table(paired: Sequence[Paired]) -> RenderableType:
    """Differences on the same questions, with a verdict in plain words."""
    table = _table("Paired differences (points, same questions)")
    _label_column(table, "split")
    _label_column(table, "arm")
    _label_column(table, "against")
    for header in ("points", "95% interval", "p"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("verdict", ratio=1, min_width=10)
    splits = list(dict.fromkeys(pair.split for pair in paired))
    for split in splits:
        pairs = [pair for pair in paired if pair.split == split]
        for number, pair in enumerate(pairs, start=1):
            says = verdict(pair)
            table.add_row(
                _data(split if number == 1 else ""),
                _data(pair.arm),
                _data(pair.against),
                points(pair.difference),
                points_interval(pair.ci95),
                p_value(pair.p),
                Text(says, style=VERDICT_STYLES.get(says, "dim")),
                end_section=number == len(pairs),
            )
    return table


def rounds_table(results: Results) -> RenderableType:
    """Accuracy round by round, and what each profile gained and lost since the one before."""
    table = _table("Round by round (points: minus the round before; of all at once: minus the start)")
    for header in ("split", "", "arm"):
        _label_column(table, header)
    for header in ("accuracy", "points", "95% interval"):
        table.add_column(header, justify="right", no_wrap=True)
    split = ""
    for row in round_scores(results):
        pair = row.against
        table.add_row(
            _data("" if row.split == split else row.split),
            row.what,
            _data(row.arm),
            percent(row.score.accuracy),
            points(pair.difference) if pair else "",
            points_interval(pair.ci95) if pair else "",
        )
        split = row.split
    told = [one_line(f"{round_headline(its)}.") for its in results.rounds]
    return _with_note(table, "\n".join(told))


def grpo_table(results: Results) -> RenderableType:
    """The reward of each GRPO training, in its first and its last third."""
    table = _table("GRPO: mean reward in the first and the last third of the batches")
    _label_column(table, "arm")
    for header in GRPO_COLUMNS:
        table.add_column(header, justify="right")
    for training in results.grpo:
        table.add_row(_data(training.arm), *grpo_figures(training))
    return _with_note(
        table, "flat: groups of answers that earned one and the same reward, and so taught nothing"
    )


def skills_table(results: Results, split: str, top: int = TOP) -> RenderableType:
    """Accuracy before and after on the skills that were missing most often."""
    arms = shown_arms(results)
    skills = skill_views(results, split)
    table = _table(f"Accuracy per skill on {split}, the most often missing first")
    _label_column(table, "skill", width=28)
    for header in ("missing", "n", *arms):
        table.add_column(_data(header), justify="right", no_wrap=len(header) < 10)
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("", ratio=1, min_width=4)
    largest = max((abs(skill.change(arms[-1], START)) for skill in skills[:top]), default=0)
    for skill in skills[:top]:
        change = skill.change(arms[-1], START)
        table.add_row(
            _data(skill.name),
            "-" if skill.rate is None else percent(skill.rate, 0),
            str(skill.n),
            *(percent(skill.accuracy[arm], 0) for arm in arms),
            Text(points(change), style="green" if change > 0 else "red" if change < 0 else "dim"),
            Bar(largest or 1.0, 0.0, abs(change), color="green" if change > 0 else "red"),
        )
    notes = [f"change: {arms[-1]} minus {START}, in points"]
    if len(skills) > top:
        notes.append(f"{len(skills) - top} more skills in the report")
    return _with_note(table, "; ".join(notes))


def _profile_note(left_out: Sequence[ProfileRow], shown: Sequence[ProfileRow]) -> str:
    notes = []
    if left_out:
        notes.append(f"{len(left_out)} more skills in the report")
    if any(row.difficult < FEW for row in shown):
        notes.append(f"grey: fewer than {FEW} difficult questions, little evidence")
    return "; ".join(notes)


def _table(title: str) -> Table:
    return Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        expand=True,
        pad_edge=False,
        collapse_padding=True,
    )


def _label_column(table: Table, header: str, width: int = LABEL_WIDTH) -> None:
    table.add_column(header, overflow="fold", max_width=width)


def _skill(row: ProfileRow) -> Text:
    """Subject and skill, on two lines where one is too short."""
    name = _data(skill_name(row))
    if not row.subject or len(name) <= LABEL_WIDTH:
        return name
    return Text("/\n").join([_data(row.subject), _data(row.skill)])


def _with_note(table: Table, note: str) -> RenderableType:
    return Group(table, Text(note, style="dim")) if note else table


def _data(text: str) -> Text:
    return Text(one_line(text))
