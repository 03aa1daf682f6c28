"""Run folders: what counts as done, what is done again, and who may write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stat_train.errors import UserError
from stat_train.run import Run, Stage, content_hash
from stat_train.run import stage as stage_module


def make(folder: Path, **changed) -> Stage:
    identity = {"version": 1, "inputs": {"data": "ab"}, "options": {"n": 1}, "templates": {}, **changed}
    return Run(folder).stage("label", **identity)


def finished(folder: Path, text: str = "rows\n", **changed) -> Stage:
    stage = make(folder, **changed)
    stage.begin()
    stage.file("rows.jsonl").write_text(text)
    stage.finish(["rows.jsonl"], counts={"rows": 1}, usage={"usd": 0.5}, notes=["careful"])
    return stage


def test_a_finished_stage_is_found_again_with_what_it_wrote_down(tmp_path: Path) -> None:
    finished(tmp_path)
    again = make(tmp_path)
    assert again.done
    assert again.manifest is not None
    assert again.manifest["counts"] == {"rows": 1}
    assert again.manifest["usage"] == {"usd": 0.5}
    assert again.manifest["notes"] == ["careful"]


@pytest.mark.parametrize(
    "changed",
    [{"version": 2}, {"inputs": {"data": "cd"}}, {"options": {"n": 2}}, {"templates": {"label": "x"}}],
)
def test_whatever_the_outputs_depend_on_gives_another_folder_and_the_old_one_stays(
    tmp_path: Path, changed: dict
) -> None:
    first = finished(tmp_path)
    other = finished(tmp_path, **changed)
    assert other.path != first.path
    assert make(tmp_path).done


def test_no_manifest_is_not_done_and_partial_work_is_kept(tmp_path: Path) -> None:
    stage = make(tmp_path)
    stage.begin()
    stage.file("rows.jsonl").write_text("half")
    again = make(tmp_path)
    assert not again.done
    again.begin()
    assert again.file("rows.jsonl").read_text() == "half"


@pytest.mark.parametrize("harm", ["edit", "remove", "torn manifest"])
def test_outputs_that_disagree_with_the_manifest_are_made_anew(tmp_path: Path, harm: str) -> None:
    stage = finished(tmp_path)
    if harm == "edit":
        stage.file("rows.jsonl").write_text("ROWS\n")
    elif harm == "remove":
        stage.file("rows.jsonl").unlink()
    else:
        stage.file("manifest.json").write_text('{"key": ')
    again = make(tmp_path)
    assert not again.done
    again.begin()
    assert not again.file("manifest.json").exists()
    if harm == "edit":
        assert not again.file("rows.jsonl").exists()


def test_the_hash_is_that_of_the_contents_alone(tmp_path: Path) -> None:
    first = finished(tmp_path / "a")
    same_rows = finished(tmp_path / "b", options={"n": 9})
    other_rows = finished(tmp_path / "c", text="others\n")
    assert first.hash == same_rows.hash != other_rows.hash


def test_a_large_output_is_not_read_again_while_size_and_time_agree(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stage_module, "LARGE", 4)
    finished(tmp_path)
    monkeypatch.setattr(stage_module, "content_hash", content_hash_that_reads_no_file)
    assert make(tmp_path).done


def content_hash_that_reads_no_file(value: object) -> str:
    assert not isinstance(value, Path)
    return content_hash(value)


def test_a_folder_is_an_output_file_by_file(tmp_path: Path) -> None:
    stage = make(tmp_path)
    stage.begin()
    stage.file("model").mkdir()
    stage.file("model/weights").write_text("1")
    stage.file("model/config").write_text("2")
    stage.finish(["model"])
    assert sorted(json.loads(stage.file("manifest.json").read_text())["outputs"]) == [
        "model/config",
        "model/weights",
    ]


def test_of_a_harmed_folder_nothing_stays(tmp_path: Path) -> None:
    """A training that finds a folder with no `training.json` in it refuses to begin."""
    stage = make(tmp_path)
    stage.begin()
    stage.file("model").mkdir()
    stage.file("model/weights").write_text("1")
    stage.finish(["model"])
    stage.file("model/README.md").write_text("a card, written later")
    stage.file("model/weights").unlink()
    again = make(tmp_path)
    assert not again.done
    again.begin()
    assert not again.file("model").exists()


def test_a_harmed_folder_that_is_a_link_is_let_go_and_not_what_it_points_to(tmp_path: Path) -> None:
    stage = make(tmp_path)
    stage.begin()
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "weights").write_text("1")
    stage.file("model").symlink_to(tmp_path / "disk")
    stage.finish(["model"])
    (tmp_path / "disk" / "weights").write_text("2, another")
    again = make(tmp_path)
    assert not again.done
    again.begin()
    assert not again.file("model").is_symlink()
    assert (tmp_path / "disk" / "weights").exists()


def test_a_second_process_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    second = f"""
from pathlib import Path
from stat_train.run import Run
try:
    with Run(Path({str(tmp_path)!r})): print("entered")
except Exception as error: print(type(error).__name__, error)
"""
    with Run(tmp_path):
        refused = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, check=True)
    assert refused.stdout.startswith("UserError")
    assert f"process {os.getpid()} is writing this run" in refused.stdout
    freed = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, check=True)
    assert freed.stdout == "entered\n"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), Run(tmp_path / "file" / "run"):
        pass


def test_hashes_know_bytes_and_names_and_order_of_keys_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = content_hash(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert content_hash(tmp_path / "a") != before
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1}) != content_hash({"a": 1})
    with pytest.raises(UserError, match="no such file"):
        content_hash(tmp_path / "nowhere")
