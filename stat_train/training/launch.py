"""A training in several processes, on one machine or several, through `accelerate launch`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError
from stat_train.training.folder import MODEL
from stat_train.training.options import SFTOptions
from stat_train.training.trainer import Job, train

JOB = "job.json"


def launch(job: Job, config: Path) -> None:
    """Run `train(job)` in the processes that the accelerate config describes, and wait for them.

    The first of them writes into `job.work`, where the job's file stands. Of several machines, which see
    the same files, each of the others is to run the command that is printed.
    Raises UserError where the processes fail; what they said is on stderr.
    """
    given = settings(config)
    file = write_job(job, int(given.get("num_processes", 1)))
    command = [*_accelerate(config), "-m", __name__, str(file)]
    if int(given.get("num_machines", 1)) > 1:
        others = f"accelerate launch --config_file {config} --machine_rank N -m {__name__} {file.resolve()}"
        print(f"sft: on machine N = 1, 2, ... now run: {others}", file=sys.stderr, flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode or not (job.work / MODEL).is_dir():
        raise UserError(
            f"sft: the processes of {config} ended with code {done.returncode} (what they said is above); "
            "mend that and run the same command again: it goes on from the last checkpoint"
        )


def write_job(job: Job, processes: int) -> Path:
    """The job as a file in its own folder, for so many processes to read."""
    path = job.work / JOB
    content = {
        "processes": processes,
        "model": str(job.model.resolve()),
        "tokenized": job.tokenized,
        "end_of_turn": job.end_of_turn,
        "options": job.options.model_dump(mode="json"),
    }
    with atomic_file(path) as file:
        file.write(orjson.dumps(content))
    return path


def read_job(path: Path) -> Job:
    """What `write_job` wrote. Raises UserError where fewer processes were started than it is for."""
    content = orjson.loads(path.read_bytes())
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != content["processes"]:
        raise UserError(
            f"sft.accelerate: {started} of {content['processes']} processes were started; accelerate starts "
            "those of MULTI_CPU through mpirun only: take recipes/accelerate/two_cpus.yaml"
        )
    return Job(
        Path(content["model"]),
        [(ids, labels) for ids, labels in content["tokenized"]],
        content["end_of_turn"],
        SFTOptions.model_validate(content["options"]),
        path.parent,
    )


def settings(config: Path) -> dict[str, Any]:
    """What an accelerate config says. Raises UserError where it is none."""
    import yaml

    try:
        read = yaml.safe_load(config.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"sft.accelerate {config}: cannot be read ({error})") from error
    if not isinstance(read, dict):
        raise UserError(f"sft.accelerate {config}: no accelerate config; `accelerate config` writes one")
    return read


def _accelerate(config: Path) -> list[str]:
    return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]


def main(path: str) -> None:
    """One process of the training whose job stands in `path`."""
    try:
        train(read_job(Path(path)))
    except UserError as error:
        sys.exit(f"stat-train: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
