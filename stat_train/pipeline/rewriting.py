"""The step that lets the teacher reword the solutions of the questions that an arm drew."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import cast

from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.grading.judge import judge_requests
from stat_train.metacognition.asking import Asks
from stat_train.methods.options import RewritingOptions
from stat_train.methods.rewriting import rewrite
from stat_train.methods.rewritten import with_rewrites
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.draws import draw_needs, draw_options, draws_of
from stat_train.pipeline.judge_estimate import judged_solutions
from stat_train.pipeline.metacognition import left_out, nothing_owed
from stat_train.pipeline.opening import (
    JUDGE,
    billed,
    grader_files,
    open_grader,
    open_prompts,
    open_teacher,
    teacher_options,
    template_hashes,
)
from stat_train.pipeline.selection import (
    expected_pairs,
    pairs_in_every_arm,
    planned_rehearsal,
    planned_size,
    size_needs,
    size_options,
)
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import Method, Recipe
from stat_train.run import Stage
from stat_train.teacher.schemas import Rewrite


def rewrite_step(recipe: Recipe, arm: Method) -> Step:
    """What an arm draws from the pool, each question with several verified rewrites of its solution."""
    return Step(
        "rewrite",
        partial(_rewrite, arm),
        lambda sizes: (
            f"{planned_size(recipe)}{planned_rehearsal(recipe, arm)}, "
            f"{recipe.selection.rewrites(arm)} rewrites of each solution"
        ),
        arm=arm,
        needs=draw_needs(arm) | dict.fromkeys(size_needs(recipe), ()),
        options={
            **size_options(recipe, arm),
            "method": draw_options(recipe, arm),
            "rewriting": _options(recipe, arm).model_dump(),
            **({"questions": recipe.selection.questions} if recipe.selection.questions else {}),
            "grader": recipe.grader,
            "teacher": teacher_options(recipe).identity(),
        },
        templates=template_hashes(recipe, Rewrite.task),
        files=grader_files(recipe),
    )


def ask_for_rewrites(
    step: Step, recipe: Recipe, done: Mapping[str, Stage], splits: Mapping[str, Sequence[Example]], by: Asks
) -> str:
    """The first asking of a `rewrite` step, asked of an estimator; what it leaves out or assumes."""
    arm, assumed = cast(Method, step.arm), ""
    if all(title in done for title in step.needs):
        work = Work(recipe, done["label"], done)
        examples = _drawn(_questions(arm, work), work)
    else:
        pairs, assumed = expected_pairs(recipe, splits)
        examples = list(splits["pool"][: _how_many(arm, recipe, pairs)])
        assumed += "as if the first questions of the pool were drawn; "
    prompts, options = open_prompts(recipe), _options(recipe, arm)
    with open_grader(recipe) as grader:
        rewrite(by, prompts, grader, examples, options)
    if recipe.grader == JUDGE:
        judged = judged_solutions(examples, options.answers, recipe.teacher.max_tokens, stated=False)
        by.ask(judge_requests(prompts, judged), label="judging")
    return f"{assumed}rewrites that are wrong or say nothing new are asked for once more"


def _rewrite(arm: Method, work: Work) -> None:
    recipe, drawn = work.recipe, _questions(arm, work)
    with (
        open_teacher(recipe, work.stage) as teacher,
        open_grader(recipe, stage=work.stage, beside=teacher) as grader,
    ):
        examples = _drawn(drawn, work)
        made = rewrite(teacher, open_prompts(recipe), grader, examples, _options(recipe, arm))
        usage = billed(teacher.usage, grader.usage)
    nothing_owed(work, made.owed)
    pairs = with_rewrites(drawn, made.solutions, recipe.selection.rewrites(arm))
    pairs.write(work.stage.file("rows.jsonl"))
    rejected = [{**asdict(row), "rejected": True} for row in made.rejected]
    unanswered = [{**asdict(row), "rejected": False} for row in made.quarantined]
    write_jsonl(work.stage.file("quarantined.jsonl"), [*rejected, *unanswered])
    counts = {
        "questions": len(examples),
        "rows_in": made.asked,
        "rows_out": sum(map(len, made.solutions.values())),
        "quarantined": len(rejected) + len(unanswered),
        "rejected": len(rejected),
        "pairs": len(pairs),
    }
    notes = [*pairs.notes, *left_out([row.reason for row in made.quarantined], "rewrites")]
    work.stage.finish(["rows.jsonl", "quarantined.jsonl"], counts=counts, usage=usage, notes=notes)


def _questions(arm: Method, work: Work) -> TrainingSet:
    return draws_of(arm, work)(_how_many(arm, work.recipe, pairs_in_every_arm(work)))


def _how_many(arm: Method, recipe: Recipe, pairs: int) -> int:
    """As many questions as make all pairs with the answers that they get, or more if so wished."""
    return recipe.selection.questions or math.ceil(pairs / recipe.selection.rewrites(arm))


def _drawn(drawn: TrainingSet, work: Work) -> list[Example]:
    """The pool's rows in the set, each once."""
    pool = {example.id: example for example in work.split("pool")}
    return [pool[id] for id in dict.fromkeys(row.lineage["source_id"] for row in drawn.rows)]


def _options(recipe: Recipe, arm: Method) -> RewritingOptions:
    return recipe.selection.rewriting.model_copy(update={"answers": recipe.selection.rewrites(arm)})
