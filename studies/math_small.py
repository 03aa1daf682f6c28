"""The whole path on MATH at small size: the embedded student, and a small model as stand-in for a teacher.

    python studies/math_small.py --data FOLDER [--runs runs]

FOLDER holds math_train.jsonl (question, solution, answer, subject, published_skills) and math_val.jsonl (the
same without solutions). The published skills are the labels and the taxonomy. SmolLM2 behind xllamacpp, made
to answer in the schema, diagnoses: what it says is mostly nonsense, so the profile and the selection show
that the path runs, not what the student lacks. The last line is the run's figures as JSON.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from check_server import serving, weights  # noqa: E402
from environments import python_with  # noqa: E402

from stat_train.data.columns import Columns  # noqa: E402
from stat_train.data.example import Example  # noqa: E402
from stat_train.data.reading import read_examples  # noqa: E402
from stat_train.data.splits import split_examples  # noqa: E402
from stat_train.data.writing import write_examples  # noqa: E402
from stat_train.metacognition.taxonomy import SkillTaxonomy  # noqa: E402
from stat_train.pipeline import run_recipe  # noqa: E402
from stat_train.recipe_file import read_recipe  # noqa: E402
from stat_train.report.results import Results  # noqa: E402

COLUMNS = Columns(skills="published_skills")
LONGEST = 1200
"""Characters of a solution that two CPU cores train on in reasonable time."""
SERVER = "xllamacpp==2026.9.11063"


def prepare(data: Path, out: Path, questions: int) -> None:
    """Write the splits and the list of skills: `questions` to validate on, and as many to test."""
    train = read_examples(data / "math_train.jsonl", COLUMNS, split_name="train")
    held = read_examples(data / "math_val.jsonl", COLUMNS, split_name="held out")
    pool = [example for example in train if example.skills and len(example.solution or "") <= LONGEST]
    sizes = {"validation": questions, "development": questions // 2, "test": questions}
    splits = split_examples([example for example in held if example.skills], sizes, seed=0)
    out.mkdir(parents=True, exist_ok=True)
    for name, examples in {"pool": pool, **splits}.items():
        write_examples(out / f"{name}.jsonl", [replace(example, meta={}) for example in examples])
    everything = [*pool, *(example for examples in splits.values() for example in examples)]
    SkillTaxonomy.from_names(skills_of(everything)).write(out / "taxonomy.yaml")


def skills_of(examples: list[Example]) -> dict[str, list[str]]:
    """Subject -> the skills that its questions are labelled with."""
    found: dict[str, set[str]] = {}
    for example in examples:
        found.setdefault(example.subject, set()).update(example.skills)
    return {subject: sorted(names) for subject, names in sorted(found.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given, overrides = parser.parse_known_args()
    files = given.runs / "math_small-data"
    prepare(given.data, files, given.questions)
    python = python_with(SERVER.replace("==", "-"), SERVER)
    if python is None:
        sys.exit("no xllamacpp here: give teacher.endpoint to stat-train run recipes/math_small.yaml instead")
    started = time.monotonic()
    with serving(python, weights(), given.threads) as url:
        recipe = read_recipe(
            ROOT / "recipes" / "math_small.yaml",
            [
                *(f"data.{split}={files / split}.jsonl" for split in ("pool", "validation", "development")),
                f"data.evaluation={{test: {files / 'test.jsonl'}}}",
                f"taxonomy={files / 'taxonomy.yaml'}",
                f"run_dir={given.runs / 'math_small'}",
                f"prompts_dir={ROOT / 'benchmarks' / 'small_prompts'}",
                f"teacher={{endpoint: '{url}', name: smollm2, model: smollm2, temperature: 0.7, "
                "max_tokens: 128, max_in_flight: 4, timeout_s: 3600}",
                "diagnosis.batch_size=1",
                *overrides,
            ],
        )
        stages = run_recipe(recipe)
    results = Results.read(stages["report"].file("results.json"))
    counts = {name: stages[name].manifest["counts"] for name in ("data", "difficulty", "diagnose")}
    print(json.dumps(counts, indent=1))
    for arm, splits in results.arms.items():
        score = splits["test"]
        print(f"{arm:10} {score.accuracy:.1%} of {score.n}, cut off {score.cut_off}")
    print(
        json.dumps(
            {
                "accuracy": {arm: splits["test"].accuracy for arm, splits in results.arms.items()},
                "questions": results.arms["start"]["test"].n,
                "pairs": recipe.selection.size,
                "seconds": round(time.monotonic() - started),
            }
        )
    )


if __name__ == "__main__":
    main()
