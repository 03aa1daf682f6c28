"""One step of the pipeline: what it reads, what it depends on, and the work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stat_train.data.example import Example
from stat_train.data.reading import read_examples
from stat_train.recipe import Recipe
from stat_train.run import Run, Stage

Sizes = Mapping[str, int]
"""Split -> number of its questions."""


@dataclass(frozen=True)
class Work:
    """What a step works with: the recipe, its own stage, and the finished stages it reads, by title.

    Where `given` has a "title/file", that file is read from there and not from the stage of that title.
    """

    recipe: Recipe
    stage: Stage
    given: Mapping[str, Stage]

    def file(self, title: str, name: str) -> Path:
        """A file of a finished stage."""
        return (self.given.get(f"{title}/{name}") or self.given[title]).file(name)

    def split(self, name: str, title: str = "label") -> list[Example]:
        """A split as the stage `title` wrote it."""
        return read_examples(self.file(title, f"{name}.jsonl"), split_name=name)


@dataclass(frozen=True)
class Step:
    """A stage to be.

    `needs` names the stages that it reads, and which of their files (none: all); `options`, `templates`
    (hashes) and `files` (hashes of what is read from outside the run) are all else that its outputs
    depend on. `checks` are stages that it looks at without that changing its outputs. `plan` says, from
    the splits' sizes, what there is to do. `called` are stages that its work knows by another name, or as
    the place of one "title/file": a step of a later `round` is one of the first round's, reading elsewhere.
    """

    name: str
    work: Callable[[Work], None]
    plan: Callable[[Sizes], str]
    arm: str = ""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    options: Any = None
    templates: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    round: int = 1
    called: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name and arm: "sft random"."""
        return f"{self.name} {self.arm}".strip()

    @property
    def after(self) -> tuple[str, ...]:
        """The titles of the stages that must be done first."""
        return (*self.needs, *self.checks)

    def given(self, done: Mapping[str, Stage]) -> dict[str, Stage]:
        """Of the finished stages those that it reads, by the names that its work has for them."""
        own = {title: done[title] for title in self.after}
        return own | {name: done[title] for name, title in self.called.items()}

    def stage(self, run: Run, given: Mapping[str, Stage]) -> Stage:
        """Its stage of the run, once all that it needs is done."""
        inputs = {title: given[title].hash_of(files) for title, files in self.needs.items()}
        return run.stage(
            self.name,
            arm=self.arm,
            version=self.version,
            inputs=inputs | dict(self.files),
            options=self.options,
            templates=self.templates,
        )
