"""The wheel carries prompts/, data/ and recipes/ inside the package, as stat_train/_assets."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ASSETS = ("prompts", "data", "recipes")


class BuildWithAssets(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder in ASSETS:
            target = Path(self.build_lib) / "stat_train" / "_assets" / folder
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(folder, target)


setup(cmdclass={"build_py": BuildWithAssets})
