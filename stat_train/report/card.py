"""`README.md` of a trained model: where it comes from, and what it scored."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from stat_train.report.markdown import bullets, code, prose, table
from stat_train.report.views import DIAGNOSED
from stat_train.report.wording import percent, percent_interval


class CardScore(BaseModel):
    """Accuracy on a split of `n` questions with its 95 % interval; `start` is that before training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str
    accuracy: float
    ci95: tuple[float, float]
    n: int
    start: float | None = None


class ModelCard(BaseModel):
    """What a model folder says about itself; what is empty is left out.

    `base` names the model it was trained from, `base_id` is its hub id if it has one; `hashes` are sha256
    (hex) by what they are of; `prompts` those of the teacher's templates, by task. `further` tells of a
    training by GRPO after that on the pairs; `options` and `steps` are then its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arm: str
    base: str
    base_id: str = ""
    teacher: str = ""
    data: str = ""
    pairs: int = 0
    unique_questions: int = 0
    rehearsal: int = 0
    further: str = ""
    per_skill: dict[str, int] = {}
    hashes: dict[str, str] = {}
    prompts: dict[str, str] = {}
    options: dict[str, Any] = {}
    steps: int = 0
    scores: list[CardScore] = []
    notes: list[str] = []
    versions: dict[str, str] = {}

    def markdown(self) -> str:
        """The card, with the metadata that model hubs read at its head."""
        return "\n\n".join(self._sections()) + "\n"

    def _sections(self) -> Iterator[str]:
        yield _metadata(self)
        yield f"# {prose(self.name)}: {prose(self.base)}, trained on {prose(self.arm)}"
        yield (
            "Made by stat_train: a teacher named the skills that the base model lacked in its answers to a "
            "validation split, and training sets were drawn with or (the controls) without that knowledge."
        )
        yield from self._scored()
        yield "## Where it comes from"
        size = f"{code(self.arm)}, {self.pairs:,} pairs, {self.unique_questions:,} different questions"
        if self.rehearsal:
            size += f"; {self.rehearsal:,} of the pairs are rehearsal, uniformly from the pool"
        facts = {
            "base model": prose(self.base),
            "training set": size if self.pairs else "",
            "GRPO": prose(self.further),
            "drawn from": prose(self.data),
            "teacher": prose(self.teacher),
        }
        facts |= {what: code(value) for what, value in self.hashes.items()}
        facts |= {f"prompt {task}": code(value) for task, value in self.prompts.items()}
        yield bullets(f"**{what}**: {text}" for what, text in facts.items() if text)
        if self.per_skill:
            why = (
                "missing skill that called"
                if self.arm.startswith(DIAGNOSED)
                else "skill that they were drawn"
            )
            yield f"Pairs by the {why} for them:"
            rows = sorted(self.per_skill.items(), key=lambda item: (-item[1], item[0]))
            yield table(
                ["skill", "pairs"], ([code(skill, cell=True), f"{n:,}"] for skill, n in rows), right=(1,)
            )
        if self.notes:
            yield bullets(map(prose, self.notes))
        yield f"## How it was trained\n\nOptimizer steps: {self.steps:,}."
        yield table(["option", "value"], _flat(self.options))
        if self.versions:
            yield "With " + ", ".join(f"{name} {version}" for name, version in self.versions.items()) + "."

    def _scored(self) -> Iterator[str]:
        yield "## What it scored"
        if not self.scores:
            yield "Not evaluated yet."
            return
        yield table(
            ["split", "before training", "this model", "95% interval", "questions"],
            (
                [
                    code(score.split, cell=True),
                    "" if score.start is None else percent(score.start),
                    percent(score.accuracy),
                    percent_interval(score.ci95),
                    f"{score.n:,}",
                ]
                for score in self.scores
            ),
            right=(1, 2, 3, 4),
        )
        yield "The development split served to choose settings; the others chose nothing."


def _metadata(card: ModelCard) -> str:
    base = [f"base_model: {json.dumps(card.base_id)}"] if card.base_id else []
    tags = "stat-train, grpo" if card.further else "stat-train, sft"
    rest = ["library_name: transformers", "pipeline_tag: text-generation", f"tags: [{tags}]"]
    return "\n".join(["---", *base, *rest, "---"])


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield [code(f"{prefix}{name}", cell=True), code(json.dumps(value), cell=True)]
