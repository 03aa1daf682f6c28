"""Splits whose files name their columns otherwise than the others."""

from pathlib import Path

import pytest

from stat_train.data.jsonl import write_jsonl
from stat_train.data.reading import read_examples
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe

ROOT = Path(__file__).parents[1]


def recipe(folder: Path, *overrides: str) -> Recipe:
    """The sample's recipe with a test split of other columns."""
    write_jsonl(
        folder / "contest.jsonl",
        [{"problem": f"What is 400 + {n}?", "final": str(400 + n)} for n in range(3)],
    )
    lines = [f"run_dir={folder / 'run'}", f"data.evaluation={{contest: {folder / 'contest.jsonl'}}}"]
    return read_recipe(ROOT / "recipes" / "own_data.yaml", [*lines, *overrides])


def test_a_split_is_read_by_its_own_columns(tmp_path: Path) -> None:
    own = "data.columns_of={contest: {question: problem, answer: final}}"
    data = run_recipe(recipe(tmp_path, own), "data")["data"]
    contest = read_examples(data.file("contest.jsonl"))
    assert [(its.question, its.answer) for its in contest[:1]] == [("What is 400 + 0?", "400")]
    assert read_examples(data.file("pool.jsonl"))[0].solution
    with pytest.raises(UserError, match=r"contest: .*no column 'question' for question; columns there"):
        run_recipe(recipe(tmp_path), "data")


def test_a_split_without_answers_is_told_by_where_its_own_are(tmp_path: Path) -> None:
    boxed = "data.columns_of={contest: {question: problem, solution: final, answer_from: boxed}}"
    with pytest.raises(UserError, match=r"^contest: .*boxed"):
        run_recipe(recipe(tmp_path, boxed), "data")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("{tset: {question: a}}", "columns_of: no split 'tset'; the splits are pool, validation, "),
        ("{contest: {questoin: a}}", "data.columns_of.contest.questoin: unknown key; did you mean question?"),
        ("{contest: problem}", "data.columns_of.contest: "),
    ],
)
def test_a_fault_in_them_is_one_line(tmp_path: Path, own: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        recipe(tmp_path, f"data.columns_of={own}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
