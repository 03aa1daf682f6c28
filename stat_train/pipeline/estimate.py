"""What a run would ask of the teacher and what that would cost, before anything is sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING

from stat_train.data.example import Example
from stat_train.errors import Unfinished
from stat_train.grading.judge import judge_requests
from stat_train.metacognition.diagnosis import diagnose
from stat_train.metacognition.discovery import discover
from stat_train.metacognition.labelling import label
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.pipeline.answers import RESPONSES
from stat_train.pipeline.data import read_splits
from stat_train.pipeline.judge_estimate import is_judged, judged_answers
from stat_train.pipeline.metacognition import shown_responses, taxonomy_of
from stat_train.pipeline.opening import open_prompts, open_teacher
from stat_train.pipeline.rewriting import ask_for_rewrites
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Step, Work
from stat_train.pipeline.steps import finished, steps_up_to, to_retry
from stat_train.pipeline.synthesis_estimate import ask_for_new_questions
from stat_train.pipeline.validation import FILE, new_validation
from stat_train.recipe import DEVELOPMENT, DISCOVER, Recipe
from stat_train.run import Stage
from stat_train.student.response import Response
from stat_train.teacher.client import Teacher
from stat_train.teacher.request import BYTES_PER_TOKEN, Estimate, RowUsage, TeacherRequest, TeacherResult

if TYPE_CHECKING:
    from rich.console import Console

DESCRIPTION = "x" * 80
"""As long as a skill's description tends to be, where the list is still to be discovered."""


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """The teacher's part of one stage; repairs are not in it.

    Of `requests`, `cached` are answered already; tokens and `usd` are those of the others.
    `prompt_tokens` is a guess (four bytes a token), `completion_tokens_max` a bound; `usd`, with that
    bound, is None where the price is unknown. `note` says what the figures leave out or assume. `longest` is
    the request with the longest prompt (`longest_tokens`), answered already or not.
    """

    stage: str
    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens_max: int
    usd: float | None
    note: str
    longest: TeacherRequest | None = None
    longest_tokens: int = 0


