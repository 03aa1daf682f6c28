"""The diagnosis on hand-made answers, and on faults planted into right ones."""

import random
from pathlib import Path

import pytest
import yaml

from stat_train.tutor.diagnosis import MOST_MISSING, diagnose
from stat_train.tutor.domain import load_domain
from stat_train.tutor.parse import parse
from stat_train.tutor.problem import Step
from stat_train.tutor.reading import read_work

HAND_MADE = yaml.safe_load((Path(__file__).parent / "data" / "student_answers.yaml").read_text("utf-8"))
ANSWERS = [(group["question"], answer) for group in HAND_MADE for answer in group["answers"]]
DOMAIN = load_domain()


@pytest.mark.parametrize(
    ("question", "answer"),
    ANSWERS,
    ids=[f"{number}-{a['response'][:30]!r}" for number, (_, a) in enumerate(ANSWERS)],
)
def test_hand_made_answers(question, answer):
    found = diagnose(parse(question), answer["response"])
    assert (found.verdict, list(found.missing_skills)) == (answer["verdict"], answer["missing"]), found.reason
    assert found.reason
    assert "\n" not in found.reason


def test_there_are_enough_hand_made_answers():
    assert len(ANSWERS) >= 60


@pytest.mark.parametrize("kind", DOMAIN.types, ids=lambda kind: kind.name)
def test_the_worked_solution_is_correct(kind):
    for problem in _problems(kind, 20):
        assert diagnose(problem, problem.solution).verdict == "correct"


@pytest.mark.parametrize("kind", DOMAIN.types, ids=lambda kind: kind.name)
def test_one_wrong_computation_names_its_operation_alone(kind):
    rng = random.Random(kind.name)
    for problem in _problems(kind, 20):
        response, step = _with_fault(problem, kind, rng, wrong_step=False)
        if not response.endswith(f"#### {problem.answer}"):
            found = diagnose(problem, response)
            assert (found.verdict, found.missing_skills) == ("wrong", (step.operation,)), response


def test_one_wrong_step_names_its_skill_alone():
    rng = random.Random(4)
    right = []
    for kind in DOMAIN.types:
        for problem in _problems(kind, 30):
            response, step = _with_fault(problem, kind, rng, wrong_step=True)
            if not response.endswith(f"#### {problem.answer}"):
                right.append(diagnose(problem, response).missing_skills == (step.skill,))
    assert len(right) > 800
    assert sum(right) / len(right) > 0.99  # the values of two steps may fall together


@pytest.mark.parametrize("kind", DOMAIN.types, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "response", ["", "I do not know.", "and then and then " * 200, "\x00 = + - 3 %% #### \\boxed{"]
)
def test_nothing_shown_names_the_concepts(kind, response):
    problem = next(p for p in _problems(kind, 50) if p.answer != "3")
    operations = tuple(dict.fromkeys(step.operation for step in problem.steps))
    found = diagnose(problem, response)
    assert found.verdict == "wrong"
    assert found.missing_skills == (kind.concepts or operations)[:MOST_MISSING]


LOOPS = {
    "wrong steps": "5 + 7 = 12\n12 + 12 = 24\n24 / 2 = 12\n12 + 12 = 25\n25 + 12 = 36\n" * 300,
    "brackets": "(" * 5000 + "1 + 1 = 2",
    "one long sum": "1 + " * 3000 + "1 = 5",
    "units": "3 apples and + 4 apples and " * 2000,
    "blanks": "3 + " + " " * 20_000 + "4 = 8",
    "squares": "\n".join(f"{n} * {n} = {n + 1}" for n in range(2, 90)),
    "a long number": "9" * 6000 + " + 1 = 10",
    "equal values": "\n".join(f"{n} + 1 = 12" for n in range(90)),
}


@pytest.mark.parametrize("response", LOOPS.values(), ids=LOOPS.keys())
def test_endless_answers_are_read(response):
    problem = parse("What is the average of 5, 7 and 12?")
    assert diagnose(problem, response).missing_skills[0] == "average"
    assert diagnose(problem, f"#### {'9' * 6000}").verdict == "wrong"


@pytest.mark.parametrize(
    ("text", "equations", "answer"),
    [
        ("3 + 4 + 5 = 12", ["3+4=7", "7+5=12"], 12),
        ("3 + 4 = 7 + 5 = 12", ["3+4=7", "7+5=12"], 12),
        ("2 x (3 + 4) = 15", ["3+4=7", "2*7=15"], 15),
        ("12 = 3 · 4", ["3*4=12"], 12),
        ("20% of 50 = 10", ["20/100=1/5", "1/5*50=10"], 10),
        ("\\frac{12}{4} = 3", ["12/4=3"], 3),
        ("1,200 ÷ 100 = $12.", ["1200/100=12"], 12),
        ("5 apples plus 3 apples is 8 apples", ["5+3=8"], 8),
        ("7:00 - 3:00 = 4 hours", ["7-3=4"], 4),
        ("5 / 0 = 0, so the answer is 9.", [], 9),
        ("The answer is 3 + 4 = 8.", ["3+4=8"], 8),
        ("The answer is 3 + 4 = 8. So the answer is 9.", ["3+4=8"], 9),
        ("- 7 + 5 = 12", ["7+5=12"], 12),
        ("-7 + 5 = -2", ["-7+5=-2"], -2),
        ("no numbers", [], None),
        ("see q1", [], None),
    ],
)
def test_reading(text, equations, answer):
    work = read_work(text)
    assert [f"{e.left}{e.operator}{e.right}={e.stated}" for e in work.equations] == equations
    assert work.answer == answer


def _problems(kind, number):
    rng = random.Random(f"{kind.name}-{number}")
    wordings = kind.wordings + kind.unseen
    return [DOMAIN.problem(kind, rng.choice(wordings), rng) for _ in range(number)]


def _with_fault(problem, kind, rng, *, wrong_step):
    """The worked solution with one wrong operator or one wrong value and what follows, and the faulty step.

    After a wrong operator the step is the right one, after a wrong value the one that was computed.
    """
    faulty = rng.randrange(len(problem.steps))
    lines, values = [], dict(problem.numbers)
    for place, rule in enumerate(kind.steps):
        left, right = (int(name) if name.isdigit() else values[name] for name in (rule.left, rule.right))
        operator = rule.operator
        if place == faulty and wrong_step:
            step = problem.steps[place]
            operator = rng.choice([sign for sign in "+-*" if sign != operator])
        quotient = left // right if operator == "/" and right else 0
        value = {"+": left + right, "-": left - right, "*": left * right, "/": quotient}[operator]
        if place == faulty and not wrong_step:
            step = Step(left, operator, right, value, rule.concept)
            value += rng.choice((1, 2, 10))
        values[rule.name] = value
        lines.append(f"{left} {operator} {right} = {value}")
    return "\n".join([*lines, f"#### {value}"]), step
