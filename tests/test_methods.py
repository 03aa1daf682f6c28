"""Training sets: what is drawn, how often, and from where."""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.controls import balanced, hard, random_set
from stat_train.methods.drawing import Drawer, allocate
from stat_train.methods.options import StatSelOptions
from stat_train.methods.stat_sel import Source, stat_sel
from stat_train.methods.training_set import TrainingSet


def rows(prefix: str, n: int, *skills: str, subject: str = "", **meta: str) -> list[Example]:
    return [
        Example(f"{prefix}{i}", f"question {prefix}{i}", f"solution {i}", str(i), subject, skills, meta=meta)
        for i in range(n)
    ]


def sources(training_set: TrainingSet) -> list[str]:
    return [row.lineage["source_id"] for row in training_set.rows]


POOL = rows("add", 40, "add") + rows("ratio", 40, "ratio", "divide") + rows("both", 6, "ratio", "add")
ASKED = [Example("v1", "?", skills=("ratio", "divide")), Example("v2", "?", skills=("add",))]


def test_a_skill_weighs_as_often_as_it_is_missing() -> None:
    questions = [Example(f"v{i}", "?", skills=("add",)) for i in range(8)]
    missing = {f"v{i}": ["add"] if i < 6 else ["divide"] for i in range(8)}
    made = stat_sel(missing, questions, POOL, StatSelOptions(), size=40)
    assert made.counts()["per_skill"] == {"add": 30, "divide": 10}


def test_one_pair_never_holds_a_question_twice_and_carries_its_lineage() -> None:
    made = stat_sel({"v1": ["ratio"]}, ASKED, POOL, StatSelOptions(k=5))
    assert len(set(sources(made))) == 5
    first = made.rows[0].lineage
    assert (first["method"], first["skill"], first["difficult_question"]) == ("stat-sel", "ratio", "v1")
    assert sorted(row.lineage["draw"] for row in made.rows) == [0, 1, 2, 3, 4]


def test_shared_draws_first_what_shares_the_other_labels_and_skill_map_does_not() -> None:
    pool = rows("far", 90, "ratio", "add") + rows("near", 10, "ratio", "divide")
    shared = stat_sel({"v1": ["ratio"]}, ASKED, pool, StatSelOptions(k=5, draw="shared"))
    uniform = stat_sel({"v1": ["ratio"]}, ASKED, pool, StatSelOptions(k=50, draw="skill_map"))
    assert all(source.startswith("near") for source in sources(shared))
    assert sum(source.startswith("far") for source in sources(uniform)) > 35


def test_shared_prefers_labels_most_alike_to_more_labels_in_common() -> None:
    pool = rows("long", 90, "add", "ratio", "divide") + rows("bare", 10, "add")
    bare, asked = Example("bare", "?", skills=("add",)), Example("long", "?", skills=("add", "ratio"))
    options = StatSelOptions(k=5, draw="shared")
    of_bare = stat_sel({"bare": ["add"]}, [bare], pool, options)
    of_long = stat_sel({"long": ["add"]}, [asked], pool, options)
    assert all(source.startswith("bare") for source in sources(of_bare))
    assert all(source.startswith("long") for source in sources(of_long))


def test_unique_prefers_questions_not_drawn_and_repeats_evenly_when_all_are() -> None:
    questions = [Example(f"v{i}", "?", skills=("add",)) for i in range(8)]
    missing = {question.id: ["add"] for question in questions}
    pool = rows("add", 40, "add")
    assert Counter(sources(stat_sel(missing, questions, pool, StatSelOptions(k=5)))).most_common(1)[0][1] == 1
    twice = stat_sel(missing, questions, pool[:20], StatSelOptions(k=5))
    assert set(Counter(sources(twice)).values()) == {2}
    free = stat_sel(missing, questions, pool, StatSelOptions(k=5, unique=False))
    assert free.counts()["unique"] < 40 == len(free)


