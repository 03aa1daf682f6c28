"""The teacher, the student and the grader of a recipe, opened."""

import os
import sys
from dataclasses import asdict
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from stat_train.assets import asset
from stat_train.difficulty.options import DifficultyOptions
from stat_train.grading.grader import RULES, RULES_VERSION, Grader
from stat_train.grading.judge import TeacherJudge
from stat_train.recipe import Recipe
from stat_train.run import Stage, content_hash
from stat_train.student.fingerprint import fingerprint_here
from stat_train.student.options import StudentOptions
from stat_train.student.template import StudentTemplate
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TUTOR, TeacherOptions
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Usage
from stat_train.teacher.schemas import Judge
from stat_train.wheels import cache_folder

JUDGE = Judge.task


def open_prompts(recipe: Recipe) -> Prompts:
    """The templates, those of `prompts_dir` first."""
    return Prompts(recipe.prompts_dir)


def template_hashes(recipe: Recipe, *tasks: str) -> dict[str, str]:
    """What the answers of these tasks depend on."""
    prompts = open_prompts(recipe)
    return {task: prompts.hash(task) for task in tasks}


def teacher_cache() -> Path:
    """The answers of all teachers, shared by all runs of this user."""
    return cache_folder() / "teacher.sqlite"


def teacher_options(recipe: Recipe) -> TeacherOptions:
    """The teacher's options; the embedded tutor is named by its code, domain and planted faults, so that
    answers of another tutor are not taken for its own."""
    options = recipe.teacher
    if not options.is_tutor:
        return options
    code = [content_hash(path) for path in sorted((Path(__file__).parents[1] / "tutor").glob("*.py"))]
    faults = recipe.tutor.faults.model_dump() if recipe.tutor else {}
    content = content_hash([code, content_hash(asset("data/arithmetic/domain.yaml")), faults])
    return options.model_copy(update={"name": f"{TUTOR}-{content[:8]}", "structured": "json_schema"})


def open_teacher(
    recipe: Recipe, stage: Stage | None = None, *, beside: Teacher | None = None, role: str = ""
) -> Teacher:
    """The recipe's teacher; the embedded tutor answers in process.

    Asked for a `stage`, whose answers in each `role` are counted over all its attempts; `beside` another.
    """
    options = teacher_options(recipe)
    run = str(recipe.folder.resolve())
    payer = content_hash([str(stage.path.resolve()), role])[:16] if stage else ""
    if not options.is_tutor:
        return Teacher(options, teacher_cache(), run=run, beside=beside, payer=payer)
    from stat_train.tutor.server import tutor_app

    app = tutor_app(recipe.tutor.faults if recipe.tutor else None)
    return Teacher(options, teacher_cache(), app, run, beside, payer)


def student_options(recipe: Recipe) -> StudentOptions:
    """The student's options, with the template that is used written out: `student.template`, else the
    student.jinja of `prompts_dir`, else the packaged one."""
    return recipe.student.model_copy(update={"template": _template_file(recipe)})


def student_template(recipe: Recipe) -> StudentTemplate:
    """The template that is used. Raises UserError where it cannot be."""
    return StudentTemplate(_template_file(recipe))


def _template_file(recipe: Recipe) -> Path:
    own = recipe.prompts_dir / "student.jinja" if recipe.prompts_dir else None
    return recipe.student.template or (own if own and own.is_file() else asset("prompts/student.jinja"))


def open_grader(
    recipe: Recipe, name: str = "", *, stage: Stage | None = None, beside: Teacher | None = None
) -> Grader:
    """The one judge of answers: gold, votes and evaluation; or another by `name`. `judge` is the recipe's
    teacher, asked for a `stage`, `beside` one that is open already."""
    if (name or recipe.grader) != JUDGE:
        return Grader(name or recipe.grader)
    return Grader(
        JUDGE,
        judge=TeacherJudge(open_teacher(recipe, stage, beside=beside, role=JUDGE), open_prompts(recipe)),
    )


def answers_of(recipe: Recipe, split: str) -> str:
    """Where a split of the recipe's data has its answers (`data.columns.answer_from`)."""
    return recipe.data.columns_in(split).answer_from if recipe.data else "column"


def grader_files(recipe: Recipe, name: str = "") -> dict[str, str]:
    """A hash of the code of a user's `module:function`, or of the judge and its prompt, or which rules a
    grader goes by, so that another judges anew; of the recipe's grader, or of another by `name`."""
    grader = name or recipe.grader
    if grader == JUDGE:
        asked = {"teacher": teacher_options(recipe).identity(), **template_hashes(recipe, JUDGE)}
        return {"grader": content_hash(asked)}
    if grader in RULES:
        return {"grader": f"{grader}-{RULES_VERSION}"}
    module, colon, _ = grader.partition(":")
    spec = PathFinder.find_spec(module.partition(".")[0], [*sys.path, os.getcwd()]) if colon else None
    if spec is None:
        return {}
    folders = {Path(folder).resolve() for folder in spec.submodule_search_locations or ()}
    code = sorted(path for folder in folders for path in folder.rglob("*.py"))
    if not code and spec.origin:
        code = [Path(spec.origin)]
    return {"grader": content_hash([content_hash(path) for path in code])}


def prm_files(difficulty: DifficultyOptions) -> dict[str, str]:
    """The fingerprint of the PRM that judges, where it is a folder, so that other weights judge anew."""
    weights = fingerprint_here(difficulty.prm_model) if difficulty.method == "prm" else None
    return {"prm": weights} if weights else {}


def billed(*usages: Usage | None) -> dict[str, Any]:
    """What a stage asked of teachers and of a judge, together; {} where nobody could be asked."""
    asked = [asdict(usage) for usage in usages if usage is not None]
    if not asked:
        return {}
    dollars = [usage["usd"] for usage in asked]
    summed = {name: sum(usage[name] for usage in asked) for name in asked[0] if name != "usd"}
    return summed | {"usd": None if None in dollars else sum(dollars)}
