"""The evaluation splits of a recipe, exported for other harnesses."""

from pathlib import Path
from typing import Literal

from stat_train.errors import UserError
from stat_train.evaluation.export import Export, Messages, export_rows
from stat_train.evaluation.export_folder import check_folder, exporting_to
from stat_train.evaluation.lighteval_export import write_lighteval
from stat_train.evaluation.lm_eval_export import write_lm_eval
from stat_train.pipeline.opening import JUDGE, student_options
from stat_train.pipeline.runner import run_recipe
from stat_train.pipeline.step import Work
from stat_train.recipe import Recipe
from stat_train.student.load import model_folder, student_prompt
from stat_train.student.template import StudentTemplate

Harness = Literal["lm-eval", "lighteval"]


def export_tasks(recipe: Recipe, harness: Harness, folder: Path) -> Export:
    """Write a task for each evaluation split and one for each skill in it into `folder`.

    Runs what labels the splits first, where `evaluation.per_skill` asks for it. The prompts are those that
    the student is trained and scored with. Raises UserError for a recipe that its teacher judges, and for a
    folder that holds something else than an earlier export, whose files are replaced.
    """
    check_folder(folder)
    if recipe.grader == JUDGE:
        raise UserError(
            f"{recipe.name}: grader 'judge': the exported tasks cannot ask the teacher; export with another "
            "grader=, or evaluate here"
        )
    title = "label" if recipe.evaluation.per_skill else "data"
    stages = run_recipe(recipe, title)
    work = Work(recipe, stages[title], stages)
    splits = {split: work.split(split, title) for split in recipe.evaluation_splits}
    messages = _messages(recipe)
    with exporting_to(folder) as new:
        export = Export(
            name=recipe.name,
            tasks=export_rows(new, recipe.name, splits, messages),
            grader=recipe.grader,
            sampling=recipe.evaluation.sampling,
            chat=not recipe.student.plain,
        )
        if harness == "lm-eval":
            write_lm_eval(new, export)
        else:
            first, *rest = messages("")
            write_lighteval(new, export, first["content"] if rest else "")
    return export


def _messages(recipe: Recipe) -> Messages:
    """From a question to the student's messages; of a base model the whole prompt is the user's."""
    options = student_options(recipe)
    if options.base_url:
        assert options.template
        return StudentTemplate(options.template).messages
    prompt = student_prompt(options, model_folder(options))
    if not options.plain:
        return prompt.messages
    return lambda question: [{"role": "user", "content": prompt.text(question)}]
