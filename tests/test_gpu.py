"""What a long-lived process owes to those that share its GPU; torch's part is watched here."""

import gc
import os
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest

from stat_train.data.example import Example
from stat_train.gpu import give_back, own_environment
from stat_train.grading.grader import Grader
from stat_train.pipeline import runner
from stat_train.pipeline.answers import write_answers
from stat_train.recipe import Recipe
from stat_train.run import Run
from stat_train.student.options import Sampling
from stat_train.student.response import Response


def test_what_nothing_refers_to_is_freed_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Model:
        pass

    model = Model()
    model.itself = model
    alive, emptied = weakref.ref(model), []
    del model
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(alive() is None))
    gc.disable()
    try:
        give_back()
    finally:
        gc.enable()
    assert emptied == [True]


def test_a_step_gives_back_what_its_models_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    stage = Run(tmp_path).stage("answer", version=1, inputs={}, options={})
    work = SimpleNamespace(
        title="answer", given=lambda done: {}, work=lambda work: (said.append("works"), stage.finish([]))
    )
    monkeypatch.setattr(runner, "give_back", lambda: said.append("gives back"))
    runner._do(work, stage, Recipe.model_construct(), {})
    assert said == ["works", "gives back"]


def test_the_student_is_gone_before_a_judge_in_this_process_loads(tmp_path: Path, monkeypatch) -> None:
    said: list[str] = []
    student = SimpleNamespace(
        answer=lambda *_: [Response("q", 0, "7", "stop", 1)], close=lambda: said.append("closed")
    )
    with Grader("numeric", workers=1) as grader:
        monkeypatch.setattr(grader, "grade", lambda *_: said.append("judged") or ["correct"])
        stage = SimpleNamespace(file=tmp_path.joinpath)
        write_answers(student, [Example("q", "3 + 4", answer="7")], Sampling(), grader, stage)
    assert said == ["closed", "judged"]


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.delenv("RANK", raising=False)
    with own_environment():
        os.environ["RANK"] = "0"
        os.environ["KEPT"] = "2"
    assert "RANK" not in os.environ
    assert os.environ["KEPT"] == "1"
