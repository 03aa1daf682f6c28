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
    """A task of its own: the whole of a split, or (`skill`) its questions that need one skill."""

    name: str
    split: str
    skill: str = ""
    n: int = 0


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
    """Write `data/SPLIT.jsonl` into `folder`: the rows with their prompts; the tasks that they make."""
    tasks: list[ExportedTask] = []
    for split, examples in splits.items():
        rows = [_row(example, messages) for example in examples]
        write_jsonl(folder / FOLDER / f"{split}.jsonl", rows)
        whole = f"{_slug(name)}_{_slug(split)}"
        tasks.append(ExportedTask(whole, split, n=len(rows)))
        for skill in sorted({skill for row in rows for skill in row["skills"]}):
            its = f"{whole}_{_slug(skill)}"
            taken = {task.name for task in tasks}
            number = next(
                n for n in range(1, len(tasks) + 2) if (f"{its}_{n}" if n > 1 else its) not in taken
            )
            n = sum(skill in row["skills"] for row in rows)
            tasks.append(ExportedTask(f"{its}_{number}" if number > 1 else its, split, skill, n))
    return tuple(tasks)


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
