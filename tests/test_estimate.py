"""run --estimate and --retry-quarantined."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from grammar_domain import teach, write_domain
from rich.console import Console
from scripted_server import Say, ScriptedServer, serve
from tiny_model import write_tiny_model

from stat_train.cli import main
from stat_train.pipeline import plan, run_recipe
from stat_train.pipeline.estimate import StageEstimate, estimate, print_estimate
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
LISTED = "gpt-4o-mini"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def smoke(tmp_path: Path) -> Recipe:
    tiny = write_tiny_model(tmp_path / "tiny")
    return read_recipe(
        SMOKE, [f"student.model={tiny}", f"run_dir={tmp_path / 'run'}", "sampling.max_tokens=16"]
    )


def rows_of(recipe: Recipe) -> dict:
    return {row.stage: row for row in estimate(recipe)}


def test_the_estimate_is_what_the_run_then_asks(smoke: Recipe, tmp_path: Path) -> None:
    first = rows_of(smoke)
    assert list(first) == ["label", "diagnose"]
    assert not (tmp_path / "run").exists()
    assert "as if every question were difficult and every answer as long" in first["diagnose"].note
    labelled = run_recipe(smoke, "label")["label"].manifest
    assert labelled["usage"]["requests"] == first["label"].requests == 11
    stages = run_recipe(smoke, "difficulty")
    then = rows_of(smoke)
    assert list(then) == ["diagnose"]
    assert then["diagnose"].requests == stages["difficulty"].manifest["counts"]["difficult"]
    assert then["diagnose"].prompt_tokens <= first["diagnose"].prompt_tokens
    assert then["diagnose"].note == ""
    made = run_recipe(smoke, "diagnose")["diagnose"].manifest
    assert made["usage"]["requests"] == then["diagnose"].requests
    assert estimate(smoke) == []


def test_what_is_answered_already_costs_nothing(smoke: Recipe, tmp_path: Path) -> None:
    before = rows_of(smoke)["label"]
    run_recipe(smoke, "label")
    elsewhere = smoke.model_copy(update={"run_dir": tmp_path / "other"})
    again = rows_of(elsewhere)["label"]
    assert (before.cached, again.cached, again.requests) == (0, 11, 11)
    assert (again.prompt_tokens, again.completion_tokens_max) == (0, 0)
    assert before.completion_tokens_max == 11 * smoke.teacher.max_tokens


def test_a_budget_that_may_not_do_is_said(
    smoke: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = estimate(smoke)
    tokens = sum(row.prompt_tokens + row.completion_tokens_max for row in rows)

    def said(rows: list[StageEstimate], **budget: object) -> str:
        teacher = smoke.teacher.model_copy(update=budget)
        print_estimate(rows, smoke.model_copy(update={"teacher": teacher}), Console(width=200))
        return capsys.readouterr().out

    stops = "the run may stop there, and goes on where it is raised."
    assert f"more than teacher.budget_tokens, {tokens - 1:,}: {stops}" in said(rows, budget_tokens=tokens - 1)
    assert "more than" not in said(rows, budget_tokens=tokens)
    priced = [replace(row, usd=2.5) for row in rows]
    assert f"more than teacher.budget_usd, 4.90: {stops}" in said(priced, budget_usd=4.9, model=LISTED)
    assert "more than" not in said(priced, budget_usd=5.0, model=LISTED)
    usage = run_recipe(smoke, "label")["label"].manifest["usage"]
    spent, left = usage["prompt_tokens"] + usage["completion_tokens"], estimate(smoke)
    tokens = sum(row.prompt_tokens + row.completion_tokens_max for row in left)
    told = said(left, budget_tokens=spent + tokens - 1)
    assert f"With {spent:,} spent that is more than teacher.budget_tokens, {spent + tokens - 1:,}: " in told
    assert "more than" not in said(left, budget_tokens=spent + tokens)


def test_a_taxonomy_to_be_discovered_is_said_to_be_unknown(tmp_path: Path) -> None:
    recipe = read_recipe(
        write_domain(tmp_path),
        ["teacher.endpoint=http://localhost:1/v1", f"teacher.model={LISTED}", f"run_dir={tmp_path / 'run'}"],
    )
    rows = rows_of(recipe)
    assert list(rows) == ["taxonomy", "label", "diagnose"]
    assert "unknown until" in rows["taxonomy"].note
    assert "stand-in for the list of skills" in rows["label"].note
    row = rows["label"]
    assert row.usd == pytest.approx((row.prompt_tokens * 0.15 + row.completion_tokens_max * 0.60) / 1e6)


def cli(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stat-train", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code


def test_the_command_prints_sums_and_an_unknown_price(
    smoke: Recipe, tmp_path: Path, monkeypatch, capsys
) -> None:
    arguments = ["run", str(SMOKE), "--estimate", f"run_dir={tmp_path / 'run'}"]
    cli(monkeypatch, *arguments, "teacher.endpoint=http://localhost:1/v1", "teacher.model=unheard-of")
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    assert rows["label"][0] == "11"
    assert rows["all"][0] == "19"
    assert rows["all"][-1] == "unknown"
    assert "price of unheard-of is unknown" in said
    run_recipe(smoke, "diagnose")
    cli(monkeypatch, *arguments, f"student.model={smoke.student.model}", "sampling.max_tokens=16")
    assert "nothing left to answer" in capsys.readouterr().out


def test_retry_quarantined_asks_again_and_what_follows_is_made_anew(tmp_path: Path, monkeypatch) -> None:
    stubborn = True

    def script(body, n):
        task = body["response_format"]["json_schema"]["name"]
        if stubborn and task == "label_skills" and "'cat'" in json.dumps(body["messages"]):
            return Say('{"answers": []}')
        return teach(body | {"messages": body["messages"][:2]}, n)  # the questions, repair or not

    with serve(ScriptedServer(script)) as url:
        overrides = [f"teacher.endpoint={url}", "teacher.model=m", "labelling.batch_size=1"]
        recipe_file = write_domain(tmp_path)
        overrides.append(f"run_dir={tmp_path / 'run'}")
        before = run_recipe(read_recipe(recipe_file, overrides), "label")["label"]
        left = before.manifest["counts"]["quarantined"]
        assert left
        stubborn = False
        assert run_recipe(read_recipe(recipe_file, overrides), "label")["label"].hash == before.hash
        retrying = read_recipe(recipe_file, [*overrides, "teacher.retry_quarantined=true"])
        [guessed] = [row for row in estimate(retrying, "label") if row.stage == "label"]
        assert (guessed.requests - guessed.cached, guessed.requests) == (
            left,
            before.manifest["counts"]["rows_in"],
        )
        assert {title: state for title, state, _ in plan(retrying, "label")}["label"] == "would run"
        assert estimate(read_recipe(recipe_file, overrides), "label") == []
        after = run_recipe(retrying, "label")["label"]
    assert after.path == before.path
    assert after.manifest["counts"]["quarantined"] == 0
    bought = before.manifest["usage"]["requests"]
    assert after.manifest["usage"]["requests"] == bought + left
    assert after.manifest["usage"]["cached"] == 0
    assert after.hash != before.hash


def test_the_flag_reaches_the_teacher(tmp_path: Path, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr("stat_train.pipeline.run_recipe", lambda recipe, up_to: seen.append(recipe) or {})
    cli(monkeypatch, "run", str(SMOKE), "--retry-quarantined")
    cli(monkeypatch, "run", str(SMOKE))
    assert [recipe.teacher.retry_quarantined for recipe in seen] == [True, False]
