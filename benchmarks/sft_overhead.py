"""Tokens per second of stat_train's SFT beside a bare TRL script with the same settings, in turns.

    python benchmarks/sft_overhead.py [--rows 400] [--repeats 3]

Both fine-tune the embedded student (all weights, fp32 with bf16 autocast, AdamW, one epoch) on the same
questions of the embedded domain, rendered by the same template, each time in a process of its own; loading,
tokenizing, training and saving are timed, imports are not. `ratio` is the median over the pairs of
stat_train's rate over the bare script's. On a CPU stat_train scores answers only, where TRL scores every
position twice: a saving of its own, so `ratio_trl_loss` gives the same with TRL's trainer class, which is
what stat_train uses on a GPU. `cpu_ratio` and `cpu_ratio_trl_loss` are those of CPU time: with --threads 1
they hold on a machine that others use too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stat_train.data.jsonl import write_jsonl  # noqa: E402
from stat_train.pipeline.data import generate_splits  # noqa: E402
from stat_train.recipe import TutorOptions  # noqa: E402
from stat_train.student.load import model_folder, student_prompt  # noqa: E402
from stat_train.student.options import StudentOptions  # noqa: E402

CONTESTANTS = {
    "bare": ["sft_bare.py"],
    "stat_train": ["sft_stat_train.py"],
    "stat_train_trl_loss": ["sft_stat_train.py", "trl_loss"],
}


def write_rows(path: Path, count: int, model: Path) -> None:
    """Questions of the embedded domain with their solutions, and as rendered text."""
    prompt = student_prompt(StudentOptions(model=str(model)), model)
    rows = generate_splits(TutorOptions(pool=count, validation=1, development=1, test=1, ood=1))["pool"]
    write_jsonl(
        path,
        (
            {
                "id": row.id,
                "question": row.question,
                "solution": row.solution,
                "prompt": prompt.text(row.question),
                "completion": row.solution,
            }
            for row in rows
        ),
    )


def run(name: str, rows: Path, model: Path, batch: int, threads: int) -> dict[str, float]:
    """seconds, cpu_s, tokens, steps and last_loss of one training."""
    script, *more = CONTESTANTS[name]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as out:
        arguments = [str(rows), str(model), out, str(batch), str(threads), *more]
        command = [sys.executable, str(HERE / "contestants" / script), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400, help="examples of the one epoch")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, each contestant once, in turns")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--model", type=Path, help="a model folder; default: the embedded student")
    given = parser.parse_args()
    model = given.model or model_folder(StudentOptions())
    rounds: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        write_rows(rows, given.rows, model)
        for number in range(given.repeats):
            order = list(CONTESTANTS) if number % 2 == 0 else list(CONTESTANTS)[::-1]
            rounds.append({name: run(name, rows, model, given.batch, given.threads) for name in order})
            print(f"round {number + 1}: ", end="")
            print(
                ", ".join(f"{name} {rounds[-1][name]['seconds']:.1f} s" for name in CONTESTANTS), flush=True
            )

    tokens = {each["tokens"] for paired in rounds for each in paired.values()}
    if len(tokens) > 1:
        sys.exit(f"the contestants did not train on the same tokens: {tokens}")

    def ratio(name: str, of: str = "seconds") -> float:
        return statistics.median(paired["bare"][of] / paired[name][of] for paired in rounds)

    def rate(name: str) -> float:
        return statistics.median(paired[name]["tokens"] / paired[name]["seconds"] for paired in rounds)

    figures = {
        "ratio": round(ratio("stat_train"), 4),
        "ratio_trl_loss": round(ratio("stat_train_trl_loss"), 4),
        "cpu_ratio": round(ratio("stat_train", "cpu_s"), 4),
        "cpu_ratio_trl_loss": round(ratio("stat_train_trl_loss", "cpu_s"), 4),
        "tokens_per_second": {name: round(rate(name), 1) for name in CONTESTANTS},
        "tokens": int(tokens.pop()),
        "steps": int(rounds[0]["bare"]["steps"]),
        "last_loss": {name: round(rounds[0][name]["last_loss"], 3) for name in CONTESTANTS},
        "threads": given.threads,
    }
    print(f"\n{'':22}{'tokens/s':>10}{'of bare':>10}{'CPU':>10}")
    for name in CONTESTANTS:
        print(f"{name:22}{rate(name):10.1f}{ratio(name):10.3f}{ratio(name, 'cpu_s'):10.3f}")
    print(f"\n{json.dumps(figures)}")


if __name__ == "__main__":
    main()
