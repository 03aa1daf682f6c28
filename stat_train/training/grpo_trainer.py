"""One GRPO training with TRL's GRPOTrainer, in this process."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.data.atomic import atomic_file
from stat_train.data.example import Example
from stat_train.errors import UserError, one_line
from stat_train.gpu import own_environment, prepare_vllm
from stat_train.progress import Bar, progress
from stat_train.student.adapter import merge_adapter
from stat_train.student.loading import load_model, load_tokenizer, save_model
from stat_train.student.prompt import StudentPrompt
from stat_train.training.folder import LOG, MODEL
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.light_lora import lighten
from stat_train.training.reward import VerifiedReward
from stat_train.training.rollouts import ROLLOUTS, RolloutLog, rollout_row
from stat_train.training.trainer import buildable, lora_config

if TYPE_CHECKING:
    import torch
    from trl import GRPOConfig, GRPOTrainer

LOGGED = ("step", "loss", "grad_norm", "learning_rate", "entropy", "kl", "clip_ratio/region_mean")
SEED_STRIDE = 1_000_003
"""Between the seeds of two trainings; those of its batches follow one another."""


@dataclass(frozen=True)
class GRPOJob:
    """A training: the model folder to start from, the questions, the order in which they are asked (places
    in `examples`, `options.questions` a batch), and the folder to work in."""

    model: Path
    examples: Sequence[Example]
    order: Sequence[int]
    prompt: StudentPrompt
    reward: VerifiedReward
    options: GRPOOptions
    work: Path

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self.order) // self.options.questions


def train_grpo(job: GRPOJob) -> None:
    """Train, from the last checkpoint in `job.work` if there is one.

    Leaves the trained student in `model` there, a plain model folder, the updates in `log.json`, and what
    every answer earned in `rollouts.jsonl`.
    """
    with own_environment():
        _train(job)


def _train(job: GRPOJob) -> None:
    import huggingface_hub.constants
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from transformers.trainer_utils import get_last_checkpoint

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # the trainer's constructor would send it
    options = job.options
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    config = trl_config(options, job.batches, job.work, job.prompt.stop_tokens)
    checkpoint = get_last_checkpoint(job.work)
    done = int(Path(checkpoint).name.rpartition("-")[2]) // options.updates if checkpoint else 0
    log = RolloutLog(job.work / ROLLOUTS)
    log.cut(done)
    tokenizer = load_tokenizer(job.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(job.prompt.end_of_turn)
    if tokenizer.eos_token is None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(job.prompt.end_of_turn)
    with progress("GRPO batches", total=job.batches) as bar:
        bar.advance(done)
        policy = _policy(job)
        with buildable("grpo"), _reachable(options):
            trainer = _trainer_class(job)(
                model=policy,
                reward_funcs=[_reward_function(job, log, bar)],
                args=config,
                train_dataset=Dataset.from_list(
                    [{"prompt": job.examples[place].question, "place": place} for place in job.order]
                ),
                processing_class=tokenizer,
                peft_config=None if options.method == "full" else lora_config(options.lora),
            )
            trainer.get_optimizer_cls_and_kwargs(config)
        if options.engine == "transformers":  # vLLM is given merged weights, which bf16 ones would lose by
            lighten(trainer.model, options)
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=checkpoint)
    _save(trainer, job)


def trl_config(options: GRPOOptions, batches: int, work: Path, stops: Sequence[int]) -> "GRPOConfig":
    """TRL's configuration, each option of the loss and the sampling written out, whatever its defaults.

    The data are laid out in order, so that the trainer runs one epoch and shuffles nothing. Raises
    UserError for an engine that is not here.
    """
    import torch
    from trl import GRPOConfig

    gpu = torch.cuda.is_available()
    if torch.cuda.device_count() > 1:
        raise UserError(
            f"grpo: {torch.cuda.device_count()} GPUs are visible, and it trains on one: make one visible "
            "with CUDA_VISIBLE_DEVICES=0 (a vLLM server may have the others)"
        )
    return GRPOConfig(
        output_dir=str(work),
        num_train_epochs=1,
        max_steps=batches * options.updates,
        per_device_train_batch_size=options.at_once,
        gradient_accumulation_steps=options.accumulation,
        steps_per_generation=options.accumulation * options.updates,
        shuffle_dataset=False,
        num_generations=options.rollouts,
        max_completion_length=options.max_tokens,
        temperature=options.temperature,
        top_p=1.0,
        top_k=0,
        min_p=None,
        repetition_penalty=1.0,
        loss_type=options.loss_type,
        beta=options.beta,
        epsilon=options.epsilon,
        epsilon_high=None,
        delta=None,
        scale_rewards=options.scale_rewards,
        reward_weights=None,
        multi_objective_aggregation="sum_then_normalize",
        num_iterations=1,
        importance_sampling_level="token",
        off_policy_mask_threshold=None,
        use_bias_correction_kl=True,
        vllm_importance_sampling_correction=True,
        vllm_importance_sampling_mode="sequence_mask",
        vllm_importance_sampling_clip_min=None,
        vllm_importance_sampling_clip_max=3.0,
        sync_ref_model=False,
        router_aux_loss_coef=0.0,
        cast_lm_head_to_fp32=False,
        entropy_coef=0.0,
        use_adaptive_entropy=False,
        top_entropy_quantile=1.0,
        mask_truncated_completions=False,
        disable_dropout=True,
        learning_rate=options.learning_rate,
        lr_scheduler_type=options.scheduler,
        warmup_steps=round(options.warmup_ratio * batches * options.updates),
        optim=options.optimizer,
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-8,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        bf16=options.autocast,
        use_cpu=not gpu,
        gradient_checkpointing=options.gradient_checkpointing,
        save_strategy="steps",
        save_steps=options.save_every * options.updates,  # between batches: a resumed run answers whole ones
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=gpu,
        seed=options.seed,
        **_vllm(options, gpu, stops),
    )


def _vllm(options: GRPOOptions, gpu: bool, stops: Sequence[int]) -> dict[str, Any]:
    if options.engine == "transformers":
        return {"use_vllm": False}
    if not gpu:
        raise UserError(f"grpo.engine {options.engine} needs a CUDA GPU; choose transformers")
    if find_spec("vllm") is None:
        raise UserError(
            f"grpo.engine {options.engine}: vllm is not installed; pip install 'stat-train[vllm]'"
        )
    prepare_vllm()
    where: dict[str, Any] = {"vllm_mode": "colocate", "vllm_gpu_memory_utilization": options.vllm_memory}
    if options.engine == "vllm_server":
        where = {"vllm_mode": "server", "vllm_server_base_url": options.vllm_url}
    return {
        "use_vllm": True,
        "vllm_max_model_length": options.max_prompt + options.max_tokens,
        "generation_kwargs": {"stop_token_ids": list(stops), "ignore_eos": True},
        **where,
    }


@contextmanager
def _reachable(options: GRPOOptions) -> Iterator[None]:
    """Turns the silence of a vLLM server, or of one that is not TRL's, into one line."""
    try:
        yield
    except Exception as error:
        from_trl = isinstance(error, OSError | RuntimeError) or type(error) is Exception
        if options.engine != "vllm_server" or not from_trl:
            raise
        raise UserError(
            f"grpo.vllm_url {options.vllm_url}: {one_line(error)}; start `trl vllm-serve --model FOLDER` "
            "there"
        ) from error


