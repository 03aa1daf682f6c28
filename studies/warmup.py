"""Make the demo's starting point again: recipes/warmup.yaml, its adapter copied to data/arithmetic/warmup.

The adapter that is there was made by an earlier version, whose arm `random` drew other 1,500 pairs of the
same pool; and another machine rounds otherwise. So this makes another starting point of the same kind, with
another fingerprint.

python studies/warmup.py
"""

import shutil
from pathlib import Path

from stat_train.pipeline import run_recipe
from stat_train.recipe_file import read_recipe
from stat_train.student.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[1]
ADAPTER = ROOT / "data" / "arithmetic" / "warmup"

if __name__ == "__main__":
    stages = run_recipe(read_recipe(ROOT / "recipes" / "warmup.yaml"), "sft")
    shutil.copytree(stages["sft random"].file("model") / "adapter", ADAPTER, dirs_exist_ok=True)
    print(f"student.adapter_sha256: {fingerprint(ADAPTER)}")
