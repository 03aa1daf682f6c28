"""The report: results.json, the terminal's tables, and the page with its pictures."""

import io
import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from stat_train.errors import UserError
from stat_train.report.extras import Extras
from stat_train.report.markdown import code, fence, prose
from stat_train.report.page import PROFILE_PICTURE, SKILLS_PICTURE, write_report
from stat_train.report.pictures import profile_picture, skills_picture
from stat_train.report.reading import headline, profile_headline, reading, skills_headline
from stat_train.report.results import Paired, ProfileRow, Results
from stat_train.report.terminal import print_results
from stat_train.report.views import control_arm, main_split, method_arm, ranked, shown_arms, skill_views
from stat_train.report.wording import comparison, duration, half_width, points, printable, verdict

HOSTILE = (
    "</details><script>alert(1)</script> ``` [x](http://e.vil) ![y](z.png) | **b** _c_ \x1b[31m \u202e $q$"
)


def split_score(accuracy: float, skills: dict[str, float], n: int = 200) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "ci95": [max(0, accuracy - 0.07), min(1, accuracy + 0.07)],
        "n": n,
        "per_skill": {skill: {"accuracy": right, "n": 40} for skill, right in skills.items()},
    }


def profile_row(skill: str, missing: int, difficult: int, subject: str = "") -> dict[str, Any]:
    return {
        "subject": subject,
        "skill": skill,
        "missing": missing,
        "difficult": difficult,
        "rate": missing / difficult,
        "ci95": [max(0, missing / difficult - 0.1), min(1, missing / difficult + 0.1)],
    }


def pair(difference: float, low: float, high: float, **names: str) -> dict[str, Any]:
    named = {"arm": "stat-sel", "against": "random", "split": "test"} | names
    return {**named, "difference": difference, "ci95": [low, high], "p": 0.0004 if low > 0 else 0.2}


def raw_results() -> dict[str, Any]:
    return {
        "arms": {
            "random": {"test": split_score(0.58, {"ratio": 0.4, "carrying": 0.7, "units": 0.6, "area": 0.8})},
            "start": {"test": split_score(0.55, {"ratio": 0.3, "carrying": 0.7, "units": 0.65, "area": 0.8})},
            "stat-sel": {
                "test": split_score(0.66, {"ratio": 0.6, "carrying": 0.8, "units": 0.6, "area": 0.8})
            },
        },
        "paired": [
            pair(0.11, 0.05, 0.17, against="start"),
            pair(0.08, -0.01, 0.17),
            pair(-0.06, -0.1, -0.02, arm="random", against="start"),
        ],
        "profile": [
            profile_row("area", 1, 1),
            profile_row("units", 3, 30),
            profile_row("carrying", 10, 25),
            profile_row("ratio", 15, 20),
        ],
        "timings": {"label": 4.0, "sft-random": 75.2},
        "versions": {"torch": "2.13.0"},
        "seed": 3,
    }


@pytest.fixture
def results() -> Results:
    return Results.model_validate(raw_results())


@pytest.fixture
def hostile_results() -> Results:
    """Results whose every name is hostile."""
    skills = {HOSTILE: 0.4, "ratio": 0.5}
    return Results.model_validate(
        {
            "arms": {arm: {HOSTILE: split_score(0.5, skills)} for arm in ("start", HOSTILE)},
            "paired": [pair(0.1, 0.05, 0.15, arm=HOSTILE, against="start", split=HOSTILE)],
            "profile": [profile_row(HOSTILE, 6, 9), profile_row("ratio", 2, 9)],
            "timings": {HOSTILE: 1.0},
            "versions": {HOSTILE: HOSTILE},
            "seed": 1,
        }
    )


def hostile_extras() -> Extras:
    return Extras.model_validate(
        {
            "name": HOSTILE,
            "student": HOSTILE,
            "teacher": HOSTILE,
            "data": HOSTILE,
            "commands": [HOSTILE],
            "warnings": [HOSTILE],
            "sets": {HOSTILE: {"rows": 4, "unique_questions": 3, "back_offs": 1, "notes": [HOSTILE]}},
            "counts": [{"stage": HOSTILE, "rows_in": 3, "rows_out": 2, "quarantined": 1}],
            "diagnoses": [
                {"question": HOSTILE, "response": HOSTILE, "missing_skills": [HOSTILE], "reason": HOSTILE}
            ],
            "selected": [
                {
                    "arm": HOSTILE,
                    "question": HOSTILE,
                    "solution": HOSTILE,
                    "missing_skill": HOSTILE,
                    "difficult_question": HOSTILE,
                }
            ],
        }
    )


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


