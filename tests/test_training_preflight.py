"""What would spoil a training is refused before it starts, in one line."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student.loading import load_tokenizer
from stat_train.student.prompt import MASKED, StudentPrompt
from stat_train.training.preflight import check_tokenized, preflight


def row(id: str, question: str, solution: str) -> SimpleNamespace:
    return SimpleNamespace(id=id, question=question, solution=solution)


ROWS = [row("r1", "What is red?", "A colour."), row("r2", "What is a fox?", "An animal.")]

LONG = 37  # tokens of r2 with the tiny model's template


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> StudentPrompt:
    folder: Path = write_tiny_model(tmp_path_factory.mktemp("tiny"))
    return StudentPrompt(load_tokenizer(folder), asset("prompts/student_short.jinja"))


def test_good_rows_pass_as_tokens(prompt: StudentPrompt) -> None:
    assert preflight(ROWS, prompt, 100) == [prompt.training(r.question, r.solution) for r in ROWS]


@pytest.mark.parametrize(
    ("rows", "max_length", "forbidden", "message"),
    [
        ([], 100, [], "no rows"),
        ([*ROWS, row("r3", "Why?", " ")], 100, [], "row 'r3': field solution is empty"),
        (ROWS, LONG - 1, [], rf"1 of 2 rows exceed .* \(r2\); set sft.max_length to {LONG}"),
        (ROWS, 100, ["  what is  RED? "], r"1 evaluation questions among its rows \(r1\)"),
    ],
)
def test_bad_rows_are_refused(prompt: StudentPrompt, rows, max_length, forbidden, message) -> None:
    with pytest.raises(UserError, match=message) as error:
        preflight(rows, prompt, max_length, forbidden)
    assert "\n" not in str(error.value)


def test_a_row_that_is_too_long_is_named_as_the_user_knows_it(prompt: StudentPrompt) -> None:
    drawn = row("random-00004", "How many books does a shelf hold, " * 5, "Ten.")
    drawn.lineage = {"source_id": "books-7"}
    with pytest.raises(UserError, match=r'the first is question books-7, "How many books .{20,45} \.\.\."$'):
        preflight([*ROWS, drawn], prompt, LONG, context=1000)


def test_no_length_beyond_the_students_context_is_advised(prompt: StudentPrompt) -> None:
    with pytest.raises(
        UserError, match=f"has {LONG}, beyond .* context of {LONG - 1}: .* to {LONG - 1} at most"
    ):
        preflight(ROWS, prompt, 10, context=LONG - 1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ids, labels: (ids[1:], labels[1:]), "differs from the one evaluated"),
        (lambda ids, labels: (ids, ids), "differs from the one evaluated"),
        (lambda ids, labels: (ids[:-1], labels[:-1]), "its end of turn would not be learned"),
        (lambda ids, labels: (ids, [*labels[:-1], MASKED]), "its end of turn would not be learned"),
        (lambda ids, labels: (ids, [*labels[:-3], MASKED, *labels[-2:]]), "part of its solution"),
        (lambda ids, labels: (ids[:-10], labels[:-10]), "field solution is empty"),
    ],
)
def test_spoiled_tokens_are_noticed(prompt: StudentPrompt, spoil, message: str) -> None:
    good = prompt.training(ROWS[0].question, ROWS[0].solution)
    with pytest.raises(UserError, match=message):
        check_tokenized(ROWS[:1], [spoil(*good)], prompt)
