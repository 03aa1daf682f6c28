"""mode: vllm, against a small fake of vllm 0.31's LLM.chat (vLLM itself is too large for the tests)."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError
from scripted_server import Say, ScriptedServer, solve
from solve_requests import answers, question, request

from stat_train.errors import Unfinished, UserError
from stat_train.teacher import in_process
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions


@dataclass
class FakeVllm:
    """What the fake was given: `loads` of LLM(...), the sizes of the `chats`, the sampling of each row."""

    script: Any = solve
    max_model_len: int = 10_000
    breaks: str = ""
    loads: list[dict[str, Any]] = field(default_factory=list)
    chats: list[int] = field(default_factory=list)
    sampling: list[dict[str, Any]] = field(default_factory=list)

    def chat(self, messages, sampling_params, use_tqdm: bool) -> list[Any]:
        assert use_tqdm is False
        assert len(messages) == len(sampling_params)
        if self.breaks:
            raise RuntimeError(self.breaks)
        for conversation in messages:
            if sum(len(message["content"]) for message in conversation) > self.max_model_len:
                raise ValueError("The decoder prompt (length 12345) is longer than the maximum model length")
        self.chats.append(len(messages))
        outputs = []
        for conversation, given in zip(messages, sampling_params, strict=True):
            self.sampling.append(vars(given))
            say = self.script({"messages": conversation}, len(outputs))
            made = SimpleNamespace(text=say.text, finish_reason=say.finish_reason, token_ids=[1] * 5)
            outputs.append(SimpleNamespace(prompt_token_ids=[1] * 10, outputs=[made]))
        return outputs


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> FakeVllm:
    fake, module, parameters = FakeVllm(), ModuleType("vllm"), ModuleType("vllm.sampling_params")

    def load(**arguments):
        fake.loads.append(arguments)
        if arguments["model"] == "broken":
            raise RuntimeError("no config.json")
        return fake

    module.LLM, module.SamplingParams = load, SimpleNamespace
    parameters.StructuredOutputsParams = SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
    monkeypatch.setitem(sys.modules, "vllm.exceptions", None)
    return fake


def ask(folder: Path, rows, **more):
    options = TeacherOptions(**{"mode": "vllm", "model": "m", **more})
    with Teacher(options, folder / "c") as teacher:
        return teacher.ask(rows), teacher.usage


def test_two_teachers_beside_each_other_load_one_model(vllm, tmp_path: Path):
    options = TeacherOptions(mode="vllm", model="m")
    with Teacher(options, tmp_path / "c") as one, Teacher(options, tmp_path / "c", beside=one) as other:
        assert answers(one.ask([request(1)]) + other.ask([request(2)])) == ["1", "2"]
    assert len(vllm.loads) == 1


def test_rows_are_answered_in_chunks_and_order_with_the_schema(vllm, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(in_process, "CHUNK", 8)
    results, usage = ask(tmp_path, [request(n) for n in range(20)], vllm={"max_model_len": 4096})
    assert answers(results) == [str(n) for n in range(20)]
    assert vllm.chats == [8, 8, 4]
    (load,) = vllm.loads
    assert (load["model"], load["max_model_len"], load["trust_remote_code"]) == ("m", 4096, False)
    assert vllm.sampling[0]["structured_outputs"].json["required"] == ["answers"]
    assert (vllm.sampling[0]["max_tokens"], vllm.sampling[0]["temperature"]) == (4096, 0.0)
    assert (usage.requests, usage.prompt_tokens, usage.completion_tokens) == (20, 200, 100)


def test_answers_are_shared_with_a_server_of_the_same_model(vllm, tmp_path: Path):
    ask(tmp_path, [request(n) for n in range(5)])
    server = ScriptedServer(solve)
    with Teacher(TeacherOptions(endpoint="http://s/v1", model="m"), tmp_path / "c", app=server) as teacher:
        assert answers(teacher.ask([request(n) for n in range(6)])) == [str(n) for n in range(6)]
    assert [question(body) for body in server.bodies] == [5]
    ask(tmp_path, [request(n) for n in range(6)])
    assert len(vllm.loads) == 1  # all cached: the model is not even loaded


def test_invalid_answers_are_repaired_and_cut_off_ones_known(vllm, tmp_path: Path):
    def script(body, n):
        if len(body["messages"]) > 2 and question(body) == 1:
            return solve({"messages": [{}, body["messages"][1]]})
        if question(body) in (1, 2):
            return Say('{"answers": [{"id"', finish_reason="length")
        return solve(body)

    vllm.script = script
    results, _ = ask(tmp_path, [request(n) for n in range(4)])
    assert answers(results) == ["0", "1", None, "3"]
    assert "cut off at 4096" in results[2].reason
    assert vllm.chats == [4, 2]


def test_answers_that_the_engine_drops_are_not_kept_and_asked_again(vllm, tmp_path: Path):
    """vLLM's engine hears Ctrl-C too, and ends what is under way with half an answer."""

    def script(body, number) -> Say:
        whole = solve(body, number)
        return replace(whole, finish_reason="abort") if number == 1 else whole

    vllm.script = script
    with pytest.raises(UserError, match="its engine dropped 1 answers under way; run again"):
        ask(tmp_path, list(map(request, range(3))))
    vllm.script = solve
    results, _ = ask(tmp_path, list(map(request, range(3))))
    assert answers(results) == ["0", "1", "2"]
    assert vllm.chats == [3, 1]
    assert vllm.loads[0]["shutdown_timeout"] > 0


def test_a_prompt_that_is_too_long_spoils_only_its_own_row(vllm, tmp_path: Path):
    vllm.max_model_len = 2000
    rows = [request(n) for n in range(9)]
    rows[6].messages[1]["content"] += "x" * 3000
    results, _ = ask(tmp_path, rows)
    assert [result.status for result in results] == ["ok"] * 6 + ["quarantined"] + ["ok"] * 2
    assert "longer than the maximum model length" in results[6].reason
    vllm.max_model_len = 1
    with pytest.raises(UserError, match="longer than the maximum"):
        ask(tmp_path, [request(n) for n in range(10, 13)])


def test_the_budget_is_a_wall_here_too(vllm, tmp_path: Path):
    with pytest.raises(Unfinished, match="budget is reached"):
        ask(tmp_path, [request(n) for n in range(200)], max_tokens=50, budget_tokens=2_000)
    assert 0 < sum(vllm.chats) * 15 <= 2_000
    results, usage = ask(tmp_path, [request(n) for n in range(200)], max_tokens=50)
    assert len(answers(results)) == 200
    assert usage.requests + usage.cached == 200


def test_without_the_constraint_the_schema_stands_in_words(vllm, tmp_path: Path):
    ask(tmp_path, [request(0)], structured="text")
    assert "structured_outputs" not in vllm.sampling[0]


@pytest.mark.parametrize(
    ("more", "said"), [({"model": "broken"}, "cannot load 'broken' .no config"), ({}, "engine died")]
)
def test_what_fails_in_vllm_is_one_line(vllm, tmp_path: Path, more, said: str):
    vllm.breaks = "engine died"
    with pytest.raises(UserError, match=said):
        ask(tmp_path, [request(0)], **more)


def test_without_vllm_the_mend_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"pip install 'stat-train\[vllm\]'"):
        ask(tmp_path, [request(0)])


@pytest.mark.parametrize("wrong", [{"model": "tutor"}, {"endpoint": "http://s/v1"}])
def test_the_mode_needs_a_model_and_no_endpoint(wrong):
    with pytest.raises(ValidationError, match="no endpoint"):
        TeacherOptions(**{"mode": "vllm", "model": "m", **wrong})
