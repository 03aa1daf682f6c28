"""Supervised fine-tuning, thin over TRL's SFTTrainer."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from stat_train.data.atomic import atomic_file
from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError
from stat_train.progress import Bar, progress
from stat_train.student.adapter import copy_adapter, merge_adapter
from stat_train.student.fingerprint import fingerprint
from stat_train.student.loading import load_model, save_model
from stat_train.student.prompt import StudentPrompt
from stat_train.training.answer_loss import answer_loss_trainer
from stat_train.training.options import SFTOptions
from stat_train.training.order import training_order
from stat_train.training.preflight import Row, Tokenized, preflight

if TYPE_CHECKING:
    from trl import SFTConfig, SFTTrainer

DONE = "training.json"
LOGGED = ("step", "loss", "grad_norm", "learning_rate")


def sft(
    model: Path,
    rows: Sequence[Row],
    prompt: StudentPrompt,
    options: SFTOptions,
    out: Path,
    forbidden_questions: Iterable[str] = (),
) -> Path:
    """Train the model folder `model` on `rows`; `out` is then a plain model folder that answers them.

    The rows pass `preflight` first. Checkpoints stand in `<out>.partial`: a killed training goes on from
    the last one to the same weights. `out` appears whole, with `loss.jsonl` (a line per step) and
    `training.json`; called again with the same inputs it is returned as it is.
    Raises `UserError` for rows that preflight refuses and for an `out` that holds something else.
    """
    tokenized = preflight(rows, prompt, options.max_length, forbidden_questions)
    key = _key(model, tokenized, options)
    if out.exists():
        _check_finished(out, key)
        return out
    from safetensors import SafetensorError

    try:
        work = _work_folder(out, key)
        trainer = _train(model, tokenized, prompt, options, work)
        _save(trainer, model, prompt, options, work)
        _write_done(trainer, work / "model", key, model, len(rows), options)
        (work / "model").rename(out)
        shutil.rmtree(work)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{out}: cannot be written ({error}); free space or choose another folder") from error
    return out


def _key(model: Path, tokenized: Sequence[Tokenized], options: SFTOptions) -> str:
    content = [fingerprint(model), options.model_dump(mode="json"), tokenized]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _check_finished(out: Path, key: str) -> None:
    try:
        finished = json.loads((out / DONE).read_text())["key"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{out}: exists and is no finished training; delete it or choose another") from error
    if finished != key:
        raise UserError(f"{out}: holds a training with other data or options; delete it or choose another")


def _work_folder(out: Path, key: str) -> Path:
    """The folder of checkpoints; one of another training, or with a half-written checkpoint, is cleaned."""
    work = out.with_name(out.name + ".partial")
    stamp = work / "key"
    if work.exists() and (not stamp.is_file() or stamp.read_text() != key):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    with atomic_file(stamp) as file:
        file.write(key.encode())
    shutil.rmtree(work / "model", ignore_errors=True)
    for checkpoint in work.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())  # the last file that is written
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return work


def _train(
    model: Path, tokenized: Sequence[Tokenized], prompt: StudentPrompt, options: SFTOptions, work: Path
) -> "SFTTrainer":
    import huggingface_hub.constants
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTTrainer

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # the trainer's constructor would send it
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    batch = options.batch_size * options.gradient_accumulation
    lengths = [len(ids) for ids, _ in tokenized]
    order = training_order(lengths, options.epochs, batch, options.seed, options.group_by_length)
    examples = [{"input_ids": tokenized[i][0], "labels": tokenized[i][1]} for i in order]
    if prompt.tokenizer.pad_token is None:
        prompt.tokenizer.pad_token = prompt.tokenizer.convert_ids_to_tokens(prompt.end_of_turn)
    trainer_class = SFTTrainer if torch.cuda.is_available() else answer_loss_trainer()
    trainer = trainer_class(
        model=_load(model, options),
        args=_config(options, len(order), work),
        train_dataset=Dataset.from_list(examples),
        processing_class=prompt.tokenizer,
        peft_config=_lora(options),
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = get_last_checkpoint(work)
    done = int(Path(checkpoint).name.rpartition("-")[2]) if checkpoint else 0
    with progress("training", total=_steps(options, len(order))) as bar:
        bar.advance(done)
        trainer.add_callback(_advancing(bar))
        trainer.train(resume_from_checkpoint=checkpoint)
    return trainer


def _steps(options: SFTOptions, examples: int) -> int:
    steps = -(-examples // (options.batch_size * options.gradient_accumulation))
    return steps if options.max_steps is None else min(steps, options.max_steps)


def _config(options: SFTOptions, examples: int, work: Path) -> "SFTConfig":
    """All epochs are laid out in the data, in order, so that the trainer runs one epoch sequentially."""
    import torch
    from trl import SFTConfig

    steps = _steps(options, examples)
    return SFTConfig(
        output_dir=str(work),
        num_train_epochs=1,
        max_steps=steps,
        train_sampling_strategy="sequential",
        per_device_train_batch_size=options.batch_size,
        gradient_accumulation_steps=options.gradient_accumulation,
        learning_rate=options.learning_rate,
        lr_scheduler_type=options.scheduler,
        warmup_steps=round(options.warmup_ratio * steps),
        optim=options.optimizer,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=options.gradient_checkpointing,
        max_length=None,  # preflight refuses what is too long; nothing is cut
        save_strategy="steps",
        save_steps=options.save_steps,
        save_total_limit=1,
        logging_steps=1,  # averages over several steps would restart with a resumed run
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=options.seed,
    )


def _load(model: Path, options: SFTOptions) -> Any:
    if options.method != "qlora":
        return load_model(model, options.dtype)
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    if not torch.cuda.is_available():
        raise UserError("sft.method qlora needs a CUDA GPU; choose lora or full")
    quantized = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(model), quantization_config=quantized, dtype=torch.bfloat16, use_safetensors=True
        )
    except ImportError as error:
        raise UserError("sft.method qlora needs bitsandbytes; pip install bitsandbytes") from error


def _lora(options: SFTOptions) -> Any:
    if options.method == "full":
        return None
    from peft import LoraConfig

    targets = options.lora.targets
    return LoraConfig(
        r=options.lora.r,
        lora_alpha=options.lora.alpha,
        lora_dropout=options.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )


def _advancing(bar: Bar) -> Any:
    from transformers import TrainerCallback

    class Advance(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            bar.advance(1)

    return Advance()


def _save(trainer: "SFTTrainer", model: Path, prompt: StudentPrompt, options: SFTOptions, work: Path) -> None:
    """A plain model folder in `work/model`, whatever the method; the adapter beside it if it is kept."""
    folder = work / "model"
    if options.method == "full":
        save_model(trainer.model, prompt.tokenizer, folder, options.save_dtype)
        return
    trained = work / "adapter"
    shutil.rmtree(trained, ignore_errors=True)
    trainer.model.save_pretrained(trained)
    merge_adapter(model, trained, folder, options.save_dtype)
    if options.keep_adapter:
        copy_adapter(trained, folder / "adapter")


def _write_done(
    trainer: "SFTTrainer", folder: Path, key: str, model: Path, rows: int, options: SFTOptions
) -> None:
    losses = [
        {name: entry[name] for name in LOGGED} for entry in trainer.state.log_history if "loss" in entry
    ]
    write_jsonl(folder / "loss.jsonl", losses)
    done = {
        "key": key,
        "base": fingerprint(model),
        "rows": rows,
        "steps": trainer.state.global_step,
        "options": options.model_dump(),
    }
    (folder / DONE).write_text(json.dumps(done, indent=2, sort_keys=True) + "\n")
