"""The steps of each arm after its selection: the training, and the scores."""

from functools import partial

from stat_train.data.jsonl import write_jsonl
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.card import write_card
from stat_train.pipeline.opening import grader_files, open_grader, student_options
from stat_train.pipeline.selection import planned_size
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import DEVELOPMENT, START, Method, Recipe
from stat_train.run import Stage
from stat_train.student.load import load_student, model_folder, student_prompt
from stat_train.training.options import SFTOptions


def sft_step(recipe: Recipe, arm: Method, rate: float | None = None) -> Step:
    """One training from the starting point; `rate` is the one of several learning rates to try."""
    options = recipe.sft if rate is None else recipe.sft.model_copy(update={"learning_rate": rate})

    def plan(sizes: Sizes) -> str:
        steps = f", at most {options.max_steps:,} steps" if options.max_steps else ""
        return f"{planned_size(recipe)} x {options.epochs} epochs{steps}"

    return Step(
        "sft",
        partial(_train, arm, options),
        plan,
        arm=arm if rate is None else f"{arm}-{rate:g}",
        needs={"student": (), f"select {arm}": ()},
        checks=("data",),
        options={k: v for k, v in options.identity().items() if k not in ("threads", "save_steps")},
    )


def evaluate_step(recipe: Recipe, arm: str, split: str) -> Step:
    """The student's answers to one split, before (`start`) or after a training, and the verdicts."""
    trained: dict[str, tuple[str, ...]] = {} if arm == START else {f"sft {arm}": ()}
    return Step(
        "evaluate",
        partial(_evaluate, arm, split),
        lambda sizes: f"{sizes[split]:,} questions x {recipe.evaluation.sampling.n}",
        arm=f"{arm}-{split}",
        needs={"student": (), "data": (f"{split}.jsonl",), **trained},
        options={
            "sampling": recipe.evaluation.sampling.model_dump(),
            "grader": recipe.grader,
            "split": split,
        },
        files=grader_files(recipe),
    )


def _train(arm: Method, options: SFTOptions, work: Work) -> None:
    from stat_train.training.sft import sft

    rows = TrainingSet.read(work.file(f"select {arm}", "rows.jsonl")).rows
    clean = (*work.recipe.evaluation_splits, *((DEVELOPMENT,) if work.recipe.has_development else ()))
    forbidden = [example.question for split in clean for example in work.split(split, "data")]
    student = student_options(work.recipe)
    start = model_folder(student)
    prompt = student_prompt(student, start)
    sft(start, rows, prompt, options, work.stage.file("model"), forbidden)
    tokens = sum(len(prompt.training(row.question, row.solution)[0]) for row in rows)
    work.stage.finish(["model"], counts={"pairs": len(rows), "tokens": tokens})
    if work.stage.arm == arm:  # not one of several rates
        write_card(work.recipe, arm, {**work.given, work.stage.title: work.stage})


def _evaluate(arm: str, split: str, work: Work) -> None:
    recipe, examples = work.recipe, work.split(split, "data")
    trained = None if arm == START else work.file(f"sft {arm}", "model")
    questions = [(example.id, example.question) for example in examples]
    student = load_student(student_options(recipe), trained)
    responses = student.answer(questions, recipe.evaluation.sampling, work.stage.file("responses.jsonl"))
    gold = {example.id: example.answer or "" for example in examples}
    with open_grader(recipe) as grader:
        verdicts = grader.grade([(response.text, gold[response.question_id]) for response in responses])
    graded = [
        {"question_id": response.question_id, "sample": response.sample, "verdict": verdict}
        for response, verdict in zip(responses, verdicts, strict=True)
    ]
    write_jsonl(work.stage.file("verdicts.jsonl"), graded)
    counts = {
        "rows_in": len(questions),
        "rows_out": len(responses),
        "correct": sum(verdict == "correct" for verdict in verdicts),
        "error": sum(verdict == "error" for verdict in verdicts),
        "timeout": sum(verdict == "timeout" for verdict in verdicts),
        "cut_off": sum(response.finish_reason == "length" for response in responses),
    }
    work.stage.finish(["responses.jsonl", "verdicts.jsonl"], counts=counts, notes=_grading_notes(counts))


def accuracy(stage: Stage) -> float:
    """Share of correct answers of a finished evaluation."""
    assert stage.manifest is not None
    counts = stage.manifest["counts"]
    return float(counts["correct"] / counts["rows_out"])


def _grading_notes(counts: dict[str, int]) -> list[str]:
    notes = []
    if counts["error"] or counts["timeout"]:
        notes.append(f"grading failed {counts['error']} times and timed out {counts['timeout']} times")
    if counts["rows_out"] and counts["cut_off"] > 0.1 * counts["rows_out"]:
        notes.append(f"{counts['cut_off']} answers were cut off at evaluation.sampling.max_tokens")
    return notes
