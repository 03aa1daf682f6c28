"""GRPO with verified answers as reward, thin over TRL's GRPOTrainer."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl, write_jsonl
from stat_train.errors import UserError
from stat_train.grading.grader import BadGold, Grader
from stat_train.student.fingerprint import fingerprint
from stat_train.student.prompt import StudentPrompt
from stat_train.training.folder import DONE, LOG, MODEL, check_finished, work_folder
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.grpo_trainer import GRPOJob, train_grpo
from stat_train.training.preflight import refuse_forbidden
from stat_train.training.prompt_order import Skill, prompt_order
from stat_train.training.reward import VerifiedReward, verifiable
from stat_train.training.rewards import REWARDS, reward_rows
from stat_train.training.rollouts import ROLLOUTS

QUARANTINED = "quarantined.jsonl"
UPDATES = "updates.jsonl"


def grpo(
    model: Path,
    examples: Sequence[Example],
    prompt: StudentPrompt,
    grader: Grader,
    options: GRPOOptions,
    out: Path,
    forbidden_questions: Iterable[str] = (),
    weights: Mapping[Skill, float] | None = None,
) -> Path:
    """Train the model folder `model` on its own answers to the questions of `examples`.

    First every gold answer is graded against itself: rows that fail are quarantined, counted, and never
    scored. `weights` of skills are for `prompts: profile` (see `prompt_order`). Checkpoints stand in
    `<out>.partial`: a killed training goes on from the last one to the same weights. `out` appears whole: a
    plain model folder with `rollouts.jsonl` (an answer a line), `rewards.jsonl` (per batch and skill),
    `updates.jsonl` (an optimizer step a line), `quarantined.jsonl` and `training.json`; called again with
    the same inputs it is returned as it is.
    Raises `UserError` for no question that can be scored, a forbidden question, a prompt longer than
    `max_prompt`, an engine that is not here, and an `out` that holds something else.
    """
    if options.prompts == "profile" and weights is None:
        raise UserError("grpo.prompts profile needs the weights of the skills; give them, or set it to even")
    refuse_forbidden(examples, forbidden_questions)
    rows, bad = verifiable(examples, grader)
    _check_lengths(rows, prompt, options)
    order = prompt_order(rows, options, weights if options.prompts == "profile" else None)
    key = _key(model, [rows[place] for place in order], prompt, grader, options)
    if out.exists():
        check_finished(out, key)
        return out
    from safetensors import SafetensorError

    try:
        work = work_folder(out, key)
        reward = VerifiedReward(grader, options.format_reward)
        train_grpo(GRPOJob(model, rows, order, prompt, reward, options, work))
        _write_done(work, key, model, len(rows), bad, options)
        (work / MODEL).rename(out)
        shutil.rmtree(work)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{out}: cannot be written ({error}); free space or choose another folder") from error
    return out


def _check_lengths(rows: Sequence[Example], prompt: StudentPrompt, options: GRPOOptions) -> None:
    lengths = {row.id: len(prompt.tokens(row.question)) for row in rows}
    long = [id for id, length in lengths.items() if length > options.max_prompt]
    if long:
        raise UserError(
            f"grpo: {len(long)} of {len(rows)} prompts exceed max_prompt {options.max_prompt} tokens "
            f"({', '.join(long[:5])}); set grpo.max_prompt to {max(lengths.values())} or leave these rows out"
        )


def _key(
    model: Path, asked: Sequence[Example], prompt: StudentPrompt, grader: Grader, options: GRPOOptions
) -> str:
    rows = [[row.id, row.question, row.answer, row.subject, row.skills] for row in asked]
    content = [fingerprint(model), options.identity(), prompt.hash, grader.name, rows]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _write_done(
    work: Path, key: str, model: Path, rows: int, bad: Sequence[BadGold], options: GRPOOptions
) -> None:
    folder, log = work / MODEL, json.loads((work / LOG).read_text())
    shutil.copy2(work / ROLLOUTS, folder / ROLLOUTS)
    write_jsonl(folder / REWARDS, reward_rows(list(read_jsonl(folder / ROLLOUTS))))
    write_jsonl(folder / UPDATES, log["updates"])
    write_jsonl(folder / QUARANTINED, [asdict(gold) for gold in bad])
    done = {
        "key": key,
        "base": fingerprint(model),
        "rows": rows,
        "quarantined": len(bad),
        "steps": log["steps"],
        "options": options.identity() | {"bf16": options.autocast},
    }
    (folder / DONE).write_text(json.dumps(done, indent=2, sort_keys=True) + "\n")
