"""Run the study's cells, or redraw its tables and pictures from the raw rows.

    python -m studies.study run [--parts rates ...] [--seeds 100 ...] [--arms random ...] [--set k=v ...]
    python -m studies.study tables [--check]

Cells that have their rows are left alone, and a cell that was stopped goes on where it was. `--set` is
for tries, with a --folder of their own.
"""

import argparse
import os
import sys
from pathlib import Path

from stat_train.errors import UserError
from studies.study.plan import ARMS, FOLDER, PARTS, ROOT, SETTINGS


def main(arguments: list[str]) -> int:
    """The exit status: 1 for a bad input, said in one line, or for a page that --check finds stale."""
    parser = argparse.ArgumentParser(prog="study", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "tables"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, help="of each part's seeds, these only")
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="of each part's arms, these only")
    parser.add_argument("--device", default="cpu", help="cpu, or the number of a GPU")
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        help="of one process; other numbers round otherwise",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the raw rows")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument(
        "--check", action="store_true", help="tables: write nothing, say whether all is current"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="override every recipe")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi numbers them
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if given.device == "cpu" else given.device
    try:
        if given.what == "tables":
            from studies.study.evidence import Evidence
            from studies.study.page import redraw

            return redraw(Evidence(given.folder, device_name(given.device)), write=not given.check)
        from studies.study.cells import Place
        from studies.study.run import run

        if given.set and given.folder.resolve() == FOLDER:
            raise UserError("--set is for tries: give them a --folder of their own")
        device = device_name(given.device)
        place = Place(given.folder, given.runs.resolve(), device, given.threads, tuple(given.set))
        settings = [setting for setting in SETTINGS if setting.part in given.parts]
        run(place, settings, given.seeds, given.arms)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def device_name(device: str) -> str:
    """What stands in the rows: `cpu`, or the GPU's model; rows of two devices are not compared."""
    if device == "cpu":
        return device
    import torch

    if not torch.cuda.is_available():
        raise UserError(f"--device {device}: no such GPU is visible; give cpu, or a number of nvidia-smi")
    return str(torch.cuda.get_device_name(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
