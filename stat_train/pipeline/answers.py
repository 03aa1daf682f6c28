"""Answering questions and grading the answers: what every evaluation does, and how its files are read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl, write_jsonl
from stat_train.grading.grader import Grader
from stat_train.grading.verdict import Verdict
from stat_train.pipeline.opening import billed, student_options
from stat_train.pipeline.step import Work
from stat_train.recipe import START, trained_by
from stat_train.run import Stage
from stat_train.student.answering import Shots, Student
from stat_train.student.load import load_student
from stat_train.student.options import Sampling

RESPONSES, VERDICTS = "responses.jsonl", "verdicts.jsonl"
GRADED = ("evaluate", "benchmark", "prompt")
"""The stages whose answers stand while their judge is asked once more."""


def student_needs(arm: str) -> dict[str, tuple[str, ...]]:
    """The stages that hold the weights of an arm, or of the start."""
    return {"student": (), **({} if arm == START else {trained_by(arm): ()})}


def open_student(work: Work, arm: str) -> Student:
    """The student with the weights of an arm, or of the start."""
    trained = None if arm == START else work.file(trained_by(arm), "model")
    return load_student(student_options(work.recipe), trained)


def answer_and_grade(
    student: Student,
    examples: Sequence[Example],
    sampling: Sampling,
    grader: Grader,
    stage: Stage,
    limit: str,
) -> None:
    """Answers and verdicts as files of `stage`, which is done with it. `limit` names the option that cuts
    answers off."""
    counts = write_answers(student, examples, sampling, grader, stage)
    notes = grading_notes(counts, limit, grader.first_error)
    stage.finish([RESPONSES, VERDICTS], counts=counts, usage=billed(grader.usage), notes=notes)


def write_answers(
    student: Student,
    examples: Sequence[Example],
    sampling: Sampling,
    grader: Grader,
    stage: Stage,
    shots: Shots | None = None,
) -> dict[str, int]:
    """Answers and verdicts as files of `stage`, and their counts; of several samples each verdict has the
    number of its vote. `shots`: few-shot exemplars by question id."""
    questions = [(example.id, example.question) for example in examples]
    responses = student.answer(questions, sampling, stage.file(RESPONSES), shots)
    student.close()  # a judge in this process may need the room
    asked = {example.id: example for example in examples}
    verdicts = grader.grade(
        [(response.text, asked[response.question_id].answer or "") for response in responses],
        [asked[response.question_id].question for response in responses],
    )
    rows = [
        {"question_id": response.question_id, "sample": response.sample, "verdict": verdict}
        for response, verdict in zip(responses, verdicts, strict=True)
    ]
    if sampling.n > 1:
        for start in range(0, len(rows), sampling.n):
            samples = responses[start : start + sampling.n]
            answers = [grader.extract(response.text) for response in samples]
            votes = grader.groups(answers, asked[samples[0].question_id].question)
            for row, vote in zip(rows[start : start + sampling.n], votes, strict=True):
                row["vote"] = vote
    write_jsonl(stage.file(VERDICTS), rows)
    return {
        "rows_in": len(questions),
        "rows_out": len(responses),
        "correct": sum(verdict == "correct" for verdict in verdicts),
        "error": sum(verdict == "error" for verdict in verdicts),
        "timeout": sum(verdict == "timeout" for verdict in verdicts),
        "cut_off": sum(response.finish_reason == "length" for response in responses),
        "empty": sum(not response.text.strip() for response in responses),
    }


def read_verdicts(
    path: Path, examples: Sequence[Example]
) -> tuple[list[list[Verdict]], list[list[int | None]] | None]:
    """The verdicts and votes of each example's samples, in the examples' order; no votes where the stage
    has none."""
    verdicts: dict[str, list[Verdict]] = {example.id: [] for example in examples}
    votes: dict[str, list[int | None]] = {example.id: [] for example in examples}
    voted = False
    for row in read_jsonl(path):
        verdicts[row["question_id"]].append(row["verdict"])
        votes[row["question_id"]].append(row.get("vote"))
        voted = voted or "vote" in row
    return list(verdicts.values()), list(votes.values()) if voted else None


def grading_notes(counts: Mapping[str, int], limit: str, first_error: str | None) -> list[str]:
    """What is to be said of the counts of `write_answers`, and of the grader's first error."""
    notes = []
    if counts["error"] or counts["timeout"]:
        why = f" (the first time: {first_error})" if first_error else ""
        notes.append(
            f"grading failed {counts['error']} times{why} and timed out {counts['timeout']} times; these "
            "answers count as wrong"
        )
    if counts["rows_out"] and counts["cut_off"] > 0.1 * counts["rows_out"]:
        notes.append(f"{counts['cut_off']} answers were cut off at {limit}")
    return [*notes, *empty_note(counts["empty"], counts["rows_out"])]


def empty_note(empty: int, answers: int) -> list[str]:
    """A note on answers without a text, where more than a few are."""
    if empty <= 0.1 * answers:
        return []
    return [
        f"{empty} of {answers} answers were empty; a reasoning model behind a server may put what it says "
        "elsewhere than in `content`"
    ]
