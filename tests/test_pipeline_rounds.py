"""Rounds on a tiny random student: the first stays as it is, the second goes on from it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from grammar_domain import teach, write_domain
from scripted_server import ScriptedServer, serve
from tiny_model import write_tiny_model

from stat_train.cli import main
from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline import plan, run_recipe
from stat_train.pipeline.estimate import estimate
from stat_train.pipeline.steps import all_steps
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.run import Stage
from stat_train.student.fingerprint import fingerprint

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "recipes" / "smoke.yaml"
SHORT = ["sampling.max_tokens=8", "evaluation.sampling.max_tokens=8", "arms=[stat-sel]", "sft.epochs=2"]
TWO = "rounds={n: 2, replay: 0.25, at_once: true}"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rounds")


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(folder / "cache"))


def arguments(tiny: Path, run: Path, *more: str) -> list[str]:
    return [f"student.model={tiny}", f"run_dir={run}", *SHORT, *more]


def smoke_recipe(tiny: Path, run: Path, *more: str) -> Recipe:
    return read_recipe(SMOKE, arguments(tiny, run, *more))


@pytest.fixture(scope="module")
def two(tiny: Path, folder: Path) -> tuple[Recipe, dict[str, Stage]]:
    """Two rounds, run once for all tests that only look at them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(folder / "cache"))
        recipe = smoke_recipe(tiny, folder / "run", TWO)
        return recipe, run_recipe(recipe)


def rows_of(stage: Stage) -> tuple:
    return TrainingSet.read(stage.file("rows.jsonl")).rows


def trained_from(stage: Stage) -> str:
    return json.loads((stage.file("model") / "training.json").read_text())["base"]


def test_the_first_round_is_the_run_without_rounds(two, tiny: Path) -> None:
    recipe, stages = two
    alone = smoke_recipe(tiny, recipe.folder)
    states = {title: state for title, state, _ in plan(alone)}
    assert {title for title, state in states.items() if state != "current"} == {"report"}
    assert set(states) < set(stages)


def test_the_second_round_answers_and_trains_with_the_weights_of_the_first(two, tiny: Path) -> None:
    _, stages = two
    first = stages["sft stat-sel"]
    assert trained_from(first) == fingerprint(tiny)
    assert trained_from(stages["sft stat-sel-round-2"]) == fingerprint(first.file("model"))
    assert trained_from(stages["sft stat-sel-at-once"]) == fingerprint(tiny)
    answers = stages["answer round-2"].manifest["inputs"]
    assert answers["sft stat-sel"] == first.hash
    assert set(answers) == {"data round-2", "student", "sft stat-sel"}
    assert stages["select stat-sel-round-2"].manifest["inputs"].keys() == {
        *("label", "label round-2", "profile", "profile round-2", "taxonomy", "select stat-sel")
    }


def test_new_validation_questions_stand_in_no_other_split(two) -> None:
    recipe, stages = two
    new = [row["question"] for row in read_jsonl(stages["data round-2"].file("validation.jsonl"))]
    assert len(set(new)) == 8
    for split in ("pool", "validation", "development", "test", "ood"):
        assert not set(new) & {row["question"] for row in read_jsonl(stages["data"].file(f"{split}.jsonl"))}
    three = recipe.model_copy(update={"rounds": recipe.rounds.model_copy(update={"n": 3})})
    third = run_recipe(three, "data round-3")["data round-3"]
    assert not set(new) & {row["question"] for row in read_jsonl(third.file("validation.jsonl"))}


def test_the_rounds_sets_hold_as_many_pairs_and_the_arm_at_once_as_many_as_both(two) -> None:
    _, stages = two
    second = rows_of(stages["select stat-sel-round-2"])
    asked = {row["id"] for row in read_jsonl(stages["data round-2"].file("validation.jsonl"))}
    counts = stages["select stat-sel-round-2"].manifest["counts"]
    drawn = [row for row in second if row.lineage["method"] == "stat-sel"]
    assert len(second) == 8 == counts["new"]
    assert len(drawn) == 8 - counts["replayed"]
    assert {row.lineage["difficult_question"] for row in drawn} <= asked
    assert len(rows_of(stages["select stat-sel-at-once"])) == 16
    first = {row.lineage["source_id"] for row in rows_of(stages["select stat-sel"])}
    assert counts["repeated"] == sum(row.lineage["source_id"] in first for row in second)


