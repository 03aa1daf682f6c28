"""GRPO on a tiny random model: it raises its reward, and a killed training ends with the same weights."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.student.answering import token_units
from stat_train.student.loading import load_tokenizer
from stat_train.student.options import Sampling
from stat_train.student.prompt import StudentPrompt
from stat_train.training import grpo_trainer as module
from stat_train.training.grpo import grpo
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.grpo_trainer import check_prompts, trl_config
from stat_train.training.rollouts import RolloutLog

EXAMPLES = [
    Example(f"q{i}", f"{i} + {'1' * (i % 3)}?", answer=str(i), skills=("even" if i % 2 else "odd",))
    for i in range(12)
]
OPTIONS = {"questions": 3, "rollouts": 2, "max_tokens": 6, "learning_rate": 1e-2, "save_dtype": "float32"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def prompt_of(tiny: Path) -> StudentPrompt:
    return StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))


def longer_is_better(response: str, gold: str) -> bool:
    """A grader that a random model satisfies now and then."""
    return any(letter.isdigit() for letter in response)


GRADER = f"{Path(__file__).stem}:longer_is_better"


def train(tiny: Path, out: Path, examples: list[Example] = EXAMPLES, grader: str = "", **options) -> Path:
    chosen = GRPOOptions(**{**OPTIONS, **options})
    with Grader(grader or GRADER, workers=1) as judge:
        return grpo(tiny, examples, prompt_of(tiny), judge, chosen, out)


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    import torch

    one, other = weights(a), weights(b)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_reward_rises_and_every_answer_is_a_row(tiny: Path, tmp_path: Path) -> None:
    out = train(tiny, tmp_path / "out", questions=6, rollouts=4, epochs=8, max_tokens=4)
    rows = list(read_jsonl(out / "rollouts.jsonl"))
    assert len(rows) == 16 * 6 * 4
    assert {(row["batch"], row["group"]) for row in rows} == {(b, g) for b in range(16) for g in range(6)}
    assert all(row["reward"] == (row["outcome"] == "correct") for row in rows)
    assert all(("text" in row) == (row["group"] == 0) for row in rows)
    rewards = list(read_jsonl(out / "rewards.jsonl"))
    overall = [row for row in rewards if not row["skill"]]
    assert [row["batch"] for row in overall] == list(range(16))
    early, late = (sum(row["reward"] for row in part) / 5 for part in (overall[:5], overall[-5:]))
    assert late > early + 0.2
    assert {row["skill"] for row in rewards} == {"", "even", "odd"}
    flat = sum(row["flat"] for row in overall)
    groups = [[row["reward"] for row in rows[i : i + 4]] for i in range(0, len(rows), 4)]
    assert flat == sum(len(set(group)) == 1 for group in groups) > 0
    updates = list(read_jsonl(out / "updates.jsonl"))
    assert [update["step"] for update in updates] == list(range(1, 17))
    assert {"loss", "grad_norm", "entropy", "learning_rate"} <= updates[0].keys()


KILL_9 = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from test_training_grpo import Path, dying_at, train

    with dying_at(5, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        train(Path({tiny!r}), Path({out!r}), **{options!r})
"""


class dying_at:  # noqa: N801
    """Call `die` once so many batches are logged."""

    def __init__(self, batches: int, die) -> None:
        self.batches, self.die, self.append = batches, die, RolloutLog.append

    def __enter__(self) -> None:
        append, logged = self.append, []

        def dying(log: RolloutLog, rows) -> None:
            append(log, rows)
            logged.append(rows)
            if len(logged) == self.batches:
                self.die()

        RolloutLog.append = dying

    def __exit__(self, *_) -> None:
        RolloutLog.append = self.append


def test_kill_9_and_resume_gives_the_same_weights_and_rows(tiny: Path, tmp_path: Path) -> None:
    options = {"updates": 2, "epochs": 2, "save_every": 3}
    code = KILL_9.format(
        tests=str(Path(__file__).parent), tiny=str(tiny), options=options, out=str(tmp_path / "killed")
    )
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, env=dict(os.environ))
    assert died.returncode == -signal.SIGKILL
    assert_resumes(tiny, tmp_path, options)


class DiedError(Exception):
    pass


def test_an_interrupted_lora_training_ends_with_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    options = {"method": "lora", "lora": {"r": 2}, "dtype": "bfloat16", "epochs": 2, "save_every": 3}

    def die() -> None:
        raise DiedError

    with dying_at(5, die), pytest.raises(DiedError):
        train(tiny, tmp_path / "killed", **options)
    assert_resumes(tiny, tmp_path, options)


def assert_resumes(tiny: Path, tmp_path: Path, options: dict) -> None:
    work = tmp_path / "killed.partial"
    assert [its.name for its in work.glob("checkpoint-*")] == [f"checkpoint-{3 * options.get('updates', 1)}"]
    assert {row["batch"] for row in read_jsonl(work / "rollouts.jsonl")} == set(range(5))
    resumed, straight = (train(tiny, tmp_path / name, **options) for name in ("killed", "straight"))
    assert same(resumed, straight)
    for name in ("rollouts.jsonl", "rewards.jsonl", "updates.jsonl"):
        assert (resumed / name).read_bytes() == (straight / name).read_bytes()
    assert not work.exists()


