"""A teacher that a test scripts: the real prompts in, the real schemas out, no client between."""

import html
import re
from collections.abc import Callable, Sequence

from stat_train.teacher.request import RowUsage, TeacherRequest, TeacherResult

BLOCK = re.compile(r'<(\w+) id="([^"]*)">(.*?)</\1>', re.DOTALL)
Script = Callable[["Asked"], dict | None]


class Asked:
    """One attempt: the data blocks of the prompt, the sample, and the error text of the attempt before."""

    def __init__(self, request: TeacherRequest, error: str | None) -> None:
        self.task, self.sample, self.error = request.task, request.sample, error
        self.prompt = request.messages[-1]["content"]
        self._blocks = [(tag, *map(html.unescape, rest)) for tag, *rest in BLOCK.findall(self.prompt)]

    def blocks(self, tag: str) -> dict[str, str]:
        """id -> text of the blocks with this tag (the _data include's example block is none of them)."""
        return {id: text for name, id, text in self._blocks if name == tag}


class ScriptedTeacher:
    """Answers with `script(asked)`; None: transport failed. Invalid answers are asked again once."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []

    def ask(self, requests: Sequence[TeacherRequest], label: str = "") -> list[TeacherResult]:
        return [self._one(request) for request in requests]

    def _one(self, request: TeacherRequest) -> TeacherResult:
        error, last = None, None
        for _ in range(2):
            self.asked.append(Asked(request, error))
            content = self.script(self.asked[-1])
            if content is None:
                return TeacherResult(None, "owed", "connection refused", RowUsage())
            answer = request.schema.model_validate(content)
            last = answer
            error = request.check(answer) if request.check else None
            if error is None:
                return TeacherResult(answer, "ok", "", RowUsage())
        return TeacherResult(last, "quarantined", error or "", RowUsage())
