"""Splits and decontamination."""

import json
import random
from pathlib import Path

import pytest

from stat_train.data.decontamination import DecontaminationOptions, remove_contaminated
from stat_train.data.example import Example
from stat_train.data.normalise import normalise_question
from stat_train.data.splits import check_disjoint, split_examples, without_repeats
from stat_train.errors import UserError

SHARED = Path(__file__).parents[2] / "shared" / "data"


def examples(*questions: str, prefix: str = "r") -> list[Example]:
    return [Example(f"{prefix}{place}", question) for place, question in enumerate(questions)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"What is $\dfrac{1}{2}+x^{2}$?", r"what is \(\frac12 + x^2\)"),
        (r"Compute $\left(3,\, 4\right)$.", "Compute $(3,4)$"),
        ("He has 1,000 apples", "He  has\n1000 apples."),
        (r"$1{,}234$ men", "1,234 men"),
        ("x² + ½ ≤ π", r"$x^2 + 1/2 \leq \pi$"),
        ("3 × 4 − 1", r"$3 \times 4 - 1$"),
        ("It costs $5.", r"It costs \$5"),
        (r"an area of $5\text{ cm}^2$", "an area of 5 cm^2"),
        ("“Ａ”", '"a"'),
        ("**Find** it: 90°", r"find it: $90^\circ$"),
        (r"$2^{3}5^{2}$", "$2^3 5^2$"),
        (r"$\log_{2}8$", r"$\log_2 8$"),
        ("1. x³\n2. x", "1. $x^3$\n2. $x$"),
    ],
)
def test_spellings_of_one_question_are_one(one: str, other: str) -> None:
    assert normalise_question(one) == normalise_question(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 2", "12"),
        ("x^{12}", "x^12y"),
        ("x^{12}", "x^1 2"),
        (r"\frac{1}{23}", r"\frac{12}{3}"),
        ("2*3**2", "2*32"),
        ("3 - 4", "3 + 4"),
        (r"a \leftarrow b", "a b"),
        ("1.5", "15"),
    ],
)
def test_different_questions_stay_different(one: str, other: str) -> None:
    assert normalise_question(one) != normalise_question(other)


LONG = "a train leaves the old station at noon and travels north for {} hours at {} miles per hour so how far"


def test_an_evaluation_question_is_removed_however_it_is_spelt() -> None:
    rows = examples("What is  $2+2$ ?", "What is 3+3?", "WHAT IS 2 + 2.")
    clean = remove_contaminated(rows, {"test": examples("What is 2+2?", prefix="t")})
    assert [row.id for row in clean.kept] == ["r1"]
    assert [row.id for row in clean.removed] == ["r0", "r2"]
    assert [(h.id, h.rule, h.split, h.matched_id) for h in clean.hits if h.removed] == [
        ("r0", "exact", "test", "t0"),
        ("r2", "exact", "test", "t0"),
    ]
    assert [(h.id, h.rule) for h in clean.hits if not h.removed] == [("r1", "numbers")]


def test_near_rules_report_remove_or_are_off() -> None:
    against = {"val": examples("other", prefix="v"), "test": examples(LONG.format(3, 50), prefix="t")}
    variant = LONG.format(4, 60)
    eight = "we know it travels north for 3 hours at 50 miles by day"
    thirteen = " ".join(LONG.format(3, 50).split()[:13])
    rows = examples(variant, eight, thirteen, "nothing shared")

    def rules(**options: str) -> tuple[list[str], set[tuple[str, str]]]:
        clean = remove_contaminated(rows, against, DecontaminationOptions(**options))
        assert all((hit.split, hit.matched_id) == ("test", "t0") for hit in clean.hits)
        return [row.id for row in clean.kept], {(hit.id, hit.rule) for hit in clean.hits}

    everything = {
        ("r0", "numbers"),
        ("r0", "ngram_8"),
        ("r1", "ngram_8"),
        ("r2", "ngram_8"),
        ("r2", "ngram_13"),
    }
    assert rules() == (["r0", "r1", "r2", "r3"], everything)
    assert rules(numbers="remove") == (["r1", "r2", "r3"], everything)
    assert rules(ngram_8="remove", numbers="off") == (["r3"], everything - {("r0", "numbers")})
    assert rules(ngram_8="off", numbers="off", ngram_13="off") == (["r0", "r1", "r2", "r3"], set())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"Find $\frac{1}{2} + 3x$.", r"Find $\frac{13}{20} + 7x$."),
        (r"Find $\frac12 x^2$.", r"Find $\frac{11}{20} x^{14}$."),
        ("Where is (8,9)?", "Where is (182,397)?"),
        ("The costs are 3, 5 and 9.", "The costs are 1,300, 12 and 7.5."),
    ],
)
def test_numbers_are_seen_as_numbers_however_long_they_are(one: str, other: str) -> None:
    cleaned = remove_contaminated(examples(one), {"test": examples(other)})
    assert [hit.rule for hit in cleaned.hits] == ["numbers"]
    assert not remove_contaminated(examples(one + " Why?"), {"test": examples(other)}).hits


