"""The commands beside the run: the audit, the agreement with gold, and prompts over the teacher's context."""

import json
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.pipeline.asides import comparable
from stat_train.pipeline.estimate import estimate
from stat_train.recipe_file import read_recipe

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"


@pytest.fixture
def cli(command, monkeypatch, tmp_path):
    """`command`, with a cache of its own."""
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    return command


def test_the_audit_is_shown_kept_and_not_asked_again(cli, tmp_path) -> None:
    chosen = [str(SMOKE), f"run_dir={tmp_path / 'run'}", "tutor.faults={wrong_labels: 0.5}", "tutor.pool=100"]
    code, shown, _ = cli("audit", *chosen)
    assert code == 0
    assert "100 of 100 questions labelled twice" in shown
    _, again, said = cli("audit", *chosen)
    assert again == shown
    assert "audit" in [line.split()[0] for line in said.splitlines() if line.endswith("current")]
    [written] = (tmp_path / "run").glob("audit-*/audit.json")
    found = json.loads(written.read_text())
    assert 0.2 < found["agreement"]["error_rate"] < 0.8
    assert {row["skill"] for row in found["agreement"]["kappa"]} >= {"addition", "ratio"}
    _, planned, _ = cli("audit", *chosen, "audit.sample_size=20", "--dry-run")
    assert "audit     would run  20 questions twice, 6+ requests" in planned


def test_an_audit_with_no_faults_finds_none(cli, tmp_path) -> None:
    _, shown, _ = cli("audit", str(SMOKE), f"run_dir={tmp_path / 'run'}")
    assert "same labels 100.0%" in shown


@pytest.mark.parametrize(
    ("changes", "methods"),
    [
        (["difficulty.method=gold"], ("length",)),
        (["sampling.n=3", "sampling.temperature=1.0"], ("length", "consistency")),
        (["difficulty.method=prm"], ("length", "prm")),
    ],
)
def test_methods_are_compared_where_the_answers_allow_it(changes, methods) -> None:
    assert comparable(read_recipe(SMOKE, changes)) == methods


def test_each_method_is_compared_with_the_graded_answers(cli, tmp_path) -> None:
    tiny = write_tiny_model(tmp_path / "tiny")
    chosen = [
        f"student.model={tiny}",
        f"run_dir={tmp_path / 'run'}",
        *("sampling.max_tokens=16", "sampling.n=3", "sampling.temperature=1.0"),
    ]
    code, shown, _ = cli("agreement", str(SMOKE), *chosen)
    assert code == 0
    assert "consistency" in shown
    stages = run_recipe(read_recipe(SMOKE, chosen), "agreement")
    length, consistency = read_jsonl(stages["agreement"].file("agreement.jsonl"))
    assert (length["method"], length["n"], length["precision"]) == ("length", 8, None)  # none has 800 words
    wrong = stages["agreement"].manifest["counts"]["difficult_by_gold"]
    assert length["accuracy"] == pytest.approx(1 - wrong / 8)
    assert consistency["method"] == "consistency"
    assert "report" not in stages


def test_prompts_over_the_context_are_found_before_anything_is_asked(cli) -> None:
    code, shown, _ = cli("prompts", "check", str(SMOKE), "teacher.context=16000")
    assert code == 0
    assert "label            ok  about" in shown
    code, shown, said = cli("prompts", "check", str(SMOKE), "teacher.context=5000")
    assert code == 2
    assert said.startswith("stat-train: label: a request of about")
    assert "(rows pool0-" in said
    assert "lower labelling.batch_size" in said
    assert said.count("\n") == 1


def test_without_a_context_the_longest_prompts_are_told_all_the_same(cli) -> None:
    _, shown, _ = cli("prompts", "check", str(SMOKE))
    assert "diagnose         ?   about" in shown
    assert "teacher.context is not set" in shown


def test_a_context_into_which_nothing_fits_stops_the_run_and_a_mended_one_goes_on(cli, tmp_path) -> None:
    chosen = [f"run_dir={tmp_path / 'run'}"]
    with pytest.raises(UserError, match=r"exceed teacher\.context 4,096; lower teacher.max_tokens"):
        run_recipe(read_recipe(SMOKE, [*chosen, "teacher.context=4096"]), "label")
    counts = run_recipe(read_recipe(SMOKE, chosen), "label")["label"].manifest["counts"]
    assert (counts["rows_out"], counts["quarantined"]) == (counts["rows_in"], 0)


def test_the_note_on_rows_that_were_too_long_says_why_and_how_they_are_asked_again(cli, tmp_path) -> None:
    chosen = [f"run_dir={tmp_path / 'run'}", "labelling.batch_size=1"]
    [longest] = [row for row in estimate(read_recipe(SMOKE, chosen), "label") if row.stage == "label"]
    context = longest.longest_tokens + 4096 - 1
    tight = read_recipe(SMOKE, [*chosen, f"teacher.context={context}"])
    manifest = run_recipe(tight, "label")["label"].manifest
    assert 0 < manifest["counts"]["quarantined"] < manifest["counts"]["rows_in"]
    [note] = manifest["notes"]
    assert "one of them: not sent: about " in note
    assert f"exceed teacher.context {context:,})" in note
    assert note.endswith("--retry-quarantined asks for them once more")
    again = run_recipe(read_recipe(SMOKE, [*chosen, "teacher.retry_quarantined=true"]), "label")["label"]
    assert (again.manifest["counts"]["quarantined"], again.manifest["notes"]) == (0, [])