def test_a_skill_with_too_few_questions_backs_off_to_its_siblings_first_and_says_so() -> None:
    pool = rows("rare", 2, "borrow", "word") + rows("carry", 9, "carry") + rows("word", 9, "word")
    questions = [Example("v", "?", skills=("borrow",))]
    parents = {("", "borrow"): "arithmetic", ("", "carry"): "arithmetic", ("", "word"): "reading"}
    by_parent = stat_sel({"v": ["borrow"]}, questions, pool, StatSelOptions(k=5), parents=parents)
    by_company = stat_sel({"v": ["borrow"]}, questions, pool, StatSelOptions(k=5))
    assert Counter(row.lineage.get("drawn_from") for row in by_parent.rows) == {None: 2, "carry": 3}
    assert Counter(row.lineage.get("drawn_from") for row in by_company.rows) == {None: 2, "word": 3}
    assert by_parent.counts()["backed_off"] == 3
    assert by_parent.notes == ("skill 'borrow' has too few questions in the pool: 3 drawn from 'carry'",)


def test_back_offs_are_counted_as_they_stand_in_the_set() -> None:
    pool = rows("rare", 2, "borrow", "word") + rows("word", 9, "word")
    questions = [Example(f"v{n}", "?", skills=("borrow",)) for n in range(2)]
    missing = {question.id: ["borrow"] for question in questions}
    for size, backed_off in ((1, 0), (7, 5)):
        made = stat_sel(missing, questions, pool, StatSelOptions(k=5), size=size)
        assert made.counts()["backed_off"] == backed_off
        said = f"skill 'borrow' has too few questions in the pool: {backed_off} drawn from 'word'"
        assert made.notes == ((said,) if backed_off else ())


def test_missing_skills_that_get_no_pair_are_counted() -> None:
    pool = [row for skill in "abc" for row in rows(skill, 9, skill)]
    questions = [Example(f"v{n}", "?", skills=(skill,)) for n, skill in enumerate("aaaaaaaabc")]
    missing = {question.id: list(question.skills) for question in questions}
    notes = {
        size: stat_sel(missing, questions, pool, StatSelOptions(), size=size).notes for size in (1, 4, 30)
    }
    assert notes == {
        1: ("2 missing skills got no pair: 1 pair is fewer than the skills missing",),
        4: ("1 missing skill got no pair: missing too seldom for a share of 4 pairs",),
        30: (),
    }


@pytest.mark.parametrize("subject", ["algebra", "Algebra"])
def test_a_parent_listed_for_every_subject_or_in_other_case_counts(subject: str) -> None:
    pool = rows("carry", 9, "carry", subject=subject)
    asked = [Example("v", "?", subject=subject, skills=("borrow",))]
    for listed in ("", "algebra"):
        parents = {(listed, "borrow"): "arithmetic", (listed, "carry"): "arithmetic"}
        made = stat_sel({"v": ["borrow"]}, asked, pool, StatSelOptions(k=5), parents=parents)
        assert [row.lineage["drawn_from"] for row in made.rows] == ["carry"] * 5


def test_a_skill_with_nothing_to_draw_is_named_and_one_with_little_keeps_its_weight() -> None:
    pool = rows("add", 50, "add") + rows("rare", 2, "rare")
    questions = [Example(f"v{skill}", "?", skills=(skill,)) for skill in ("add", "lost", "rare")]
    missing = {question.id: list(question.skills) for question in questions}
    small = stat_sel(missing, questions, pool, StatSelOptions(k=5), size=4)
    assert small.counts()["per_skill"] == {"add": 2, "rare": 2}
    assert not any("they repeat" in note for note in small.notes)
    for size in (None, 15, 40):
        made = stat_sel(missing, questions, pool, StatSelOptions(k=5), size=size)
        share = (size or 15) // 2
        assert made.counts()["per_skill"] == {"add": (size or 15) - share, "rare": share}
        assert made.notes == (
            "skill 'lost' (missing 1 times) has no question in the pool and no neighbour there: its share "
            "goes to the others",
            "skill 'rare' and its neighbours have fewer than 5 questions in the pool: they repeat",
        )


