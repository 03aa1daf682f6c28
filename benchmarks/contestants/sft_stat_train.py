"""stat_train's SFT: `sft_stat_train.py ROWS MODEL OUT BATCH THREADS [trl_loss]`; prints seconds as JSON.

ROWS has `id`, `question` and `solution`. Preflight, the hashes of model and data, training and saving are
timed. With `trl_loss` the trainer is TRL's own class, as on a GPU.
"""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import datasets  # noqa: F401  (imported before the clock matters, as the bare script does)
import torch  # noqa: F401
import transformers  # noqa: F401
from trl import SFTTrainer

from stat_train.data.jsonl import read_jsonl
from stat_train.student.load import student_prompt
from stat_train.student.options import StudentOptions
from stat_train.training import trainer
from stat_train.training.options import SFTOptions
from stat_train.training.sft import sft

given, model, out, batch, threads = sys.argv[1:6]
if sys.argv[6:] == ["trl_loss"]:
    trainer.answer_loss_trainer = lambda: SFTTrainer

started, cpu = time.perf_counter(), time.process_time()
rows = [SimpleNamespace(**row) for row in read_jsonl(Path(given))]
prompt = student_prompt(StudentOptions(model=model), Path(model))
options = SFTOptions(
    batch_size=int(batch), threads=int(threads), bf16=True, save_steps=1_000_000, save_dtype="float32"
)
folder = sft(Path(model), rows, prompt, options, Path(out) / "model")
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu

loss = [row["loss"] for row in read_jsonl(folder / "loss.jsonl")]
tokens = sum(len(prompt.training(row.question, row.solution)[0]) for row in rows)
figures = {"seconds": seconds, "cpu_s": cpu, "tokens": tokens, "steps": len(loss), "last_loss": loss[-1]}
print(json.dumps(figures))
