"""What an arm of new questions would ask of the teacher, before it asks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from stat_train.data.example import Example
from stat_train.grading.judge import judge_requests
from stat_train.metacognition.asking import Asks
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.methods.proposing import Call, propose
from stat_train.methods.solving import solve
from stat_train.pipeline.judge_estimate import judged_solutions
from stat_train.pipeline.opening import JUDGE, open_grader, open_prompts
from stat_train.pipeline.selection import expected_pairs, own_pairs
from stat_train.pipeline.step import Step, Work
from stat_train.pipeline.synthesis import requests_of
from stat_train.recipe import Method, Recipe
from stat_train.run import Stage

Splits = Mapping[str, Sequence[Example]]
DESCRIPTION = "x" * 80
"""As long as a skill's description tends to be."""


def ask_for_new_questions(
    step: Step,
    recipe: Recipe,
    done: Mapping[str, Stage],
    splits: Splits,
    taxonomy: SkillTaxonomy,
    estimator: Asks,
) -> str:
    """The first round of a `synthesize` step, asked of an estimator; what it leaves out or assumes.

    `taxonomy` is the list of skills, or one as long as it may become.
    """
    arm, options = cast(Method, step.arm), recipe.selection.synthesis
    if all(title in done for title in step.needs):
        wanted, questions, more = requests_of(arm, Work(recipe, done["label"], done))
        pairs_a_request = questions * options.solutions
        calls = [call for group, n in wanted.items() for call in more(group, math.ceil(n / pairs_a_request))]
        assumed = ""
    else:
        questions, calls, assumed = _stand_ins(arm, recipe, splits, taxonomy)
    prompts = open_prompts(recipe)
    for _ in propose(estimator, prompts, calls, questions, options.temperature):
        pass
    alike = [call.references[n % len(call.references)] for call in calls for n in range(questions)]
    new = [replace(example, id=str(n), question=f"{example.question} {n}") for n, example in enumerate(alike)]
    with open_grader(recipe) as grader:
        solve(estimator, prompts, grader, new, options)
    if recipe.grader == JUDGE:
        judged = judged_solutions(new, options.solutions, recipe.teacher.max_tokens, stated=True)
        estimator.ask(judge_requests(prompts, judged), label="judging")
    return (
        f"{assumed}as if no new question were lost and each were as long as its reference; what is lost is "
        f"asked for again, in at most {options.rounds} rounds"
    )


def _stand_ins(
    arm: Method, recipe: Recipe, splits: Splits, taxonomy: SkillTaxonomy
) -> tuple[int, list[Call], str]:
    """As many requests as there can be, of about the right length, before it is known what is missing."""
    selection, validation = recipe.selection, splits["validation"]
    if arm == "llm2llm":
        questions, source, shown, skill = selection.llm2llm.questions, validation, 1, None
    elif arm == "embed-syn":
        like = selection.embed_syn
        questions, source, shown, skill = like.questions, splits["pool"], like.references, None
    else:
        own = selection.stat_syn
        questions, source, shown = own.questions, splits["pool"], own.references
        skill = {"id": "a_skill", "text": DESCRIPTION}
    pairs, assumed = expected_pairs(recipe, splits)
    wanted = own_pairs(arm, recipe, pairs)
    subjects = {question.subject for question in validation}
    if skill:
        of, groups = "skills were missing", sum(len(taxonomy.names(subject)) for subject in subjects)
    else:
        of, groups = "subjects were asked for", len(subjects)
    groups = min(groups, wanted)
    if groups > 1:
        assumed += f"as if {groups} {of}, each in requests of its own; "
    calls = [
        Call(
            (source[place % len(source)].subject, ""),
            tuple(source[(place + more) % len(source)] for more in range(shown)),
            skill,
            place // len(source),
        )
        for place in range(_most_requests(wanted, groups, questions * selection.synthesis.solutions))
    ]
    return questions, calls, assumed


def _most_requests(pairs: int, groups: int, a_request: int) -> int:
    """The most that `pairs` can take, shared by `groups` that each round up to whole requests."""
    return (pairs + groups * (a_request - 1)) // a_request
