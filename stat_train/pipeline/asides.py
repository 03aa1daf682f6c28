"""Steps beside the run, asked for by name: can labels, and the search for what is difficult, be trusted?"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from rich.console import Console, RenderableType

from stat_train.data.atomic import atomic_file
from stat_train.data.jsonl import write_jsonl
from stat_train.difficulty.agreement import GoldAgreement, agreement_table, gold_agreement
from stat_train.difficulty.difficult import find_difficult
from stat_train.difficulty.options import Method
from stat_train.errors import Unfinished
from stat_train.metacognition.audit import Audit, audit
from stat_train.metacognition.show import audit_report
from stat_train.pipeline.metacognition import taxonomy_of
from stat_train.pipeline.opening import (
    answers_of,
    billed,
    grader_files,
    open_grader,
    open_prompts,
    open_teacher,
    prm_files,
    teacher_options,
)
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import Recipe
from stat_train.run.stage import Stage
from stat_train.student.response import Response

Key = TypeVar("Key", bound=tuple[str, ...])

PAGE = "shown.txt"
WIDTH = 110


def audit_step(recipe: Recipe) -> Step:
    """A sample of the pool labelled twice, and what its labels show about the taxonomy."""
    prompts = open_prompts(recipe)

    def plan(sizes: Sizes) -> str:
        asked = min(recipe.audit.sample_size, sizes["pool"])
        return f"{asked:,} questions twice, {2 * math.ceil(asked / recipe.labelling.batch_size):,}+ requests"

    return Step(
        "audit",
        _audit,
        plan,
        needs={"label": ("pool.jsonl",), "taxonomy": ()},
        options={
            "audit": recipe.audit.model_dump(),
            "labelling": recipe.labelling.model_dump(),
            "teacher": teacher_options(recipe).identity(),
        },
        templates={"label_skills": prompts.hash("label_skills")},
    )


def agreement_step(recipe: Recipe) -> Step:
    """Each way to find difficult questions beside the graded answers; needs gold answers for validation."""
    methods = comparable(recipe)
    return Step(
        "agreement",
        _agreement,
        lambda sizes: f"{', '.join(methods)} against gold on {sizes['validation']:,} questions",
        needs={"data": ("validation.jsonl",), "answer": ()},
        options={
            "difficulty": recipe.difficulty.model_dump(exclude={"method"}),
            "methods": list(methods),
            "grader": recipe.grader,
        },
        files=prm_files(recipe.difficulty) | grader_files(recipe),
    )


def comparable(recipe: Recipe) -> tuple[Method, ...]:
    """The methods that the student's answers allow: consistency needs samples, prm is asked for by name."""
    sampled = recipe.sampling.n >= recipe.difficulty.min_votes and recipe.sampling.temperature > 0
    found: list[Method] = ["length", *(["consistency"] if sampled else [])]  # type: ignore[list-item]
    return (*found, "prm") if recipe.difficulty.method == "prm" else tuple(found)


def shown(stage: Stage) -> str:
    """What a finished step of these shows in the terminal."""
    return stage.file(PAGE).read_text(encoding="utf-8")


def _audit(work: Work) -> None:
    recipe, taxonomy = work.recipe, taxonomy_of(work)
    pool = work.split("pool")
    with open_teacher(recipe, work.stage) as teacher:
        found = audit(teacher, open_prompts(recipe), taxonomy, pool, recipe.audit, recipe.labelling)
        usage = asdict(teacher.usage)
    if found.owed:
        raise Unfinished(
            f"audit: {found.owed} labellings are owed; the other answers are kept: run the same command "
            "again to go on"
        )
    with atomic_file(work.stage.file("audit.json")) as file:
        file.write(json.dumps(_plain(found), indent=1, sort_keys=True).encode())
    write_page(work, audit_report(found))
    counts = {"rows_in": found.asked, "rows_out": found.asked - found.left, "quarantined": found.left}
    work.stage.finish(["audit.json", PAGE], counts=counts, usage=usage)


def _plain(found: Audit) -> dict[str, Any]:
    """The audit as JSON: keys of several parts become columns."""
    agreement, used = found.agreement, found.usage
    return {
        "asked": found.asked,
        "left": found.left,
        "agreement": {
            "n": agreement.n,
            "same": agreement.same,
            "error_rate": agreement.error_rate,
            "alpha": agreement.alpha,
            "kappa": _columns(agreement.kappa, "subject", "skill"),
            "confused": _columns(agreement.confused, "subject", "skill", "other"),
        },
        "off_list_rate": found.off_list_rate,
        "off_list": _columns(found.off_list, "subject", "name"),
        "questions": _columns(used.counts, "subject", "skill"),
        "rare": [dict(zip(("subject", "skill"), key, strict=True)) for key in used.rare],
        "together": [dict(zip(("subject", "skill", "other"), key, strict=True)) for key in used.together],
        "proposals": [asdict(proposal) for proposal in found.proposals],
    }


def _columns(values: Mapping[Key, Any], *names: str) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), "value": value} for key, value in sorted(values.items())]


def _agreement(work: Work) -> None:
    recipe, examples = work.recipe, work.split("validation", "data")
    responses = read_rows(work.file("answer", "responses.jsonl"), Response)
    with open_grader(recipe, stage=work.stage) as grader:
        grader.require_gold(examples, "validation", answers_of(recipe, "validation"))
        found = {
            method: find_difficult(
                examples, responses, recipe.difficulty.model_copy(update={"method": method}), grader
            )
            for method in ("gold", *comparable(recipe))
        }
        usage = billed(grader.usage)
    gold = found.pop("gold")
    agreements: dict[str, GoldAgreement] = {
        method: gold_agreement(judged, gold) for method, judged in found.items()
    }
    write_jsonl(
        work.stage.file("agreement.jsonl"),
        [{"method": method, **asdict(figures)} for method, figures in agreements.items()],
    )
    write_page(work, agreement_table(agreements))
    counts = {"rows_in": len(examples), "difficult_by_gold": sum(row.difficult for row in gold)}
    work.stage.finish(["agreement.jsonl", PAGE], counts=counts, usage=usage)


def write_page(work: Work, page: RenderableType) -> None:
    """What the step shows in the terminal, as a file of its stage."""
    with work.stage.file(PAGE).open("w", encoding="utf-8") as file:
        Console(file=file, width=WIDTH).print(page)