def test_the_prompts_answered_are_those_of_the_evaluation(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    seen: list[list[int]] = []
    generate = LlamaForCausalLM.generate

    def watched(self, input_ids, attention_mask, **more):
        seen.extend(ids[kept.bool()].tolist() for ids, kept in zip(input_ids, attention_mask, strict=True))
        assert more["generation_config"].eos_token_id == prompt_of(tiny).stop_tokens
        assert (more["generation_config"].top_k, more["generation_config"].top_p) == (0, 1.0)
        return generate(self, input_ids=input_ids, attention_mask=attention_mask, **more)

    monkeypatch.setattr(LlamaForCausalLM, "generate", watched)
    train(tiny, tmp_path / "out")
    items = [(example.id, example.question) for example in EXAMPLES]
    evaluated = token_units(prompt_of(tiny), items, Sampling(), None, None)
    assert {tuple(ids) for ids in seen} == {unit.prompt for unit in evaluated}


def test_a_prompt_rendered_another_way_stops_the_training(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unprompted(job):
        trainer = original(job)
        del trainer._tokenize_prompts  # as if TRL no longer called it: the prompts are tokenized bare
        return trainer

    original = module._trainer_class
    monkeypatch.setattr(module, "_trainer_class", unprompted)
    with pytest.raises(UserError, match="prompt answered differs from the one evaluated"):
        train(tiny, tmp_path / "out")


def test_check_prompts_sees_through_padding(tiny: Path) -> None:
    import torch

    prompt, example = prompt_of(tiny), EXAMPLES[0]
    ids = prompt.tokens(example.question)
    padded, mask = torch.tensor([[0, 0, *ids]]), torch.tensor([[0, 0, *[1] * len(ids)]])
    check_prompts([example], padded, mask, prompt)
    with pytest.raises(UserError, match="differs"):
        check_prompts([example], padded, torch.ones_like(mask), prompt)


def test_answers_without_advantage_may_be_left_out(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"questions": 6, "rollouts": 4, "bf16": False, "max_batches": 2}
    fewer = train(tiny, tmp_path / "fewer", **options)
    assert module.flat_is_nothing(GRPOOptions())
    for other in ({"beta": 0.1}, {"loss_type": "grpo"}, {"updates": 2}, {"micro_batch": 4}):
        assert not module.flat_is_nothing(GRPOOptions(**other))
    left: list[int] = []
    shorten = module.without_flat

    def watched(answered: dict) -> dict:
        left.append(len(answered["advantages"]) - len(shorten(answered)["advantages"]))
        return answered

    monkeypatch.setattr(module, "without_flat", watched)
    whole = train(tiny, tmp_path / "whole", **options)
    assert left[0] > 0
    norms = [[row["grad_norm"] for row in read_jsonl(out / "updates.jsonl")] for out in (fewer, whole)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)
    assert norms[0][0] > 0


def test_what_cannot_be_scored_is_quarantined_and_never_asked(tiny: Path, tmp_path: Path) -> None:
    bad = [Example("bad", "what?", answer="no number"), Example("none", "what else?")]
    out = train(tiny, tmp_path / "out", [*bad, *EXAMPLES], grader="numeric")
    quarantined = list(read_jsonl(out / "quarantined.jsonl"))
    assert [(row["id"], row["verdict"]) for row in quarantined] == [("bad", "error"), ("none", "error")]
    assert json.loads((out / "training.json").read_text())["quarantined"] == 2
    asked = {row["question_id"] for row in read_jsonl(out / "rollouts.jsonl")}
    assert asked == {example.id for example in EXAMPLES}
    with pytest.raises(UserError, match=r"none of 2 questions .*\(bad: 'no number' is error"):
        train(tiny, tmp_path / "none", bad, grader="numeric")


def test_what_is_refused_before_the_start(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"12 of 12 prompts exceed max_prompt 8 .*set grpo\.max_prompt to"):
        train(tiny, tmp_path / "out", max_prompt=8)
    with pytest.raises(UserError, match="2 questions that can be scored do not fill a batch of 3"):
        train(tiny, tmp_path / "out", EXAMPLES[:2])
    with pytest.raises(UserError, match="prompts profile needs the weights"):
        train(tiny, tmp_path / "out", prompts="profile")
    with Grader("numeric") as judge, pytest.raises(UserError, match="1 evaluation questions among its rows"):
        grpo(tiny, EXAMPLES, prompt_of(tiny), judge, GRPOOptions(), tmp_path / "out", [EXAMPLES[3].question])
    with pytest.raises(UserError, match="engine vllm_colocate needs a CUDA GPU"):
        train(tiny, tmp_path / "out", engine="vllm_colocate")
    with pytest.raises(ValidationError, match="make no 4 equal updates"):
        GRPOOptions(questions=3, rollouts=2, updates=4)
    with pytest.raises(ValidationError, match="full training in bfloat16"):
        GRPOOptions(dtype="bfloat16")
    with pytest.raises(ValidationError, match="vllm_url belong together"):
        GRPOOptions(engine="vllm_server")
    with pytest.raises(ValidationError, match="spoils bfloat16"):
        GRPOOptions(method="lora", dtype="bfloat16", engine="vllm_colocate")
    with pytest.raises(ValidationError):
        GRPOOptions(method="lora", lora={"dropout": 0.1})


def test_a_vllm_server_that_is_away_is_one_line() -> None:
    import requests

    served = GRPOOptions(engine="vllm_server", vllm_url="http://localhost:8000")
    said = r"^grpo.vllm_url http://localhost:8000: no server; start `trl vllm"
    with pytest.raises(UserError, match=said), module._reachable(served):
        raise requests.ConnectionError("no server")
    for not_trls in (RuntimeError("no server"), Exception("no server")):
        with pytest.raises(UserError, match=said), module._reachable(served):
            raise not_trls
    with pytest.raises(KeyError), module._reachable(served):
        raise KeyError("ours")
    with pytest.raises(requests.ConnectionError), module._reachable(GRPOOptions()):
        raise requests.ConnectionError("another's")


def test_the_servers_url_may_end_as_all_others_do() -> None:
    """TRL would ask .../v1/health for ever."""
    for written in ("http://gpu:8000/v1", "http://gpu:8000/v1/", "http://gpu:8000/"):
        assert GRPOOptions(engine="vllm_server", vllm_url=written).vllm_url == "http://gpu:8000"


def test_a_batch_is_seeded_by_its_number_and_leaves_no_name_in_the_environment(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM draws the seeds of its requests from NumPy; TRL and vLLM name a rank in the environment."""
    import numpy as np

    drawn: list[list[int]] = []
    flat = module.without_flat

    def noting(answered):
        os.environ["RANK"] = "0"
        drawn[-1].append(int(np.random.randint(2**31)))
        return flat(answered)

    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(module, "without_flat", noting)
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        drawn.append([])
        np.random.seed(len(drawn))
        train(tiny, tmp_path / name, max_batches=2, seed=seed)
        assert "RANK" not in os.environ
    first, again, other = drawn
    assert first == again
    assert len({*first, *other}) == 4


def test_a_finished_training_is_kept_and_another_is_refused(tiny: Path, tmp_path: Path) -> None:
    out = train(tiny, tmp_path / "out", max_batches=1)
    before = (out / "training.json").stat().st_mtime_ns
    assert train(tiny, out, max_batches=1) == out
    assert (out / "training.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds a training with other data or options"):
        train(tiny, out, max_batches=1, beta=0.1)


NO_MATTER = re.compile(
    "log_|num_completions|eval|vllm_(?!importance)|generation_batch_size|generation_kwargs|trust_remote|model_init|"
    "chat_template|max_tool|cache_impl|use_transformers|transformers_continuous|ds3_|pad_to|"
    "vllm_importance_sampling_cap|sapo_|vespo_|ref_model_|entropy_(coef_|target)"
)
"""Names of TRL's options that are no part of the loss or the sampling here: logs, servers and engines, other
losses, and what a reference that moves and an adaptive entropy, both off, would need."""


def test_every_option_of_the_loss_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import trl
    from transformers import TrainingArguments

    written: dict[str, object] = {}
    monkeypatch.setattr(trl, "GRPOConfig", lambda **given: written.update(given))
    names = {field.name for field in dataclasses.fields(trl.trainer.grpo_config.GRPOConfig)}
    trl_config(GRPOOptions(), 1, tmp_path, [1])
    inherited = names - {field.name for field in dataclasses.fields(TrainingArguments)} - written.keys()
    assert sorted(name for name in inherited if not NO_MATTER.search(name)) == []
    assert {"adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "optim"} <= written.keys()


def test_the_loss_is_stated_and_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's settings as TRL sees them (STAT, appendix), whatever its defaults."""
    paper = GRPOOptions(
        questions=256, rollouts=4, updates=4, micro_batch=8, loss_type="dr_grpo", beta=0.0, max_tokens=2048
    )
    config = trl_config(paper, 10, tmp_path, [1])
    assert (config.generation_batch_size, config.steps_per_generation) == (1024, 128)
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 64 * 4
    assert config.max_steps == 40
    assert (config.loss_type, config.beta, config.epsilon, config.entropy_coef) == ("dr_grpo", 0, 0.2, 0)
    assert (config.temperature, config.top_p, config.top_k, config.num_iterations) == (1, 1, 0, 1)
    assert config.learning_rate == 5e-7
    assert config.lr_scheduler_type == "constant"
    assert (config.use_bias_correction_kl, config.router_aux_loss_coef) == (True, 0.0)
    assert (config.vllm_importance_sampling_mode, config.vllm_importance_sampling_clip_max) == (
        "sequence_mask",
        3.0,
    )
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    served = GRPOOptions(engine="vllm_server", vllm_url="http://localhost:8000")
    made = module._vllm(served, True, [1, 2])
    assert (made["vllm_mode"], made["vllm_server_base_url"]) == ("server", "http://localhost:8000")
    assert made["generation_kwargs"] == {"stop_token_ids": [1, 2], "ignore_eos": True}
