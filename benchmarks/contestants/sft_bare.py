"""SFT as TRL's documentation writes it: `sft_bare.py ROWS MODEL OUT BATCH THREADS`; prints seconds as JSON.

ROWS has `prompt` and `completion`, rendered beforehand. Imports are not timed; loading, tokenizing,
training and saving are.
"""

import json
import sys
import time

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

rows, model, out, batch, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
on_gpu = torch.cuda.is_available()

started, cpu = time.perf_counter(), time.process_time()
dataset = load_dataset("json", data_files=rows, split="train").select_columns(["prompt", "completion"])
config = SFTConfig(
    output_dir=out,
    num_train_epochs=1,
    per_device_train_batch_size=int(batch),
    learning_rate=2e-5,
    lr_scheduler_type="cosine",
    warmup_steps=1,
    weight_decay=0.1,
    max_grad_norm=1.0,
    optim="adamw_torch_fused",
    bf16=True,
    use_cpu=not on_gpu,
    gradient_checkpointing=False,
    dataloader_pin_memory=on_gpu,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
)
trainer = SFTTrainer(
    model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
    args=config,
    train_dataset=dataset,
    processing_class=AutoTokenizer.from_pretrained(model),
)
trainer.train()
trainer.save_model(out)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu

loss = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
tokens = sum(map(len, trainer.train_dataset["input_ids"]))
figures = {"seconds": seconds, "cpu_s": cpu, "tokens": tokens, "steps": len(loss), "last_loss": loss[-1]}
print(json.dumps(figures))
