"""The embedded student: fetched, checked, converted, proved; and what a user reads when that fails."""

import json
import shutil
from pathlib import Path

import pytest

from stat_train.errors import UserError
from stat_train.student import conversion
from stat_train.student.embedded import embedded_student
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
