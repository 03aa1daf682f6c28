"""results.json, what is shown of it, the words for it, and the terminal's tables."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from report_data import pair, profile_row, raw_results, split_score
from rich.console import Console

from stat_train.errors import UserError
from stat_train.report.extras import Extras
from stat_train.report.grpo_page import grpo_sections
from stat_train.report.grpo_picture import grpo_picture
from stat_train.report.grpo_wording import grpo_figures, grpo_headline
from stat_train.report.reading import headline, profile_headline, reading, skills_headline
from stat_train.report.results import Paired, Results
from stat_train.report.terminal import print_results
from stat_train.report.views import control_arm, main_split, method_arm, ranked, shown_arms, skill_views
from stat_train.report.wording import comparison, duration, half_width, points, verdict


@pytest.fixture
def results() -> Results:
    return Results.model_validate(raw_results())


def screen(results: Results, width: int, extras: Extras | None = None) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    print_results(results, extras, console)
    return console.export_text()


# results.json


def test_results_survive_writing_and_reading(tmp_path: Path, results: Results) -> None:
    path = results.write(tmp_path / "new" / "results.json")
    assert Results.read(path) == results
    assert json.loads(path.read_text()) == raw_results()


def test_order_of_skills_and_of_versions_changes_no_byte(tmp_path: Path) -> None:
    raw = raw_results()
    one = Results.model_validate(raw).write(tmp_path / "one.json").read_bytes()
    for arm in raw["arms"].values():
        arm["test"]["per_skill"] = dict(reversed(arm["test"]["per_skill"].items()))
    assert Results.model_validate(raw).write(tmp_path / "two.json").read_bytes() == one


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda raw: raw["arms"]["start"]["test"].pop("accuracy"), "arms.start.test.accuracy"),
        (lambda raw: raw["arms"]["start"]["test"].update(accuracy=61.2), "arms.start.test.accuracy"),
        (lambda raw: raw["profile"][1].update(rate=float("nan")), "profile.1.rate"),
        (lambda raw: raw["paired"][0].update(sigma=1), "paired.0.sigma"),
        (lambda raw: raw["arms"].pop("start"), '"start"'),
        (lambda raw: raw["paired"][0].update(split="ood"), '"ood"'),
    ],
)
def test_a_damaged_results_file_is_one_clear_line(tmp_path: Path, damage: Any, field: str) -> None:
    raw = raw_results()
    damage(raw)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(UserError) as error:
        Results.read(path)
    assert str(path) in str(error.value)
    assert field in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, "", '{"arms": {"sta'])
def test_an_absent_or_torn_results_file_is_one_clear_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=re.escape(str(path))) as error:
        Results.read(path)
    assert "\n" not in str(error.value)


# What is shown


def test_rows_of_little_evidence_rank_last(results: Results) -> None:
    assert [row.skill for row in ranked(results.profile)] == ["ratio", "carrying", "units", "area"]
    assert profile_headline(results.profile, 2) == (
        "Most often missing: ratio (75% of 20) and carrying (40% of 25) difficult questions"
    )


def test_headlines_follow_stat_sel_and_random_or_else_the_users_own_names(results: Results) -> None:
    assert (main_split(results), method_arm(results), control_arm(results)) == ("test", "stat-sel", "random")
    raw = raw_results()
    score = raw["arms"]["start"]["test"]
    raw |= {"paired": [], "arms": {arm: {"math": score} for arm in ("start", "mine", "a", "b")}}
    renamed = Results.model_validate(raw)
    assert main_split(renamed) == "math"
    assert shown_arms(renamed) == ["start", "mine", "b"]


@pytest.mark.parametrize(
    ("arms", "shown"),
    [
        (("stat-syn", "random"), ("random", "stat-syn")),
        (("stat-sel", "stat-sel-round-2", "stat-sel-at-once", "stat-sel+grpo"), ("stat-sel",)),
        (("stat-sel", "stat-sel-round-2", "balanced"), ("balanced", "stat-sel")),
    ],
)
def test_the_method_goes_by_the_diagnosis_and_its_control_does_not_go_on_from_it(arms, shown) -> None:
    raw = raw_results()
    score = raw["arms"]["start"]["test"]
    raw |= {"paired": [], "arms": {arm: {"test": score} for arm in ("start", *arms)}}
    assert shown_arms(Results.model_validate(raw)) == ["start", *shown]


def test_a_control_alone_was_not_aimed_at_anything(results: Results) -> None:
    raw = raw_results()
    raw |= {"paired": [], "arms": {arm: raw["arms"][arm] for arm in ("start", "random")}}
    assert "Where it was aimed" in "\n".join(reading(results))
    assert "Where it was aimed" not in "\n".join(reading(Results.model_validate(raw)))


def test_a_skill_of_several_subjects_is_summed_under_its_bare_name_and_apart_under_full_ones() -> None:
    raw = raw_results()
    raw["profile"] = [profile_row("ratio", 3, 10, "algebra"), profile_row("ratio", 1, 10, "geometry")]
    for arm in raw["arms"].values():
        arm["test"] = split_score(0.5, {"ratio": 0.5, "algebra/ratio": 0.4, "area": 0.2})
    rates = {view.name: view.rate for view in skill_views(Results.model_validate(raw), "test")}
    assert rates == {"algebra/ratio": 0.3, "ratio": 0.2, "area": None}


# Words


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.01, 0.2, "better"),
        (-0.2, -0.01, "worse"),
        (-0.1, 0.1, "no difference shown"),
        (0, 0.1, "no difference shown"),
    ],
)
def test_verdict_follows_the_interval(low: float, high: float, says: str) -> None:
    one = Paired.model_validate(pair((low + high) / 2, low, high))
    assert verdict(one) == says
    assert ("no difference shown" in comparison(one)) == (says == "no difference shown")


@pytest.mark.parametrize("side", [1, -1])
def test_an_interval_without_a_p_to_match_shows_nothing(side: int) -> None:
    raw = pair(0.1 * side, *sorted((0.01 * side, 0.19 * side)))
    one = Paired.model_validate(raw | {"p": 0.057})
    assert verdict(one) == "no difference shown"
    assert "no difference shown" in comparison(one)
    assert "fits the data, but p = 0.057)" in comparison(one)


def test_comparisons_name_direction_interval_and_p() -> None:
    assert comparison(Paired.model_validate(pair(0.11, 0.05, 0.17))) == (
        "stat-sel is 11.0 points above random on test (95% interval +5.0 to +17.0; p < 0.001)."
    )
    assert "6.0 points below random" in comparison(Paired.model_validate(pair(-0.06, -0.1, -0.02)))


def test_a_grpo_training_too_short_for_an_interval_is_told_without_one(tmp_path: Path) -> None:
    training = {
        "arm": "start+grpo",
        "before": "start",
        "learning_rate": 1e-5,
        "loss_type": "dapo",
        "beta": 0.0,
        "prompts": "even",
        "batches": 2,
        "questions": 1,
        "rollouts": 2,
        "updates": 1,
        "curve": [0.0, 1.0],
        "first": 0.0,
        "last": 1.0,
        "difference": 1.0,
        "ci95": None,
        "groups": 2,
        "flat": 2,
        "answers": 4,
        "skills": [],
    }
    score = split_score(0.5, {})
    raw = raw_results() | {"grpo": [training], "paired": []}
    raw["arms"]["start+grpo"] = {"test": score}
    Results.model_validate(raw).write(tmp_path / "results.json")
    results = Results.read(tmp_path / "results.json")
    [its] = results.grpo
    assert grpo_headline(its) == (
        "start+grpo: the reward went from 0.000 in the first third of 2 batches to 1.000 in the last "
        "(+100.0 points, too few rewards, or too much alike, to tell it from chance)"
    )
    assert grpo_figures(its)[4] == ""
    assert "| 2 | 0.000 | 1.000 | +100.0 |  | 2 of 2 |" in "\n".join(grpo_sections(results, ""))
    assert grpo_picture([its]).startswith(b"\x89PNG")
    print_results(results, console=Console(file=io.StringIO()))


def test_figures_in_words() -> None:
    assert [points(0.062), points(-0.062), points(-0.0001)] == ["+6.2", "−6.2", "0.0"]
    assert [duration(3.24), duration(75.2), duration(119.9), duration(7265)] == [
        "3.2 s",
        "1 min 15 s",
        "2 min 0 s",
        "2 h 1 min",
    ]
    assert half_width(100) == pytest.approx(0.098)


def test_the_reading_holds_what_is_not_shown_what_fell_and_the_harm_of_a_control(results: Results) -> None:
    told = "\n".join(reading(results))
    assert (
        "stat-sel against random on test: no difference shown (+8.0 points; anything from −1.0 to +17.0"
        in told
    )
    assert "random is 6.0 points below start" in told
    assert "1 of 4 skills on test, most of all units (−5.0 points, 40 questions)" in told
    assert "stat-sel changed accuracy on test from 50.0% to 70.0% (+20.0 points)" in told
    assert "random by +5.0 and −2.5 points" in told
    assert "seed 3" in told
    assert "3 comparisons" in told


def test_the_headline_tells_both_comparisons_shown_or_not(results: Results) -> None:
    assert headline(results) == (
        "On test (200 questions) the student got 55.0% right before training and 66.0% after training "
        "on stat-sel. stat-sel is 11.0 points above start on test (95% interval +5.0 to +17.0; p < 0.001). "
        "stat-sel against random on test: no difference shown "
        "(+8.0 points; anything from −1.0 to +17.0 fits the data)."
    )


def test_the_headline_of_skills_names_the_largest_rise_and_the_largest_fall(results: Results) -> None:
    assert skills_headline(skill_views(results, "test"), "stat-sel") == (
        "Of 4 skills stat-sel raised 2 (most: ratio +30.0) and lowered 1 (most: units −5.0)"
    )


# The terminal


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal_and_lose_no_figure(results: Results, width: int) -> None:
    text = screen(results, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    rows = [line.split() for line in text.splitlines()]
    assert next(r for r in rows if r[:1] == ["ratio"])[:7] == ["ratio", "15", "20", "75%", "65", "to", "85%"]
    assert any(row[:6] == ["stat-sel", "66.0%", "59", "to", "73%", "200"] for row in rows)
    assert any(
        row == ["stat-sel", "random", "+8.0", "−1.0", "to", "+17.0", "0.200", "no", "difference", "shown"]
        for row in rows
    )
    assert any(row[:7] == ["ratio", "75%", "40", "30%", "40%", "60%", "+30.0"] for row in rows)


def test_answers_that_were_cut_off_are_shown_where_there_are_any(results: Results) -> None:
    assert "cut off" not in screen(results, 120)
    arms = {
        **results.arms,
        "start": {"test": results.arms["start"]["test"].model_copy(update={"cut_off": 1234})},
    }
    cut = results.model_copy(update={"arms": arms})
    assert "Answers cut off at the token limit: 1,234 of start on test" in screen(cut, 120)


def test_long_names_fold_and_the_bar_stays() -> None:
    raw = raw_results()
    skill = "combinatorial_operations_and_applications"
    raw["profile"] = [profile_row(skill, 8, 10, "counting_and_probability")]
    lines = screen(Results.model_validate(raw), 80).splitlines()
    assert max(map(len, lines)) <= 80
    first = next(line for line in lines if "counting_and_probability/" in line)
    assert first.count("█") >= 6


def test_many_skills_are_counted_not_dropped(results: Results) -> None:
    raw = raw_results()
    raw["profile"] = [profile_row(f"skill_{number}", 3, 10) for number in range(118)]
    assert "106 more skills in the report" in screen(Results.model_validate(raw), 80)


def test_the_terminal_shows_hostile_names_as_text_and_warnings_first(results: Results) -> None:
    raw = raw_results()
    raw["profile"] = [profile_row("[bold red]x[/] \x1b[31my", 8, 10)]
    text = screen(Results.model_validate(raw), 100, Extras(warnings=["random fell [on dev]"]))
    assert "[bold red]x[/]" in text
    assert "\x1b" not in text
    assert text.index("random fell [on dev]") < text.index("Missing-Skill-Profile")


def test_a_run_that_only_diagnosed_is_shown() -> None:
    raw = raw_results()
    raw |= {"arms": {"start": raw["arms"]["start"]}, "paired": []}
    text = screen(Results.model_validate(raw), 80)
    assert "Paired" not in text
    assert "ratio" in text
