"""Evaluation splits as tasks of other harnesses: the rows, and the names of the tasks."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stat_train.data.atomic import atomic_file
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.student.options import Sampling

Messages = Callable[[str], list[dict[str, str]]]
"""From a question to the student's chat messages."""
FOLDER = "data"


@dataclass(frozen=True, slots=True)
class ExportedTask:
    """A task of its own: the whole of a split, or (`skill`) its questions that need one skill.

    `split` is the name of the file of rows; `group` of a whole the name for its skills together, if any.
    """

    name: str
    split: str
    skill: str = ""
    n: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: the tasks and what all of them share. `grader` is one of ours, by name; `chat` says
    whether the rows are messages for the model's chat template or the whole text of the prompt."""

    name: str
    tasks: tuple[ExportedTask, ...]
    grader: str
    sampling: Sampling
    chat: bool


def export_rows(
    folder: Path, name: str, splits: Mapping[str, Sequence[Example]], messages: Messages
) -> tuple[ExportedTask, ...]:
    """Write `data/SPLIT.jsonl` into `folder`: the rows with their prompts; the tasks that they make.

    No two names are the same, of files not even where case does not count: a number tells apart those that
    would be. Whole splits are named first, then the groups of their skills, then the skills.
    """
    rows = {split: [_row(example, messages) for example in examples] for split, examples in splits.items()}
    skills = {split: sorted({skill for row in its for skill in row["skills"]}) for split, its in rows.items()}
    files, names = _Names(), _Names()
    file = {split: files.new(split) for split in rows}
    whole = {split: names.new(f"{_slug(name)}_{_slug(split)}") for split in rows}
    group = {split: names.new(f"{whole[split]}_skills") if skills[split] else "" for split in rows}
    tasks: list[ExportedTask] = []
    for split, its in rows.items():
        write_jsonl(folder / FOLDER / f"{file[split]}.jsonl", its)
        tasks.append(ExportedTask(whole[split], file[split], n=len(its), group=group[split]))
        for skill in skills[split]:
            n = sum(skill in row["skills"] for row in its)
            own = names.new(f"{whole[split]}_{_slug(skill)}")
            tasks.append(ExportedTask(own, file[split], skill, n))
    return tuple(tasks)


class _Names:
    """Gives names out, each once, whatever its case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        name, number = wanted, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name.casefold())
        return name


def write_text(path: Path, text: str) -> None:
    """Write a file of text atomically."""
    with atomic_file(path) as file:
        file.write(text.encode())


def _row(example: Example, messages: Messages) -> dict[str, Any]:
    """The same columns in every row; skills are keyed as in the results, "subject/skill"."""
    said = {message["role"]: message["content"] for message in messages(example.question)}
    prefix = f"{example.subject}/" if example.subject else ""
    return {
        "id": example.id,
        "question": example.question,
        "answer": example.answer or "",
        "solution": example.solution or "",
        "system": said.get("system", ""),
        "user": said["user"],
        "subject": example.subject,
        "level": example.level or "",
        "skills": [prefix + skill for skill in dict.fromkeys(example.skills)],
    }


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
