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
        (r"The answer is $1\frac{1}{2}$", Fraction(3, 2)),
        (r"\boxed{1\frac{1}{2}}", Fraction(3, 2)),
        (r"\boxed{1\dfrac12}", Fraction(3, 2)),
        (r"\boxed{1\frac{1}2}", Fraction(3, 2)),
        (r"\boxed{1\frac1{2}}", Fraction(3, 2)),
        (r"**Answer: $2\tfrac{3}{4}$ cups.**", Fraction(11, 4)),
        (r"#### 1\,\frac{1}{2}", Fraction(3, 2)),
        (r"so 1 $\frac{1}{2}$ hours", Fraction(3, 2)),
        (r"\boxed{-1\frac{1}{2}}", Fraction(-3, 2)),
        (r"\boxed{x = -2\frac13}", Fraction(-7, 3)),
        (r"\boxed{1{,}000\frac{1}{2}}", Fraction(2001, 2)),
        (r"\boxed{2\frac{3}{2}}", Fraction(7, 2)),
        (r"\boxed{1\frac{1}{2}} and \boxed{1.5}", Fraction(3, 2)),
        (r"The answer is $1{\frac{1}{2}}$", Fraction(3, 2)),
        (r"The answer is $1 \frac {1} {2}$", Fraction(3, 2)),
        (r"The answer is $1\\frac{1}{2}$", Fraction(3, 2)),
        ("The answer is 1½ cups", Fraction(3, 2)),
        ("\\boxed{-2 ⅔}", Fraction(-8, 3)),
        ("#### -½", Fraction(-1, 2)),
        (r"\boxed{\displaystyle\frac12}", Fraction(1, 2)),
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
        r"The answer is $1\frac{1}{2}$",
        r"The answer is $x\frac{1}{2}$",
        r"The answer is $\pi\frac{1}{2}$",
        r"The answer is $2\cdot\frac12$",
        r"The answer is $2 \cdot \frac12$",
        r"The answer is $2\times\frac{1}{2}$",
        r"The answer is $3.5\frac{1}{2}$",
        r"The answer is 3.5 1/2",
        r"The answer is $2\frac{x}{2}$",
        r"The answer is $2\frac{\sqrt{3}}{2}$",
        r"The answer is $2\frac{1}{0}$",
        r"The answer is $4\frac12\frac12$",
        r"The answer is $\frac{2}{1}\frac{1}{2}$",
        r"The answer is $2\sqrt{3}$",
        r"The answer is $\sqrt{3}$",
        r"\boxed{\sqrt[3]{4}}",
        r"\boxed{4\pi}",
        r"\boxed{1 \quad \frac{1}{2}}",
        r"\boxed{3\quad1/2}",
        r"\boxed{4\text{or}\frac12}",
        r"\boxed{1\frac{1}{2} \text{ or } 2\frac{1}{2}}",
        r"\boxed{x\frac{1}{2}}",
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
        ("#### Step 1: Recall\n...\n#### Conclusion\nThe answer is Paris.", "paris"),
        (
            "#### Step 1: Recall the capital\nIt is old.\n\n#### Conclusion\n\nThe answer is **Paris**.",
            "paris",
        ),
        (
            "#### Photosynthesis\nIt takes light.\n#### Respiration\nIt does not.\n\nThe answer is Paris.",
            "paris",
        ),
        ("## Solution\n#### Photosynthesis\nIt takes light.\n\nThe answer is Paris.", "paris"),
        ("#### Analysis\nThe answer is Paris.\n#### A closer look\nfoo", "paris"),
        ("#### Step 1: Recall\nIt is old.\n#### Paris", "paris"),
        ("#### Step 1\nIt is old.\n\n#### Step 2\nIt is large.\n\n#### Paris\n", "paris"),
        ("#### Recall the capital:\nIt is old.\n#### Paris", "paris"),
        ("#### **Final Answer**\nParis", "paris"),
        ("#### Answer\n\n**Paris.**", "paris"),
        ("#### Answer: Paris\nIt is the capital.", "paris"),
        ("### Answer\nParis", "paris"),
        ("#### Recall the law\nIt is old.\n\nThe answer is Paris.", "paris"),
        ("#### Which one?\nThe answer is Paris.", "paris"),
        ("#### Paris\n\nI hope this helps.", "paris"),
        ("#### Paris\nSo the answer is Paris, on the Seine.", "paris"),
        ("#### Conclusion", "conclusion"),
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
        ("the answer is A because B is too small", "A"),
        ("The answer is A.", "A"),
    ],
)
def test_choices(text: str, letter: str | None) -> None:
    assert chosen(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (C) A decrease in temperature.", "C"),
        ("The answer is **(B) A cat**", "B"),
        ("The answer is **(B)** A cat.", "B"),
        ("The answer is **B**: A cat", "B"),
        ("The answer is (B): **A cat**", "B"),
        (r"\boxed{C) A decrease}", "C"),
        (r"\boxed{\text{(C) A decrease}}", "C"),
        (r"\boxed{\textbf{(C)} \text{A decrease}}", "C"),
        (r"$\boxed{C: \text{A decrease}}$", "C"),
        ("#### C: A decrease", "C"),
        ("#### **C. A decrease.**", "C"),
        ("#### C - A decrease", "C"),
        ("Answer: C) I and II only", "C"),
        ("Answer: (C) I only", "C"),
        ("#### D) I, II, and III", "D"),
        (r"\boxed{\text{(J) I or IV}}", "J"),
        ("#### (H) A 5% increase", "H"),
        ("The answer is C (A decrease).", "C"),
        (r"$\boxed{\textbf{(C)}\ A decrease}$", "C"),
        ("The answer is not A. The answer is B.", "B"),
        ("The answer is not A but B", None),
        ("The answer is (C) because 3 is odd and (B) is even", "C"),
        ("The answer is (C) Rome, and (B) is wrong", "C"),
        ("The answer is (F) A Christmas Carol.", "F"),
        ("Answer: (E) I have a dream", "E"),
        ("#### (G) A t-test", "G"),
        ("The answer is (A) B cells.", "A"),
        ("#### (B) C-reactive protein", "B"),
        ("The answer is (A) A decrease", "A"),
        ("The answer is: A decrease in temperature", None),
        ("#### A decrease in temperature", None),
        ("#### a decrease in temperature", None),
        (r"\boxed{\text{A cat}}", None),
        ("Answer: I and II only", None),
    ],
)
def test_words_of_one_letter_are_no_choice(text: str, letter: str | None) -> None:
    assert chosen(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("#### Step 1: Recall the law\n...\n#### Conclusion\nThe answer is (B).", "B"),
        ("#### Analysis\nThe answer is (B).\n#### A closer look\nfoo", "B"),
        ("#### Analysis\nThe answer is (B).\n\n#### A Closer Look\n\nfoo", "B"),
        ("#### Vitamin C deficiency\nIt harms.\n\nThe answer is (B).", "B"),
        ("#### Step A: eliminate\nD is too small.\n#### Answer\n**(B)**", "B"),
        ("### Step 1\n#### Eliminate A and C\nToo small.\n### Answer\nB", "B"),
        ("### Answer\n\n**(B) A cat**", "B"),
        ("### Answer: **B**", "B"),
        ("#### Answer: B", "B"),
        ("#### Final answer: **B.**\n", "B"),
        ("#### Answer: (B) A cat\n\nIt purrs.", "B"),
        ("#### Step 2: Eliminate A\nToo small.\n#### B", "B"),
        ("#### Option B\nIt purrs.", "B"),
        ("#### Option A: Rome\nNo.\n#### Option B: Paris\nYes.\n\nThe answer is (B).", "B"),
        ("#### A. Rome\nNo.\n\n#### B. Paris\nYes.\n\n**Answer: B**", "B"),
        ("#### B\n\nI hope this helps.", "B"),
        ("The answer is A? No.\n#### B", "B"),
    ],
)
def test_headings_are_no_choice(text: str, letter: str | None) -> None:
    assert chosen(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("the answer is (b).", "B"),
        ("the answer is b.", "B"),
        ("Answer: **c**", "C"),
        ("answer: a", "A"),
        ("The answer is (b), a decrease in temperature.", "B"),
        ("the answer is b) a decrease", "B"),
        ("the answer is option (j).", "J"),
        ("(b)", "B"),
        ("b)", "B"),
        (r"\boxed{b}", "B"),
        ("#### b", "B"),
        ("#### (b) a cat", "B"),
        ("#### b. A cat", "B"),
        ("the answer is (c) vitamin D", "C"),
        (r"\boxed{\text{(c) Vitamin D}}", "C"),
        ("#### (b) A", "B"),
        ("the answer is b - a", None),
        ("the answer is f(a)", None),
        ("the answer is a cat", None),
        ("the answer is a\ncat", None),
        ("the answer is clear from (a)", None),
        ("a", "A"),
        ("a cat", None),
        ("i think not", None),
    ],
)
def test_choices_in_lower_case(text: str, letter: str | None) -> None:
    assert chosen(text) == letter


