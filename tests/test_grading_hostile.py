"""Answers made to stall a grader, crash it, or take its neighbours down: none does."""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from stat_train.grading.grader import Grader

LONG = 100_000
HOSTILE = {
    "tower of powers": r"\boxed{9^{9^{9^{9}}}}",
    "tower in code": "The answer is 9**9**9**9",
    "factorial": r"\boxed{(9!)!!}",
    "nested fractions": r"\boxed{" + r"\frac{1}{" * 20_000 + "2" + "}" * 20_000 + "}",
    "fractions that fit": r"\boxed{" + r"\frac{1}{" * 150 + "2" + "}" * 150 + "}",
    "braces": r"\boxed{" + "{" * 50_000 + "}" * 50_000 + "}",
    "open braces": r"\boxed" + "{" * LONG,
    "open boxes": r"\boxed{" * 15_000,
    "nested boxes": r"\boxed{" * 12_000 + "9" + "}" * 12_000,
    "many boxes": r"\boxed{8}\boxed{9}" * 5_000,
    "LaTeX": r"\boxed{" + r"\frac12+" * 12_000 + "1}",
    "LaTeX commands": r"\text{" * 16_000,
    "huge integer": "9" * LONG,
    "huge integer boxed": r"\boxed{" + "9" * LONG + "}",
    "huge exponent": "1e999999999",
    "many decimals": "The answer is 0." + "9" * LONG,
    "thousands": "1" + ",000" * 25_000,
    "space in a box": r"\boxed{8" + " " * LONG + "9}",
    "space": "The answer is" + " " * LONG,
    "space behind `to`": "answer to " + " " * LONG,
    "statements": "the answer is 9 " * 6_000,
    "statements with open math": r"the answer is \( " * 5_500,
    "digits and a word": "The answer is " + "1" * 900 + " apples",
    "a list and a word": "The answer is " + "12, " * 200 + "and apples",
    "signs": "the answer is 1" + "--1" * 300 + "x",
    "unmarked signs": "1" + "--1" * 30_000 + "x",
    "dollars": "$" * LONG + "x",
    "dollars in a box": r"\boxed{" + "$" * LONG + "x}",
    "parentheses": "(" * LONG,
    "parentheses in a box": r"\boxed{" + "(" * LONG + "}",
    "parentheses marked": "#### " + "(" * LONG,
    "indented": " " * LONG + "#### ",
    "stars": "answer " + "*" * LONG,
    "lines": "\n" * LONG,
    "letters": "A\n" * 50_000 + "B",
    "marked lines": "#### 8\n#### 9\n" * 7_000,
    "marked lines with text": "#### A cat\nthe answer is 9\n" * 3_000,
    "headings": "#### Step 1\nx\n" * 7_000,
    "a heading of colons": "#### " + ": " * 50_000 + "x\ny",
    "a heading of one word": "#### " + "the " * 25_000 + "\ny",
    "articles": "#### (D) " + "A " * 50_000 + "cat",
    "words of one letter": "the answer is (d) " + "a " * 50_000 + "cat",
    "letters offered": "#### d" + " or d" * 20_000,
    "letters far apart": "the answer is (D) " + "word " * 20_000 + "or (E)",
    "letters, and much space": "#### D" + " " * LONG + "or E",
    "mixed numbers": r"\boxed{" + r"8\frac12" * 10_000 + "}",
    "products": "the answer is 8" + r"\cdot 8" * 14_000,
    "fractions of digits": "the answer is 8" + "½" * LONG,
    "fractions cut off": "the answer is 8" + r"\frac{1}{" * 12_000,
    "words and fractions": "the answer is " + r"x\frac{1}{2} " * 7_000,
    "roots": r"\boxed{" + r"8\sqrt{" * 14_000 + "}",
    "a product of fractions": r"the answer is 8" + r"\frac{1}{2}" * 9_000,
    "alternatives": r"\boxed{" + "8 or " * 20_000 + "9}",
    "backslashes": "\\" * LONG,
    "one word": "a" * LONG + "!",
    "ligatures that grow eighteenfold": "\ufdfa" * 30_000,
    "combining marks": "a" + "\u0301" * LONG,
    "zero bytes": "\0" * LONG,
    "half a surrogate pair": "so \ud800 \\boxed{\ud800}",
    "Arabic digits": "٩" * LONG,
}
GIVEN_UP_AFTER_S = 120


@pytest.fixture(autouse=True)
def _no_stall() -> Iterator[None]:
    """A grader that hangs fails here and does not hang the tests."""

    def stalled(number: int, frame: FrameType | None) -> None:
        raise AssertionError("a grader stalled")

    before = signal.signal(signal.SIGALRM, stalled)
    signal.alarm(GIVEN_UP_AFTER_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("name", "right", "gold"),
    [("numeric", "#### 7", "7"), ("exact", "#### Paris", "Paris"), ("choice", "#### C", "C")],
)
def test_in_this_process(name: str, right: str, gold: str) -> None:
    grader = Grader(name)
    pairs = [pair for text in HOSTILE.values() for pair in ((text, gold), (right, gold))]
    assert grader.grade(pairs) == ["wrong", "correct"] * len(HOSTILE)
    assert len(grader.groups([grader.extract(text) for text in HOSTILE.values()])) == len(HOSTILE)


@pytest.mark.parametrize("name", ["numeric", "exact", "choice"])
def test_as_gold_they_stall_nothing(name: str) -> None:
    for text in HOSTILE.values():
        [verdict] = Grader(name).grade([("#### 7", text)])
        assert verdict in ("wrong", "error")


def test_in_workers_of_math() -> None:
    with Grader("math", timeout_s=0.5, workers=2) as grader:
        pairs = [pair for text in HOSTILE.values() for pair in ((text, "3"), (r"\boxed{3.0}", "3"))]
        verdicts = dict(zip(HOSTILE, zip(*[iter(grader.grade(pairs))] * 2, strict=True), strict=True))
        assert {neighbour for _, neighbour in verdicts.values()} == {"correct"}
        assert "correct" not in {verdict for verdict, _ in verdicts.values()}
        assert verdicts["tower of powers"][0] == "timeout"
        assert verdicts["LaTeX"][0] == "error"


def test_in_the_sandbox(programs_run: None) -> None:
    right = "```python\nx = 3\n```"
    with Grader("code", timeout_s=1.0, workers=2) as grader:
        pairs = [
            pair for text in HOSTILE.values() for pair in ((text, "assert x == 3"), (right, "assert x == 3"))
        ]
        assert grader.grade(pairs) == ["wrong", "correct"] * len(HOSTILE)
        blocks = [grader.extract(f"```\n{text}\n```") for text in HOSTILE.values()]
        assert len(grader.groups(blocks)) == len(HOSTILE)


def test_in_workers_of_a_users_function(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("users")
    (folder / "users_hostile.py").write_text("def grade(response, gold):\n    return response == gold\n")
    monkeypatch.chdir(folder)
    with Grader("users_hostile:grade", workers=1) as grader:
        pairs = [pair for text in HOSTILE.values() for pair in ((text, "3"), ("3", "3"))]
        assert grader.grade(pairs) == ["wrong", "correct"] * len(HOSTILE)