def test_results_compare_rounds_and_hold_what_the_profile_lost(two) -> None:
    recipe, stages = two
    results = json.loads(stages["report"].file("results.json").read_text())
    arms = ["start", "stat-sel", "stat-sel-round-2", "stat-sel-at-once"]
    assert list(results["arms"]) == arms
    compared = {(pair["arm"], pair["against"]) for pair in results["paired"]}
    assert compared == {
        *((arm, "start") for arm in arms[1:]),
        ("stat-sel-round-2", "stat-sel"),
        ("stat-sel-round-2", "stat-sel-at-once"),
    }
    [second] = results["rounds"]
    assert (second["number"], second["arm"], second["against"]) == (2, "stat-sel-round-2", "stat-sel")
    replayed = sum(change["replayed"] for change in second["changes"])
    assert replayed == second["replayed"] == stages["select stat-sel-round-2"].manifest["counts"]["replayed"]
    page = (recipe.folder / "report.md").read_text()
    assert "## Round by round" in page
    assert "### Round 2: what was gained, what was forgotten" in page


def test_profile_diff_reads_the_rounds_files(two, monkeypatch, capsys) -> None:
    _, stages = two
    files = [str(stages[title].file("profile.json")) for title in ("profile", "profile round-2")]
    monkeypatch.setattr(sys, "argv", ["stat-train", "profile", "diff", *files])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert "What changed" in capsys.readouterr().out


