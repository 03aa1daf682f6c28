"""AdaptMI's exemplars: by skill, distinct, never the question itself, and said where it backs off."""

import pytest

from stat_train import AdaptMI, Example, SkillMap, UserError
from stat_train.assets import asset
from stat_train.student.template import StudentTemplate


def exemplar(n: int, *skills: str, subject: str = "") -> Example:
    return Example(f"p{n}", f"exemplar {n}?", f"worked {n}", str(n), subject, skills)


POOL = [
    *(exemplar(n, "sum") for n in range(10)),
    *(exemplar(n, "ratio") for n in range(10, 20)),
    *(exemplar(n, "sum", "rate") for n in range(20, 22)),
]
QUESTIONS = [Example(f"q{n}", f"question {n}?", skills=("sum", "ratio")) for n in range(6)]


def ids(prompt) -> list[str]:
    return [example.id for example in prompt.exemplars]


def test_an_easy_question_keeps_the_fixed_prompt_and_a_difficult_one_does_not() -> None:
    chooser = AdaptMI(POOL, k=5)
    skills = {question.id: question.skills for question in QUESTIONS}
    prompts = chooser.prompts(QUESTIONS, ["q1", "q4"], skills)
    fixed = [example.id for example in chooser.fixed]
    assert [prompt.question.id for prompt in prompts] == [question.id for question in QUESTIONS]
    assert [ids(prompt) == fixed for prompt in prompts] == [True, False, True, True, False, True]
    assert ids(prompts[1]) != ids(prompts[4])  # drawn for each question
    assert prompts[0].skills == ()
    assert prompts[1].skills == ("sum", "ratio")


def test_places_are_shared_in_the_skills_order_and_the_first_takes_what_is_left_over() -> None:
    (prompt,) = AdaptMI(POOL, k=5).prompts(QUESTIONS[:1], ["q0"], {"q0": ["ratio", "sum"]})
    assert [example.skills[0] for example in prompt.exemplars] == ["ratio"] * 3 + ["sum"] * 2
    assert len(set(ids(prompt))) == 5
    assert (prompt.backed_off, prompt.filled) == ({}, 0)
    (narrow,) = AdaptMI(POOL, k=2).prompts(QUESTIONS[:1], ["q0"], {"q0": ["ratio", "sum", "rate"]})
    assert narrow.skills == ("ratio", "sum")


def test_a_small_skill_backs_off_to_its_neighbour_and_says_so() -> None:
    (prompt,) = AdaptMI(POOL, k=5).prompts(QUESTIONS[:1], ["q0"], {"q0": ["rate"]})
    assert set(ids(prompt)[:2]) == {"p20", "p21"}
    assert set(prompt.backed_off.values()) == {"sum"}
    assert len(prompt.backed_off) == 3


def test_an_unknown_skill_is_filled_with_fixed_exemplars_and_counted() -> None:
    chooser = AdaptMI(POOL, k=5)
    bare = Example("q", "question?")
    (prompt,) = chooser.prompts([bare], ["q"], {"q": ["no_such_skill"]})
    assert ids(prompt) == [example.id for example in chooser.fixed]
    assert prompt.filled == 5
    assert prompt.skills == ("no_such_skill",)
    (without,) = chooser.prompts([bare], ["q"], {})
    assert ids(without) == ids(prompt)
    assert without.filled == 0


def test_parents_come_before_companions() -> None:
    parents = {("", "rate"): "speed", ("", "ratio"): "speed"}
    (prompt,) = AdaptMI(POOL, k=5, parents=parents).prompts(QUESTIONS[:1], ["q0"], {"q0": ["rate"]})
    assert set(prompt.backed_off.values()) == {"ratio"}


def test_subjects_keep_their_skills_apart() -> None:
    pool = [*POOL, *(exemplar(n, "sum", subject="geometry") for n in range(30, 36))]
    question = Example("q", "question?", subject="geometry")
    (prompt,) = AdaptMI(pool, k=5).prompts([question], ["q"], {"q": ["sum"]})
    assert {example.subject for example in prompt.exemplars} == {"geometry"}


def test_a_question_never_stands_among_its_own_exemplars() -> None:
    asked = Example("elsewhere", "Exemplar 10?", skills=("ratio",))  # the same text, but for its case
    chooser = AdaptMI(POOL[8:13], k=4)
    for prompt in (
        *chooser.prompts([asked], ["elsewhere"], {"elsewhere": ["ratio"]}),
        chooser.fixed_prompt(asked),
        chooser.random_prompt(asked),
    ):
        assert sorted(ids(prompt)) == ["p11", "p12", "p8", "p9"]


