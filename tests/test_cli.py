"""The command line, as it is typed."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stat_train.cli import main
from stat_train.data.example import Example
from stat_train.errors import Interrupted, Unfinished, UserError
from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.metacognition.profile import MissingSkillProfile

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run `stat-train ...` in an empty folder; what it prints."""
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["stat-train", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert not left.value.code, said.err
        return said.out

    return run


@pytest.mark.parametrize(
    ("left_with", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Interrupted("stopped"), 130),
        (Unfinished("owed"), 3),
        (UserError("bad"), 2),
    ],
)
def test_the_exit_code_tells_how_a_run_ended(left_with, code, monkeypatch, capsys) -> None:
    def run(*_: object) -> None:
        raise left_with

    monkeypatch.setattr("stat_train.pipeline.run_recipe", run)
    monkeypatch.setattr(sys, "argv", ["stat-train", "run", "recipes/smoke.yaml"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    assert capsys.readouterr().err.count("\n") == 1


def test_help_lists_every_stage_and_tool(cli) -> None:
    said = cli("--help")
    stages = ["data", "label", "answer", "difficulty", "diagnose", "profile", "select", "sft", "evaluate"]
    for command in [
        "run",
        *stages,
        "audit",
        "agreement",
        "benchmark",
        "export-tasks",
        "tutor",
        "prompts",
        "cache",
    ]:
        assert f"\n  {command} " in said


def test_the_example_of_an_override_concerns_the_exported_tasks(cli) -> None:
    said = cli("export-tasks", "--help")
    assert "evaluation.sampling.max_tokens=512" in said
    assert "benchmarks." not in said


def test_dry_run_prints_the_plan_and_writes_nothing(cli, tmp_path: Path) -> None:
    said = cli("run", "recipes/smoke.yaml", "--dry-run").splitlines()
    assert said[0].split() == [
        "data",
        "would",
        "run",
        "pool",
        "64,",
        "validation",
        "8,",
        "development",
        "8,",
        "test",
        "8,",
        "ood",
        "8",
    ]
    assert any(line.startswith("label") and "88 questions, 11+ requests" in line for line in said)
    assert any(line.startswith("report") for line in said)
    assert any("tutor would be asked" in line for line in said)
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}  # the teacher's answers, looked at


def test_under_a_launcher_it_says_how_training_is_launched(monkeypatch, capsys) -> None:
    for name, value in {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["stat-train", "sft", "recipes/smoke.yaml"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "sft.accelerate=FILE" in capsys.readouterr().err


def test_a_stage_alone_runs_what_it_needs_and_says_where_it_stands(cli) -> None:
    said = cli("label", "recipes/smoke.yaml", "tutor.pool=8", "evaluation.per_skill=false")
    folder = Path(said.strip().removeprefix("label: "))
    assert (folder / "pool.jsonl").read_text().count('"skills"') == 8


def profile_file(path: Path, missing: str) -> Path:
    example = Example("q", "?", skills=("addition", "subtraction"))
    MissingSkillProfile.from_diagnoses(
        [Diagnosis("q", 0, "wrong", "why", (missing,))], [example], ["q"]
    ).write(path)
    return path


def test_profiles_are_shown_and_compared(cli, tmp_path: Path) -> None:
    before = profile_file(tmp_path / "before.json", "addition")
    after = profile_file(tmp_path / "after.json", "subtraction")
    assert "addition" in cli("profile", "show", str(before))
    said = cli("profile", "diff", str(before), str(after))
    assert "addition" in said
    assert "subtraction" in said


def test_prompts_are_listed_shown_with_real_rows_and_checked(cli) -> None:
    listed = cli("prompts", "list", "recipes/smoke.yaml")
    assert "diagnose" in listed
    assert re.search(r"^student +[0-9a-f]{8}  .*student\.jinja$", listed, re.MULTILINE)
    assert "--- user ---" in cli("prompts", "show", "student", "recipes/smoke.yaml")
    shown = cli("prompts", "show", "label_skills", "recipes/smoke.yaml", "--example", "2")
    other = cli("prompts", "show", "label_skills", "recipes/smoke.yaml")
    assert '<question id="q1">' in shown != other
    assert cli("prompts", "check", "recipes/smoke.yaml").count(" ok ") == 9
    told = cli("prompts", "show", "diagnose", "recipes/smoke.yaml", "diagnosis.with_reference=true")
    assert "<reference " in told
    options = ("selection.stat_syn.references=4", "selection.stat_syn.questions=3")
    asked = cli("prompts", "show", "synthesize", "recipes/smoke.yaml", *options)
    assert asked.count("<reference_question ") == 4
    assert "exactly 3 elements" in asked


def test_the_cache_is_counted_exported_and_pruned(cli, tmp_path: Path) -> None:
    cli("label", "recipes/smoke.yaml", "tutor.pool=8", "evaluation.per_skill=false")
    assert "2 answers" in cli("cache", "stats")
    cli("cache", "export", "answers.jsonl")
    assert (tmp_path / "answers.jsonl").read_text().count("\n") == 2
    assert "0 answers deleted" in cli("cache", "prune", "--older-than-days", "1")
    assert "2 answers deleted" in cli("cache", "prune", "--older-than-days", "0")


def test_the_domains_data_is_written(cli, tmp_path: Path) -> None:
    cli("tutor", "data", "domain", "--pool", "20", "--seed", "3")
    assert (tmp_path / "domain" / "pool.jsonl").read_text().count("\n") == 20
    assert (tmp_path / "domain" / "ood.jsonl").exists()


def test_a_built_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    tracked = [
        "pyproject.toml",
        "setup.py",
        "README.md",
        "LICENSE",
        "stat_train",
        "prompts",
        "data",
        "recipes",
    ]
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in tracked), str(source)], check=True)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    [wheel] = tmp_path.glob("stat_train-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "stat_train/_assets/prompts/diagnose.jinja" in names
    assert "stat_train/_assets/recipes/smoke.yaml" in names
    assert not any("__pycache__" in name for name in names)
    installed = tmp_path / "installed"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(installed),
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(installed), "STAT_TRAIN_CACHE": str(tmp_path / "cache")}
    outside = tmp_path / "outside"
    outside.mkdir()
    stat_train = [sys.executable, str(installed / "bin" / "stat-train")]
    done = subprocess.run(
        [*stat_train, "run", "recipes/smoke.yaml", "--dry-run"],
        cwd=outside, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(installed) in done.stdout
    assert "report" in done.stdout
