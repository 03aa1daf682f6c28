"""What every answer of a GRPO training earned: one row each, batch by batch, safe from kill -9."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stat_train.data.example import Example
from stat_train.data.jsonl import append_jsonl, read_jsonl, write_jsonl
from stat_train.training.reward import Scored

ROLLOUTS = "rollouts.jsonl"


class RolloutLog:
    """The rows of `rollouts.jsonl`, those of a batch appended at once.

    A resumed training answers the batches after its last checkpoint again: `cut` takes their rows off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, batch: int) -> None:
        """Keep the rows of the batches before `batch`, counted from 0."""
        if self.path.exists():
            kept = [row for row in read_jsonl(self.path, torn_tail_ok=True) if row["batch"] < batch]
            write_jsonl(self.path, kept)

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """The rows of a whole batch."""
        append_jsonl(self.path, rows)


def rollout_row(
    batch: int, group: int, example: Example, scored: Scored, tokens: int, ended: bool
) -> dict[str, Any]:
    """One answer: which question of which batch (`group` counts them from 0), and what it earned."""
    return {
        "batch": batch,
        "group": group,
        "question_id": example.id,
        "subject": example.subject,
        "skills": list(example.skills),
        "outcome": scored.outcome,
        "well_formed": scored.well_formed,
        "reward": scored.reward,
        "tokens": tokens,
        "cut_off": not ended,
    }