def test_the_draw_depends_on_the_seed_and_the_question_alone() -> None:
    skills = {question.id: question.skills for question in QUESTIONS}

    def drawn(seed: int, questions: list[Example]) -> dict[str, list[str]]:
        prompts = AdaptMI(POOL, seed=seed).prompts(questions, skills, skills)
        return {prompt.question.id: ids(prompt) for prompt in prompts}

    assert drawn(1, QUESTIONS) == drawn(1, QUESTIONS[::-1])
    assert drawn(1, QUESTIONS) != drawn(2, QUESTIONS)


def test_the_fixed_prompt_shows_different_skills() -> None:
    pool = [*(exemplar(n, "sum") for n in range(50)), exemplar(50, "ratio"), exemplar(51, "rate")]
    assert {example.skills[0] for example in AdaptMI(pool, k=3).fixed} == {"sum", "ratio", "rate"}


def test_a_skill_map_of_ones_own() -> None:
    mine = {("", "mine"): ["p3", "p4", "p5"]}
    (prompt,) = AdaptMI(POOL, mine, k=3).prompts(QUESTIONS[:1], ["q0"], {"q0": ["mine"]})
    assert sorted(ids(prompt)) == ["p3", "p4", "p5"]
    mapped = AdaptMI(POOL, SkillMap(POOL), k=3).prompts(QUESTIONS, ["q0"], {"q0": ["sum"]})
    own = AdaptMI(POOL, k=3).prompts(QUESTIONS, ["q0"], {"q0": ["sum"]})
    assert [ids(prompt) for prompt in mapped] == [ids(prompt) for prompt in own]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"exemplars": POOL[:2]}, "2 different exemplars with a solution are fewer than k 5"),
        ({"exemplars": POOL, "k": 0}, "k is 0"),
        ({"exemplars": POOL, "skill_map": {("", "sum"): ["nobody"]}}, "'nobody' under 'sum'"),
        ({"exemplars": POOL, "fixed": [Example("f", "f?")]}, "fixed exemplar 'f' has no solution"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, told) -> None:
    with pytest.raises(UserError, match=told):
        AdaptMI(**arguments)


def test_exemplars_that_do_not_fit_are_left_out_from_the_last_and_counted() -> None:
    (prompt,) = AdaptMI(POOL, k=5).prompts(QUESTIONS[:1], ["q0"], {"q0": ["sum"]})
    short = prompt.fitted(lambda question, shots: len(shots) <= 2)
    assert ids(short) == ids(prompt)[:2]
    assert short.dropped == 3
    assert prompt.fitted(lambda question, shots: True) == prompt


def test_of_exemplars_that_are_left_out_nothing_is_said_but_their_number() -> None:
    (prompt,) = AdaptMI(POOL, k=5).prompts(QUESTIONS[:1], ["q0"], {"q0": ["rate", "nothing"]})
    assert prompt.filled or prompt.backed_off
    short = prompt.fitted(lambda question, shots: len(shots) <= 1)
    assert (short.filled, short.dropped) == (0, 4)
    assert set(short.backed_off) <= set(ids(short))


def test_all_exemplars_of_a_prompt_differ_where_the_pool_repeats_a_question() -> None:
    repeated = [Example(f"r{n}", "What is 2 + 2?", "4", skills=("sum",)) for n in range(8)]
    chooser = AdaptMI([*repeated, *POOL[:3]], k=4)
    (by_skill,) = chooser.prompts(QUESTIONS[:1], ["q0"], {"q0": ["sum"]})
    for prompt in (by_skill, chooser.fixed_prompt(QUESTIONS[0]), chooser.random_prompt(QUESTIONS[0])):
        assert len({example.question for example in prompt.exemplars}) == 4


def test_more_exemplars_than_a_hundred_are_shown_if_asked() -> None:
    pool = [exemplar(n, "sum") for n in range(300)]
    chooser = AdaptMI(pool, k=128)
    (prompt,) = chooser.prompts(QUESTIONS[:1], ["q0"], {"q0": ["sum"]})
    assert (len(prompt.exemplars), prompt.filled, prompt.backed_off) == (128, 0, {})
    assert len(chooser.random_prompt(QUESTIONS[0]).exemplars) == 128


def test_messages_show_the_exemplars_then_the_question() -> None:
    prompt = AdaptMI(POOL, k=2).fixed_prompt(QUESTIONS[0])
    *_, user = prompt.messages()
    places = [user["content"].index(text) for text in (*prompt.shots[0], *prompt.shots[1], "question 0?")]
    assert places == sorted(places)
    short = StudentTemplate(asset("prompts/student_short.jinja"))
    assert prompt.messages(short)[0]["content"] == "Answer."


@pytest.mark.parametrize(("difficult", "skills"), [(["q0", "Q1"], {}), (["q0"], {"q0": [], "Q1": ["sum"]})])
def test_an_id_of_no_question_is_named(difficult, skills) -> None:
    with pytest.raises(UserError, match="no question has the id 'Q1'"):
        AdaptMI(POOL).prompts(QUESTIONS, difficult, skills)