def _policy(job: GRPOJob) -> Any:
    """The model to train. It answers by what it is told alone: a model's own defaults (top-k, a penalty for
    repetition) stay out, and it stops where the evaluation stops."""
    from transformers import GenerationConfig

    model = load_model(job.model, job.options.dtype)
    model.generation_config = GenerationConfig(eos_token_id=job.prompt.stop_tokens)
    return model


def _trainer_class(job: GRPOJob) -> "type[GRPOTrainer]":
    """GRPOTrainer asking the prompts of the evaluation, each batch seeded from the training's seed: torch's
    random numbers are transformers' own, NumPy's are those that vLLM takes for the seeds of its requests."""
    import numpy as np
    import torch
    from trl import GRPOTrainer

    answers_itself = job.options.engine == "transformers"

    class PromptedTrainer(GRPOTrainer):  # type: ignore[misc]
        def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
            return [job.prompt.tokens(question) for question in prompts], None, {}

        def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            batch = self.state.global_step // job.options.updates
            seed = job.options.seed * SEED_STRIDE + batch
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            asked = [job.examples[row["place"]] for row in inputs]
            with self.accelerator.autocast() if answers_itself else nullcontext():
                answered: dict[str, Any] = super()._generate_and_score_completions(inputs)
            check_prompts(asked, answered["prompt_ids"], answered["prompt_mask"], job.prompt)
            return without_flat(answered) if flat_is_nothing(job.options) else answered

    return PromptedTrainer


