"""Supervised fine-tuning, thin over TRL's SFTTrainer."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from stat_train.data.atomic import atomic_file
from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError
from stat_train.student.fingerprint import fingerprint
from stat_train.student.prompt import StudentPrompt
from stat_train.training.launch import launch
from stat_train.training.options import SFTOptions
from stat_train.training.preflight import Row, Tokenized, preflight
from stat_train.training.trainer import LOG, MODEL, Job, train

DONE = "training.json"


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
    `training.json`; called again with the same inputs it is returned as it is. With `options.accelerate`
    the training itself runs in the processes that `accelerate launch` starts.
    Raises `UserError` for rows that preflight refuses, for several learning rates (the pipeline tries
    them one by one) and for an `out` that holds something else.
    """
    if len(options.rates) > 1:
        raise UserError("sft.learning_rate: one training takes one rate; call it for each, or use a recipe")
    tokenized = preflight(rows, prompt, options.max_length, forbidden_questions)
    key = _key(model, tokenized, options)
    if out.exists():
        _check_finished(out, key)
        return out
    from safetensors import SafetensorError

    try:
        work = _work_folder(out, key)
        job = Job(model, tokenized, prompt.end_of_turn, options, work)
        if options.accelerate:
            launch(job, options.accelerate)
        else:
            train(job)
        _write_done(work, key, model, len(rows), options)
        (work / MODEL).rename(out)
        shutil.rmtree(work)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{out}: cannot be written ({error}); free space or choose another folder") from error
    return out


def _key(model: Path, tokenized: Sequence[Tokenized], options: SFTOptions) -> str:
    content = [fingerprint(model), options.identity(), tokenized]
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
    shutil.rmtree(work / MODEL, ignore_errors=True)
    for checkpoint in work.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())  # the last file that is written
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return work


def _write_done(work: Path, key: str, model: Path, rows: int, options: SFTOptions) -> None:
    log = json.loads((work / LOG).read_text())
    write_jsonl(work / MODEL / "loss.jsonl", log["losses"])
    done = {
        "key": key,
        "base": fingerprint(model),
        "rows": rows,
        "steps": log["steps"],
        "options": options.identity(),
    }
    (work / MODEL / DONE).write_text(json.dumps(done, indent=2, sort_keys=True) + "\n")
