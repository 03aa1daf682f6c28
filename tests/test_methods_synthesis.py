"""New questions from a scripted teacher: what is lost where, what is asked for again, what a set takes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count

import pytest
from scripted_teacher import Asked, ScriptedTeacher

from stat_train.data.decontamination import DecontaminationOptions
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.methods.llm2llm import LLM2LLMCalls
from stat_train.methods.options import StatSynOptions, SynthesisOptions
from stat_train.methods.stat_syn import StatSynCalls
from stat_train.methods.synthesis import Synthesis, Synthesizer
from stat_train.methods.training_set import TrainingSet, training_set
from stat_train.methods.yields import Yield, take
from stat_train.teacher.prompts import Prompts

RATIO, ADD = ("", "ratio"), ("", "add")
POOL = [
    Example(f"{skill}{n}", f"Pool question {n} on {skill}", f"#### {n}", str(n), skills=(skill,))
    for skill in ("ratio", "add")
    for n in range(12)
]
ASKED = [Example("v1", "Hard one", skills=("ratio",)), Example("v2", "Hard two", skills=("add",))]
SHOWN = {group: {"id": group[1], "text": f"To {group[1]}."} for group in (RATIO, ADD)}
TEST = {"test": [Example("t1", "What is asked in the test with the number 7?")]}


def calls(seed: int = 0, missing: dict[str, list[str]] | None = None, **options) -> StatSynCalls:
    named = missing or {"v1": ["ratio"], "v2": ["add"]}
    return StatSynCalls(named, ASKED, POOL, SHOWN, StatSynOptions(**options), seed=seed)


def new_questions(*special: str) -> Iterator[str]:
    """Texts that a teacher might write, the special ones first, no other two alike."""
    yield from special
    yield from (f"alpha{n} beta{n} gamma{n} delta{n}?" for n in count())


class Author:
    """Writes `texts` two by two and solves everything alike, but for what `answers` say otherwise."""

    def __init__(self, *special: str, answers: dict[str, list[str]] | None = None) -> None:
        self.texts, self.answers = new_questions(*special), answers or {}
        self.written: dict[tuple[str, int], list[str]] = {}

    def __call__(self, asked: Asked) -> dict:
        if asked.task == "synthesize":
            n = int(asked.blocks("count")["n"])
            return {"questions": [{"question": next(self.texts)} for _ in range(n)]}
        made = []
        for id, question in asked.blocks("question").items():
            answer = self.answers.get(question, ["1", "1", "1"])[asked.sample]
            made.append({"id": id, "solution": f"Way {asked.sample}.\n#### {answer}", "answer": answer})
        return {"answers": made}


def made_by(script, wanted=None, more=None, method="stat-syn", rules=None, **options) -> Synthesis:
    teacher = script if isinstance(script, ScriptedTeacher) else ScriptedTeacher(script)
    by = Synthesizer(
        teacher,
        Prompts(None),
        Grader("numeric"),
        TEST,
        SynthesisOptions(**options),
        rules or DecontaminationOptions(),
        "author",
    )
    made = by.make(method, wanted or {RATIO: 6}, 2, more or calls())
    if not made.owed:
        for its in made.yields:
            lost = Counter(r.why for r in made.rejected if r.lineage["skill"] == its.skill)
            assert its.asked == its.valid + lost["invalid"]
            assert its.valid == its.contaminated + lost["inconsistent"] + its.consistent
            assert its.consistent == its.duplicate + its.kept
            assert (its.contaminated, its.duplicate) == (lost["contaminated"], lost["duplicate"])
        assert len(made.pairs) == sum(its.pairs for its in made.yields)
        questions = {row.lineage["source_id"] for row in made.pairs.rows} | {row.id for row in made.rejected}
        assert len(questions) == sum(its.asked for its in made.yields)
    return made


def why(made: Synthesis) -> list[tuple[str, str]]:
    return [(row.why, row.detail) for row in made.rejected]


def test_every_question_is_kept_or_rejected_for_the_reason_it_was() -> None:
    leak = "what is asked in the test with the number 7"
    near = "What is asked in the test with the number 8?"
    author = Author(
        leak, near, "unsure one?", "Pool question 3 on ratio!", answers={"unsure one?": ["1", "2", "3"]}
    )
    more = calls(missing={"v1": ["ratio"]}, references=12)
    made = made_by(author, {RATIO: 12}, more, rounds=1, rules=DecontaminationOptions(numbers="remove"))
    assert why(made) == [
        ("contaminated", "exact: test t1"),
        ("contaminated", "numbers: test t1"),
        ("inconsistent", "1 of 3 solutions agree, as many on another answer"),
        ("duplicate", "1.00 alike to ratio3"),
    ]
    assert [row.question for row in made.rejected] == [leak, near, "unsure one?", "Pool question 3 on ratio!"]
    assert made.pairs.rows == ()
    kept = made_by(Author(leak, near), {RATIO: 6}, rounds=1)
    assert [hit.rule for hit in kept.hits if not hit.removed] == ["numbers", "ngram_8"]
    assert {row.question for row in kept.pairs.rows} == {near}


def test_a_skill_without_a_description_and_a_stranger_are_named_before_anything_is_asked() -> None:
    with pytest.raises(UserError, match="skill 'add' of subject '' has no description"):
        StatSynCalls({"v2": ["add"]}, ASKED, POOL, {RATIO: SHOWN[RATIO]}, StatSynOptions())
    with pytest.raises(UserError, match="'elsewhere' is not among the questions"):
        calls(missing={"elsewhere": ["add"]})


def test_a_contaminated_question_is_not_paid_to_be_solved() -> None:
    teacher = ScriptedTeacher(Author("What is asked in the test with the number 7?"))
    made_by(teacher, rounds=1)
    solved = [asked.blocks("question")["q1"] for asked in teacher.asked if asked.task == "solve"]
    assert set(solved) == {"alpha0 beta0 gamma0 delta0?"}


def test_a_row_says_where_it_comes_from() -> None:
    made = made_by(Author(answers={"alpha0 beta0 gamma0 delta0?": ["1", "2", "1"]}))
    first, second = made.pairs.rows[:2]
    assert (first.solution, second.solution) == ("Way 0.\n#### 1", "Way 2.\n#### 1")
    prompt = first.lineage["prompt"]
    assert first.lineage == {
        "method": "stat-syn",
        "source_id": "stat-syn-q00000",
        "subject": "",
        "skill": "ratio",
        "difficult_question": "v1",
        "references": first.lineage["references"],
        "prompt": prompt,
        "teacher": "author",
        "solution": 0,
        "votes": 2,
        "of": 3,
        "answer": "1",
    }
    assert len(prompt) == 16
    assert len({id for id in first.lineage["references"] if id.startswith("ratio")}) == 3


def test_the_references_and_the_skill_stand_in_the_prompt() -> None:
    teacher = ScriptedTeacher(Author())
    made = made_by(teacher)
    asked = teacher.asked[0]
    assert asked.blocks("skill") == {"ratio": "To ratio."}
    by_id = {example.id: example for example in POOL}
    shown = [by_id[id].question for id in made.pairs.rows[0].lineage["references"]]
    assert list(asked.blocks("reference_question").values()) == shown


def test_a_low_yield_is_asked_for_more_as_far_as_the_rounds_go_and_said() -> None:
    unsure = {f"alpha{n} beta{n} gamma{n} delta{n}?": ["1", "2", "3"] for n in range(0, 400, 2)}
    made = made_by(Author(answers=unsure), {RATIO: 30, ADD: 6})
    assert all(its.pairs >= its.wanted for its in made.yields)
    assert made.yields[0].requests > 5
    ratio, _ = made.yields
    assert ratio.kept < ratio.asked
    assert made.pairs.notes[0].startswith(
        "asked for more where too few pairs came of it, in 2 rounds at most: "
        f"ratio ({ratio.kept} of {ratio.asked} questions kept), add ("
    )
    short = made_by(Author(answers=unsure), {RATIO: 30, ADD: 6}, rounds=1)
    assert [its.requests for its in short.yields] == [5, 1]
    assert short.pairs.notes == (
        "still short after 1 rounds (selection.synthesis.rounds): ratio 15 of 30 pairs, add 3 of 6 pairs",
    )


def test_solutions_that_are_alike_are_said_to_be_why_more_was_asked_for() -> None:
    def alike(asked: Asked) -> dict:
        made = author(asked)
        for answer in made.get("answers", ()):
            answer["solution"] = "The same way.\n#### 1"
        return made

    author = Author()
    made = made_by(alike, {RATIO: 6})
    [its] = made.yields
    assert its.kept == its.asked == its.pairs
    assert made.pairs.notes[0] == (
        f"asked for more where too few pairs came of it, in 2 rounds at most: ratio ({its.kept} of "
        f"{its.asked} questions kept, and of their {3 * its.kept} solutions {its.kept} agree and differ in "
        "wording)"
    )


def test_a_skill_without_any_yield_does_not_go_on_for_ever() -> None:
    same = Author(*["the same question over again?"] * 400)
    made = made_by(same, {RATIO: 12}, rounds=4)
    assert (made.yields[0].kept, made.yields[0].duplicate) == (1, made.yields[0].asked - 1)
    assert made.yields[0].requests <= 4 * 2 * 4


def test_too_few_questions_are_asked_again_once_and_then_what_is_there_is_used() -> None:
    author = Author()

    def script(asked: Asked) -> dict:
        answer = author(asked)
        return answer | {"questions": answer["questions"][:1]} if asked.task == "synthesize" else answer

    teacher = ScriptedTeacher(script)
    made = made_by(teacher, rounds=1)
    assert [asked.error for asked in teacher.asked[:2]] == [None, "1 questions; write exactly 2"]
    assert why(made) == [("invalid", "1 questions; write exactly 2")]
    assert made.yields[0].kept == 1


@pytest.mark.parametrize("task", ["synthesize", "solve"])
def test_what_is_owed_stops_the_making(task: str) -> None:
    author = Author()
    made = made_by(lambda asked: None if asked.task == task else author(asked))
    assert made.owed
    assert {owed.reason for owed in made.owed} == {"connection refused"}


def test_prompts_do_not_depend_on_how_many_are_wanted_so_more_costs_only_the_more() -> None:
    def prompts(size: int) -> list[str]:
        teacher = ScriptedTeacher(Author())
        made_by(teacher, {RATIO: size, ADD: size})
        return [asked.prompt for asked in teacher.asked if asked.task == "synthesize"]

    assert set(prompts(12)) < set(prompts(60))


def test_equal_requests_are_told_apart_by_their_sample() -> None:
    more = calls(missing={"v1": ["ratio"]}, references=12, draw="skill_map")
    given = more(RATIO, 3)
    assert [len({example.id for example in call.references}) for call in given] == [12] * 3
    alike = Counter((tuple(example.id for example in call.references), call.sample) for call in given)
    assert set(alike.values()) == {1}


def test_the_control_varies_the_failed_questions_themselves() -> None:
    failed = [Example("v1", "Hard one", answer="4"), Example("v2", "Hard two", "Steps.\n#### 5")]
    teacher = ScriptedTeacher(Author())
    made = made_by(teacher, {("", ""): 24}, LLM2LLMCalls(failed), method="llm2llm")
    asked = [a for a in teacher.asked if a.task == "synthesize"]
    assert all(not a.blocks("skill") for a in asked)
    shown = Counter(a.blocks("reference_question")["r1"] for a in asked)
    assert shown == {"Hard one": 2, "Hard two": 2}
    assert {a.blocks("reference_solution")["r1"] for a in asked} == {"4", "Steps.\n#### 5"}
    assert {a.sample for a in asked} == {0, 1}
    assert Counter(row.lineage["difficult_question"] for row in made.pairs.rows) == {"v1": 12, "v2": 12}
    equal = LLM2LLMCalls([Example(f"e{n}", "Same?", answer="4") for n in range(3)])(("", ""), 6)
    assert sorted(call.sample for call in equal) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(UserError, match="row 'v3' has no solution or answer"):
        LLM2LLMCalls([Example("v3", "?")])
    with pytest.raises(UserError, match="leave llm2llm out"):
        LLM2LLMCalls([])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path) -> None:
    """The teacher answers each prompt and sample alike, whenever it is asked."""

    def recorded(asked: Asked) -> dict:
        if asked.task == "synthesize":
            mark = f"{asked.sample} {' '.join(asked.blocks('reference_question').values())}"
            return {"questions": [{"question": f"After {mark}, part {n}?"} for n in range(2)]}
        return Author()(asked)

    def bytes_of(name: str, seed: int) -> list[bytes]:
        failed = [Example(f"v{n}", f"Hard {n}", answer="4") for n in range(9)]
        made = [
            made_by(recorded, {RATIO: 24, ADD: 24}, calls(seed), near_duplicate=None),
            made_by(
                recorded, {("", ""): 24}, LLM2LLMCalls(failed, seed=seed), "llm2llm", near_duplicate=None
            ),
        ]
        for synthesis in made:
            path = tmp_path / f"{name}-{synthesis.pairs.method}"
            synthesis.pairs.write(path)
            write_jsonl(tmp_path / "yield", [asdict(its) for its in synthesis.yields])
        return [(tmp_path / f"{name}-{method}").read_bytes() for method in ("stat-syn", "llm2llm")]

    first, again, other = bytes_of("a", 0), bytes_of("b", 0), bytes_of("c", 1)
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))


def accepted(**pairs: int) -> tuple[TrainingSet, list[Yield]]:
    """A synthesis with so many questions of three solutions each, and what was wanted: six a skill."""
    rows = [
        (Example(f"{skill}{n}", "?", f"way {s}"), {"subject": "", "skill": skill, "solution": s})
        for skill, questions in pairs.items()
        for n in range(questions)
        for s in range(3)
    ]
    yields = [Yield("", skill, 6, pairs=3 * questions) for skill, questions in pairs.items()]
    return training_set("stat-syn", rows), yields


def test_a_set_takes_what_each_skill_is_owed_and_as_many_questions_as_it_can() -> None:
    taken = take(*accepted(ratio=4, add=8), 12)
    assert taken.counts()["per_skill"] == {"add": 6, "ratio": 6}
    assert taken.counts()["unique"] == 4 + 6
    assert [row.id for row in taken.rows] == [f"stat-syn-{n:05d}" for n in range(12)]
    assert taken.notes == ()


def test_what_a_skill_lacks_the_others_give_and_it_is_said() -> None:
    taken = take(*accepted(ratio=1, add=8, sub=8), 18)
    assert taken.counts()["per_skill"] == {"add": 8, "ratio": 3, "sub": 7}
    assert taken.notes == ("3 pairs that ratio lacked are of other skills",)


def test_too_few_pairs_for_an_arm_of_equal_size_are_an_error() -> None:
    with pytest.raises(
        UserError, match=r"stat-syn: 6 pairs could be made of the 12 .* selection\.synthesis\.rounds"
    ):
        take(*accepted(ratio=1, add=1), 12)
