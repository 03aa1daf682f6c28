"""Graders in worker processes: math-verify and a user's function."""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.grading.math import compare, compare_plain


@pytest.fixture(scope="module")
def math() -> Iterator[Grader]:
    with Grader("math", timeout_s=1.0, workers=2) as grader:
        yield grader


CORRECT = [
    (r"\boxed{\frac12}", "0.5"),
    (r"\boxed{1/2} and \boxed{0.5}", r"\frac{1}{2}"),
    (r"x is \boxed{1} or \boxed{-2}", "1,-2"),
    (r"\boxed{x=5}", "5"),
    (r"\boxed{5 \text{ cm}}", "5"),
    (r"\boxed{1,234}", "1234"),
    (r"\boxed{(x+1)^2}", "x^2+2x+1"),
    ("The answer is $2\\sqrt{3}$.", r"\sqrt{12}"),
    (r"\boxed{43_5.}", "43_5"),
    ("so 7", "7."),
    (r"\boxed{\text{E}}", "E"),
]
WRONG = [
    ("The answer is 3 or 4.", "3"),
    ("The answer is 3 or 4.", "4"),
    (r"\boxed{3} and \boxed{4}", "3"),
    (r"\boxed{2}, hence \boxed{3}", "3"),
    (r"the answer is 2\sqrt{3}", "2"),
    (r"\boxed{-\frac12}", r"\frac12"),
    (r"\boxed{(2,1)}", "(1,2)"),
    ("", "5"),
    ("no idea", "5"),
]


def test_verdicts_of_math(math: Grader) -> None:
    assert math.grade(CORRECT + WRONG) == ["correct"] * len(CORRECT) + ["wrong"] * len(WRONG)


def test_hostile_answers_stop_neither_the_run_nor_their_neighbours(math: Grader) -> None:
    hostile = [
        r"\boxed{9^{9^{9^{9}}}}",
        r"\boxed{10000000!}",
        r"\boxed{" + "{" * 5000 + "}" * 5000 + "}",
        r"\boxed{" + "\\frac{1}{" * 150 + "2" + "}" * 150 + "}",
        "$" + "\\frac" * 20_000 + "$",
        "x" * 100_000,
        "\\boxed{" * 20_000,
        "$" * 100_000,
        "the answer is " * 10_000,
        "1," * 50_000,
        "- " * 50_000,
    ]
    pairs = [pair for text in hostile for pair in ((text, "3"), (r"\boxed{3}", "3.0"))]
    verdicts = math.grade(pairs)
    assert verdicts[1::2] == ["correct"] * len(hostile)
    assert "correct" not in verdicts[::2]
    assert verdicts[:4:2] == ["timeout", "timeout"]
    assert verdicts[4] == "error"


def test_a_gold_answer_that_is_empty_or_endless_is_an_error(math: Grader) -> None:
    assert math.grade([("5", ""), ("5", " "), ("5", "5" * 5000)]) == ["error"] * 3
    assert math.first_error is not None


def test_an_answer_to_one_gold_is_graded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "calls"
    with users_grader(
        tmp_path,
        monkeypatch,
        f"def grade(response, gold):\n    open({str(log)!r}, 'a').write('x')\n    return response == gold\n",
    ) as grader:
        assert grader.grade([("a", "a"), ("b", "a")] * 20) == ["correct", "wrong"] * 20
        assert grader.grade([("a", "a")]) == ["correct"]
    assert log.read_text() == "xx"


def test_the_short_way_of_integers_and_fractions_gives_the_verdicts_of_math_verify() -> None:
    draw = random.Random(0)
    numbers = (-6, -2, -1, 0, 1, 2, 3, 6, 9999)
    forms = (r"{a}", r"\frac{{{a}}}{{{b}}}", r"\dfrac{{{a}}}{{{b}}}", "{a}/{b}", r"-\frac{{{a}}}{{{b}}}")
    values = [
        form.format(a=a, b=b).replace("--", "-")
        for form in forms
        for a in numbers
        for b in (1, 2, 3, 4, 9998, 9999)
        if "frac" not in form or a >= 0
    ]
    pairs = [(draw.choice(values), draw.choice(values)) for _ in range(400)] + [
        (value, value) for value in values
    ]
    short = {pair: compare_plain(*pair) for pair in pairs}
    assert {"correct", "wrong"} <= set(short.values())
    differing = {
        pair: verdict for pair, verdict in short.items() if verdict and compare(*pair) != (verdict, None)
    }
    assert differing == {}


def test_math_votes(math: Grader) -> None:
    assert math.groups([r"\frac12", "0.5", "3", None, "1/2"]) == [0, 0, 1, None, 0]


