"""The whole pipeline on a tiny random student: what comes out, what is done again, what is said."""

import json
from pathlib import Path

import pytest
from grammar_domain import teach, write_domain
from scripted_server import Say, ScriptedServer, serve
from tiny_model import write_tiny_model

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl
from stat_train.errors import Unfinished, UserError
from stat_train.evaluation.paired import Paired, paired
from stat_train.evaluation.scores import Scores, score
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline import extras, plan, run_recipe
from stat_train.pipeline.adaptmi import adaptmi_steps
from stat_train.pipeline.arms import accuracy
from stat_train.pipeline.asides import agreement_step
from stat_train.pipeline.extras import training_warnings
from stat_train.pipeline.step import Work
from stat_train.pipeline.steps import all_steps
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.report.wording import points
from stat_train.run import Stage

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
SHORT = ["sampling.max_tokens=16", "evaluation.sampling.max_tokens=16", "arms=[random,stat-sel]"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(cache))


@pytest.fixture(scope="module")
def smoke(
    tiny: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recipe, dict[str, Stage]]:
    """The smoke recipe, run once for all tests that only look at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(cache))
        recipe = smoke_recipe(tiny, tmp_path_factory.mktemp("run"))
        return recipe, run_recipe(recipe)


def smoke_recipe(tiny: Path, folder: Path, *more: str) -> Recipe:
    return read_recipe(SMOKE, [f"student.model={tiny}", f"run_dir={folder}", *SHORT, *more])


def to_run(recipe: Recipe) -> set[str]:
    return {title for title, state, _ in plan(recipe) if state != "current"}


def test_results_are_as_promised(smoke) -> None:
    recipe, stages = smoke
    results = json.loads((recipe.folder / "results.json").read_text())
    assert list(results["arms"]) == ["start", "random", "stat-sel"]
    for splits in results["arms"].values():
        assert list(splits) == ["test", "ood"]
        for scores in splits.values():
            assert scores["n"] == 8
            assert scores["ci95"][0] <= scores["accuracy"] <= scores["ci95"][1]
            assert sum(skill["n"] for skill in scores["per_skill"].values()) >= 8
    counts = stages["evaluate start-test"].manifest["counts"]
    assert results["arms"]["start"]["test"]["cut_off"] == counts["cut_off"] > 0
    compared = {(pair["arm"], pair["against"], pair["split"]) for pair in results["paired"]}
    pairs = [("random", "start"), ("stat-sel", "start"), ("stat-sel", "random")]
    assert compared == {(*pair, split) for pair in pairs for split in ("test", "ood")}
    assert all(row["missing"] <= row["difficult"] for row in results["profile"])
    assert results["profile"]
    assert results["seed"] == 0
    assert results["versions"]["torch"].startswith("2.")
    assert set(results["timings"]) >= {"data", "label", "sft random", "evaluate stat-sel-ood"}


def test_the_run_folder_shows_the_report_and_its_pictures(smoke) -> None:
    recipe, _ = smoke
    page = (recipe.folder / "report.md").read_text()
    assert "report-profile.png" in page
    assert (recipe.folder / "report-profile.png").read_bytes().startswith(b"\x89PNG")


def test_every_arm_has_the_same_number_of_pairs_with_lineage(smoke) -> None:
    _, stages = smoke
    sets = {
        arm: TrainingSet.read(stages[f"select {arm}"].file("rows.jsonl")) for arm in ("random", "stat-sel")
    }
    assert {len(rows) for rows in sets.values()} == {8}
    profile = json.loads(stages["profile"].file("profile.json").read_text())
    assert {row.lineage["difficult_question"] for row in sets["stat-sel"].rows} <= set(profile["difficult"])


def test_no_evaluation_question_is_trained_on_and_no_row_is_lost(smoke) -> None:
    _, stages = smoke
    splits = {
        split: list(read_jsonl(stages["data"].file(f"{split}.jsonl"))) for split in ("pool", "test", "ood")
    }
    pool = {row["question"] for row in splits["pool"]}
    assert not pool & {row["question"] for split in ("test", "ood") for row in splits[split]}
    counted = [stage.manifest["counts"] for stage in stages.values() if "rows_in" in stage.manifest["counts"]]
    assert len(counted) >= 4
    for counts in counted:
        assert counts["rows_in"] == counts["rows_out"] + counts.get("quarantined", 0)


def test_a_second_run_does_nothing_and_says_so(
    smoke, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    recipe, _ = smoke
    monkeypatch.setattr(Stage, "begin", lambda self: pytest.fail(f"{self.title} began again"))
    run_recipe(recipe)
    assert to_run(recipe) == set()
    said = capsys.readouterr().err.splitlines()
    assert said
    assert all(line.endswith("current") for line in said)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("selection.stat_sel.draw=skill_map", {"select stat-sel"}),
        ("sft.learning_rate=1e-3", {"sft random", "sft stat-sel"}),
        (
            "evaluation.sampling.max_tokens=17",
            {f"evaluate start-{split}" for split in ("test", "ood", "development")},
        ),
        ("diagnosis.max_skills=2", {"diagnose"}),
    ],
)
def test_a_changed_option_redoes_what_it_feeds_and_no_more(
    smoke, tiny: Path, change: str, again: set[str]
) -> None:
    recipe, _ = smoke
    stale = to_run(smoke_recipe(tiny, recipe.folder, change))
    assert again <= stale
    before = {"data", "student", "taxonomy", "label", "answer", "difficulty"}
    assert not stale & before
    if change.startswith("selection"):
        assert "sft random" not in stale
    assert to_run(recipe) == set()


def test_an_edited_template_redoes_the_stage_it_feeds(smoke, tiny: Path, tmp_path: Path) -> None:
    recipe, _ = smoke
    packaged = (SMOKE.parents[1] / "prompts" / "diagnose.jinja").read_text()
    (tmp_path / "diagnose.jinja").write_text(packaged.replace("experienced teacher", "patient teacher"))
    stale = to_run(smoke_recipe(tiny, recipe.folder, f"prompts_dir={tmp_path}"))
    assert "diagnose" in stale
    assert "label" not in stale
    assert "sft random" not in stale


@pytest.mark.parametrize("module", ["my_judge", "my_judges.strict"])
def test_an_edited_grader_of_the_users_own_judges_anew(tmp_path: Path, monkeypatch, module: str) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe(SMOKE, [f"grader={module}:same"])
    file = tmp_path / (module.replace(".", "/") + ".py")  # a folder without __init__.py is a package too
    file.parent.mkdir(exist_ok=True)
    keys = []
    for code in ("def same(a, b):\n    return a == b\n", "def same(a, b):\n    return b in a\n"):
        file.write_text(code)
        keys.append({step.title: step.files.get("grader") for step in all_steps(recipe)})
    judging = {title for title in keys[0] if keys[0][title] is not None}
    assert judging == {"data", "difficulty", *(t for t in keys[0] if t.startswith("evaluate"))}
    assert all(keys[0][title] != keys[1][title] for title in judging)
    if "." in module:
        monkeypatch.syspath_prepend(tmp_path)  # found there too, and the same code
        assert {step.title: step.files.get("grader") for step in all_steps(recipe)} == keys[1]


def test_rules_that_read_otherwise_judge_anew(monkeypatch) -> None:
    recipe = read_recipe(SMOKE)
    before = {step.title: step.files.get("grader") for step in all_steps(recipe)}
    monkeypatch.setattr("stat_train.pipeline.opening.RULES_VERSION", 99)
    after = {step.title: step.files.get("grader") for step in all_steps(recipe)}
    changed = {title for title in before if before[title] != after[title]}
    assert {"difficulty", "evaluate start-test", "evaluate random-test"} <= changed


def test_other_weights_in_a_folder_of_the_users_home_are_another_model(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    prm = "{method: prm, prm_model: ~/model}"
    recipe = read_recipe(SMOKE, ["student.model=~/model", f"difficulty={prm}", f"adaptmi.difficulty={prm}"])
    keys = []
    for seed in (0, 1):
        write_tiny_model(tmp_path / "model", seed=seed)
        steps = [*all_steps(recipe), *adaptmi_steps(recipe), agreement_step(recipe)]
        keys.append({step.title: step.files.get("prm") or step.files.get("model") for step in steps})
    named = {title for title in keys[0] if keys[0][title] is not None}
    assert named >= {"student", "difficulty", "prompt-difficulty", "agreement"}
    assert all(keys[0][title] != keys[1][title] for title in named)


def test_another_random_student_is_another_run(smoke, tmp_path: Path) -> None:
    recipe, _ = smoke
    other = smoke_recipe(write_tiny_model(tmp_path / "other", seed=1), recipe.folder)
    assert {"student", "answer"} <= to_run(other)
    assert "label" not in to_run(other)


def test_a_stage_alone_runs_only_what_it_needs(tiny: Path, tmp_path: Path) -> None:
    stages = run_recipe(smoke_recipe(tiny, tmp_path / "run"), "label")
    assert list(stages) == ["data", "taxonomy", "label"]
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_training_that_hurts_is_said_loudly(smoke) -> None:
    recipe, _ = smoke

    def correct(n: int) -> Scores:
        questions = [Example(str(place), "?") for place in range(30)]
        return score(questions, ["correct"] * n + ["wrong"] * (30 - n))

    scores = {arm: correct(n) for arm, n in [("start", 18), ("random", 9), ("stat-sel", 16)]}
    warnings = list(training_warnings(recipe, scores))
    assert len(warnings) == 1
    assert "random ended below its start: 30.0% of the development split's 30 questions, 60.0%" in warnings[0]
    low, high = paired(scores["random"], scores["start"]).ci95
    assert f"−30.0, 95% interval {points(low)} to {points(high)})" in warnings[0]
    assert list(training_warnings(recipe, {})) == []


def test_a_report_warns_by_the_development_split(smoke, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, stages = smoke
    worse = Paired(difference=-0.5, ci95=(-0.7, -0.2), p=0.01, gained=0, lost=4, n=8)
    compared: list[tuple[Scores, Scores]] = []
    monkeypatch.setattr(extras, "paired", lambda *both: compared.append(both) or worse)
    warnings = extras.extras_of(Work(recipe, stages["report"], stages)).warnings
    assert "random ended below its start" in warnings[0]
    assert "of the development split's 8 questions" in warnings[0]
    assert "−50.0, 95% interval −70.0 to −20.0)" in warnings[0]
    for name, scores in zip(["random", "start"], compared[0], strict=True):
        assert scores.accuracy == accuracy(stages[f"evaluate {name}-development"])


def test_a_domain_without_mathematics_end_to_end(tiny: Path, tmp_path: Path) -> None:
    recipe_file = write_domain(tmp_path)
    server = ScriptedServer(teach)
    with serve(server) as url:
        overrides = [f"teacher.endpoint={url}", "teacher.model=scripted", f"student.model={tiny}"]
        recipe = read_recipe(recipe_file, [*overrides, f"run_dir={tmp_path / 'run'}"])
        stages = run_recipe(recipe)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert list(results["arms"]) == ["start", "random", "stat-sel"]
    profiled = {(row["subject"], row["skill"]) for row in results["profile"]}
    assert profiled <= {("nouns", "form_plurals"), ("nouns", "name_opposites"), ("verbs", "form_past_tenses")}
    assert {subject for subject, _ in profiled} == {"nouns", "verbs"}
    assert stages["data"].manifest["counts"]["removed"] == 1
    rows = TrainingSet.read(stages["select stat-sel"].file("rows.jsonl")).rows
    for row in rows:
        assert row.lineage["skill"].split("_")[1][:5] in row.question
    asked = len(server.bodies)
    assert (
        stages["label"].manifest["usage"]["requests"] + stages["diagnose"].manifest["usage"]["requests"]
        < asked
    )


def test_owed_rows_stop_the_run_and_the_next_goes_on(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    recipe_file = write_domain(tmp_path)
    down = True

    def script(body, number):
        if down and body["response_format"]["json_schema"]["name"] == "label_skills" and number % 2:
            return Say("overloaded", status=500)
        return teach(body, number)

    with serve(ScriptedServer(script)) as url:
        overrides = [f"teacher.endpoint={url}", "teacher.model=flaky", "teacher.max_attempts=1"]
        recipe = read_recipe(
            recipe_file, [*overrides, "labelling.batch_size=2", f"run_dir={tmp_path / 'run'}"]
        )
        with pytest.raises(Unfinished, match=r"label: \d+ questions are owed .* run the same command again"):
            run_recipe(recipe, "label")
        down = False
        assert run_recipe(recipe, "label")["label"].done


def test_the_bill_counts_every_attempt_of_a_stage(tmp_path: Path) -> None:
    answered = 0

    def script(body, n):
        nonlocal answered
        task = body["response_format"]["json_schema"]["name"]
        if task == "label_skills" and (answered := answered + 1) == 8:
            return Say("the key has expired", status=401)
        return teach(body, n)

    with serve(ScriptedServer(script)) as url:
        base = [f"teacher.endpoint={url}", "teacher.model=m", "labelling.batch_size=1"]
        mine = [*base, "teacher.max_in_flight=1", f"run_dir={tmp_path / 'run'}"]
        recipe_file = write_domain(tmp_path)
        with pytest.raises(UserError, match="the key was refused"):
            run_recipe(read_recipe(recipe_file, mine), "label")
        label = run_recipe(read_recipe(recipe_file, mine), "label")["label"]
        other = read_recipe(recipe_file, [*base, f"run_dir={tmp_path / 'other'}"])
        again = run_recipe(other, "label")["label"].manifest["usage"]
    usage, rows = label.manifest["usage"], label.manifest["counts"]["rows_in"]
    assert (usage["requests"], usage["cached"], usage["prompt_tokens"]) == (rows, 0, 10 * rows)
    assert (again["requests"], again["cached"], again["prompt_tokens"]) == (0, rows, 0)


def test_no_missing_skill_leaves_no_size_and_a_pool_of_evaluation_questions_leaves_nothing(
    tiny: Path, tmp_path: Path
) -> None:
    easy = ["difficulty.method=length", "difficulty.words=15", "selection.size=null", "arms=[random]"]
    with pytest.raises(UserError, match=r"names no missing skill.*set `selection\.size`"):
        run_recipe(smoke_recipe(tiny, tmp_path / "easy", *easy), "select")
    sized = smoke_recipe(tiny, tmp_path / "easy", *easy, "selection.size=4")
    assert run_recipe(sized, "select")["select random"].manifest["counts"]["pairs"] == 4

    recipe_file = write_domain(tmp_path)
    recipe = read_recipe(recipe_file, [f"run_dir={tmp_path / 'run'}"])
    assert recipe.data
    copied = recipe.data.model_copy(update={"pool": recipe.data.evaluation["test"]})
    with pytest.raises(UserError, match=r"pool: all of its \d+ questions stand in another split"):
        run_recipe(recipe.model_copy(update={"data": copied}), "data")


def test_a_server_student_is_diagnosed_but_not_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be trained here; set `arms: \[\]`"):
        read_recipe(SMOKE, ["student.base_url=http://localhost:1/v1"])
    alone = read_recipe(SMOKE, ["student.base_url=http://localhost:1/v1", "arms=[]"])
    titles = [title for title, _, _ in plan(alone)]
    assert "evaluate start-test" in titles
    assert not any(title.startswith(("sft", "select")) for title in titles)


def test_empty_answers_are_noted(tmp_path: Path) -> None:
    silent = Say(raw=b'{"choices": [{"message": {"role": "assistant", "content": null}}]}')
    with serve(ScriptedServer(lambda body, n: silent)) as url:
        own = [f"student.base_url={url}", "arms=[]", f"run_dir={tmp_path / 'run'}"]
        recipe = read_recipe(SMOKE, own)
        stages = [run_recipe(recipe, title)[title] for title in ("answer", "evaluate start-test")]
    for stage in stages:
        assert stage.manifest
        n = stage.manifest["counts"]["rows_out"]
        [note] = [note for note in stage.manifest["notes"] if "empty" in note]
        assert note.startswith(f"{n} of {n} answers were empty; a reasoning model")
