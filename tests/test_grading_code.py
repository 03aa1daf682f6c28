"""Programs as answers: which one is read, what running it comes to, and what it cannot do."""

from collections.abc import Iterator

import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.recipe import Recipe

TESTS = "assert double(2) == 4\nassert double(-1) == -2\n"
RIGHT = "def double(x):\n    return 2 * x"


@pytest.fixture(scope="module")
def grader(programs_run: None) -> Iterator[Grader]:
    with Grader("code", timeout_s=1.0, workers=2) as grader:
        yield grader


def fenced(code: str, language: str = "python") -> str:
    return f"I think so.\n\n```{language}\n{code}\n```\nThat is it."


def needs(grader: Grader, what: str) -> None:
    grader.grade([(RIGHT, TESTS)])
    if what not in grader._pool.kept:
        pytest.skip(f"this kernel does not let us keep the {what} from a program")


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (fenced("a = 1"), "a = 1"),
        (fenced("a = 1") + fenced("a = 2"), "a = 2"),
        (fenced("a = 1") + fenced("1 2", "text"), "a = 1"),
        (fenced("a = 1") + fenced("out", ""), "a = 1"),
        (fenced("a = 1", "") + fenced("a = 2", ""), "a = 2"),
        (fenced("a = 1", "Python"), "a = 1"),
        ("```py\na = 1", "a = 1"),
        (fenced("a = 1", "python3.11"), "a = 1"),
        (fenced("a = 1", "{python}"), "a = 1"),
        (fenced("a = 1", "python-repl"), None),
        (
            "1. So:\n\n   ```python\n   if a:\n       b = 1\n\n  c = 1\n   ```\n\n2. Done.",
            "if a:\n    b = 1\n\nc = 1",
        ),
        ("- So:\n\t```py\n\tif a:\n\t\tb = 1", "if a:\n\tb = 1"),
        ("~~~~python\na = '''\n```\n'''\n~~~~", "a = '''\n```\n'''"),
        (RIGHT, RIGHT),
        ("I do not know.", None),
        (fenced(""), None),
        (fenced("a = 1", "java"), None),
        ("", None),
    ],
)
def test_the_last_code_block_is_the_answer(grader: Grader, response: str, code: str | None) -> None:
    assert grader.extract(response) == code


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (RIGHT, "correct"),
        ("double = lambda x: x + x", "correct"),
        ("print('noise' * 100_000)\n" + RIGHT, "correct"),
        (RIGHT + "\nif __name__ == '__main__':\n    input()", "correct"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int'\n" + RIGHT, "correct"),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\n" + RIGHT,
            "correct",
        ),
        ("def double(x):\n    return x + 2", "wrong"),
        ("def twice(x):\n    return 2 * x", "wrong"),
        ("def double(x) return", "wrong"),
        ("import sys\nsys.exit(0)", "wrong"),
        ("import os\nos._exit(0)", "wrong"),
        ("import builtins\nbuiltins.exec = lambda *a: None", "wrong"),
        ("raise SystemExit", "wrong"),
        ("def double(x):\n    return double(x)", "wrong"),
        ("class E(Exception):\n    def __str__(self): return 5\nraise E", "wrong"),
        ("import ctypes\nctypes.string_at(0)", "wrong"),
        ("x = [0] * 10**12", "wrong"),
        ("open('a', 'wb').write(b'x' * 10**8)", "wrong"),
        ("input()", "wrong"),
        ("(" * 100_000, "wrong"),
        ("-" * 100_000 + "1", "wrong"),
        ("x = " + "9" * 100_000, "wrong"),
        ("'\ud800'", "wrong"),
        ("\0", "wrong"),
        ("while True: pass", "timeout"),
        ("9**9**9**9", "timeout"),
        ("import re\nre.match('(a+)+$', 'a' * 99 + '!')", "timeout"),
        ("import time\ntime.sleep(99)", "timeout"),
        ("", "wrong"),
    ],
)
def test_verdicts(grader: Grader, code: str, verdict: str) -> None:
    assert grader.grade([(fenced(code), TESTS), (fenced(RIGHT), TESTS)]) == [verdict, "correct"]


def test_a_program_has_no_environment_and_an_empty_folder(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    code = (
        "import os\nassert os.listdir('.') == []\nopen('a', 'w').write('b')\n"
        "assert not {'OPENAI_API_KEY', 'HOME', 'PATH'} & set(os.environ)\n" + RIGHT
    )
    assert grader.grade([(code + "\n#1", TESTS), (code + "\n#2", TESTS)]) == ["correct", "correct"]


def test_a_program_reaches_no_network(grader: Grader) -> None:
    needs(grader, "network")
    code = (
        "import socket\nserver = socket.socket()\nserver.bind(('127.0.0.1', 0))\nserver.listen()\n"
        "socket.create_connection(server.getsockname(), 2)\n" + RIGHT
    )
    assert grader.grade([(code, TESTS)]) == ["wrong"]


def test_a_program_writes_no_file_of_ours_and_kills_no_process(grader: Grader, tmp_path) -> None:
    needs(grader, "files")
    mine = tmp_path / "mine"
    mine.write_text("precious")
    remount = "import ctypes\nctypes.CDLL(None).mount(None, b'/', None, 32 | 4096, None)\n"
    for first in ("", remount):
        code = f"{first}import os\nos.remove({str(mine)!r})\n{RIGHT}"
        assert grader.grade([(code, TESTS)]) == ["wrong"]
    grader.grade([("import os\nos.kill(-1, 9)\n" + RIGHT, TESTS)])
    assert mine.read_text() == "precious"


def test_tests_that_do_not_run_are_an_error(grader: Grader) -> None:
    assert grader.grade([(RIGHT, "assert double(2 == 4"), (RIGHT, " ")]) == ["error", "error"]
    assert "cannot be compiled" in grader.first_error


def test_tests_that_test_nothing_or_fail_their_own_solution_are_no_gold(grader: Grader) -> None:
    rows = [
        Example("good", "?", fenced(RIGHT), TESTS),
        Example("bare", "?", RIGHT, TESTS),
        Example("unsolved", "?", None, TESTS),
        Example("nothing", "?", RIGHT, "x = 1"),
        Example("broken", "?", RIGHT, "assert ("),
        Example("failed", "?", "def double(x):\n    return 3 * x", TESTS),
        Example("empty", "?", RIGHT, None),
    ]
    bad = {row.id: (row.verdict, row.reason) for row in grader.check_gold(rows)}
    assert bad == {
        "nothing": ("error", "they pass without any program"),
        "broken": ("error", ""),
        "failed": ("wrong", "on the row's own solution"),
        "empty": ("error", ""),
    }
    with pytest.raises(
        UserError, match=r"test: field 'answer': grader 'code' .* question 4, nothing \('x = 1': error, they"
    ):
        grader.require_gold(rows, "test")
    grader.require_gold(rows[:3], "test")


def test_programs_that_differ_in_comments_and_spacing_are_one_vote(grader: Grader) -> None:
    spaced = "def double( x ):  # twice\n\n        return 2*x\n"
    votes = [RIGHT, spaced, "double = lambda x: 2 * x", None, "def (", "def (  ", "(" * 10_000]
    assert grader.groups(votes) == [0, 0, 1, None, 2, 2, 3]


def test_arms_whose_questions_the_teacher_writes_have_no_tests() -> None:
    with pytest.raises(ValueError, match="arm stat-syn: grader `code` needs tests"):
        Recipe.model_validate(
            {"name": "n", "tutor": {}, "taxonomy": "t", "grader": "code", "arms": ["random", "stat-syn"]}
        )
