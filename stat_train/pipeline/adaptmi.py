"""`stat-train adaptmi`: which first answers are difficult, what they lack, and all prompts compared."""

import math
from collections import Counter
from collections.abc import Sequence

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl, write_jsonl
from stat_train.difficulty.agreement import gold_agreement
from stat_train.difficulty.difficult import Difficulty, find_difficult
from stat_train.evaluation.prompting import Answered, Answers, Judge, compare_prompts
from stat_train.pipeline.answers import RESPONSES, VERDICTS, read_verdicts
from stat_train.pipeline.asides import PAGE, write_page
from stat_train.pipeline.metacognition import write_diagnoses
from stat_train.pipeline.opening import (
    billed,
    grader_files,
    open_grader,
    prm_files,
    teacher_options,
    template_hashes,
)
from stat_train.pipeline.prompting import (
    DIAGNOSE,
    DIFFICULTY,
    KINDS,
    SHOTS,
    Kind,
    adaptmi_split,
    prompt_step,
)
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import Recipe
from stat_train.report.prompting import prompting_page, prompting_results
from stat_train.student.response import Response

ADAPTMI = "adaptmi"
RESULTS = "adaptmi.json"
QUESTIONS = "questions.jsonl"
"""A row a question: 1 or 0 for each way to prompt."""


def adaptmi_steps(recipe: Recipe) -> list[Step]:
    """All that the command runs after the label stage, in order."""
    everything = [prompt_step(recipe, kind) for kind in KINDS]
    return [
        *everything,
        _difficulty_step(recipe),
        _diagnose_step(recipe),
        prompt_step(recipe, "missing"),
        _compare_step(recipe),
    ]


def _difficulty_step(recipe: Recipe) -> Step:
    """Which answers to the fixed prompt are difficult ones: without gold, and by gold (the oracle)."""
    options, split = recipe.adaptmi, adaptmi_split(recipe)
    return Step(
        DIFFICULTY,
        _judge,
        lambda sizes: f"{sizes[split]:,} questions by {options.difficulty.method}",
        needs={"label": (f"{split}.jsonl",), "prompt fixed": (), "prompt samples": ()},
        options={"difficulty": options.difficulty.model_dump(), "grader": recipe.grader},
        files=prm_files(options.difficulty) | grader_files(recipe),
    )


def _diagnose_step(recipe: Recipe) -> Step:
    """What each difficult answer to the fixed prompt lacks, in the teacher's judgment."""
    split, batch = adaptmi_split(recipe), recipe.diagnosis.batch_size

    def plan(sizes: Sizes) -> str:
        return f"{math.ceil(sizes[split] / batch):,}+ requests if all are difficult"

    return Step(
        DIAGNOSE,
        _diagnose,
        plan,
        needs={"label": (f"{split}.jsonl",), "taxonomy": (), "prompt fixed": (), DIFFICULTY: ()},
        options={
            "diagnosis": recipe.diagnosis.model_copy(update={"repeats": 1}).model_dump(),
            "teacher": teacher_options(recipe).identity(),
            "oracle": recipe.adaptmi.oracle,
        },
        templates=template_hashes(recipe, "diagnose"),
    )


def _compare_step(recipe: Recipe) -> Step:
    """Accuracy over all questions of every kind of prompt, with what it cost."""
    split = adaptmi_split(recipe)
    titles = [f"prompt {kind}" for kind in (*KINDS, "missing")]
    return Step(
        ADAPTMI,
        _compare,
        lambda sizes: f"{sizes[split]:,} questions, {RESULTS}",
        needs={"label": (f"{split}.jsonl",), DIFFICULTY: (), DIAGNOSE: ()} | dict.fromkeys(titles, ()),
        options={
            "oracle": recipe.adaptmi.oracle,
            "student": recipe.adaptmi.student,
            "k": recipe.adaptmi.k,
            "grader": recipe.grader,
        },
        version=3,
    )