def test_a_skill_that_one_of_many_questions_can_fill_costs_no_round_of_all(monkeypatch) -> None:
    pool = rows("add", 500, "add")
    questions = [Example(f"v{n}", "?", skills=("add",) if n % 10 else ("new",)) for n in range(200)]
    questions[0] = Example("v0", "?", skills=("new", "add"))
    missing = {question.id: [question.skills[0]] for question in questions}
    hands = Counter()
    hand = Source.hand

    def counted(source, question, skill):
        hands[skill] += 1
        return hand(source, question, skill)

    monkeypatch.setattr(Source, "hand", counted)
    made = stat_sel(missing, questions, pool, StatSelOptions(k=5))
    assert made.counts()["per_skill"] == {"add": 900, "new": 100}
    assert hands == {"add": 180, "new": 20 + 19}


def test_equal_names_of_two_subjects_are_kept_apart() -> None:
    pool = rows("a", 9, "units", subject="algebra") + rows("g", 9, "units", subject="geometry")
    asked = [Example("v", "?", subject="geometry", skills=("units",))]
    assert all(s.startswith("g") for s in sources(stat_sel({"v": ["units"]}, asked, pool, StatSelOptions())))


def test_size_is_reached_by_whole_rounds_when_the_draws_are_too_few() -> None:
    made = stat_sel({"v1": ["ratio"], "v2": ["add"]}, ASKED, POOL, StatSelOptions(k=2), size=30)
    assert (len(made), made.counts()["unique"]) == (30, 30)
    assert made.counts()["per_skill"] == {"add": 15, "ratio": 15}


@pytest.mark.parametrize(
    ("missing", "words"),
    [({}, "names no missing skill"), ({"v": ["unheard_of"]}, "no question of the pool")],
)
def test_nothing_to_draw_is_said(missing: dict[str, list[str]], words: str) -> None:
    with pytest.raises(UserError, match=words):
        stat_sel(missing, [Example("v", "?")], POOL, StatSelOptions(), size=10)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path) -> None:
    def bytes_of(name: str, seed: int) -> list[bytes]:
        made = [
            stat_sel({"v1": ["ratio"], "v2": ["add"]}, ASKED, POOL, StatSelOptions(), seed=seed),
            random_set(POOL, 20, seed=seed),
            balanced(POOL, 20, seed=seed),
            hard(ASKED, POOL, 20, seed=seed),
        ]
        for training_set in made:
            training_set.write(tmp_path / f"{name}-{training_set.method}.jsonl")
        return [(tmp_path / f"{name}-{training_set.method}.jsonl").read_bytes() for training_set in made]

    first, again, other = bytes_of("a", 0), bytes_of("b", 0), bytes_of("c", 1)
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))


def test_a_written_set_reads_back_and_a_torn_line_is_named(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    made = random_set(POOL, 10)
    made.write(path)
    assert TrainingSet.read(path) == made
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"rows\.jsonl, line 10: not JSON"):
        TrainingSet.read(path)


def test_a_small_random_sample_is_not_the_beginning_of_a_large_one_with_the_same_seed() -> None:
    pool = rows("p", 400, "add")
    large, small = set(sources(random_set(pool, 150))), sources(random_set(pool, 30))
    assert 3 <= sum(source in large for source in small) <= 20  # 11 are to be expected, not 30


def test_random_has_no_repeat_before_the_pool_is_out() -> None:
    assert random_set(POOL, len(POOL)).counts()["unique"] == len(POOL)
    larger = random_set(POOL[:10], 25)
    assert set(Counter(sources(larger)).values()) == {2, 3}
    assert "questions repeat" in larger.notes[0]


def test_balanced_is_even_over_skills_whatever_the_skew() -> None:
    pool = rows("often", 500, "add") + rows("seldom", 20, "ratio") + rows("mid", 100, "divide")
    assert balanced(pool, 60).counts()["per_skill"] == {"add": 20, "divide": 20, "ratio": 20}