class _Estimator:
    """Asks nothing: adds up what would be asked, and owes every answer."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self.total = Estimate(0, 0, 0, 0, teacher.usage.usd)

    def ask(self, requests: Iterable[TeacherRequest], label: str) -> list[TeacherResult]:
        more, total = self._teacher.estimate(requests), self.total
        self.total = Estimate(
            total.requests + more.requests,
            total.cached + more.cached,
            total.prompt_tokens + more.prompt_tokens,
            total.completion_tokens_max + more.completion_tokens_max,
            None if total.usd is None or more.usd is None else total.usd + more.usd,
            *max(
                (more.longest, more.longest_tokens), (total.longest, total.longest_tokens), key=itemgetter(1)
            ),
        )
        return [TeacherResult(None, "owed", "not asked", RowUsage())] * more.requests


def estimate(recipe: Recipe, up_to: str | None = None, *, anew: bool = False) -> list[StageEstimate]:
    """One row for each stage that asks the teacher and is not done; nothing is sent or written.

    With `anew`, a row for every stage, as if none were done; with `up_to`, for that one and what it needs.

    From the prompts as they would be rendered; where a stage's input is still to be made, from the
    largest it can be, as its `note` says. Raises UserError where the data cannot be read.
    """
    steps = steps_up_to(recipe, up_to)
    done = {} if anew else finished(recipe, steps)
    rows = []
    with open_teacher(recipe) as teacher:
        for step in steps:
            guess = _GUESSES.get(step.name) or (_verdicts if is_judged(step, recipe) else None)
            listed = step.name == "taxonomy" and recipe.taxonomy != DISCOVER
            current = step.title in done and not to_retry(done[step.title], recipe)
            if guess is None or listed or current:
                continue
            estimator = _Estimator(teacher)
            note = guess(step, recipe, _named_by(step, done), estimator)
            total = estimator.total
            rows.append(
                StageEstimate(
                    step.title,
                    total.requests,
                    total.cached,
                    total.prompt_tokens,
                    total.completion_tokens_max,
                    total.usd,
                    note,
                    total.longest,
                    total.longest_tokens,
                )
            )
    return rows


def print_estimate(rows: Sequence[StageEstimate], recipe: Recipe, console: "Console") -> None:
    """The estimates, their sum, whether the budget holds it, and their notes, for a terminal."""
    from rich import box
    from rich.table import Table

    model = recipe.teacher.model
    console.print(f"What {model} would be asked; repairs are not in it.")
    table = Table(box=box.SIMPLE)
    table.add_column("stage", no_wrap=True)
    for name in ("requests", "answered", "prompt tokens", "answer tokens", "USD"):
        table.add_column(name, justify="right")
    sums = [sum(figures) for figures in zip(*map(_figures, rows), strict=True)]
    usd = None if any(row.usd is None for row in rows) else sum(row.usd or 0.0 for row in rows)
    for row in rows:
        table.add_row(row.stage, *_cells(_figures(row), row.usd), end_section=row is rows[-1])
    table.add_row("all", *_cells(sums, usd))
    console.print(table)
    console.print("Prompt tokens are a guess (four bytes each), answer tokens and USD the most there can be.")
    if usd is None:
        console.print(f"The price of {model} is unknown: add it to the price table (teacher.prices).")
    for line in _over_budget(recipe, sum(sums[2:]), usd):
        console.print(line)
    for row in rows:
        if row.note:
            console.print(f"{row.stage}: {row.note}")


def _over_budget(recipe: Recipe, tokens: int, usd: float | None) -> Iterator[str]:
    """What is to be said where so many tokens and dollars more are beyond the budget."""
    options = recipe.teacher
    if options.budget_usd is None and options.budget_tokens is None:
        return
    with open_teacher(recipe) as teacher:
        tokens_spent, usd_spent = teacher.spent
    limits = [
        ("usd", options.budget_usd, usd_spent, usd or 0.0, ",.2f"),
        ("tokens", options.budget_tokens, tokens_spent, tokens, ","),
    ]
    for unit, budget, spent, more, shown in limits:
        if budget is not None and spent + more > budget:
            yield (
                f"With {spent:{shown}} spent that is more than teacher.budget_{unit}, {budget:{shown}}: "
                "the run may stop there, and goes on where it is raised."
            )


def _figures(row: StageEstimate) -> list[int]:
    return [row.requests, row.cached, row.prompt_tokens, row.completion_tokens_max]


def _cells(figures: Sequence[int], usd: float | None) -> list[str]:
    return [*(f"{n:,}" for n in figures), "unknown" if usd is None else f"{usd:,.2f}"]


def _named_by(step: Step, done: Mapping[str, Stage]) -> dict[str, Stage]:
    """The finished stages, by the names that the step has for them."""
    own = {title: stage for title, stage in done.items() if title not in step.called}
    return own | {name: done[title] for name, title in step.called.items() if title in done}


def _discovery(step: Step, recipe: Recipe, done: Mapping[str, Stage], estimator: _Estimator) -> str:
    with suppress(Unfinished):  # it owes the names, and cannot go on without them
        discover(estimator, open_prompts(recipe), _splits(step, recipe, done)["pool"], recipe.discovery)
    return "merging the names found is not in it: unknown until they are there"


def _labels(step: Step, recipe: Recipe, done: Mapping[str, Stage], estimator: _Estimator) -> str:
    splits = _splits(step, recipe, done)
    taxonomy, note = _taxonomy(recipe, done)
    for split in step.options["splits"]:
        if split in splits:
            label(estimator, open_prompts(recipe), taxonomy, splits[split], recipe.labelling)
        else:
            note = "; ".join(
                filter(None, [note, f"without the questions of {split}, which are not read yet"])
            )
    return note


def _diagnoses(step: Step, recipe: Recipe, done: Mapping[str, Stage], estimator: _Estimator) -> str:
    taxonomy, note = _taxonomy(recipe, done)
    if all(title in done for title in step.after):
        items = shown_responses(Work(recipe, done["difficulty"], done))
    else:
        examples = {example.id: example for example in _splits(step, recipe, done)["validation"]}
        bound = "at most: as if every question were difficult"
        if "answer" in done:
            responses = read_rows(done["answer"].file("responses.jsonl"), Response)
        else:
            bound += " and every answer as long as sampling.max_tokens"
            responses = _longest(examples, recipe)
        items = [(examples[response.question_id], response) for response in responses]
        note = f"{bound}; {note}" if note else bound
    diagnose(estimator, open_prompts(recipe), taxonomy, items, recipe.diagnosis)
    return note


def _rewrites(step: Step, recipe: Recipe, done: Mapping[str, Stage], estimator: _Estimator) -> str:
    return ask_for_rewrites(step, recipe, done, _splits(step, recipe, done), estimator)


def _verdicts(step: Step, recipe: Recipe, done: Mapping[str, Stage], estimator: _Estimator) -> str:
    splits = _splits(step, recipe, done)
    if step.title in done and step.name == "evaluate":  # its verdicts alone are to be had again
        given = read_rows(done[step.title].file(RESPONSES), Response)
        asked = {example.id: example for example in splits[step.options["split"]]}
        known = [(its.text, asked[its.question_id]) for its in given]
        answered = [(text, row.answer or "", row.question) for text, row in known]
        estimator.ask(judge_requests(open_prompts(recipe), answered), label="judging")
        return ""
    answers, note = judged_answers(step, recipe, splits)
    estimator.ask(judge_requests(open_prompts(recipe), answers), label="judging")
    return note


def _new_questions(step: Step, recipe: Recipe, done: Mapping[str, Stage], estimator: _Estimator) -> str:
    taxonomy, _ = _taxonomy(recipe, done)
    return ask_for_new_questions(step, recipe, done, _splits(step, recipe, done), taxonomy, estimator)


def _longest(ids: Iterable[str], recipe: Recipe) -> list[Response]:
    """Answers of the greatest length, each of its own text: equal ones would be asked once."""
    size = BYTES_PER_TOKEN * recipe.sampling.max_tokens
    return [
        Response(id, sample, f"{sample:x<{size}}", "length", 0)
        for id in ids
        for sample in range(recipe.sampling.n)
    ]


_GUESSES = {
    "taxonomy": _discovery,
    "label": _labels,
    "diagnose": _diagnoses,
    "rewrite": _rewrites,
    "synthesize": _new_questions,
}


def _splits(step: Step, recipe: Recipe, done: Mapping[str, Stage]) -> dict[str, list[Example]]:
    """The splits as the data stage wrote them, else as they are before decontamination; validation is that
    of the step's round."""
    if "data" in done:
        work = Work(recipe, done["data"], done)
        development = [DEVELOPMENT] if recipe.has_development else []
        names = ["pool", "validation", *development, *recipe.evaluation_splits]
        splits = {name: work.split(name, "data") for name in names}
    else:
        splits = read_splits(recipe)
    own = f"data/{FILE}"
    if own in step.called and own not in done:
        splits["validation"] = new_validation(recipe, step.round, splits)
    return splits


def _taxonomy(recipe: Recipe, done: Mapping[str, Stage]) -> tuple[SkillTaxonomy, str]:
    """The list of skills; where it is to be discovered, one of the size allowed, and a word on that."""
    if "taxonomy" in done:
        return taxonomy_of(Work(recipe, done["taxonomy"], done)), ""
    if recipe.taxonomy != DISCOVER:
        return SkillTaxonomy.read(recipe.taxonomy), ""
    names = [f"a_skill_to_be_discovered_{n}" for n in range(1, recipe.discovery.max_skills + 1)]
    skills = tuple(
        replace(skill, description=DESCRIPTION) for skill in SkillTaxonomy.from_names(names).entries
    )
    note = f"with a stand-in for the list of skills ({len(names)} a subject), unknown until taxonomy ran"
    return SkillTaxonomy(skills), note
