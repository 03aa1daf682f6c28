"""The steps of each arm after its selection: the training, and the scores."""

from functools import partial

from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.answers import answer_and_grade, open_student, student_needs
from stat_train.pipeline.card import write_card
from stat_train.pipeline.clean import clean_questions, task_needs
from stat_train.pipeline.opening import grader_files, open_grader, student_options
from stat_train.pipeline.selection import planned_size
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import DEVELOPMENT, Method, Recipe
from stat_train.run import Stage
from stat_train.student.load import model_folder, student_prompt
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
        checks=("data", *task_needs(recipe)),
        options={k: v for k, v in options.identity().items() if k not in ("threads", "save_steps")},
    )


def evaluate_step(recipe: Recipe, arm: str, split: str) -> Step:
    """The student's answers to one split, before (`start`) or after a training, and the verdicts."""
    return Step(
        "evaluate",
        partial(_evaluate, arm, split),
        lambda sizes: f"{sizes[split]:,} questions x {recipe.evaluation.sampling.n}",
        arm=f"{arm}-{split}",
        needs=student_needs(arm) | {"data": (f"{split}.jsonl",)},
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
    forbidden = [example.question for rows in clean_questions(work, clean).values() for example in rows]
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
    student = open_student(work, arm)
    sampling, limit = recipe.evaluation.sampling, "evaluation.sampling.max_tokens"
    with open_grader(recipe, stage=work.stage) as grader:
        answer_and_grade(student, examples, sampling, grader, work.stage, limit)


def accuracy(stage: Stage) -> float:
    """Share of correct answers of a finished evaluation."""
    assert stage.manifest is not None
    counts = stage.manifest["counts"]
    return float(counts["correct"] / counts["rows_out"])