def test_killed_in_its_second_training_a_run_ends_as_if_it_had_not_been(
    two, tiny: Path, tmp_path: Path
) -> None:
    _, whole = two
    chosen = arguments(tiny, tmp_path / "run", TWO, "sft.save_steps=1")
    environment = {
        **os.environ,
        "STAT_TRAIN_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "stat_train", "run", str(SMOKE), *chosen],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("sft stat-sel-round-2"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    stages = run_recipe(read_recipe(SMOKE, chosen))
    for title in whole.keys() - {"report"}:
        assert stages[title].path.name == whole[title].path.name
        assert stages[title].hash == whole[title].hash


def test_from_the_start_a_round_trains_on_the_sets_of_all(two, tiny: Path) -> None:
    recipe, stages = two
    union = smoke_recipe(tiny, recipe.folder, "rounds={n: 2, replay: 0, train_from: start}")
    again = run_recipe(union)
    assert again["profile round-2"].path == stages["profile round-2"].path
    assert trained_from(again["sft stat-sel-round-2"]) == fingerprint(tiny)
    both = rows_of(again["select stat-sel-round-2"])
    assert both[:8] == rows_of(stages["select stat-sel"])
    assert len({row.id for row in both}) == 16
    [second] = json.loads(again["report"].file("results.json").read_text())["rounds"]
    assert (second["pairs"], second["from_start"]) == (8, True)


def test_a_control_draws_others_in_its_second_round(tiny: Path, two) -> None:
    recipe, _ = two
    control = smoke_recipe(tiny, recipe.folder, "arms=[random]", "rounds={n: 2, arm: random, replay: 0}")
    stages = run_recipe(control, "select")
    first, second = (
        {row.lineage["source_id"] for row in rows_of(stages[f"select {arm}"])}
        for arm in ("random", "random-round-2")
    )
    assert first != second


def test_a_stage_by_its_name_is_the_first_rounds(two) -> None:
    recipe, _ = two
    assert "sft stat-sel" not in run_recipe(recipe, "profile")


def test_plan_and_estimate_hold_the_rounds(tiny: Path, tmp_path: Path) -> None:
    recipe = smoke_recipe(tiny, tmp_path, "rounds={n: 3, replay: 0.5}")
    steps = {title: what for title, _, what in plan(recipe)}
    assert steps["data round-3"] == "validation 8"
    assert steps["select stat-sel-round-2"] == "8 pairs, up to 50% replay"
    rows = {row.stage: row for row in estimate(recipe)}
    assert list(rows) == [
        "label",
        "diagnose",
        *(f"{s} round-{n}" for n in (2, 3) for s in ("label", "diagnose")),
    ]
    assert rows["label round-2"].requests == 1
    assert rows["diagnose round-2"].requests == 8
    assert "as if every question were difficult" in rows["diagnose round-2"].note


def test_an_estimate_between_rounds_counts_what_is_left(two, tiny: Path) -> None:
    recipe, stages = two
    more = smoke_recipe(tiny, recipe.folder, TWO, "diagnosis.max_skills=2")
    rows = {row.stage: row for row in estimate(more)}
    difficult = {
        title: stages[title].manifest["counts"]["difficult"] for title in ("difficulty", "difficulty round-2")
    }
    assert rows["diagnose"].requests == difficult["difficulty"]
    assert list(rows) == ["diagnose", "diagnose round-2"]


# A user's data


def grammar(folder: Path, url: str, tiny: Path, *more: str) -> Recipe:
    return read_recipe(
        folder / "grammar.yaml",
        [f"teacher.endpoint={url}", "teacher.model=m", f"student.model={tiny}", *more, "arms=[stat-sel]"],
    )


def test_without_new_questions_the_same_are_answered_again(tiny: Path, tmp_path: Path) -> None:
    write_domain(tmp_path)
    with serve(ScriptedServer(teach)) as url:
        recipe = grammar(tmp_path, url, tiny, "rounds=2", f"run_dir={tmp_path / 'run'}")
        titles = [step.title for step in all_steps(recipe)]
        assert "answer round-2" in titles
        assert "label round-2" not in titles
        stages = run_recipe(recipe)
    read = stages["profile round-2"].manifest["inputs"]
    assert read["label"] == stages["profile"].manifest["inputs"]["label"]
    assert len(rows_of(stages["select stat-sel-round-2"])) == 6


def test_new_questions_of_the_users_own_lose_what_the_pool_holds_and_share_none_with_a_split(
    tiny: Path, tmp_path: Path
) -> None:
    write_domain(tmp_path)
    lines = {name: (tmp_path / f"{name}.jsonl").read_text().splitlines() for name in ("train", "val", "test")}
    fresh = [line.replace("'", "''") for line in lines["val"]]
    (tmp_path / "more.jsonl").write_text("\n".join([*fresh, lines["train"][0], *fresh]) + "\n")
    (tmp_path / "tested.jsonl").write_text("\n".join([*fresh, lines["test"][0]]) + "\n")
    own = f"run_dir={tmp_path / 'run'}"
    recipe_file = tmp_path / "grammar.yaml"
    recipe_file.write_text(recipe_file.read_text() + "rounds: {validation: [more.jsonl]}\n")
    with serve(ScriptedServer(teach)) as url:
        recipe = grammar(tmp_path, url, tiny, own)
        made = run_recipe(recipe, "data round-2")["data round-2"]
        assert made.manifest["counts"] == {"validation": len(fresh), "removed": 1}
        assert made.manifest["notes"][0].startswith(f"{len(fresh)} rows of validation of round 2 repeat a")
        assert {title: work for title, _, work in plan(recipe)}[
            "answer round-2"
        ] == f"{len(fresh) + 1} questions x 1"
        leaking = f"rounds.validation=[{tmp_path / 'tested.jsonl'}]"
        with pytest.raises(UserError, match="'test' and 'validation of round 2' share 1 question"):
            run_recipe(grammar(tmp_path, url, tiny, own, leaking), "data round-2")
        (tmp_path / "pooled.jsonl").write_text(lines["train"][0] + "\n")
        only_pool = f"rounds.validation=[{tmp_path / 'pooled.jsonl'}]"
        with pytest.raises(UserError, match=r"validation of round 2: all of its .* stand in the pool"):
            run_recipe(grammar(tmp_path, url, tiny, own, only_pool), "data round-2")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["rounds=1"], r"rounds\.n: Input should be greater than or equal to 2"),
        (["rounds={n: 2, arm: hard}"], "rounds.arm hard is not one of `arms`"),
        (["rounds={n: 2, validation: [a.jsonl]}"], "rounds.validation is for `data:`"),
        (["rounds={n: 3, validation: [a.jsonl]}"], "has 1 sources for 2 later rounds"),
        (["rounds={at_once: true}", "selection.size=null"], "set selection.size"),
        (["rounds={share: 0.1}"], "rounds.share: unknown key"),
    ],
)
def test_rounds_that_cannot_be_are_one_line(changes: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        read_recipe(SMOKE, ["arms=[stat-sel]", *changes])
    assert "\n" not in str(error.value)
