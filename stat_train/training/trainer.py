"""One training with TRL's SFTTrainer, in as many processes as there are."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError, one_line
from stat_train.progress import Bar, progress
from stat_train.student.adapter import copy_adapter, merge_adapter
from stat_train.student.loading import load_model, load_tokenizer, save_model
from stat_train.training.answer_loss import answer_loss_trainer
from stat_train.training.folder import LOG, MODEL
from stat_train.training.layout import laid_out, shares, steps
from stat_train.training.light_lora import lighten
from stat_train.training.options import LoraOptions, SFTOptions
from stat_train.training.preflight import Tokenized

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from trl import SFTConfig, SFTTrainer

LOGGED = ("step", "loss", "grad_norm", "learning_rate")


@dataclass(frozen=True)
class Job:
    """A training: the model folder to start from, its rows as tokens, and the folder to work in.

    `end_of_turn` is the id of the token that ends an answer.
    """

    model: Path
    tokenized: Sequence[Tokenized]
    end_of_turn: int
    options: SFTOptions
    work: Path


def train(job: Job) -> None:
    """Train, from the last checkpoint in `job.work` if there is one.

    Leaves the trained student in `model` there, a plain model folder, and the losses in `log.json`.
    Every process of a distributed training calls it; the first one writes.
    """
    import huggingface_hub.constants
    import torch
    from transformers import PrinterCallback
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTTrainer

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # the trainer's constructor would send it
    options = job.options
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    data = laid_out(job.tokenized, options, processes)
    total = steps(len(data), options)
    data = data.select(range(min(len(data), total * options.effective_batch)))  # no row beyond `max_steps`
    config = _config(options, total, processes, job.work)
    tokenizer = load_tokenizer(job.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(job.end_of_turn)
    trainer_class = SFTTrainer if torch.cuda.is_available() else answer_loss_trainer()
    with buildable("sft"):
        trainer = trainer_class(
            model=_load(job.model, options),
            args=config,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=None if options.method == "full" else lora_config(options.lora),
        )
        trainer.get_optimizer_cls_and_kwargs(config)
    lighten(trainer.model, options, processes)
    trainer.remove_callback(PrinterCallback)
    _run(trainer, get_last_checkpoint(job.work))
    _save(trainer, tokenizer, job)


@contextmanager
def buildable(section: str) -> Iterator[None]:
    """Turns what the libraries refuse of the options of a section into one line."""
    try:
        yield
    except (ValueError, ImportError) as error:
        raise UserError(
            f"{section}: {one_line(error)}; change the option, or install what it needs"
        ) from error


def _run(trainer: "SFTTrainer", checkpoint: str | None) -> None:
    if not trainer.is_world_process_zero():
        trainer.train(resume_from_checkpoint=checkpoint)
        return
    done = int(Path(checkpoint).name.rpartition("-")[2]) if checkpoint else 0
    with progress("training", total=trainer.args.max_steps) as bar:
        bar.advance(done)
        trainer.add_callback(_advancing(bar))
        trainer.train(resume_from_checkpoint=checkpoint)


def _config(options: SFTOptions, total: int, processes: int, work: Path) -> "SFTConfig":
    """All epochs are laid out in the data, in order, so that the trainer runs one epoch sequentially.

    To be made before the model is loaded: it sets up the devices, and says how weights are spread.
    """
    import torch
    from trl import SFTConfig

    if processes == 1 and torch.cuda.device_count() > 1:
        raise UserError(
            f"sft: {torch.cuda.device_count()} GPUs are visible to one process; set sft.accelerate to use "
            "them all (recipes/accelerate), or make one visible with CUDA_VISIBLE_DEVICES=0"
        )
    batch_size, accumulation = shares(options, processes)
    return SFTConfig(
        output_dir=str(work),
        num_train_epochs=1,
        max_steps=total,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        warmup_steps=round(options.warmup_ratio * total),
        train_sampling_strategy="sequential",
        learning_rate=options.rates[0],
        lr_scheduler_type=options.scheduler,
        optim=options.optimizer,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        bf16=options.autocast,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=options.gradient_checkpointing,
        max_length=None,  # preflight refuses what is too long; nothing is cut
        padding_free=options.packing,  # the rows are packed already
        save_strategy="steps",
        save_steps=options.save_steps,
        save_total_limit=1,
        logging_steps=1,  # averages over several steps would restart with a resumed run
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=options.seed,
    )


def _load(model: Path, options: SFTOptions) -> Any:
    more: dict[str, Any] = {}
    if options.attention:
        more["attn_implementation"] = options.attention
    if options.use_kernels:
        from transformers.utils import is_kernels_available

        if not is_kernels_available():
            raise UserError("sft.use_kernels needs the package kernels; pip install kernels, or leave it out")
        more["use_kernels"] = True
    if options.method == "qlora":
        more["quantization_config"] = _nf4()
    try:
        return load_model(model, "bfloat16" if options.method == "qlora" else options.dtype, **more)
    except ImportError as error:
        raise UserError(f"sft: {str(error).splitlines()[0]}; install it, or change the option") from error


def _nf4() -> Any:
    """4-bit weights as in QLoRA (arXiv 2305.14314)."""
    import torch
    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available():
        raise UserError("sft.method qlora needs a CUDA GPU; choose lora or full")
    if find_spec("bitsandbytes") is None:
        raise UserError("sft.method qlora needs bitsandbytes; pip install bitsandbytes")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )


def lora_config(lora: LoraOptions) -> Any:
    """PEFT's configuration of new adapters."""
    from peft import LoraConfig

    targets = lora.targets
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )


def _advancing(bar: Bar) -> Any:
    from transformers import TrainerCallback

    class Advance(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            bar.advance(1)

    return Advance()


def _save(trainer: "SFTTrainer", tokenizer: "PreTrainedTokenizerBase", job: Job) -> None:
    """A plain model folder, whatever the method, the adapter inside it if it is kept; and the losses."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    folder, options = job.work / MODEL, job.options
    spread = trainer.args.world_size > 1
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped) if spread else None
    if not trainer.is_world_process_zero():
        return
    unset_hf_deepspeed_config()  # under ZeRO-3 a model that is loaded waits for all processes
    model = trainer.accelerator.unwrap_model(trainer.model)
    if options.method == "full":
        if state is not None:
            model = load_model(job.model, options.dtype)
            model.load_state_dict(state)
        save_model(model, tokenizer, folder, options.save_dtype)
    else:
        trained = job.work / "adapter"
        shutil.rmtree(trained, ignore_errors=True)
        model.save_pretrained(trained, state_dict=state)
        merge_adapter(job.model, trained, folder, options.save_dtype)
        if options.keep_adapter:
            copy_adapter(trained, folder / "adapter")
    losses = [
        {name: entry[name] for name in LOGGED} for entry in trainer.state.log_history if "loss" in entry
    ]
    with atomic_file(job.work / LOG) as file:
        file.write(json.dumps({"steps": trainer.state.global_step, "losses": losses}).encode())
