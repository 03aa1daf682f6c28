"""stat_train's SFT in fp32 beside the same under bf16 autocast, in turns: which does this CPU prefer?

    python benchmarks/precision.py [--steps 12] [--repeats 3] [--threads 1]

The embedded student learns adapters on questions of the embedded domain, as in recipes/arms.yaml, each time
from the first step. `ratio` is the median over the repeats of the CPU time of bf16 over that of fp32, `auto`
what a recipe that leaves the precision open takes here.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stat_train.pipeline.data import generate_splits
from stat_train.recipe import TutorOptions
from stat_train.recipe_file import read_recipe
from stat_train.student.load import model_folder, student_prompt
from stat_train.student.options import StudentOptions
from stat_train.training.precision import bf16_is_faster
from stat_train.training.sft import sft

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "arms.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12, help="optimizer steps of each training")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, each precision once, in turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", help="a model folder; default: the student of recipes/arms.yaml")
    given = parser.parse_args()
    recipe = read_recipe(RECIPE)
    student = StudentOptions(model=given.model) if given.model else recipe.student
    model = model_folder(student)
    prompt = student_prompt(student, model)
    rows = generate_splits(TutorOptions(pool=300, validation=1, development=1, test=1, ood=1))["pool"]

    def seconds(bf16: bool) -> float:
        changed = {"bf16": bf16, "max_steps": given.steps, "threads": given.threads}
        with tempfile.TemporaryDirectory() as out:
            started = time.process_time()
            sft(model, rows, prompt, recipe.sft.model_copy(update=changed), Path(out) / "model")
            return time.process_time() - started

    seconds(True)  # imports and first use
    taken: list[dict[bool, float]] = []
    for number in range(given.repeats):
        order = (True, False) if number % 2 == 0 else (False, True)
        taken.append({bf16: seconds(bf16) for bf16 in order})
        print(f"round {number + 1}: bf16 {taken[-1][True]:.1f} s, fp32 {taken[-1][False]:.1f} s", flush=True)
    figures = {
        "ratio": round(statistics.median(each[True] / each[False] for each in taken), 3),
        "auto": "bf16" if bf16_is_faster() else "fp32",
        "steps": given.steps,
        "threads": given.threads,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
