"""What every test relies on."""

import signal
import sys
from collections.abc import Callable, Iterator

import pytest

# A shell that starts the tests in the background lets them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Run `stat-train ...`: exit code, what it prints, what it says on stderr."""
    from stat_train.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stat-train", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return run


@pytest.fixture(scope="module")
def programs_run() -> Iterator[None]:
    """Programs as answers are run, even where this system cannot shut them in: they are ours."""
    from stat_train.errors import UserError
    from stat_train.grading.sandbox import UNSAFE, Sandbox

    with pytest.MonkeyPatch.context() as patch:
        try:
            Sandbox(size=1, cpu_seconds=5.0).run([("", "pass")])
        except UserError:
            patch.setenv(UNSAFE, "1")
        yield
