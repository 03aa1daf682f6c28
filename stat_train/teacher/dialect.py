"""What an endpoint accepts of the OpenAI protocol, learned from its refusals."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from stat_train.teacher.options import Structured, TeacherOptions
from stat_train.teacher.request import Message, TeacherRequest
from stat_train.teacher.structured import instructions, json_schema

_STEP_DOWN: dict[str, Structured] = {"json_schema": "json_object", "json_object": "text"}
_ABOUT_FORMAT = re.compile(
    r"response_format|json_schema|json_object|json mode|schema|guided|grammar", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to write a request."""

    structured: Structured
    negotiable: bool
    tokens_field: str = "max_tokens"
    seed: bool = True

    @classmethod
    def of(cls, options: TeacherOptions) -> "Dialect":
        auto = options.structured == "auto"
        return cls("json_schema" if auto else options.structured, negotiable=auto)

    def messages(self, request: TeacherRequest, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages, with the schema in words where the endpoint cannot enforce it."""
        if self.structured == "json_schema":
            return messages
        return _with_instructions(messages, instructions(request.schema))

    def body(self, request: TeacherRequest, messages: Sequence[Message], options: TeacherOptions) -> bytes:
        """The JSON body of /chat/completions."""
        body: dict[str, Any] = {"model": options.model, "messages": self.messages(request, messages)}
        parameters = options.parameters(request.temperature)
        body[self.tokens_field] = parameters.pop("max_tokens")
        body.update({name: value for name, value in parameters.items() if value is not None})
        if self.seed and request.sample:
            body["seed"] = request.sample
        if self.structured == "json_schema":
            named = {"name": request.task, "strict": True, "schema": json_schema(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif self.structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        return orjson.dumps(body)

    def after_refusal(self, message: str, accepted_before: bool) -> "Dialect | None":
        """The next dialect to try, or None where the refusal has another cause.

        A refusal that names nothing counts as one of the response format only while the endpoint
        has accepted nothing yet.
        """
        if self.tokens_field == "max_tokens" and "max_completion_tokens" in message:
            return replace(self, tokens_field="max_completion_tokens")
        if self.seed and re.search(r"\bseed\b", message):
            return replace(self, seed=False)
        suspect = not accepted_before or about_format(message)
        if self.negotiable and self.structured in _STEP_DOWN and suspect:
            return replace(self, structured=_STEP_DOWN[self.structured])
        return None


def about_format(message: str) -> bool:
    """Whether a refusal speaks of how answers are structured, and so of no request alone."""
    return bool(_ABOUT_FORMAT.search(message))


def _with_instructions(messages: Sequence[Message], text: str) -> list[Message]:
    first, *others = messages
    if first["role"] == "system":
        return [Message(role="system", content=f"{first['content']}\n\n{text}"), *others]
    return [Message(role="system", content=text), *messages]
