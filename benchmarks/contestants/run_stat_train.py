"""stat_train: through cache, leases, budget and validation."""

import tempfile
from pathlib import Path

from common import measure
from workload import messages

from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Message, TeacherRequest
from stat_train.teacher.schemas import Solve


def ask(url: str, requests: int, places: int) -> list[str]:
    import openai  # noqa: F401  (imported before the clock matters, as the others do)

    rows = (TeacherRequest("solve", [Message(**m) for m in messages(n)], Solve) for n in range(requests))  # type: ignore[typeddict-item]
    options = TeacherOptions(endpoint=url, model="m", max_in_flight=places, max_tokens=64)
    with tempfile.TemporaryDirectory() as folder, Teacher(options, Path(folder) / "cache.sqlite") as teacher:
        return [result.answer.answers[0].answer for result in teacher.ask(rows)]


if __name__ == "__main__":
    measure(ask)
