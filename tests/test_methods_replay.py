"""Replay: what was forgotten, and how many rows each forgotten skill is given."""

from collections import Counter

from stat_train.data.example import Example
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.options import StatSelOptions
from stat_train.methods.replay import forgotten, replay
from stat_train.methods.stat_sel import stat_sel
from stat_train.methods.training_set import TrainingRow


def rows(prefix: str, n: int, *skills: str) -> list[Example]:
    return [
        Example(f"{prefix}{i}", f"question {prefix}{i}", f"solution {i}", skills=skills) for i in range(n)
    ]


def profile(asked: dict[str, int], lacking: dict[str, int]) -> MissingSkillProfile:
    """Of `asked` questions that need each skill the first so many lack it; those alone are difficult."""
    votes = {skill: {f"{skill}-{i}": 1.0 for i in range(lacking.get(skill, 0))} for skill in asked}
    return MissingSkillProfile.model_validate(
        {
            "difficult": [id_ for its in votes.values() for id_ in its],
            "skills": [
                {"subject": "", "skill": skill, "votes": votes[skill], "questions": n}
                for skill, n in asked.items()
            ],
        }
    )


def trained(skill: str, *ids: str) -> list[TrainingRow]:
    return [TrainingRow(f"t-{i}", "?", "!", {"skill": skill, "subject": "", "source_id": i}) for i in ids]


def test_forgotten_is_what_is_missing_more_often_than_before_by_how_much_more() -> None:
    before = profile({"add": 10, "ratio": 10, "area": 10, "units": 4}, {"add": 2, "ratio": 1, "area": 5})
    after = profile({"add": 20, "ratio": 10, "area": 10, "time": 4}, {"add": 10, "ratio": 2, "time": 4})
    lost = forgotten(before.diff(after))
    assert list(lost) == [("", "add"), ("", "ratio")]  # area improved, time was never known
    assert [round(loss, 6) for loss in lost.values()] == [0.3, 0.1]


def test_places_go_by_what_was_lost_to_questions_not_trained_on_first() -> None:
    pool = rows("add", 12, "add") + rows("ratio", 3, "ratio")
    earlier = trained("add", "add0", "add1") + trained("ratio", "ratio0")
    made = replay({("", "add"): 0.3, ("", "ratio"): 0.1}, pool, earlier, 12)
    assert made.counts()["per_skill"] == {"add": 9, "ratio": 3}  # 12 * 3/4 and 12 * 1/4
    drawn = Counter(row.lineage["source_id"] for row in made.rows)
    assert not {"add0", "add1"} & set(drawn)
    assert {"ratio1", "ratio2"} <= set(drawn)
    assert {row.lineage["method"] for row in made.rows} == {"replay"}
    assert made.rows[0].lineage["lost"] == 0.3
    assert made == replay({("", "add"): 0.3, ("", "ratio"): 0.1}, pool, earlier, 12)
    assert made != replay({("", "add"): 0.3, ("", "ratio"): 0.1}, pool, earlier, 12, seed=1)


def test_a_skill_outside_the_pool_comes_from_the_rows_that_taught_it_or_leaves_its_share() -> None:
    lost = {("", "made_up"): 0.5, ("", "nowhere"): 0.4, ("", "add"): 0.5}
    made = replay(lost, rows("add", 9, "add"), trained("made_up", "synthetic-1"), 6)
    assert made.counts()["per_skill"] == {"add": 3, "made_up": 3}
    assert {row.id for row in made.rows if row.lineage["skill"] == "made_up"} == {"t-synthetic-1"}
    assert made.notes == ("forgotten skill 'nowhere': no row to replay",)
    assert len(replay({}, rows("add", 9, "add"), [], 6)) == 0


def test_stat_sel_takes_what_an_earlier_round_drew_last() -> None:
    asked = [Example("v", "?", skills=("add",))]
    pool = rows("add", 10, "add")
    first = stat_sel({"v": ["add"]}, asked, pool, StatSelOptions(k=6))
    drawn = Counter(row.lineage["source_id"] for row in first.rows)
    second = stat_sel({"v": ["add"]}, asked, pool, StatSelOptions(k=6), drawn_before=drawn)
    again = [row.lineage["source_id"] for row in second.rows if row.lineage["source_id"] in drawn]
    assert len(again) == 2  # four of ten were left
