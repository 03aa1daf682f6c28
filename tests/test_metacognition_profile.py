"""The Missing-Skill-Profile: votes, rates, intervals, files, frames, differences."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.intervals import bootstrap, wilson
from stat_train.metacognition.agreement import skill_agreement
from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.metacognition.intervals import interval, newcombe
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.metacognition.show import diff_table, profile_table

EXAMPLES = [
    Example("q1", "?", subject="a", skills=("s",)),
    Example("q2", "?", subject="a", skills=("s", "t")),
    Example("q3", "?", subject="b", skills=("s",)),
    Example("q4", "?", subject="a", skills=("t",)),
    Example("q5", "?", subject="a", skills=("s",)),
]


def diagnosis(id, *missing, sample=0):
    return Diagnosis(id, sample, "wrong" if missing else "correct", "", missing)


def profile(*diagnoses, difficult=("q1", "q2", "q3"), **more):
    return MissingSkillProfile.from_diagnoses(diagnoses, EXAMPLES, difficult, **more)


def rates(made):
    return {(r.subject, r.skill): (r.missing, r.difficult, r.rate, r.questions) for r in made.skills}


def test_the_denominator_is_labelled_with_or_diagnosed_for():
    made = profile(diagnosis("q1", "t"), diagnosis("q2", "s", "t"), diagnosis("q3", "s"))
    assert rates(made) == {
        ("a", "t"): (2, 2, 1.0, 3),
        ("a", "s"): (1, 2, 0.5, 3),
        ("b", "s"): (1, 1, 1.0, 1),
    }
    assert next(iter(rates(made))) == ("a", "t")
    assert made.missing == {"q1": ("t",), "q2": ("s", "t"), "q3": ("s",)}
    assert made.pairs() == [("q1", "a", "t"), ("q2", "a", "s"), ("q2", "a", "t"), ("q3", "b", "s")]
    assert made.counts() == {("a", "t"): 2, ("a", "s"): 1, ("b", "s"): 1}


def test_several_samples_are_one_vote_a_question():
    made = profile(
        diagnosis("q1", "s"),
        diagnosis("q1", sample=1),
        diagnosis("q1", "t", sample=2),
        diagnosis("q1", "s", sample=3),
        diagnosis("q2", "s"),
        difficult=("q1", "q2"),
    )
    by_key = {(r.subject, r.skill): r for r in made.skills}
    assert by_key["a", "s"].votes == {"q1": 0.5, "q2": 1.0}
    assert (by_key["a", "s"].missing, by_key["a", "s"].rate) == (2, 0.75)
    assert by_key["a", "t"].votes == {"q1": 0.25, "q2": 0.0}
    assert by_key["a", "t"].ci95 == bootstrap([0.25, 0.0])


def test_only_difficult_and_diagnosed_questions_count():
    made = profile(diagnosis("q1", "s"), diagnosis("q5", "s"), diagnosis("q2"), difficult=("q2", "q1", "q3"))
    assert made.difficult == ("q1", "q2")
    assert made.undiagnosed == ("q3",)
    assert rates(made)["a", "s"] == (1, 2, 0.5, 3)
    assert rates(made)["b", "s"] == (0, 0, 0.0, 1)
    assert ("b", "s") not in {(row["subject"], row["skill"]) for row in made.rows()}
    with pytest.raises(UserError, match="the diagnosis of 'q9' is of no validation example"):
        profile(diagnosis("q1", "s"), diagnosis("q9", "s"))
    with pytest.raises(UserError, match="'q9' is not among the validation examples"):
        profile(difficult=("q9",))


def test_rows_are_those_of_the_results_file():
    assert profile(diagnosis("q1", "s"), diagnosis("q2", "s"), difficult=("q1", "q2")).rows() == [
        {
            "subject": "a",
            "skill": "s",
            "missing": 2,
            "difficult": 2,
            "rate": 1.0,
            "ci95": wilson(1.0, 2),
        },
        {"subject": "a", "skill": "t", "missing": 0, "difficult": 1, "rate": 0.0, "ci95": wilson(0.0, 1)},
    ]


def test_self_agreement_is_per_skill_and_by_response():
    first = [diagnosis("q1", "s"), diagnosis("q2", "s", "t"), diagnosis("q1", "t", sample=1)]
    again = [diagnosis("q1", "s", "t"), diagnosis("q2", "s"), diagnosis("q1", "t", sample=1)]
    made = profile(*first, repeated=again)
    assert {(r.subject, r.skill): r.self_agreement for r in made.skills if r.difficult} == {
        ("a", "s"): 1.0,
        ("a", "t"): 0.5,
    }
    assert skill_agreement(first, [], {"q1": "a", "q2": "a"}) == {}


def test_a_file_is_read_back_equal_and_written_the_same(tmp_path):
    made = profile(diagnosis("q1", "s"), diagnosis("q2", "t"), taxonomy="abc")
    made.write(tmp_path / "a" / "profile.json")
    again = MissingSkillProfile.read(tmp_path / "a" / "profile.json")
    assert again == made
    again.write(tmp_path / "b.json")
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a" / "profile.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"version": 1', '"version": 2'), "version"),
        (('"q1": 1.0', '"q1": 1.5'), "skills.0.votes.q1"),
        (('"skill": "s"', '"skil": "s"'), "skills.0.skill"),
        (('"q1": 1.0', '"q7": 1.0'), "a vote of 'q7', which is not in `difficult`"),
        (("{", "["), "profile"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, change, message):
    path = tmp_path / "profile.json"
    profile(diagnosis("q1", "s"), difficult=("q1",)).write(path)
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(UserError, match=message) as caught:
        MissingSkillProfile.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="run the profile stage first"):
        MissingSkillProfile.read(tmp_path / "absent.json")


def test_pandas_out_and_in():
    made = profile(diagnosis("q1", "s", "t"), diagnosis("q2", "t"), repeated=[diagnosis("q1", "s")])
    frame = made.to_frame()
    row = frame.set_index(["subject", "skill"]).loc["a", "t"]
    assert (row.missing, row.difficult, row.rate, row.question_ids) == (2, 2, 1.0, ["q1", "q2"])
    again = MissingSkillProfile.from_frame(frame)
    assert again.skills == made.skills
    assert again.pairs() == made.pairs()
    only_t = MissingSkillProfile.from_frame(frame[frame.skill == "t"])
    assert only_t.missing == {"q1": ("t",), "q2": ("t",)}


def test_a_frame_by_hand_needs_two_columns():
    import pandas as pd

    made = MissingSkillProfile.from_frame(pd.DataFrame({"skill": ["s"], "question_ids": [["x", "y"]]}))
    assert made.missing == {"x": ("s",), "y": ("s",)}
    with pytest.raises(UserError, match="no column 'question_ids'"):
        MissingSkillProfile.from_frame(pd.DataFrame({"skill": ["s"]}))
    with pytest.raises(UserError, match=r"row 0: 1 votes for 2 question_ids"):
        MissingSkillProfile.from_frame(
            pd.DataFrame({"skill": ["s"], "question_ids": [["x", "y"]], "votes": [[1.0]]})
        )
    with pytest.raises(UserError, match=r"frame: row 0: votes.x"):
        MissingSkillProfile.from_frame(
            pd.DataFrame({"skill": ["s"], "question_ids": [["x"]], "votes": [[7.0]]})
        )


def test_intervals_agree_with_scipy():
    from scipy.stats import binomtest

    for k, n in ((0, 5), (3, 7), (40, 100), (12, 12)):
        ci = binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k / n, n) == pytest.approx((ci.low, ci.high), abs=1e-12)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_newcombe_agrees_with_its_published_example():
    # Newcombe 1998, table II (a), method 10: 56/70 - 48/80 is .2000, interval .0524 to .3339
    assert newcombe(48 / 80, 80, 56 / 70, 70) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_fractional_votes_are_resampled_by_question():
    votes = [0.25, 0.5, 1.0, 0.0] * 25
    low, high = interval(votes)
    mean = sum(votes) / len(votes)
    deviation = (sum((v - mean) ** 2 for v in votes) / len(votes)) ** 0.5
    assert (low, high) == pytest.approx((mean - 0.196 * deviation, mean + 0.196 * deviation), abs=0.015)
    assert interval(votes) == interval(votes)
    assert interval([0.5] * 4) == wilson(0.5, 4)
    assert interval([1.0, 0.0, 1.0]) == wilson(2 / 3, 3)


def many(lacking, n, prefix="q"):
    examples = [Example(f"{prefix}{i}", "?", skills=("s", "t")) for i in range(n)]
    diagnoses = [diagnosis(f"{prefix}{i}", "s") for i in range(lacking)]
    return MissingSkillProfile.from_diagnoses(diagnoses, examples, [d.question_id for d in diagnoses])


def test_diff_compares_shares_of_all_questions_so_that_fewer_difficult_ones_count():
    before, after = many(60, 100), many(20, 100)
    assert (
        {r.skill: r.rate for r in before.skills}["s"] == {r.skill: r.rate for r in after.skills}["s"] == 1.0
    )
    improved = before.diff(after)[0]
    assert (improved.skill, improved.status, improved.clear) == ("s", "improved", True)
    assert improved.difference == pytest.approx(-0.4)
    assert improved.ci95 == newcombe(0.6, 100, 0.2, 100)
    forgotten = after.diff(before)[-1]
    assert (forgotten.skill, forgotten.status, forgotten.clear) == ("s", "forgotten", True)
    assert {(c.skill, c.status, c.clear) for c in before.diff(before)} == {
        ("s", "same", False),
        ("t", "same", False),
    }


def test_diff_knows_skills_of_one_side_only():
    before = profile(diagnosis("q1", "s"), difficult=("q1",))
    after = profile(diagnosis("q1", "new"), difficult=("q1",))
    changes = {(c.subject, c.skill): c for c in before.diff(after)}
    new = changes["a", "new"]
    [gone] = [change for change in after.diff(before) if change.skill == "new"]
    assert (new.before, new.difference, new.ci95, new.status, new.clear) == (None, None, None, "new", False)
    assert (gone.after, gone.difference, gone.status) == (None, None, "not asked")
    assert before.diff(after)[-1] == new
    [line] = [line.split("│") for line in shown(diff_table([new])).splitlines() if " new " in line]
    assert [cell.strip() for cell in line[1:-1]] == ["a", "new", "-", "1.00", "-", "-", "new"]
    assert "not asked" in shown(diff_table([gone]))


def test_a_skill_without_a_question_was_not_measured():
    rate = {"subject": "", "skill": "s", "votes": {}, "questions": 0}
    before = MissingSkillProfile.model_validate({"difficult": (), "skills": [rate]})
    [change] = before.diff(many(1, 1))[:1]
    assert (change.skill, change.status) == ("s", "new")


def test_the_diff_claims_no_change_where_its_interval_holds_0():
    [little] = [change for change in many(3, 10).diff(many(4, 10)) if change.skill == "s"]
    assert (little.status, little.clear) == ("forgotten", False)
    text = shown(diff_table([little]))
    assert "unclear" in text
    assert "forgotten" not in text
    assert "same" in shown(diff_table(many(3, 10).diff(many(3, 10))))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "it is no profile: it has no 'difficult'"),
        ('{"version": 1, "difficult": []}', "it is no profile: it has no 'skills'"),
        ("[]", "it is no profile of this version"),
    ],
)
def test_a_file_that_is_no_profile_is_one_line(text: str, told: str, tmp_path: Path):
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'e.json'}: ") + ".*" + told) as caught:
        MissingSkillProfile.read(tmp_path / "e.json")
    assert "\n" not in str(caught.value)


def test_a_profile_of_nothing_is_one(tmp_path: Path):
    MissingSkillProfile().write(tmp_path / "profile.json")
    assert MissingSkillProfile.read(tmp_path / "profile.json") == MissingSkillProfile()


def test_a_narrow_terminal_folds_names_and_ids_and_cuts_none():
    skill = "a_skill_whose_name_is_far_longer_than_a_terminal_would_like_it_to_be"
    ids = [f"question-{n}-of-the-validation-split" for n in range(3)]
    examples = [Example(id, "?", subject="intermediate_algebra", skills=(skill,)) for id in ids]
    made = MissingSkillProfile.from_diagnoses([diagnosis(id, skill) for id in ids], examples, ids)
    for table in (profile_table(made, examples=3), diff_table(made.diff(made))):
        text = shown(table, width=80)
        assert "\N{HORIZONTAL ELLIPSIS}" not in text
        assert "1.00" in text


def shown(table, width=140):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_tables_show_what_is_missing_and_take_no_markup_from_data():
    made = MissingSkillProfile.from_diagnoses(
        [diagnosis("[red]q", "[bold]s"), diagnosis("q1")],
        [Example("[red]q", "?", skills=("t",)), Example("q1", "?", skills=("t",)), Example("q2", "?")],
        ["[red]q", "q1", "q2"],
        repeated=[diagnosis("[red]q", "[bold]s")],
    )
    assert "[red]q" not in shown(profile_table(made))
    text = shown(profile_table(made, examples=1))
    assert "[bold]s" in text
    assert "[red]q" in text
    assert "2 difficult questions diagnosed, 1 of them lack no skill, 1 without a diagnosis" in text
    assert "agreement" in text
    assert "subject" not in text
    text = shown(diff_table(many(60, 100).diff(many(20, 100))))
    assert "0.60" in text
    assert "-0.40" in text
    assert "improved" in text
    assert "subject" in shown(profile_table(profile(diagnosis("q1", "s"))))