def check_prompts(
    asked: Sequence[Example], ids: "torch.Tensor", mask: "torch.Tensor", prompt: StudentPrompt
) -> None:
    """Raise UserError unless the prompts that were answered are those of the evaluation, token by token.

    `ids` and `mask` are (answers, longest prompt).
    """
    for example, row, kept in zip(asked, ids, mask.bool(), strict=True):
        if row[kept].tolist() != prompt.tokens(example.question):
            raise UserError(
                f"grpo: question {example.id!r}: the prompt answered differs from the one evaluated; "
                "install the version of trl that pyproject.toml names"
            )


def flat_is_nothing(options: GRPOOptions) -> bool:
    """Whether answers without an advantage may be left out of an update, which then is the same, and
    cheaper: no KL, a sum over tokens, divided by those of the whole batch, and one update of it."""
    whole = options.updates == options.accumulation == 1
    return whole and options.loss_type == "dapo" and not options.beta


def without_flat(answered: dict[str, Any]) -> dict[str, Any]:
    """A scored batch without the answers whose advantage is 0, one of which stays where all are."""
    import torch

    advantages = answered["advantages"]
    kept = advantages.nonzero().flatten()
    if not len(kept):
        kept = torch.zeros(1, dtype=torch.long, device=advantages.device)
    return {
        name: value[kept] if torch.is_tensor(value) and value.dim() else value
        for name, value in answered.items()
    }


def _reward_function(job: GRPOJob, log: RolloutLog, bar: Bar) -> Any:
    """What TRL calls with the answers of a whole batch, `rollouts` to each question in a row."""

    def verified_answer(
        completion_ids: list[list[int]], place: list[int], trainer_state: Any, **_: Any
    ) -> list[float]:
        batch = trainer_state.global_step // job.options.updates
        asked = [job.examples[its] for its in place]
        decoded = [job.prompt.decode(ids) for ids in completion_ids]
        ended = [end is not None for _, end in decoded]
        answers = [(text, its.answer or "") for (text, _), its in zip(decoded, asked, strict=True)]
        scored = job.reward.score(answers, ended, [its.question for its in asked])
        rows = [
            rollout_row(batch, number // job.options.rollouts, asked[number], its, len(ids), ended[number])
            for number, (its, ids) in enumerate(zip(scored, completion_ids, strict=True))
        ]
        for row, (text, _end) in zip(rows[: job.options.rollouts], decoded, strict=False):
            row["text"] = text  # of one question a batch: enough to look at what is rewarded
        log.append(rows)
        bar.advance(1)
        return [its.reward for its in scored]

    return verified_answer


def _save(trainer: "GRPOTrainer", job: GRPOJob) -> None:
    """A plain model folder, whatever the method, and the log of the updates."""
    folder, options = job.work / MODEL, job.options
    model = trainer.accelerator.unwrap_model(trainer.model)
    if options.method == "full":
        save_model(model, load_tokenizer(job.model), folder, options.save_dtype)
    else:
        trained = job.work / "adapter"
        shutil.rmtree(trained, ignore_errors=True)
        model.save_pretrained(trained)
        merge_adapter(job.model, trained, folder, options.save_dtype)
    updates = [
        {name: entry[name] for name in LOGGED if name in entry}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    with atomic_file(job.work / LOG) as file:
        file.write(json.dumps({"steps": trainer.state.global_step, "updates": updates}).encode())