def test_ngrams_agree_with_a_plain_search() -> None:
    generator = random.Random(0)

    def text() -> str:
        return " ".join(generator.choice("abc") for _ in range(generator.randrange(3, 25)))

    against, rows = (
        examples(*(text() for _ in range(40)), prefix="t"),
        examples(*(text() for _ in range(300))),
    )

    def grams(question: str) -> set[tuple[str, ...]]:
        tokens = question.split()
        return {tuple(tokens[start : start + 8]) for start in range(len(tokens) - 7)}

    planted = set().union(*(grams(row.question) for row in against))
    clean = remove_contaminated(rows, {"test": against})
    by_question = {row.id: row.question for row in (*rows, *against)}
    hits = {hit.id: hit.matched_id for hit in clean.hits if hit.rule == "ngram_8"}
    exact = {hit.id for hit in clean.hits if hit.rule == "exact"}
    assert set(hits) == {row.id for row in rows if grams(row.question) & planted} - exact
    assert len(hits) > 5
    assert all(grams(by_question[row]) & grams(by_question[match]) for row, match in hits.items())


def test_without_evaluation_questions_all_is_kept() -> None:
    assert remove_contaminated(examples("a", "b"), {"test": []}).kept == examples("a", "b")


def test_no_math_validation_question_stands_in_the_training_split() -> None:
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data")

    def read(name: str) -> list[Example]:
        lines = (SHARED / name).read_text().splitlines()
        return examples(*(json.loads(line)["question"] for line in lines), prefix=name)

    validation, train = read("math_val.jsonl"), read("math_train.jsonl")[:1500]
    planted = [
        Example(f"p{place}", row.question.replace("\\frac", "\\dfrac ") + " ")
        for place, row in enumerate(validation)
    ]
    clean = remove_contaminated([*train, *planted], {"val": validation})
    assert clean.kept == train


def test_splits_are_seeded_disjoint_and_of_the_sizes_asked() -> None:
    rows = examples(*(f"question {n // 2}{' ' * (n % 2)}?" for n in range(100)))
    splits = split_examples(rows, {"test": 20, "val": 10, "train": None}, seed=1)
    assert {name: len(split) for name, split in splits.items()} == {"test": 20, "val": 10, "train": 70}
    check_disjoint(splits)
    assert sorted(row.id for split in splits.values() for row in split) == sorted(row.id for row in rows)
    shuffled = split_examples(rows[::-1], {"test": 20, "val": 10, "train": None}, seed=1)
    assert [row.id for row in shuffled["test"]] == [row.id for row in splits["test"]][::-1]
    assert split_examples(rows, {"test": 20}, seed=2)["test"] != splits["test"]


def test_too_few_examples_are_said() -> None:
    with pytest.raises(UserError, match="2 examples are too few: test lacks 1"):
        split_examples(examples("a", "b"), {"test": 3}, seed=0)
    with pytest.raises(UserError, match="a and b both take what is left"):
        split_examples(examples("a"), {"a": None, "b": None}, seed=0)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        (
            {"val": 50, "train": None},
            "equal questions stay together, and val cannot be exactly 50; .* 48 or 52",
        ),
        ({"test": 2, "train": None}, "test cannot be exactly 2; ask for test 4$"),
        ({"val": 50, "test": 30}, "val cannot be exactly 50 and test .* 30; ask for val 48 and test 28"),
        ({"val": -1, "train": None}, "val has the size -1; give a whole number from 0"),
        ({"val": 0.5, "train": None}, "val has the size 0.5; give a whole number from 0"),
    ],
)
def test_sizes_that_cannot_be_drawn_are_said(sizes: dict[str, int | None], told: str) -> None:
    rows = examples(*(f"question {n // 4}{' ' * (n % 4)}?" for n in range(400)))
    with pytest.raises(UserError, match=told):
        split_examples(rows, sizes, seed=0)


def test_a_shared_question_is_named() -> None:
    with pytest.raises(UserError, match=r"'pool' and 'test' share 1 question\(s\), such as id p1 and id t0"):
        check_disjoint({"pool": examples("x", "What?", prefix="p"), "test": examples("what", prefix="t")})


def test_of_equal_questions_the_first_row_is_kept() -> None:
    first, *others = examples("What is $1,000$?", "Other?", "what is 1000", "Other?")
    assert without_repeats([first, *others]) == [first, others[0]]
