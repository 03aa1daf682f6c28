"""An evaluation split scored here and, exported, by another harness: the same figures?

    python benchmarks/lm_eval_agreement.py [--harness lm-eval|lighteval] [--questions 100]

The embedded student answers the demo's test split greedily, once through `stat-train evaluate` and once
through lm-evaluation-harness 0.4.13, or lighteval 0.13.0 (environments of their own, made on the first run),
with the exported tasks: the whole split, and a task for each skill. Weights are fp32 everywhere, since bf16
rounds differently in batches of other shapes. Compared are the prompts as the model reads them, the answers,
the verdicts, and the accuracies in all and per skill. `--skills N` scores only N tasks of one skill.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from environments import python_with  # noqa: E402

from stat_train.data.jsonl import read_jsonl  # noqa: E402
from stat_train.evaluation.scores import Scores, score  # noqa: E402
from stat_train.pipeline import run_recipe  # noqa: E402
from stat_train.pipeline.answers import RESPONSES, VERDICTS, read_verdicts  # noqa: E402
from stat_train.pipeline.exporting import export_tasks  # noqa: E402
from stat_train.pipeline.opening import student_options  # noqa: E402
from stat_train.pipeline.rows import read_rows  # noqa: E402
from stat_train.pipeline.step import Work  # noqa: E402
from stat_train.recipe import Recipe  # noqa: E402
from stat_train.recipe_file import read_recipe  # noqa: E402
from stat_train.student.load import model_folder, student_prompt  # noqa: E402
from stat_train.student.response import Response  # noqa: E402

OURS = ("orjson>=3.10", "pydantic>=2.10")
LM_EVAL = ("transformers==5.17.0", "accelerate>=1.15", "lm-eval==0.4.13", "math-verify[antlr4-13-2]>=0.9.0")
SPLIT = "test"


@dataclass(frozen=True)
class Scored:
    """A harness's accuracy on a task, and its (prompt, answer, 1 or 0) of each question."""

    accuracy: float
    rows: list[tuple[str, str, float]]


def lm_eval(model: Path, tasks: Path, names: list[str], out: Path, batch: int) -> dict[str, Scored] | None:
    """Through its command line; answers that an earlier task has are taken from its cache."""
    python = python_with("lm-eval-0.4.13", "torch==2.13.0", *LM_EVAL, *OURS)
    if python is None:
        return None
    whole, *skills = names
    found: dict[str, Scored] = {}
    for number, asked in enumerate(filter(None, ([whole], skills))):
        folder = out / str(number)
        command = [str(python), "-m", "lm_eval", "--model", "hf", "--device", "cpu"]
        command += ["--model_args", f"pretrained={model},dtype=float32", "--batch_size", str(batch)]
        command += ["--include_path", str(tasks), "--tasks", ",".join(asked), "--apply_chat_template"]
        command += ["--use_cache", str(out / "answers"), "--log_samples", "--output_path", str(folder)]
        run(command)
        [results] = folder.rglob("results_*.json")
        accuracies = json.loads(results.read_text())["results"]
        for path in folder.rglob("samples_*.jsonl"):
            name = path.name.removeprefix("samples_").rpartition("_")[0]
            rows = [
                (row["arguments"]["gen_args_0"]["arg_0"], row["resps"][0][0], row["acc"])
                for row in read_jsonl(path)
            ]
            found[name] = Scored(accuracies[name]["acc,none"], rows)
    return found


def lighteval(
    model: Path, tasks: Path, names: list[str], out: Path, batch: int, system: str
) -> dict[str, Scored] | None:
    """Through its classes."""
    python = python_with("lighteval-0.13.0", "torch==2.13.0", "lighteval==0.13.0", *OURS)
    if python is None:
        return None
    script = [str(python), str(HERE / "lighteval_tasks.py"), str(model), str(tasks / "tasks.py"), str(batch)]
    run([*script, system, str(out / "found.json"), *names])
    found = json.loads((out / "found.json").read_text())
    return {name: Scored(its["acc"], [tuple(row) for row in its["rows"]]) for name, its in found.items()}


def run(command: list[str]) -> None:
    """A harness, offline and with this checkout; its last words where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{Path(command[1]).name} failed:\n{done.stderr[-3000:]}")


def scored_here(recipe: Recipe) -> tuple[Scores, dict[str, tuple[str, str, bool]]]:
    """Our scores, and by prompt each question's id, answer and whether it is right."""
    title = f"evaluate start-{SPLIT}"
    stages = run_recipe(recipe, title) | run_recipe(recipe, "label")
    examples = Work(recipe, stages["label"], stages).split(SPLIT)
    verdicts, _ = read_verdicts(stages[title].file(VERDICTS), examples)
    options = student_options(recipe)
    prompt = student_prompt(options, model_folder(options))
    said = {row.question_id: row.text for row in read_rows(stages[title].file(RESPONSES), Response)}
    answers = {
        prompt.text(example.question): (example.id, said[example.id], verdict == "correct")
        for example, [verdict] in zip(examples, verdicts, strict=True)
    }
    return score(examples, verdicts), answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--harness", choices=("lm-eval", "lighteval"), default="lm-eval")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--skills", type=int, help="tasks of one skill; none: all")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = [f"run_dir={folder / 'run'}", f"tutor.test={arguments.questions}", *arguments.overrides]
        changes += ["student.dtype=float32", "student.engine=transformers"]
        recipe = read_recipe(HERE.parent / "recipes" / "demo.yaml", changes)
        ours, answers = scored_here(recipe)
        export = export_tasks(recipe, arguments.harness, folder / "tasks")
        [whole] = (task for task in export.tasks if task.split == SPLIT and not task.skill)
        parts = [task for task in export.tasks if task.split == SPLIT and task.skill][: arguments.skills]
        names = [whole.name, *(task.name for task in parts)]
        model, batch = model_folder(student_options(recipe)), recipe.evaluation.sampling.batch_size
        (folder / "out").mkdir()
        if arguments.harness == "lm-eval":
            found = lm_eval(model, folder / "tasks", names, folder / "out", batch)
        else:
            row = next(read_jsonl(next((folder / "tasks").glob(f"*/{SPLIT}.jsonl"))))
            found = lighteval(model, folder / "tasks", names, folder / "out", batch, row["system"])
    if found is None:
        print(f"skipped: no {arguments.harness}")
        return
    rows = found[whole.name].rows
    assert len(rows) == ours.n, f"{len(rows)} answers to {ours.n} questions"
    known = [(answers[prompt], said, acc) for prompt, said, acc in rows if prompt in answers]
    alike = [(right, acc) for (_, answer, right), said, acc in known if said == answer]
    gaps = [abs(found[task.name].accuracy - ours.per_skill[task.skill].accuracy) for task in parts]
    figures = {
        "harness": arguments.harness,
        "questions": ours.n,
        "same_prompts": len({its[0] for its, _, _ in known}),
        "same_answers": len(alike),
        "same_verdicts_on_same_answers": sum(right == (acc == 1.0) for right, acc in alike),
        "accuracy": ours.accuracy,
        "accuracy_there": found[whole.name].accuracy,
        "skills": len(parts),
        "largest_difference_of_a_skill": max(gaps, default=0.0),
    }
    for key, value in figures.items():
        print(f"{key:34}{value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
