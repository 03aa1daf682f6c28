"""Difficult questions by gold, consistency and length; steps; agreement with gold."""

import io

import pytest
from rich.console import Console

from stat_train.data.example import Example
from stat_train.difficulty.agreement import GoldAgreement, agreement_table, gold_agreement
from stat_train.difficulty.difficult import Difficulty, find_difficult
from stat_train.difficulty.options import DifficultyOptions
from stat_train.difficulty.steps import split_steps
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.student.response import Response


class LastWord:
    """A grader: the answer is the last word; 0.5 and 1/2 are the same."""

    def extract(self, text):
        return text.split()[-1] if text.split() else None

    def same(self, a, b):
        return a == b or {a, b} == {"1/2", "0.5"}

    def groups(self, answers, question):
        spelled = ["1/2" if answer == "0.5" else answer for answer in answers]
        numbers = {answer: n for n, answer in enumerate(dict.fromkeys(filter(None, spelled)))}
        return [numbers.get(answer) for answer in spelled]

    def grade(self, pairs, questions):
        verdicts = {"hang": "timeout", "break": "error"}
        return [
            verdicts.get(self.extract(text), "correct" if self.same(self.extract(text), gold) else "wrong")
            for text, gold in pairs
        ]


FIVE = (0, 1, 2, 3, 4)


def find(texts, method, answer="0.5", **options):
    """`texts`: question id -> its samples' texts."""
    examples = [Example(id, "?", answer=answer) for id in texts]
    responses = [
        Response(id, sample, text, "stop", 1)
        for id, said in texts.items()
        for sample, text in enumerate(said)
    ]
    return find_difficult(examples, responses[::-1], DifficultyOptions(method=method, **options), LastWord())


def test_gold_is_the_graded_answer():
    assert find({"a": ["is 1/2"], "b": ["is 2"], "c": ["hang"], "d": ["break"]}, "gold") == [
        Difficulty("a", False, 1.0, 0, ()),
        Difficulty("b", True, 0.0, 0, (0,)),
        Difficulty("c", True, 0.0, 0, (0,)),
        Difficulty("d", True, 0.0, 0, (0,)),
    ]


def test_gold_of_several_samples_goes_by_the_share_and_shows_the_first_wrong_one():
    texts = {"a": ["0.5", "1", "0.5", "2"], "b": ["0.5", "1", "3", "2"]}
    assert find(texts, "gold") == [
        Difficulty("a", False, 0.5, 1, (1, 3)),
        Difficulty("b", True, 0.25, 1, (1, 2, 3)),
    ]
    assert [d.difficult for d in find(texts, "gold", gold_share=1.0)] == [True, True]


def test_consistency_counts_equal_answers_as_votes_for_one():
    texts = {
        "a": ["7", "1/2", "8", "9", "0.5"],
        "b": ["1", "2", "3", "4", "5"],
        "c": ["", "", "", "", ""],
        "d": ["", "3", "", "3", "3"],
    }
    assert find(texts, "consistency") == [
        Difficulty("a", False, 0.4, 1, FIVE),
        Difficulty("b", True, 0.2, 0, FIVE),
        Difficulty("c", True, 0.0, 0, FIVE),
        Difficulty("d", False, 0.6, 1, FIVE),
    ]
    assert [d.difficult for d in find(texts, "consistency", min_votes=3)] == [True, True, True, False]


def test_the_real_grader_serves_gold_and_votes():
    texts = {"a": ["The answer is 0.5", "so x = 1/2", "7"], "b": ["1", "2", "3"]}
    examples = [Example(id, "?", answer="1/2") for id in texts]
    responses = [
        Response(id, sample, text, "stop", 1)
        for id, said in texts.items()
        for sample, text in enumerate(said)
    ]
    with Grader("numeric") as grader:
        gold, votes = (
            find_difficult(examples, responses, DifficultyOptions(method=method), grader)
            for method in ("gold", "consistency")
        )
    assert gold == [Difficulty("a", False, 2 / 3, 2, (2,)), Difficulty("b", True, 0.0, 0, (0, 1, 2))]
    assert votes == [
        Difficulty("a", False, 2 / 3, 0, (0, 1, 2)),
        Difficulty("b", True, 1 / 3, 0, (0, 1, 2)),
    ]


def test_length_counts_words_on_average_and_shows_the_longest():
    texts = {"a": ["w " * 800], "b": ["w " * 799], "c": ["w", "w " * 1700]}
    assert find(texts, "length") == [
        Difficulty("a", True, 800.0, 0, (0,)),
        Difficulty("b", False, 799.0, 0, (0,)),
        Difficulty("c", True, 850.5, 1, (0, 1)),
    ]
    assert [d.difficult for d in find(texts, "length", words=799)] == [True, True, True]


def test_what_a_method_lacks_is_said():
    with pytest.raises(UserError, match=r"'a' has 1 sampled answer\(s\), fewer than `min_votes` 2"):
        find({"a": ["x"]}, "consistency")
    with pytest.raises(UserError, match="'a' has no answer to grade against"):
        find({"a": ["x"]}, "gold", answer=None)
    with pytest.raises(UserError, match="'b' has no response; finish the answer stage"):
        find_difficult([Example("b", "?")], [], DifficultyOptions(method="length"))
    with pytest.raises(UserError, match="'gold' needs a grader"):
        find_difficult([], [], DifficultyOptions(method="gold"))


@pytest.mark.parametrize(
    ("response", "steps"),
    [
        ("one\ntwo\n\nthree\n  \n\nfour\n", ["one\ntwo", "three", "four"]),
        ("one\n two \nthree", ["one", "two", "three"]),
        ("one", ["one"]),
        ("one\r\n\r\ntwo", ["one", "two"]),
        (" \n\n ", []),
        ("", []),
    ],
)
def test_steps_are_paragraphs_or_else_lines(response, steps):
    assert split_steps(response) == steps


def judged(*difficult):
    return [Difficulty(f"q{n}", value, 0.0, 0, (0,)) for n, value in enumerate(difficult)]


def test_agreement_with_gold_by_hand():
    gold = judged(True, True, True, False, False, False, False, False)
    found = judged(True, True, False, True, False, False, False, False)
    assert gold_agreement(found[::-1], gold) == GoldAgreement(8, 0.75, 2 / 3, 2 / 3, 2 / 3)
    assert gold_agreement(judged(False, False), judged(True, False)) == GoldAgreement(2, 0.5, None, 0.0, None)
    assert gold_agreement(judged(True, False), judged(False, False)) == GoldAgreement(2, 0.5, 0.0, None, None)
    with pytest.raises(UserError, match="judged different questions"):
        gold_agreement(judged(True), judged(True, True))


def test_the_agreement_table_has_a_line_a_method():
    gold = judged(True, False, True)
    table = agreement_table(
        {
            "consistency": gold_agreement(judged(True, True, True), gold),
            "length": gold_agreement(judged(False, False, False), gold),
        }
    )
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table)
    lines = [line.replace("│", " ").split() for line in console.export_text().splitlines()]
    assert ["consistency", "3", "0.667", "0.667", "1.000", "0.800"] in lines
    assert ["length", "3", "0.333", "-", "0.000", "-"] in lines
