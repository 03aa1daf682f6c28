"""The step that lets the teacher write an arm's question-answer pairs."""

from collections import Counter
from functools import partial
from typing import Any

from stat_train.data.jsonl import write_jsonl
from stat_train.embedding.vectors import read_vectors
from stat_train.metacognition.labelling import skill_blocks
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.drawing import allocate
from stat_train.methods.embed_syn import EmbedSynCalls
from stat_train.methods.llm2llm import LLM2LLMCalls
from stat_train.methods.proposing import Group
from stat_train.methods.stat_syn import StatSynCalls
from stat_train.methods.synthesis import More, Synthesis, Synthesizer
from stat_train.pipeline.clean import clean_questions, task_needs
from stat_train.pipeline.draws import POOL_AND_VALIDATION, difficult_places
from stat_train.pipeline.metacognition import nothing_owed, taxonomy_of
from stat_train.pipeline.opening import (
    billed,
    grader_files,
    open_grader,
    open_prompts,
    open_teacher,
    teacher_options,
    template_hashes,
)
from stat_train.pipeline.selection import (
    own_pairs,
    pairs_in_every_arm,
    planned_rehearsal,
    planned_size,
    size_needs,
    size_options,
)
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import DEVELOPMENT, Method, Recipe
from stat_train.teacher.schemas import Solve, Synthesize

NEEDS: dict[Method, tuple[str, ...]] = {
    "stat-syn": ("profile", "taxonomy"),
    "llm2llm": ("difficulty",),
    "embed-syn": ("difficulty", "embed"),
}


def synthesize_step(recipe: Recipe, arm: Method) -> Step:
    """New pairs for one arm, at least as many as it is to be given, as far as the teacher's yield allows."""
    selection = recipe.selection
    own = {
        "stat-syn": selection.stat_syn,
        "llm2llm": selection.llm2llm,
        "embed-syn": selection.embed_syn,
    }[arm]
    solutions = selection.synthesis.solutions
    return Step(
        "synthesize",
        partial(_synthesize, arm),
        lambda sizes: (
            f"new questions for {planned_size(recipe)}{planned_rehearsal(recipe, arm)}, "
            f"{solutions} solutions each"
        ),
        arm=arm,
        needs={
            "data": tuple(f"{split}.jsonl" for split in clean_splits(recipe)),
            **task_needs(recipe),
            "label": POOL_AND_VALIDATION,
            **dict.fromkeys((*NEEDS[arm], *size_needs(recipe)), ()),
        },
        options={
            **size_options(recipe, arm),
            "method": own.model_dump(),
            "synthesis": selection.synthesis.model_dump(),
            "decontamination": recipe.near_rules.model_dump(),
            "grader": recipe.grader,
            "teacher": teacher_options(recipe).identity(),
        },
        templates=template_hashes(recipe, Synthesize.task, Solve.task),
        files=grader_files(recipe),
        version=2,
    )


def clean_splits(recipe: Recipe) -> tuple[str, ...]:
    """The splits whose questions no new question may ask."""
    development = (DEVELOPMENT,) if recipe.has_development else ()
    return ("validation", *development, *recipe.evaluation_splits)


def requests_of(arm: Method, work: Work) -> tuple[dict[Group, int], int, More]:
    """What an arm asks for: pairs wanted of each group, new questions a request, and the requests."""
    recipe, size = work.recipe, own_pairs(arm, work.recipe, pairs_in_every_arm(work))
    selection, validation = recipe.selection, work.split("validation")
    if arm != "stat-syn":
        places = difficult_places(work)
        failed = [validation[place] for place in places]
        groups = Counter((question.subject, "") for question in failed)
        if arm == "llm2llm":
            varied = LLM2LLMCalls(failed, seed=recipe.seed)
            return allocate(groups, size), selection.llm2llm.questions, varied
        like = EmbedSynCalls(
            failed,
            read_vectors(work.file("embed", "validation.npy"))[places],
            work.split("pool"),
            read_vectors(work.file("embed", "pool.npy")),
            selection.embed_syn,
            seed=recipe.seed,
        )
        return allocate(groups, size), selection.embed_syn.questions, like
    profile = MissingSkillProfile.read(work.file("profile", "profile.json"))
    taxonomy = taxonomy_of(work)
    shown = {
        (subject, block["id"]): block
        for subject in dict.fromkeys(question.subject for question in validation)
        for block in skill_blocks(taxonomy, subject)
    }
    syn = StatSynCalls(
        profile.missing,
        validation,
        work.split("pool"),
        shown,
        selection.stat_syn,
        seed=recipe.seed,
        parents=taxonomy.parents,
    )
    return allocate(profile.counts(), size), selection.stat_syn.questions, syn


def _synthesize(arm: Method, work: Work) -> None:
    recipe = work.recipe
    wanted, questions, more = requests_of(arm, work)
    with (
        open_teacher(recipe, work.stage) as teacher,
        open_grader(recipe, stage=work.stage, beside=teacher) as grader,
    ):
        by = Synthesizer(
            teacher,
            open_prompts(recipe),
            grader,
            clean_questions(work, clean_splits(recipe)),
            recipe.selection.synthesis,
            recipe.near_rules,
            teacher.options.logical_name,
        )
        made = by.make(arm, wanted, questions, more)
        usage = billed(teacher.usage, grader.usage)
    nothing_owed(work, made.owed)
    made.pairs.write(work.stage.file("rows.jsonl"))
    write_jsonl(work.stage.file("rejected.jsonl"), made.rejected)
    write_jsonl(work.stage.file("yield.jsonl"), made.yields)
    write_jsonl(work.stage.file("decontamination.jsonl"), made.hits)
    write_jsonl(work.stage.file("unsolved.jsonl"), made.unsolved)
    outputs = [f"{name}.jsonl" for name in ("rows", "rejected", "yield", "decontamination", "unsolved")]
    work.stage.finish(outputs, counts=_counts(made), usage=usage, notes=_notes(made))


def _counts(made: Synthesis) -> dict[str, Any]:
    names = ("requests", "asked", "valid", "contaminated", "consistent", "duplicate", "kept", "pairs")
    counts = {name: sum(getattr(its, name) for its in made.yields) for name in names}
    return counts | {"quarantined": counts["asked"] - counts["valid"] + len(made.unsolved)}


def _notes(made: Synthesis) -> list[str]:
    kept = {row.lineage["source_id"] for row in made.pairs.rows}
    near = Counter(hit.rule for hit in made.hits if hit.id in kept)
    notes = [*made.pairs.notes]
    if near:
        found = ", ".join(f"{rule} {n}" for rule, n in near.most_common())
        notes.append(f"new questions near those of another split, kept: {found} (decontamination.jsonl)")
    return notes