def _judge(work: Work) -> None:
    recipe, options = work.recipe, work.recipe.adaptmi.difficulty
    questions = work.split(adaptmi_split(recipe))
    fixed = _responses(work, "fixed")
    judged = _responses(work, "samples") if options.method == "consistency" else fixed
    with open_grader(recipe, stage=work.stage) as grader:
        found = find_difficult(questions, judged, options, grader)
        gold = find_difficult(questions, fixed, options.model_copy(update={"method": "gold"}), grader)
        usage = billed(grader.usage)
    write_jsonl(work.stage.file("difficulty.jsonl"), found)
    write_jsonl(work.stage.file("gold.jsonl"), gold)
    counts = {
        "rows_in": len(questions),
        "difficult": sum(row.difficult for row in found),
        "difficult_by_gold": sum(row.difficult for row in gold),
    }
    work.stage.finish(["difficulty.jsonl", "gold.jsonl"], counts=counts, usage=usage)


def _difficult(work: Work, judge: str) -> set[str]:
    rows = read_rows(work.file(DIFFICULTY, f"{judge}.jsonl"), Difficulty)
    return {row.question_id for row in rows if row.difficult}


def _diagnose(work: Work) -> None:
    recipe, answers = work.recipe, {row.question_id: row for row in _responses(work, "fixed")}
    difficult = _difficult(work, "difficulty")
    if recipe.adaptmi.oracle:
        difficult |= _difficult(work, "gold")
    items = [
        (question, answers[question.id])
        for question in work.split(adaptmi_split(recipe))
        if question.id in difficult
    ]
    write_diagnoses(work, items, recipe.diagnosis.model_copy(update={"repeats": 1}))


def _compare(work: Work) -> None:
    recipe, options = work.recipe, work.recipe.adaptmi
    questions = work.split(adaptmi_split(recipe))
    judges = [Judge(options.difficulty.method, _difficult(work, "difficulty"), oracle=_is_gold(recipe))]
    if options.oracle and not _is_gold(recipe):
        judges.append(Judge("gold", _difficult(work, "gold"), oracle=True))
    answers: dict[str, Answers] = {kind: _answers(work, kind, questions) for kind in (*KINDS, "missing")}
    found, gold = (
        read_rows(work.file(DIFFICULTY, name), Difficulty) for name in ("difficulty.jsonl", "gold.jsonl")
    )
    diagnosed = work.given[DIAGNOSE].manifest
    assert diagnosed is not None
    compared = compare_prompts(questions, answers, judges, seed=recipe.seed)
    write_jsonl(
        work.stage.file(QUESTIONS),
        [
            {"question_id": question.id}
            | {its.name: its.scores.questions[question.id] for its in compared.promptings}
            for question in questions
        ],
    )
    results = prompting_results(
        compared,
        split=adaptmi_split(recipe),
        student=options.student,
        k=options.k,
        judge=options.difficulty.method,
        agreement=gold_agreement(found, gold),
        diagnosed=diagnosed["counts"],
        usage=diagnosed["usage"],
    )
    results.write(work.stage.file(RESULTS))
    write_page(work, prompting_page(results))
    work.stage.finish([RESULTS, QUESTIONS, PAGE], counts={"rows_in": len(questions)})


def _is_gold(recipe: Recipe) -> bool:
    return recipe.adaptmi.difficulty.method == "gold"


def _responses(work: Work, kind: Kind) -> list[Response]:
    return read_rows(work.file(f"prompt {kind}", RESPONSES), Response)


def _answers(work: Work, kind: Kind, questions: Sequence[Example]) -> Answers:
    """The answers by question id; to the prompts of missing skills, those that there are."""
    title = f"prompt {kind}"
    prompts = {row["question_id"]: row["prompt_tokens"] for row in read_jsonl(work.file(title, SHOTS))}
    asked = [question for question in questions if question.id in prompts]
    verdicts, votes = read_verdicts(work.file(title, VERDICTS), asked)
    written = Counter[str]()
    for response in _responses(work, kind):
        written[response.question_id] += response.completion_tokens
    return {
        question.id: Answered(
            verdicts[place],
            votes[place] if votes else None,
            prompts[question.id] * len(verdicts[place]),
            written[question.id],
        )
        for place, question in enumerate(asked)
    }
