"""The prompts as they would be sent, with rows of the recipe's own data."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.labelling import skill_blocks
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.pipeline.data import read_splits
from stat_train.pipeline.opening import open_prompts, student_template
from stat_train.recipe import DISCOVER, Recipe
from stat_train.teacher.prompts import TASKS, refuse_unsent
from stat_train.teacher.request import Message
from stat_train.teacher.schemas import Diagnose, Rewrite, Synthesize

STUDENT = "student"
OF_THE_POOL = (Synthesize.task, Rewrite.task)
"""Tasks whose prompts show questions of the pool; the others are shown with those of validation."""

NO_RESPONSE = "(here stands the student's response)"
NO_ANSWER = "(here stands the reference answer)"
NO_SOLUTION = "(here stands the worked solution)"


def prompt_contexts(recipe: Recipe, index: int) -> dict[str, dict[str, Any]]:
    """Task -> what its template is rendered with, for the `index`-th question of validation and of the pool.

    Raises UserError where the splits cannot be read.
    """
    return _contexts_of(recipe, read_splits(recipe), index)


def shown_prompt(recipe: Recipe, task: str, index: int) -> list[Message]:
    """The messages of a task, or of the student, with the `index`-th question of the split that it shows.

    Raises UserError for an unknown task, and for an index beyond the split.
    """
    known = (*TASKS, STUDENT)
    if task not in known:
        raise UserError(f"no prompt task {task!r}; the tasks are {', '.join(known)}")
    splits = read_splits(recipe)
    split = "pool" if task in OF_THE_POOL else "validation"
    size = len(splits[split])
    if index >= size:
        raise UserError(f"--example {index}: {split} has only {size} questions; give 0 to {size - 1}")
    if task == STUDENT:
        turns = student_template(recipe).messages(splits[split][index].question)
        return [Message(role=turn["role"], content=turn["content"]) for turn in turns]
    return open_prompts(recipe).render(task, **_contexts_of(recipe, splits, index)[task])


def check_student_template(recipe: Recipe) -> Path:
    """The student's template, proved to render and to hold no text that is not sent.

    Raises UserError naming the file.
    """
    template = student_template(recipe)
    refuse_unsent(Environment().parse(template.source), template.path)
    return template.path


def check_templates(recipe: Recipe, tasks: Collection[str]) -> None:
    """Prove the templates of these tasks and the student's on a made-up row, before anything is paid for.

    Raises UserError naming the file, and for one in `prompts_dir` whose name is mistyped.
    """
    prompts = open_prompts(recipe)
    prompts.check_names(recipe.student.template)
    check_student_template(recipe)
    if not tasks:
        return
    subject = (
        "" if recipe.taxonomy == DISCOVER else next(iter(SkillTaxonomy.read(recipe.taxonomy).subjects), "")
    )
    row = Example("q1", "What is 1 + 1?", "1 + 1 = 2", "2", subject)
    for task, context in _contexts(recipe, row, [row] * recipe.selection.stat_syn.references).items():
        if task in tasks:
            prompts.check(task, context, also_shown(recipe, task))


def _contexts_of(
    recipe: Recipe, splits: Mapping[str, Sequence[Example]], index: int
) -> dict[str, dict[str, Any]]:
    pool = [_at(splits["pool"], index + n) for n in range(recipe.selection.stat_syn.references)]
    return _contexts(recipe, _at(splits["validation"], index), pool)


def _contexts(recipe: Recipe, asked: Example, pool: Sequence[Example]) -> dict[str, dict[str, Any]]:
    answered = {"id": "q1", "question": asked.question, "response": NO_RESPONSE}
    if recipe.diagnosis.with_reference:
        answered["reference"] = asked.solution or asked.answer or NO_ANSWER
    skills = _skills(recipe, asked.subject)
    question = [{"id": "q1", "text": asked.question}]
    pair = _pair(pool[0])
    references = [{"id": f"r{n}", **_pair(example)} for n, example in enumerate(pool, start=1)]
    common = {"subject": asked.subject}
    return {
        "discover_skills": common | {"questions": question},
        "cluster_skills": common
        | {
            "fine_skills": [{"id": f"s{n}", "text": skill["id"]} for n, skill in enumerate(skills, start=1)],
            "max_clusters": recipe.discovery.max_skills,
        },
        "label_skills": common
        | {"skills": skills, "questions": question, "max_skills": recipe.labelling.max_skills},
        "diagnose": common
        | {
            "skills": skills,
            "items": [answered],
            "max_missing": recipe.diagnosis.max_skills,
        },
        "judge": common
        | {
            "items": [
                {
                    "id": "q1",
                    "question": asked.question,
                    "reference": asked.answer or NO_ANSWER,
                    "response": NO_RESPONSE,
                }
            ]
        },
        "synthesize": common
        | {"skill": skills[0], "references": references, "n": recipe.selection.stat_syn.questions},
        "solve": common | {"questions": question},
        "rewrite": common | {"items": [{"id": "q1", **pair}]},
    }


def also_shown(recipe: Recipe, task: str) -> tuple[str, ...]:
    """The blocks that a task's prompt must have by this recipe, beside those that it always must."""
    return ("reference",) if task == Diagnose.task and recipe.diagnosis.with_reference else ()


def _pair(example: Example) -> dict[str, str]:
    return {"question": example.question, "solution": example.solution or NO_SOLUTION}


def _at(examples: Sequence[Example], index: int) -> Example:
    return examples[index % len(examples)]


def _skills(recipe: Recipe, subject: str) -> list[dict[str, str]]:
    if recipe.taxonomy == DISCOVER:
        return [{"id": "a_skill", "text": "A skill that is still to be discovered."}]
    return skill_blocks(SkillTaxonomy.read(recipe.taxonomy), subject)