def test_hard_follows_the_failures_of_each_group() -> None:
    pool = rows("a", 50, "add", type="apples") + rows("b", 50, "add", type="buses")
    failed = rows("v", 3, "add", type="buses") + rows("w", 1, "add", type="apples")
    made = hard(failed, pool + rows("c", 9, "add", type="cats"), 20, group="type")
    assert Counter(row.lineage["group"] for row in made.rows) == {"buses": 15, "apples": 5}
    gone = hard(failed + rows("x", 1, "add", type="dogs"), pool, 20, group="type")
    assert gone.notes == ("failed type that the pool does not hold: dogs",)
    with pytest.raises(UserError, match="has no 'level'"):
        hard(failed, pool, 20, group="level")


def test_controls_with_nothing_to_draw_from_say_so() -> None:
    with pytest.raises(UserError, match=r"no validation question is difficult, .* leave hard out"):
        hard([], POOL, 10)
    with pytest.raises(UserError, match="the pool has no questions"):
        random_set([], 10)


def test_unique_takes_a_fresh_question_of_less_overlap_before_it_repeats_one() -> None:
    pool = rows("both", 1, "ratio", "divide") + rows("ratio", 1, "ratio")
    missing = {"v1": ["ratio"], "v3": ["ratio"]}
    asked = [*ASKED, Example("v3", "?", skills=("ratio", "divide"))]
    drawn = {
        unique: sources(stat_sel(missing, asked, pool, StatSelOptions(k=1, unique=unique)))
        for unique in (True, False)
    }
    assert drawn == {True: ["both0", "ratio0"], False: ["both0", "both0"]}


def test_a_later_round_repeats_none_of_the_first_while_fresh_questions_are_left() -> None:
    labels = [("add",), ("add", "ratio"), ("ratio", "divide")]
    pool = [its for n in range(150) for skills in labels for its in rows(f"{n}-{len(skills)}", 1, *skills)]
    pool = [replace(example, id=f"p{n}") for n, example in enumerate(pool)]
    questions = [Example(f"v{n}", "?", skills=("add", "ratio")) for n in range(50)]
    missing = {question.id: ["add", "ratio"] for question in questions}
    first = stat_sel(missing, questions, pool, StatSelOptions(), size=100)
    digest = hashlib.sha256("\n".join(map(repr, first.rows)).encode()).hexdigest()
    assert digest[:16] == "8856c0b56bdb0dee"  # what a first round draws stays as it was
    before = Counter(sources(first))
    second = stat_sel(missing, questions, pool, StatSelOptions(), size=100, drawn_before=before)
    assert set(sources(first)).isdisjoint(sources(second))
    assert len(second) == 100 == second.counts()["unique"]


def test_a_profile_of_another_split_is_named() -> None:
    with pytest.raises(UserError, match="'elsewhere' is not among the questions"):
        stat_sel({"elsewhere": ["ratio"]}, ASKED, POOL, StatSelOptions())


def test_a_pool_row_without_a_solution_is_named() -> None:
    with pytest.raises(UserError, match=r"row 'p' has no solution.*data\.columns\.solution"):
        random_set([Example("p", "?")], 1)


def test_places_are_shared_by_largest_remainder() -> None:
    assert allocate({"a": 1.0, "b": 1.0, "c": 1.0}, 10) == {"a": 4, "b": 3, "c": 3}
    assert allocate({"a": 5.0, "b": 3.0, "c": 2.0}, 7) == {"a": 4, "b": 2, "c": 1}


def test_nothing_is_drawn_from_no_rows() -> None:
    assert len(Drawer(3, [0]).draw(np.arange(0), 0)) == 0
    with pytest.raises(UserError, match="the pool has no questions to draw from"):
        Drawer(3, [0]).draw(np.arange(0), 2)
    with pytest.raises(UserError, match="the pool has no questions to draw from"):
        random_set([], 2)