def test_workers_that_are_killed_are_replaced(math: Grader) -> None:
    assert math._pool is not None
    math.grade([(f"{n}", f"{n}.0") for n in range(100, 140)])
    processes = [worker.process for worker in math._pool._workers]
    assert processes
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert math.grade([(f"{n}", f"{n}.0") for n in range(200, 240)]) == ["correct"] * 40


def test_grading_outside_the_main_thread(math: Grader) -> None:
    verdicts: list[str] = []
    thread = threading.Thread(target=lambda: verdicts.extend(math.grade([(r"\boxed{\frac22}", "1")])))
    thread.start()
    thread.join()
    assert verdicts == ["correct"]


def users_grader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, **options: float) -> Grader:
    name = f"users_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    return Grader(f"{name}:grade", workers=1, **options)


USERS = """
import os, sys, time
print("loaded")
def grade(response, gold):
    print("noise"); sys.stdin.read()
    if response == "loop":
        while True: pass
    if response == "sleep": time.sleep(100)
    if response == "die": os._exit(3)
    if response == "quit": sys.exit("bye")
    if response == "raise": raise ValueError("no such unit")
    if response == "none": return None
    return response.startswith(gold)
"""


def test_a_users_function_has_a_deadline_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with users_grader(tmp_path, monkeypatch, USERS, timeout_s=0.2) as grader:
        responses = ["5 m", "loop", "sleep", "die", "quit", "raise", "none", "6"]
        assert grader.grade([(response, "5") for response in responses]) == [
            "correct", "timeout", "timeout", "error", "error", "error", "error", "wrong",
        ]  # fmt: skip
        assert grader.first_error == "the grading process died"
        assert grader.grade([("raise", "6")]) == ["error"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("grade = 5", "grade is a int, not a function"),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("def other(): pass", "has no attribute 'grade'"),
        ("import os; os._exit(7)", "does not start"),
    ],
)
def test_a_function_that_cannot_be_used_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        users_grader(tmp_path, monkeypatch, source)
    assert "\n" not in str(caught.value)


READS_BOTH = """
import re
def read(text):
    marked = re.search(r"ANSWER\\((.*?)\\)", text)
    return marked[1] if marked else text
def grade(response, gold):
    return read(response) == read(gold)
"""


def test_votes_of_a_users_function_are_of_whole_responses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with users_grader(tmp_path, monkeypatch, READS_BOTH) as grader:
        different = [f"ANSWER({n})\nI hope this helps!" for n in range(5)]
        assert grader.groups([grader.extract(text) for text in different]) == [0, 1, 2, 3, 4]
        same = ["ANSWER(3)\nI hope this helps!", "So ANSWER(3)\nBye", " \n"]
        assert grader.groups([grader.extract(text) for text in same]) == [0, 0, None]


def test_workers_end_with_their_grader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grader = users_grader(tmp_path, monkeypatch, USERS)
    assert grader._pool is not None
    process = grader._pool._workers[0].process
    grader.close()
    assert process.returncode is not None
    assert grader.grade([("5", "5")]) == ["correct"]
    process = grader._pool._workers[0].process
    del grader
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.returncode is not None


@pytest.mark.parametrize(
    ("end", "verdict"), [("child.wait() == 0", "timeout"), ("os.kill(os.getpid(), 9)", "error")]
)
def test_what_a_users_function_has_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, verdict: str
) -> None:
    source = "import os, subprocess\ndef grade(response, gold):\n"
    source += "    child = subprocess.Popen(['sleep', '987'])\n"
    source += f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
    source += f"    return {end}\n"
    with users_grader(tmp_path, monkeypatch, source, timeout_s=0.5) as grader:
        assert grader.grade([("a", "b")]) == [verdict]
    child = Path("/proc") / (tmp_path / "pid").read_text() / "stat"
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_imports_none_of_the_heavy_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import sys\nheavy = {'torch', 'transformers', 'numpy', 'pandas', 'sympy'}\n"
    source += "def grade(response, gold):\n    return not heavy & set(sys.modules)\n"
    with users_grader(tmp_path, monkeypatch, source) as grader:
        assert grader.grade([("a", "b")]) == ["correct"]


def test_a_users_function_that_raises_is_quoted_beside_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "def grade(response, gold):\n    return float(response) == float(gold)\n"
    with users_grader(tmp_path, monkeypatch, source) as grader:
        rows = [Example("a", "?", answer="1"), Example("b", "?", answer="one")]
        message = r"question 2, b \('one': error\) \(its first error: ValueError: could not convert"
        with pytest.raises(UserError, match=message):
            grader.require_gold(rows, "test")