def chosen(text: str) -> str | None:
    """The one letter for which a response is right."""
    graded = zip("ABCDEFGHIJ", Grader("choice").grade([(text, gold) for gold in "ABCDEFGHIJ"]), strict=True)
    right = [gold for gold, verdict in graded if verdict == "correct"]
    assert len(right) < 2
    return right[0] if right else None


@pytest.mark.parametrize(
    ("gold", "letter"),
    [
        ("(b)", "B"),
        ("b", "B"),
        ("b. Paris", "B"),
        ("a", "A"),
        ("C. A decrease", "C"),
        ("**(C)** A decrease", "C"),
        ("C) I and II only", "C"),
        ("c. a decrease", "C"),
        ("c) Vitamin D", "C"),
        ("C. A decrease\n\nIt cools.", "C"),
        ("Paris", None),
        ("A decrease", None),
        ("a decrease", None),
        ("A or B", None),
        ("a or b", None),
    ],
)
def test_choice_gold(gold: str, letter: str | None) -> None:
    assert choice.gradable(gold) == (letter is not None)
    assert Grader("choice").grade([(letter or "A", gold)]) == ["correct" if letter else "error"]
    [bad] = Grader("choice").check_gold([Example("x", "q", answer=gold)]) or [None]
    assert (bad is None) == (letter is not None)


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
        UserError,
        match=r"test: field 'answer': grader 'numeric' .* question 2, b \('five': error\).* in question 3, c",
    ):
        grader.require_gold(examples, "test")
    grader.require_gold(examples[:1], "test")


def test_an_unknown_grader_is_said() -> None:
    for name in ("maths", "module", "a:b:c", "../x:y", ""):
        with pytest.raises(
            UserError, match="choose math, numeric, exact, choice, code, judge or module:function"
        ):
            Grader(name)


@pytest.mark.parametrize("name", ["numeric", "code"])
def test_rows_without_an_answer_are_told_what_to_set(name: str) -> None:
    rows = [Example("a", "1 + 1?", "#### 2")]
    with Grader(name) as grader:
        with pytest.raises(UserError) as unset:
            grader.require_gold(rows, "test")
        with pytest.raises(UserError) as unmarked:
            grader.require_gold(rows, "test", "boxed")
    assert str(unset.value) == (
        "test: no answer in question 1, a; fill it in, or set data.columns.answer to the column "
        "that has it, or data.columns.answer_from to 'boxed' or '####' where the solution marks it"
    )
    assert str(unmarked.value) == (
        "test: no answer in question 1, a: the solution has no \\boxed{} (data.columns.answer_from: "
        "'boxed'); add the mark, or remove the row"
    )
