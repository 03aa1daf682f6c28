"""Requests over the teacher's context are never sent."""

import json
import re
from pathlib import Path

import pytest
from scripted_server import Say, ScriptedServer, solve

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.labelling import LabellingOptions, label
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message, TeacherRequest
from stat_train.teacher.rows import prompt_tokens
from stat_train.teacher.schemas import Solve

TAXONOMY = SkillTaxonomy.from_names(["addition"])


def teacher(server: ScriptedServer, tmp_path: Path, **options) -> Teacher:
    chosen = TeacherOptions(model="m", endpoint="http://scripted/v1", max_tokens=100, **options)
    return Teacher(chosen, tmp_path / "cache.sqlite", app=server)


def request(text: str) -> TeacherRequest:
    return TeacherRequest(
        "solve", [Message(role="user", content=f'<question id="q1">{text}</question>')], Solve
    )


def first_answer(body, n) -> Say:
    return Say(json.dumps({"answers": [{"id": "q1", "solution": "so", "answer": "1"}]}))


def test_a_request_over_the_context_is_quarantined_unsent_and_one_at_the_limit_is_asked(tmp_path):
    short, long = request("1 + 1"), request("1 + " * 400 + "1")
    context = prompt_tokens(long.messages, Solve) + 100
    with teacher(server := ScriptedServer(first_answer), tmp_path, context=context - 1) as asked:
        answered, left = asked.ask([short, long])
    assert (answered.status, left.status, left.refused) == ("ok", "quarantined", True)
    assert f"teacher.context {context - 1:,}" in left.reason
    assert len(server.bodies) == 1
    with teacher(server := ScriptedServer(first_answer), tmp_path, context=context) as asked:
        assert [result.status for result in asked.ask([short, long])] == ["ok", "ok"]
    assert len(server.bodies) == 1


def test_an_answer_that_is_there_is_used_whatever_the_context(tmp_path):
    with teacher(ScriptedServer(first_answer), tmp_path) as asked:
        asked.ask([request("1 + 1")])
    with teacher(server := ScriptedServer(first_answer), tmp_path, context=16) as asked:
        assert asked.ask([request("1 + 1")])[0].status == "ok"
    assert not server.bodies


def test_a_repair_over_the_context_is_not_sent_and_the_fault_is_told(tmp_path):
    long_nonsense = ScriptedServer(lambda body, n: Say("no json " * 400))
    context = prompt_tokens(request("1 + 1").messages, Solve) + 100
    with teacher(long_nonsense, tmp_path, context=context) as asked:
        [left] = asked.ask([request("1 + 1")])
    assert (left.status, left.refused) == ("quarantined", False)
    assert "asking again was not sent" in left.reason
    assert len(long_nonsense.bodies) == 1


def test_a_batch_over_the_context_is_asked_item_by_item(tmp_path):
    rows = [Example(f"e{n}", f"{n} + " * 300 + "1") for n in range(3)] + [Example("huge", "1 + " * 3000)]
    with teacher(server := ScriptedServer(skills), tmp_path, context=1500) as asked:
        made = label(asked, Prompts(), TAXONOMY, rows, LabellingOptions(batch_size=4))
    assert [example.id for example in made.examples] == ["e0", "e1", "e2"]
    assert [row.question_id for row in made.quarantined] == ["huge"]
    assert len(server.bodies) == 3


def skills(body, n) -> Say:
    ids = re.findall(r'<question id="(q\d)">', body["messages"][1]["content"])
    named = [{"id": id, "skills": [{"reason": "", "skill": "addition"}]} for id in ids]
    return Say(json.dumps({"answers": named}))


@pytest.mark.parametrize("mode", ["requests", "batch"])
def test_where_no_request_fits_one_line_says_so_and_nothing_is_quarantined(mode, tmp_path):
    rows = [request(f"{n} + " * 20 + "1") for n in range(3)]
    tokens = prompt_tokens(rows[0].messages, Solve)
    told = f"about {tokens} prompt tokens and up to 100 of the answer exceed teacher.context 100; lower "
    with teacher(server := ScriptedServer(first_answer), tmp_path, context=100, mode=mode) as asked:
        with pytest.raises(UserError, match=f"none of the 3 requests is sent.*{told}teacher.max_tokens"):
            asked.ask(rows)
        assert [result.status for result in asked.ask(rows[:2])] == ["quarantined"] * 2
    assert not server.bodies
    with teacher(ScriptedServer(first_answer), tmp_path) as asked:
        assert [result.status for result in asked.ask(rows)] == ["ok"] * 3


def test_where_all_that_is_left_is_too_long_but_others_were_answered_it_is_quarantined(tmp_path):
    rows = [request(f"{n} + " * 400 + "1") for n in range(5)]
    context = prompt_tokens(request("1").messages, Solve) + 110
    with teacher(ScriptedServer(first_answer), tmp_path, context=context) as asked:
        assert asked.ask([request("1")])[0].status == "ok"
        assert [result.status for result in asked.ask(rows)] == ["quarantined"] * 5


def test_where_no_batch_fits_but_single_questions_do_these_are_asked(tmp_path):
    rows = [Example(f"e{n}", f"{n} + " * 300 + "1") for n in range(12)]
    rows[0] = Example("huge", "1 + " * 3000)
    with teacher(server := ScriptedServer(skills), tmp_path, context=1500) as asked:
        made = label(asked, Prompts(), TAXONOMY, rows, LabellingOptions(batch_size=4))
    assert [row.question_id for row in made.quarantined] == ["huge"]
    assert (len(made.examples), len(server.bodies)) == (11, 11)


@pytest.mark.parametrize("size", [1, 4])
def test_where_not_even_single_questions_fit_labelling_stops(size, tmp_path):
    rows = [Example(f"e{n}", f"{n} + 1") for n in range(12)]
    stopped = pytest.raises(UserError, match="none of the 12 requests is sent")
    with teacher(server := ScriptedServer(skills), tmp_path, context=100) as asked, stopped:
        label(asked, Prompts(), TAXONOMY, rows, LabellingOptions(batch_size=size))
    assert not server.bodies


def test_the_longest_request_is_found_cached_or_not(tmp_path):
    rows = [request("1"), request("1 + " * 50), request("2")]
    with teacher(ScriptedServer(solve), tmp_path) as asked:
        estimate = asked.estimate(rows)
    assert estimate.longest == rows[1]
    assert estimate.longest_tokens == prompt_tokens(rows[1].messages, Solve)
