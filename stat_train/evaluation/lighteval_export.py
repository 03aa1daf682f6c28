"""Tasks for Hugging Face's lighteval (0.13): one Python file, and the rows in the hub's layout."""

import shutil
from pathlib import Path

from stat_train.evaluation.export import FOLDER, Export, write_text
from stat_train.run import content_hash

TASKS = '''"""Tasks for lighteval; written by `stat-train export-tasks`."""

import json
from functools import partial
from pathlib import Path

from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.utils.metric_utils import SampleLevelMetric
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from stat_train.data.example import Example
from stat_train.grading.grader import Grader

ROWS = Path(__file__).resolve().parent / {rows}
GRADER = Grader({grader!r})
TASKS = {tasks}


def require_gold(split):
    """The judge must know right answers as such: an environment that it does not work in is found here."""
    lines = (ROWS / f"{split}.jsonl").read_bytes().splitlines()
    rows = map(json.loads, lines)
    GRADER.require_gold([Example(r["id"], r["question"], r["solution"], r["answer"]) for r in rows], split)


for split in dict.fromkeys(split for _, split, _ in TASKS):
    require_gold(split)


class Right(SampleLevelComputation):
    """1 where the answer is right by the judge that stat-train uses everywhere."""

    def compute(self, doc, model_response, **_):
        [verdict] = GRADER.grade([(model_response.final_text[0], doc.choices[0])])
        return float(verdict == "correct")


def mean(values):
    return sum(values) / len(values)


ACC = SampleLevelMetric(
    metric_name="acc",
    higher_is_better=True,
    category=SamplingMethod.GENERATIVE,
    sample_level_fn=Right(),
    corpus_level_fn=mean,
)


def prompt(row, task_name=None):
    return Doc(task_name=task_name, query=row["user"], choices=[row["answer"]], gold_index=0)


def needs(skill, row):
    return skill in row["skills"]


TASKS_TABLE = [
    LightevalTaskConfig(
        name=name,
        prompt_function=prompt,
        hf_repo=str(ROWS),
        hf_subset=split,
        hf_filter=partial(needs, skill) if skill else None,
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        generation_size={max_tokens},
        metrics=[ACC],
        stop_sequence=[],
    )
    for name, split, skill in TASKS
]
'''


def write_lighteval(folder: Path, export: Export, system: str) -> None:
    """Write the tasks of `export`, whose rows stand in `folder` already, for `lighteval --custom-tasks`.

    `system` is the student's system message, which lighteval takes with the model.
    """
    listed = "".join(f"    ({task.name!r}, {task.split!r}, {task.skill!r}),\n" for task in export.tasks)
    rows = (
        folder / f"{export.name}-{content_hash(folder / FOLDER)[:8]}"
    )  # lighteval's cache goes by this name
    shutil.rmtree(rows, ignore_errors=True)
    (folder / FOLDER).rename(rows)
    filled = {
        "rows": repr(rows.name),
        "grader": repr(export.grader),
        "tasks": f"[\n{listed}]",
        "max_tokens": str(export.sampling.max_tokens),
    }
    text = TASKS.replace("{grader!r}", filled["grader"])
    for name in ("rows", "tasks", "max_tokens"):
        text = text.replace(f"{{{name}}}", filled[name])
    write_text(folder / "tasks.py", text)
    configs = "".join(
        f'- config_name: "{split}"\n  data_files:\n  - split: test\n    path: "{split}.jsonl"\n'
        for split in dict.fromkeys(task.split for task in export.tasks)
    )
    write_text(rows / "README.md", f"---\nconfigs:\n{configs}---\n")
    write_text(folder / "README.md", _readme(export, system))


def _readme(export: Export, system: str) -> str:
    wholes = ",".join(f"{task.name}|0" for task in export.tasks if not task.skill)
    rows = "".join(
        f"| `{task.name}` | {task.skill or 'all questions'} | {task.n} |\n" for task in export.tasks
    )
    said = (
        f"\nThe student's system message goes with the model (`system_prompt`): `{system}`\n"
        if system
        else ""
    )
    model = "model_name=MODEL,dtype=bfloat16" + ("" if export.chat else ",override_chat_template=false")
    return f"""# {export.name}, for lighteval

    pip install lighteval stat-train
    lighteval accelerate "{model}" "{wholes}" --custom-tasks THIS_FOLDER/tasks.py

`acc` is judged by stat-train's grader `{export.grader}`, so both must be installed. A question that needs
several skills stands in several tasks. One answer a question is judged; temperature
{export.sampling.temperature:g} is set with the model.
{said}
| task | skill | questions |
|---|---|---|
{rows}"""
