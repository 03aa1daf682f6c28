"""stat_train's SFT and answers in fp32 beside the same in bf16, in turns: which does this CPU prefer?

    python benchmarks/precision.py [--steps 12] [--questions 32] [--repeats 3] [--threads 1]

The embedded student learns adapters on questions of the embedded domain, as in recipes/arms.yaml, each time
from the first step (bf16: autocast), and answers such questions in one batch (bf16: the weights). `training`
and `answering` hold the median over the repeats of the CPU time of bf16 over that of fp32 (`ratio`), and what
a recipe that leaves the precision open takes here (`auto`).
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stat_train.pipeline.data import generate_splits
from stat_train.precision import answers_in, trains_in_bf16
from stat_train.recipe import TutorOptions
from stat_train.recipe_file import read_recipe
from stat_train.student.load import model_folder, student_prompt
from stat_train.student.options import StudentOptions
from stat_train.student.transformers_engine import TransformersStudent
from stat_train.training.sft import sft

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "arms.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12, help="optimizer steps of each training")
    parser.add_argument("--questions", type=int, default=32, help="answered at once, at most 300")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, each precision once, in turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", help="a model folder; default: the student of recipes/arms.yaml")
    given = parser.parse_args()
    recipe = read_recipe(RECIPE)
    student = StudentOptions(model=given.model) if given.model else recipe.student
    model = model_folder(student)
    prompt = student_prompt(student, model)
    rows = generate_splits(TutorOptions(pool=300, validation=1, development=1, test=1, ood=1))["pool"]

    def train(bf16: bool, out: Path) -> None:
        changed = {"bf16": bf16, "max_steps": given.steps, "threads": given.threads}
        sft(model, rows, prompt, recipe.sft.model_copy(update=changed), out / "model")

    def answer(bf16: bool, out: Path) -> None:
        answering = TransformersStudent(model, prompt, "bfloat16" if bf16 else "float32", given.threads)
        asked = [(row.id, row.question) for row in rows[: given.questions]]
        sampling = recipe.sampling.model_copy(update={"batch_size": given.questions})
        answering.answer(asked, sampling, out / "responses.jsonl")

    figures: dict[str, object] = {
        "training": {
            "ratio": _ratio(train, given.repeats),
            "auto": "bf16" if trains_in_bf16(None) else "fp32",
        },
        "answering": {"ratio": _ratio(answer, given.repeats), "auto": answers_in(None)},
    }
    print(json.dumps(figures | {name: getattr(given, name) for name in ("steps", "questions", "threads")}))


def _ratio(work: Callable[[bool, Path], None], repeats: int) -> float:
    """CPU time of the work in bf16 over that in fp32, the median over the repeats."""

    def seconds(bf16: bool) -> float:
        with tempfile.TemporaryDirectory() as out:
            started = time.process_time()
            work(bf16, Path(out))
            return time.process_time() - started

    seconds(True)  # imports and first use
    ratios: list[float] = []
    for number in range(repeats):
        order = (True, False) if number % 2 == 0 else (False, True)
        taken = {bf16: seconds(bf16) for bf16 in order}
        ratios.append(taken[True] / taken[False])
        print(
            f"{work.__name__}, round {number + 1}: bf16 {taken[True]:.1f} s, fp32 {taken[False]:.1f} s",
            flush=True,
        )
    return round(statistics.median(ratios), 3)


if __name__ == "__main__":
    main()
