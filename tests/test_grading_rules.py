"""The graders that run in this process, and where answers are looked for."""

from fractions import Fraction

import pytest

from stat_train.data.example import Example
from stat_train.data.marks import boxed, hash_marked, stated
from stat_train.errors import UserError
from stat_train.grading import choice, exact, math, numeric
from stat_train.grading.grader import Grader


def test_boxes_are_found_with_their_braces() -> None:
    assert boxed(r"\boxed{\frac{1}{2}} or \fbox{ \} } or \boxed 9 and \boxed{} \boxed{cut {off}") == [
        r"\frac{1}{2}",
        r"\}",
        "9",
    ]


def test_hostile_boxes_take_linear_time() -> None:
    assert boxed("\\boxed{" * 100_000) == []
    assert boxed("\\boxed{x}" * 10_000) == ["x"] * 10_000
    assert boxed("\\boxed" + "{" * 200_000 + "}" * 200_000)[0].startswith("{{")


def test_marks_and_statements() -> None:
    assert hash_marked("a\n#### 5\n ####6 \n##### no\n####\n") == ["5", "6"]
    assert stated("The answer is 3.5 kg. So the final answer: **x**\nAnswers are 3 or 4") == [
        "3.5 kg",
        "x",
        "3 or 4",
    ]
    assert stated("The answer to the question is Paris.") == ["Paris"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 + 2 = 6\n24 / 6 = 4\n#### 4", 4),
        ("#### 5 apples", 5),
        ("The answer is $1,234.50.", Fraction(2469, 2)),
        (r"so \boxed{\dfrac{-3}{4}}", Fraction(-3, 4)),
        (r"so \boxed{-\frac34}", Fraction(-3, 4)),
        ("1 1/2 cups", Fraction(3, 2)),
        ("-1 1/2 degrees", Fraction(-3, 2)),
        ("The answer is 4 + 2 = 6", 6),
        ("The final answer is that 5 boys came, since 3 left.", 5),
        ("- 5 apples", 5),
        ("= - 5", -5),
        ("−5", -5),
        (r"\$1{,}000", 1000),
        ("an area of 25 m^2", 25),
        (r"\boxed{3} and again \boxed{3.0}", 3),
        (r"\boxed{x = 12 \text{ cm}}", 12),
        ("Answer: **12**", 12),
        ("#### Step 1: add\n#### 7", 7),
        (".5", Fraction(1, 2)),
        ("2e3", 2000),
    ],
)
def test_numbers_are_read(text: str, value: int | Fraction) -> None:
    answer = numeric.extract(text)
    assert answer is not None
    assert numeric.parse(answer) == (value, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "The answer is 3 or 4.",
        "The answer is 3 apples or 4 apples",
        "the answer is $3$ or $4$",
        r"\boxed{3} then \boxed{4}",
        "#### 3\n\n#### 4",
        "3, 4",
        "so 3 + 1",
        "The answer is 3:4",
        "at 2:3",
        "2/0",
        "3/0/4",
        "1e999999999",
        "9" * 5000,
    ],
)
def test_what_is_not_one_number_is_right_for_none(text: str) -> None:
    assert Grader("numeric").grade([(text, gold) for gold in ("3", "4", "0", "1", "2", "9")]) == ["wrong"] * 6


def test_numbers_are_equal_by_value() -> None:
    for a, b in [
        ("1,234", "1234.0"),
        ("$5", "5 dollars"),
        ("3/4", ".75"),
        ("50%", "0.5"),
        ("50 percent", "50"),
    ]:
        assert numeric.same(a, b), (a, b)
        assert numeric.same(b, a), (a, b)
    for a, b in [
        ("0.333", "1/3"),
        ("50%", "5"),
        ("-5", "5"),
        ("1,234", "1.234"),
        ("5", "five"),
        ("50%", "0.5%"),
    ]:
        assert not numeric.same(a, b), (a, b)


def test_a_gold_answer_without_a_number_is_an_error_not_wrong() -> None:
    assert Grader("numeric").grade([("5", "five"), ("5", ""), ("5", "3 or 5")]) == ["error"] * 3


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("I think so.\n\nParis.\n", "paris"),
        ("The answer is  “the  Seine”, of course.\nYes", "the seine”, of course"),
        (r"\boxed{\text{Paris}}", "paris"),
        ("#### Ｐａｒｉｓ", "paris"),
    ],
)
def test_exact_answers(text: str, answer: str) -> None:
    assert exact.normalise(exact.extract(text) or "") == answer
    assert Grader("exact").grade([(text, answer)]) == ["correct"]


def test_exact_wavering_is_wrong() -> None:
    assert Grader("exact").grade([("The answer is Paris or Rome", "Paris"), ("\n", "Paris"), ("x", "")]) == [
        "wrong",
        "wrong",
        "error",
    ]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B).", "B"),
        ("Answer: C", "C"),
        (r"\boxed{\text{(D)}}", "D"),
        ("#### E", "E"),
        ("B. Paris", "B"),
        ("(A) is wrong, so (C)", "C"),
        ("the correct answer is B because A is too small", "B"),
        ("A boy sees a cat", None),
        ("The answer is A or B", None),
        (r"\boxed{A} \boxed{B}", None),
        ("I do not know", None),
    ],
)
def test_choices(text: str, letter: str | None) -> None:
    verdicts = Grader("choice").grade([(text, gold) for gold in "ABCDE"])
    assert verdicts == ["correct" if gold == letter else "wrong" for gold in "ABCDE"]


def test_choice_gold() -> None:
    assert choice.gradable("(b)")
    assert Grader("choice").grade([("#### B", "b. Paris"), ("#### B", "Paris")]) == ["correct", "error"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"The answer is $\frac{1}{2}$.", r"\frac{1}{2}"),
        ("The answer is (3, 4).", "(3, 4)"),
        (r"the answer is 2\sqrt{3}.", r"2\sqrt{3}"),
        ("The answer is 5 apples", "5"),
        ("The answer is 3 or 4.", "3 or 4"),
        ("It is $2$ or $3$.", "2 or 3"),
        (r"so x = 2\sqrt{3}", None),
        (r"first \boxed{1}, then \boxed{2}", "1 or 2"),
        ("12 left, so 5", "5"),
        ("nothing", None),
    ],
)
def test_formulas_are_found(text: str, answer: str | None) -> None:
    assert math.extract(text) == answer


def test_votes_are_grouped_by_value() -> None:
    assert Grader("numeric").groups(["3/4", None, "0.75", "5", "3 or 4", "75%"]) == [0, None, 0, 1, 2, 0]
    assert Grader("numeric").same("3/4", "0.75")
    assert not Grader("numeric").same("3", "4")


def test_gold_that_fails_its_own_grader_is_named() -> None:
    examples = [Example("a", "q", answer="5 (apples)"), Example("b", "q", answer="five"), Example("c", "q")]
    grader = Grader("numeric")
    assert [(bad.id, bad.answer, bad.verdict) for bad in grader.check_gold(examples)] == [
        ("b", "five", "error"),
        ("c", None, "error"),
    ]
    with pytest.raises(
        UserError, match=r"test: field 'answer': grader 'numeric' .* b \('five': error\), c \(None"
    ):
        grader.require_gold(examples, "test")
    grader.require_gold(examples[:1], "test")


def test_an_unknown_grader_is_said() -> None:
    for name in ("maths", "module", "a:b:c", "../x:y", ""):
        with pytest.raises(
            UserError, match="choose math, numeric, exact, choice, code, judge or module:function"
        ):
            Grader(name)
