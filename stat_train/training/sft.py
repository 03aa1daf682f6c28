"""Supervised fine-tuning, thin over TRL's SFTTrainer."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError
from stat_train.student.fingerprint import fingerprint
from stat_train.student.loading import positions
from stat_train.student.prompt import StudentPrompt
from stat_train.training.folder import DONE, LOG, MODEL, check_finished, work_folder
from stat_train.training.launch import launch
from stat_train.training.options import SFTOptions
from stat_train.training.preflight import Row, Tokenized, preflight
from stat_train.training.trainer import Job, train


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
    tokenized = preflight(
        rows, prompt, options.max_length, forbidden_questions, context=positions(Path(model))
    )
    key = _key(model, tokenized, options)
    if out.exists():
        check_finished(out, key)
        return out
    from safetensors import SafetensorError

    try:
        work = work_folder(out, key)
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


def _write_done(work: Path, key: str, model: Path, rows: int, options: SFTOptions) -> None:
    log = json.loads((work / LOG).read_text())
    write_jsonl(work / MODEL / "loss.jsonl", log["losses"])
    done = {
        "key": key,
        "base": fingerprint(model),
        "rows": rows,
        "steps": log["steps"],
        "options": options.identity() | {"bf16": options.autocast},
    }
    (work / MODEL / DONE).write_text(json.dumps(done, indent=2, sort_keys=True) + "\n")