def test_comparisons_name_direction_interval_and_p() -> None:
    assert comparison(Paired.model_validate(pair(0.11, 0.05, 0.17))) == (
        "stat-sel is 11.0 points above random on test (95% interval +5.0 to +17.0; p < 0.001)."
    )
    assert "6.0 points below random" in comparison(Paired.model_validate(pair(-0.06, -0.1, -0.02)))


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


# The page


def test_the_page_is_whole_and_the_same_for_the_same_input(tmp_path: Path, results: Results) -> None:
    extras = Extras.model_validate(
        {
            "name": "demo",
            "student": "a small model",
            "commands": ["make demo"],
            "warnings": ["random ended below its start"],
            "sets": {"stat-sel": {"rows": 400, "unique_questions": 351, "back_offs": 12}},
            "teacher_bill": {
                "requests": 1412,
                "cached": 7,
                "prompt_tokens": 60311,
                "completion_tokens": 9832,
                "usd": 1.5,
            },
            "counts": [{"stage": "label", "rows_in": 270, "rows_out": 264, "quarantined": 6}],
            "diagnoses": [
                {
                    "question": "What is 5 of 80?",
                    "response": "400",
                    "missing_skills": ["ratio"],
                    "reason": "Why.",
                }
            ],
            "selected": [
                {
                    "arm": "stat-sel",
                    "question": "What is 7 of 90?",
                    "missing_skill": "ratio",
                    "difficult_question": "What is 5 of 80?",
                }
            ],
        }
    )
    page = write_report(tmp_path / "one", results, extras)
    text = page.read_text()
    for told in (
        "# demo: ",
        "**Student**: a small model",
        "| `ratio` | 15 | 20 | 75% | 65 to 85% |",
        "```text\nWhat is 5 of 80?\n```",
        "```text\nWhat is 7 of 90?\n```",
        "| `stat-sel` | 400 | 351 | 12 |",
        "| `test` | `stat-sel` | 66.0% | 59 to 73% | 200 |",
        "| `test` | `stat-sel` | `random` | +8.0 | −1.0 to +17.0 | 0.200 | no difference shown |",
        "| `test` | `stat-sel` | `start` | +11.0 | +5.0 to +17.0 | <0.001 | **better** |",
        "| `ratio` | 75% | 40 | 30% | 40% | 60% | +30.0 |",
        "| `label` | 270 | 264 | 6 | 0 |",
        "1,412 requests (7 answered from the cache), 60,311 prompt tokens, 9,832 completion tokens: 1.50 US",
        "| `all stages` | 1 min 19 s |",
        "| `torch` | `2.13.0` |",
        "make demo",
        f"]({PROFILE_PICTURE})",
        f"]({SKILLS_PICTURE})",
    ):
        assert told in text
    assert text.index("WARNING: random ended below") < text.index(headline(results).split(".")[0])

    again = write_report(tmp_path / "two", results, extras)
    for name in (page.name, PROFILE_PICTURE, SKILLS_PICTURE):
        assert (page.parent / name).read_bytes() == (again.parent / name).read_bytes()


def test_text_of_models_and_data_stays_text(tmp_path: Path, hostile_results: Results) -> None:
    page = write_report(tmp_path, hostile_results, hostile_extras()).read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", page)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page)
    inline = [child for token in tokens if token.children for child in token.children]
    assert not [token for token in [*tokens, *inline] if token.type.startswith(("html", "link"))]
    pictures = [token.attrs["src"] for token in inline if token.type == "image"]
    assert pictures == [PROFILE_PICTURE, SKILLS_PICTURE]
    assert not [token for token in inline if token.type == "em_open"]

    fences = [token.content for token in tokens if token.type == "fence"]
    assert sum("</details><script>alert(1)</script> ```" in content for content in fences) == 7
    columns = None
    for token in tokens:
        if token.type == "tr_open":
            cells = 0
        elif token.type in ("th_open", "td_open"):
            cells += 1
        elif token.type == "tr_close":
            columns = columns or cells
            assert cells == columns
        elif token.type == "table_close":
            columns = None


