"""A response that offers several different answers is right for none of them, whatever the grader.

A reward that can be had by naming every candidate teaches to name every candidate.
"""

from collections.abc import Iterator

import pytest

from stat_train.grading.grader import Grader

NUMBERS = [
    "The answer is 3 or 4.",
    "The answer is 3 or 4 apples",
    "The answer is 3 apples or 4 apples.",
    "The answer is either 3 or 4.",
    "The answer is 3 (or 4).",
    "The answer is 3, or maybe 4.",
    "The answer is 3 vs 4",
    "The answer is 3; 4",
    "The answer is 3, 4",
    "The answer is 3. No, the answer is 4.",
    "The answer is 4.\nThe answer is 3.",
    "the answer is $3$ or $4$",
    "It is $3$ or $4$.",
    "#### 3\n#### 4",
    "#### 3 or 4",
    r"\boxed{3} \boxed{4}",
    r"\boxed{4}, hence \boxed{3}",
    r"first \boxed{3}." + "\n" * 50 + r"then \boxed{4}.",
    r"\boxed{3 \text{ or } 4}",
    r"\boxed{3\text{ or }4}",
    r"\boxed{3 \quad \text{or} \quad 4}",
    r"\boxed{3 \lor 4}",
    r"\boxed{3 \vee 4}",
    r"\boxed{3, 4}",
    r"\boxed{3; 4}",
    r"\boxed{3 \quad 4}",
    r"\boxed{3 \text{ (or } 4)}",
    r"\boxed{\{3, 4\}}",
    r"\boxed{\text{3 or 4}}",
    r"\boxed{x = 3 \text{ or } x = 4}",
    r"\boxed{\boxed{3} \boxed{4}}",
    r"\boxed 3 and \boxed 4",
    r"\fbox{3} and \boxed{4}",
    r"\boxed{3\frac{1}{2}} \boxed{4}",
    r"\boxed{3 \text{ or } 4\frac{1}{2}}",
]
LETTERS = [
    "The answer is A or B.",
    "The answer is (A), (B)",
    "Either (A) or (B)",
    "(A) or (B)",
    "(A)/(B)",
    "The answer is A. The answer is B.",
    "#### A\n#### B",
    r"\boxed{A} \boxed{B}",
    r"\boxed{A} \boxed{A or B}",
    r"\boxed{\text{A or B}}",
    r"\boxed{A \text{ and } B}",
    "The answer is (A) (B)",
    "The answer is B or A",
    "The answer is B or A depending on the case",
    "The answer is A and B",
    "The answer is B, A",
    "The answer is B, A too",
    "The answer is (B) A",
    "The answer is (B) A or C",
    "The answer is (B) A too",
    "The answer is (B) A is right as well",
    "The answer is A assuming heat, otherwise B",
    "The answer is (A) & (B)",
    "The answer is A; B",
    "The answer is A and/or B",
    "The answer is A or maybe B",
    "The answer is option A or option B",
    "The answer is (A) Paris or (B) Rome",
    "The answer is (A) the city of Paris, or perhaps (B) the city of Rome",
    "The answer is A) Paris or B) Rome",
    "The answers are (A) Paris and (B) Rome.",
    "the answers are (a) Paris and (b) Rome.",
    "#### (a) Paris, (b) Rome",
    "The answer is **A** or **B**",
    "the answer is (a) or (b).",
    "the answer is (b), (a)",
    "the answer is (b) or A",
    "the answer is (a) Paris or (b) Rome",
    "(a) Paris or (b) Rome",
    "a or b",
    "b) or a)",
    "the answer is a or b",
    "the answer is a) or b",
    "the answer is (a)/(b)",
    "the answer is a, b",
    "#### (a) or (b)",
    "#### a or b",
    r"\boxed{a or b}",
    r"\boxed{a, b}",
    r"\boxed{(B) A}",
    r"\boxed{B: A}",
    r"\boxed{B. A too}",
    "#### A\n\n#### B",
    "#### A\nIt purrs.\n#### B",
    "#### A\nIt purrs.\n#### B\nIt barks.",
    "#### A\nThe answer is B.",
    "#### A\n#### B\nThe answer is B.",
    "#### Option A\nIt purrs.\n#### Option B",
    "#### A. Paris\nThe answer is (B).",
    "#### Step 1\nThe answer is A.\n#### Step 2\nThe answer is B.",
]
TEXTS = [
    "The answer is Paris or Rome.",
    "The answer is Paris. The answer is Rome.",
    "Paris or Rome",
    "#### Paris\n#### Rome",
    r"\boxed{\text{Paris}} \boxed{\text{Rome}}",
    r"\boxed{\boxed{Paris} \boxed{Rome}}",
    "#### Paris\n\n#### Rome",
    "#### Paris\nIt is old.\n#### Rome",
    "#### Paris\nIt is old.\n#### Rome\nIt is older.",
    "#### Step 1: Recall\nIt is old.\n#### Paris\n#### Rome",
    "#### Step 1: Recall\nIt is old.\n#### Paris\nIt is older.\n#### Rome",
    "#### Paris\nThe answer is Rome.",
    "#### Answer: Paris\nIt is old.\n#### Rome",
    "#### Answer: Paris\nThe answer is Rome.",
    "#### Step 1: Recall\nThe answer is Paris.\n#### Conclusion\nThe answer is Rome.",
]
AGREEING = [
    r"\boxed{3} and again \boxed{3}",
    r"\boxed{\boxed{3}}",
    r"\boxed{3.0}, that is \boxed{3}",
    "The answer is 3. So the final answer is 3.",
    r"I first had 4, but the answer is \boxed{3}.",
    r"\boxed{3 \text{ cm}^{2}}",
    r"\boxed{3\text{ cm}^2}",
    "#### 3",
]


@pytest.fixture(scope="module")
def math() -> Iterator[Grader]:
    with Grader("math", timeout_s=5.0, workers=1) as grader:
        yield grader


@pytest.fixture
def grader(request: pytest.FixtureRequest) -> Grader:
    return request.getfixturevalue("math") if request.param == "math" else Grader(request.param)


@pytest.mark.parametrize(
    ("grader", "responses", "golds"),
    [
        ("math", NUMBERS, ("3", "4")),
        ("numeric", NUMBERS, ("3", "4")),
        ("choice", LETTERS, ("A", "B")),
        ("exact", TEXTS, ("Paris", "Rome")),
    ],
    indirect=["grader"],
)
def test_several_answers_are_right_for_none(
    grader: Grader, responses: list[str], golds: tuple[str, str]
) -> None:
    asked = [(response, gold) for response in responses for gold in golds]
    earned = [pair for pair, verdict in zip(asked, grader.grade(asked), strict=True) if verdict != "wrong"]
    assert earned == []


@pytest.mark.parametrize("grader", ["math", "numeric"], indirect=True)
def test_one_answer_written_twice_is_one_answer(grader: Grader) -> None:
    verdicts = grader.grade([(response, "3") for response in AGREEING])
    assert [
        response for response, verdict in zip(AGREEING, verdicts, strict=True) if verdict != "correct"
    ] == []


def test_all_answers_together_are_right_where_the_gold_has_as_many(math: Grader) -> None:
    pairs = [(r"\boxed{1} or \boxed{-2}", "1,-2"), (r"\boxed{1 \text{ or } -2}", r"1 \text{ or } -2")]
    assert math.grade(pairs) == ["correct", "correct"]
    assert math.grade([(response, "1") for response, _ in pairs]) == ["wrong", "wrong"]
