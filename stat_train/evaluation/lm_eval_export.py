"""Tasks for EleutherAI's lm-evaluation-harness (tried with 0.4.13): a YAML file each, and what they share."""

from pathlib import Path

import yaml

from stat_train.evaluation.export import Export, ExportedTask, write_text

SHARED = '''"""What the tasks of this folder share; written by `stat-train export-tasks`."""

import json
from pathlib import Path

import datasets

from stat_train.data.example import Example
from stat_train.grading.grader import Grader

GRADER = Grader({grader!r})


def questions(split, skill="", **_):
    """The rows of a split, or those that need one skill."""
    file = Path(__file__).parent / "data" / f"{{split}}.jsonl"
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    rows = [row for row in rows if not skill or skill in row["skills"]]
    GRADER.require_gold([Example(r["id"], r["question"], r["solution"], r["answer"]) for r in rows], split)
    return datasets.DatasetDict(test=datasets.Dataset.from_list(rows))


def process_results(doc, results):
    """1 where the answer is right by the judge that stat-train uses everywhere."""
    [verdict] = GRADER.grade([(results[0], doc["answer"])])
    return {{"acc": float(verdict == "correct")}}
'''


class _Dumper(yaml.SafeDumper):
    """Writes `Function` as lm-eval's `!function`."""


class _Function(str):
    pass


_Dumper.add_representer(_Function, lambda dumper, name: dumper.represent_scalar("!function", str(name)))


def write_lm_eval(folder: Path, export: Export) -> None:
    """Write the tasks of `export`, whose rows stand in `folder` already, for `lm_eval --include_path`."""
    write_text(folder / "shared.py", SHARED.format(grader=export.grader))
    for task in export.tasks:
        _write(folder / f"{task.name}.yaml", _task(task, export))
    for whole in (task for task in export.tasks if not task.skill):
        skills = [task.name for task in export.tasks if task.skill and task.split == whole.split]
        if skills:
            _write(folder / f"{whole.group}.yaml", {"group": whole.group, "task": skills})
    write_text(folder / "README.md", _readme(export))


def _task(task: ExportedTask, export: Export) -> dict[str, object]:
    sampling = export.sampling
    generation: dict[str, object] = {
        "until": [],
        "max_gen_toks": sampling.max_tokens,
        "do_sample": sampling.temperature > 0,
    }
    if sampling.temperature > 0:
        generation |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
    skill = {"skill": task.skill} if task.skill else {}
    return {
        "task": task.name,
        "custom_dataset": _Function("shared.questions"),
        "dataset_kwargs": {"split": task.split, **skill},
        "test_split": "test",
        "output_type": "generate_until",
        "description": "system",
        "doc_to_text": "user",
        "doc_to_target": "answer",
        "generation_kwargs": generation,
        "process_results": _Function("shared.process_results"),
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1},
    }


def _write(path: Path, tree: dict[str, object]) -> None:
    write_text(path, yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _readme(export: Export) -> str:
    wholes = ",".join(task.name for task in export.tasks if not task.skill)
    template = " \\\n    --apply_chat_template" if export.chat else ""
    rows = "".join(
        f"| `{task.name}` | {task.skill or 'all questions'} | {task.n} |\n" for task in export.tasks
    )
    return f"""# {export.name}, for lm-evaluation-harness

    pip install 'lm-eval[hf]' stat-train
    lm_eval --model hf --model_args pretrained=MODEL,dtype=bfloat16 --include_path THIS_FOLDER \\
    --tasks {wholes}{template}

`acc` is judged by stat-train's grader `{export.grader}`, so both must be installed. The prompts are the
student's own; a question that needs several skills stands in several tasks. One answer a question is judged.

| task | skill | questions |
|---|---|---|
{rows}"""
