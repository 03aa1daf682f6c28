"""Scores a model on exported tasks with lighteval, which must be installed where this runs.

    lighteval_tasks.py MODEL_FOLDER TASKS_PY BATCH SYSTEM_MESSAGE OUT_JSON TASK ...

With lighteval's own task, model and metric classes, since its command line cannot start without the network.
"""

import importlib.util
import json
import sys
from pathlib import Path

from lighteval.models.transformers.transformers_model import TransformersModel, TransformersModelConfig
from lighteval.tasks.lighteval_task import LightevalTask

folder, file, batch, system, out, *names = sys.argv[1:]
spec = importlib.util.spec_from_file_location("exported_tasks", file)
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
config = TransformersModelConfig(
    model_name=folder,
    dtype="float32",
    batch_size=int(batch),
    system_prompt=system or None,
    cache_dir=f"{out}.cache",  # its own would answer for other questions of the same place
)
model = TransformersModel(config)
found = {}
for task in (LightevalTask(one) for one in exported.TASKS_TABLE if one.name in names):
    docs = task.get_docs()
    responses = model.greedy_until(docs)
    [metric] = task.metrics
    scored = [
        metric.compute_sample(doc=doc, model_response=response)["acc"]
        for doc, response in zip(docs, responses, strict=True)
    ]
    found[task.name] = {
        "acc": task.aggregation()["acc"](scored),
        "rows": [
            [model.prompt_manager.prepare_prompt(doc), response.final_text[0], acc]
            for doc, response, acc in zip(docs, responses, scored, strict=True)
        ],
    }
Path(out).write_text(json.dumps(found))
