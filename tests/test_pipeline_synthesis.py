"""Arms of new questions in a run: their steps, files, tables and estimate, and too low a yield."""

import json
import re
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from grammar_domain import teach, write_domain
from rich.console import Console
from scripted_server import ScriptedServer, serve
from tiny_model import write_tiny_model

from stat_train.data.jsonl import read_jsonl
from stat_train.data.normalise import normalise_question
from stat_train.errors import Unfinished, UserError
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline import plan, run_recipe
from stat_train.pipeline.estimate import estimate
from stat_train.pipeline.steps import all_steps
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.report.extras import Extras
from stat_train.report.results import Results
from stat_train.report.terminal import print_results
from stat_train.run import Stage
from stat_train.teacher.client import Teacher

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
ARMS = ("stat-syn", "llm2llm")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(cache))


def recipe_for(tiny: Path, folder: Path, *more: str) -> Recipe:
    short = ["sampling.max_tokens=16", "evaluation.sampling.max_tokens=16", "arms=[stat-syn,llm2llm]"]
    sizes = ["selection.size=24", "tutor.pool=200", "tutor.faults.wrong_solutions=0.25"]
    return read_recipe(SMOKE, [f"student.model={tiny}", f"run_dir={folder}", *short, *sizes, *more])


@pytest.fixture(scope="module")
def run(tiny: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, dict[str, Stage]]:
    """A whole run of both arms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(cache))
        recipe = recipe_for(tiny, tmp_path_factory.mktemp("run"))
        return recipe, run_recipe(recipe)


def rows_of(stages: dict[str, Stage], title: str, name: str) -> list[dict]:
    return list(read_jsonl(stages[title].file(name)))


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_has_its_size_of_new_pairs_and_every_question_is_accounted_for(run, arm: str) -> None:
    _, stages = run
    title = f"synthesize {arm}"
    chosen = TrainingSet.read(stages[f"select {arm}"].file("rows.jsonl"))
    assert (len(chosen), chosen.method) == (24, arm)
    accepted = TrainingSet.read(stages[title].file("rows.jsonl")).rows
    drawn, there = ({(row.question, row.solution) for row in rows} for rows in (chosen.rows, accepted))
    assert drawn <= there
    counts = stages[title].manifest["counts"]
    rejected = rows_of(stages, title, "rejected.jsonl")
    kept = {row.lineage["source_id"] for row in accepted}
    assert (len(kept), len(rejected)) == (counts["kept"], counts["asked"] - counts["kept"])
    assert Counter(row["why"] for row in rejected)["inconsistent"] > 0
    yields = rows_of(stages, title, "yield.jsonl")
    assert sum(row["asked"] for row in yields) == counts["asked"]
    assert sum(row["wanted"] for row in yields) == 24


@pytest.mark.parametrize("arm", ARMS)
def test_no_new_question_stands_in_another_split_and_all_name_the_question_that_called_for_them(
    run, arm: str
) -> None:
    _, stages = run
    splits = ("validation", "development", "test", "ood")
    others = {
        normalise_question(row["question"])
        for split in splits
        for row in rows_of(stages, "data", f"{split}.jsonl")
    }
    accepted = TrainingSet.read(stages[f"synthesize {arm}"].file("rows.jsonl")).rows
    assert not others & {normalise_question(row.question) for row in accepted}
    profile = json.loads(stages["profile"].file("profile.json").read_text())
    lacking = {(id, rate["skill"]) for rate in profile["skills"] for id in rate["votes"]}
    for row in accepted:
        why = row.lineage
        assert why["difficult_question"] in profile["difficult"]
        assert arm == "llm2llm" or (why["difficult_question"], why["skill"]) in lacking
        assert why["teacher"].startswith("tutor-")
        assert 2 <= why["votes"] <= why["of"] == 3


def test_the_yield_is_shown_in_the_terminal_and_in_the_report(run) -> None:
    recipe, stages = run
    report = stages["report"]
    extras = Extras.model_validate_json(report.file("extras.json").read_bytes())
    out = StringIO()
    print_results(Results.read(report.file("results.json")), extras, Console(file=out, width=100))
    page = (recipe.folder / "report.md").read_text()
    for arm in ARMS:
        counts = stages[f"synthesize {arm}"].manifest["counts"]
        assert f"Yield of {arm}" in out.getvalue()
        assert f"| `all` | {counts['asked']} | {counts['valid']} |" in page
        assert sum(row.kept for row in extras.yields[arm]) == counts["kept"]
    compared = {(pair.arm, pair.against) for pair in Results.read(report.file("results.json")).paired}
    assert ("stat-syn", "llm2llm") in compared


def test_the_same_teacher_gives_the_same_bytes_in_another_folder_and_another_seed_others(
    run, tiny: Path, tmp_path: Path
) -> None:
    _, stages = run
    again = run_recipe(recipe_for(tiny, tmp_path / "again"), "select")
    other = run_recipe(recipe_for(tiny, tmp_path / "other", "seed=1", "tutor.seed=0"), "select")
    for arm in ARMS:
        first, same, different = (
            its[f"synthesize {arm}"].file("rows.jsonl").read_bytes() for its in (stages, again, other)
        )
        assert first == same
        assert first != different


def test_the_estimate_covers_the_first_round(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    recipe = recipe_for(tiny, tmp_path / "run", "selection.synthesis.rounds=1", "tutor.faults={}")
    before = {row.stage: row for row in estimate(recipe)}
    run_recipe(recipe, "profile")
    then = {row.stage: row for row in estimate(recipe)}
    assert list(then) == ["synthesize stat-syn", "synthesize llm2llm"]
    stages = run_recipe(recipe, "synthesize")
    expected = {"stat-syn": 24, "llm2llm": 4}  # a request for each of 24 skills, though six pairs come of one
    for arm in ARMS:
        counts, usage = (stages[f"synthesize {arm}"].manifest[part] for part in ("counts", "usage"))
        assert then[f"synthesize {arm}"].requests == counts["requests"] + 3 * counts["asked"]
        assert 0 < usage["requests"] <= then[f"synthesize {arm}"].requests
        assert before[f"synthesize {arm}"].requests == expected[arm] * (1 + 2 * 3)
        assert then[f"synthesize {arm}"].requests <= before[f"synthesize {arm}"].requests
        assert "at most 1 rounds" in then[f"synthesize {arm}"].note


def test_the_estimate_before_a_profile_bounds_a_request_for_each_missing_skill(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    one_round = ["selection.synthesis.rounds=1", "tutor.faults={}", "arms=[stat-syn]", "selection.size=8"]
    recipe = recipe_for(tiny, tmp_path / "run", *one_round)
    [before] = [row for row in estimate(recipe) if row.stage == "synthesize stat-syn"]
    usage = run_recipe(recipe, "synthesize")["synthesize stat-syn"].manifest["usage"]
    assert usage["requests"] == 56
    assert before.requests == 56
    assert before.note.startswith("as if 8 skills were missing, each in requests of its own; ")
    few = tmp_path / "few.yaml"
    few.write_text("skills: [addition, subtraction]")
    listed = recipe_for(tiny, tmp_path / "listed", *one_round, f"taxonomy={few}", "selection.size=24")
    [before] = [row for row in estimate(listed) if row.stage == "synthesize stat-syn"]
    assert before.requests == 5 * (1 + 2 * 3)  # such as 19 and 5 pairs: four requests and one
    assert before.note.startswith("as if 2 skills were missing")


def test_too_few_pairs_for_an_arm_stop_the_selection(tiny: Path, tmp_path: Path) -> None:
    short = recipe_for(
        tiny, tmp_path / "run", "selection.synthesis.rounds=1", "tutor.faults.wrong_solutions=0.9"
    )
    with pytest.raises(UserError, match=r"stat-syn: \d+ pairs could be made of the 24"):
        run_recipe(short, "select")


def test_owed_answers_leave_the_stage_undone_and_the_next_run_goes_on(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    recipe = recipe_for(tiny, tmp_path / "run", "tutor.faults.seed=9")
    run_recipe(recipe, "profile")
    answering = Teacher.ask
    with monkeypatch.context() as patch:

        def half_down(self, requests, label=""):
            results = answering(self, requests, label)
            owed = [type(r)(None, "owed", "HTTP 503", r.usage) for r in results[1::2]]
            return (
                [r for pair in zip(results[::2], owed, strict=False) for r in pair]
                if label == "solving"
                else results
            )

        patch.setattr(Teacher, "ask", half_down)
        with pytest.raises(
            Unfinished, match=r"synthesize stat-syn.* owed \(HTTP 503\).*run the same command"
        ):
            run_recipe(recipe, "synthesize")
    assert run_recipe(recipe, "synthesize")["synthesize stat-syn"].done


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("selection.stat_syn.references=2", {"synthesize stat-syn"}),
        ("selection.synthesis.min_votes=3", {"synthesize stat-syn", "synthesize llm2llm"}),
        ("selection.llm2llm.questions=1", {"synthesize llm2llm"}),
        ("selection.hard.group=level", set()),
    ],
)
def test_an_option_redoes_what_it_feeds(run, tiny: Path, change: str, again: set[str]) -> None:
    recipe, _ = run
    stale = {title for title, state, _ in plan(recipe_for(tiny, recipe.folder, change)) if state != "current"}
    assert {title for title in stale if title.startswith("synthesize")} == again
    assert "label" not in stale


def test_an_edited_template_redoes_the_synthesis(run, tiny: Path, tmp_path: Path) -> None:
    recipe, _ = run
    packaged = (SMOKE.parents[1] / "prompts" / "solve.jinja").read_text()
    (tmp_path / "solve.jinja").write_text(packaged.replace("short, complete", "brief, complete"))
    changed = recipe_for(tiny, recipe.folder, f"prompts_dir={tmp_path}")
    stale = {title for title, state, _ in plan(changed) if state != "current"}
    assert {"synthesize stat-syn", "synthesize llm2llm"} <= stale
    assert "diagnose" not in stale


def test_a_recipe_without_such_arms_has_no_such_step() -> None:
    recipe = read_recipe(SMOKE)
    assert not any(step.name == "synthesize" for step in all_steps(recipe))
    with pytest.raises(UserError, match="nothing to synthesize: no arm of embed-syn, llm2llm, stat-syn"):
        plan(recipe, "synthesize")


def test_a_domain_of_two_subjects_without_mathematics(tiny: Path, tmp_path: Path) -> None:
    recipe_file = write_domain(tmp_path)
    with serve(ScriptedServer(teach)) as url:
        overrides = [f"teacher.endpoint={url}", "teacher.model=scripted", f"student.model={tiny}"]
        arms = ["arms=[stat-syn]", "selection.size=12", f"run_dir={tmp_path / 'run'}"]
        stages = run_recipe(read_recipe(recipe_file, [*overrides, *arms]), "select")
    rows = TrainingSet.read(stages["select stat-syn"].file("rows.jsonl")).rows
    assert len(rows) == 12
    assert {row.lineage["subject"] for row in rows} == {"nouns", "verbs"}
    pool = {row["id"]: row for row in rows_of(stages, "label", "pool.jsonl")}
    for row in rows:
        shown = [pool[id] for id in row.lineage["references"]]
        assert {reference["subject"] for reference in shown} == {row.lineage["subject"]}
        ending = re.findall(rf"\({row.lineage['answer']}\) (\w+)", row.question)[0]
        assert ending.endswith(("s", "ed", "less"))
        assert (row.lineage["votes"], row.lineage["of"]) == (2, 3)


def test_more_votes_than_solutions_are_refused_at_load(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"selection\.synthesis.*min_votes is 4"):
        read_recipe(SMOKE, ["selection.synthesis.min_votes=4"])
