"""The report's page and its pictures."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from report_data import HOSTILE, hostile_extras, pair, profile_row, raw_results, split_score

from stat_train.errors import UserError
from stat_train.report.extras import Extras
from stat_train.report.markdown import code, fence, prose
from stat_train.report.page import PROFILE_PICTURE, SKILLS_PICTURE, write_report
from stat_train.report.pictures import profile_picture, skills_picture
from stat_train.report.reading import headline
from stat_train.report.results import ProfileChange, ProfileRow, Results, Round
from stat_train.report.round_page import round_sections
from stat_train.report.views import shown_arms, skill_views
from stat_train.report.wording import printable


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


def test_the_page_is_whole_and_the_same_for_the_same_input(tmp_path: Path, results: Results) -> None:
    extras = Extras.model_validate(
        {
            "name": "demo",
            "student": "a small model",
            "commands": ["make demo"],
            "warnings": ["random ended below its start"],
            "sets": {
                "random": {"rows": 390, "unique_questions": 390, "source": "pool"},
                "stat-sel": {"rows": 400, "unique_questions": 351, "back_offs": 12, "tokens": 41234},
            },
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
        "or the request was refused or too long to be sent; ",
        "`--retry-quarantined` asks the teacher for it once more.",
        "**Student**: a small model",
        "| `ratio` | 15 | 20 | 75% | 65 to 85% |",
        "```text\nWhat is 5 of 80?\n```",
        "```text\nWhat is 7 of 90?\n```",
        "The arms are not equally large: mind that when you compare them.",
        "| `random` | 390 | 390 | - | 0 | pool |",
        "| `stat-sel` | 400 | 351 | 41,234 | 12 |",
        "| `test` | `stat-sel` | 66.0% | 59 to 73% | 200 |",
        "| `test` | `stat-sel` | `random` | +8.0 | −1.0 to +17.0 | 0.200 | no difference shown |",
        "| `test` | `stat-sel` | `start` | +11.0 | +5.0 to +17.0 | <0.001 | **better** |",
        "| `ratio` | 75% | 40 | 30% | 40% | 60% | +30.0 |",
        "| `label` | 270 | 264 | 6 | 0 |",
        "1,412 requests sent, 7 answers from the cache; 60,311 prompt tokens, 9,832 completion tokens: 1.50",
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


def test_answers_that_were_cut_off_stand_under_the_scores(tmp_path: Path, results: Results) -> None:
    assert "cut off" not in write_report(tmp_path, results).read_text()
    scores = {"test": results.arms["random"]["test"].model_copy(update={"cut_off": 7})}
    cut = results.model_copy(update={"arms": results.arms | {"random": scores}})
    assert (
        "Answers cut off at the token limit: 7 of random on test." in write_report(tmp_path, cut).read_text()
    )


def test_a_skill_is_called_gained_or_forgotten_only_where_that_was_measured_and_is_clear(
    results: Results,
) -> None:
    def change(
        skill: str, before: float | None, after: float | None, ci95: tuple[float, float] = (-0.5, -0.1)
    ) -> ProfileChange:
        known = before is not None and after is not None
        return ProfileChange(
            subject="",
            skill=skill,
            before=before,
            after=after,
            difference=after - before if known else None,
            ci95=ci95 if known else None,
        )

    changes = [change("sums", 0.5, 0.25), change("units", None, 0.5), change("areas", 0.5, None)]
    changes += [change("rates", 0.25, 0.5, (-0.1, 0.6)), change("clocks", 0.25, 0.75, (0.1, 0.8))]
    its = Round(number=2, arm="a", against="b", pairs=4, changes=changes)
    page = "\n".join(round_sections(results.model_copy(update={"rounds": [its]})))
    assert "1 skills (1 clearly; most: sums" in page
    assert "and 2 skills (1 clearly; most: clocks +50.0) more often" in page
    cells = {
        row.split("|")[1].strip(" `"): [cell.strip() for cell in row.split("|")]
        for row in page.split("\n")
        if row.count("|") == 8
    }
    assert cells["sums"][6] == "**gained**"
    assert cells["rates"][6] == "unclear"
    assert cells["clocks"][6] == "**forgotten**"
    assert cells["units"][2:7] == ["-", "50%", "", "", "new"]
    assert cells["areas"][2:7] == ["50%", "-", "", "", "not asked"]


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