@pytest.mark.parametrize(
    "text", [HOSTILE, "1. list", "- item", "# head", "`", "``", "a\n\n<b>", "~~~", "> q", "+ x", "", "x`|`y"]
)
def test_escaped_text_renders_as_itself(text: str) -> None:
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    shown = " ".join(printable(text).split())

    paragraph = markdown.parse(prose(text))
    assert [token.type for token in paragraph] == (
        ["paragraph_open", "inline", "paragraph_close"] if text else []
    )
    inline = [child for token in paragraph for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "text_special"}
    assert "".join(child.content for child in inline) == shown

    (_, span, _) = markdown.parse(code(text))
    assert [child.content for child in span.children or []] == [shown or "(empty)"]

    (block,) = markdown.parse(fence(text))
    assert (block.type, block.content.split()) == ("fence", shown.split())


def test_a_very_long_text_is_cut_and_says_so() -> None:
    assert "(8000 more characters)" in fence("y" * 10_000)


def test_without_matplotlib_the_page_names_the_extra(
    tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = write_report(tmp_path, results).read_text()
    assert page.count('`pip install "stat-train[report]"`') == 2
    assert "![" not in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_a_run_without_profile_or_training_has_a_page(tmp_path: Path) -> None:
    raw = raw_results()
    raw |= {"arms": {"start": raw["arms"]["start"]}, "paired": [], "profile": []}
    page = write_report(tmp_path, Results.model_validate(raw)).read_text()
    assert "The profile is empty" in page
    assert "No arm was trained" in page
    assert "![" not in page


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, results: Results) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / "file", results)
    with pytest.raises(UserError, match="cannot be written"):
        results.write(tmp_path / "file" / "results.json")


def test_the_report_needs_no_matplotlib_to_be_imported() -> None:
    script = (
        "import sys, stat_train.report.page, stat_train.report.terminal; "
        "assert not {'matplotlib', 'pandas', 'torch', 'scipy', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# The pictures


def png(content: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the kinds of chunk."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds = 8, []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kinds.append(content[at + 4 : at + 8])
        at += 12 + length
    return (*struct.unpack(">II", content[16:24]), kinds)


def test_every_skill_has_a_legible_row_in_both_pictures(results: Results) -> None:
    names = [f"intermediate_algebra_and_much_more_of_it_besides_{number}" for number in range(118)]
    rows = [ProfileRow.model_validate(profile_row(name, 3, 10)) for name in names]
    raw = raw_results()
    for arm in raw["arms"].values():
        arm["test"] = split_score(0.5, dict.fromkeys(names, 0.5))
    scored = Results.model_validate(raw)
    for draw in (
        lambda few: profile_picture(rows[:few]),
        lambda few: skills_picture(skill_views(scored, "test")[:few], shown_arms(scored), "test"),
    ):
        width, height, kinds = png(draw(118))
        assert height > 118 * 24
        assert png(draw(20))[1] > 20 * 36
        assert width > 1200
        assert b"tEXt" not in kinds


def test_pictures_draw_the_figures_and_take_any_name(
    results: Results, recwarn: pytest.WarningsRecorder
) -> None:
    names = ["$\\frac{", "分数", HOSTILE, "a" * 300]
    rows = [ProfileRow.model_validate(profile_row(name, 3, 10)) for name in names]
    picture = profile_picture(rows)
    wider = [row.model_copy(update={"ci95": (0.0, 0.9)}) for row in rows]
    assert png(picture)[0] > 1200
    assert profile_picture(wider) != picture
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]

    views = skill_views(results, "test")
    before = skills_picture(views, shown_arms(results), "test")
    raw = raw_results()
    raw["arms"]["random"]["test"]["per_skill"]["ratio"]["accuracy"] = 0.1
    moved = skill_views(Results.model_validate(raw), "test")
    assert skills_picture(moved, shown_arms(results), "test") != before
