"""Cells in chat form: lists of messages, which hold the question, its solution or both."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Role = Literal["user", "assistant", "system"]
SPEAKERS: Mapping[str, Role] = {"question": "user", "solution": "assistant"}
"""Who says what a field of an Example holds."""
NAMES: Mapping[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "system": "system",
    "developer": "system",
}
"""What chat data sets call them, in `role` (beside `content`) or `from` (beside `value`)."""
FORM = '[{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]'
Message = Mapping[str, Any]


def said_in(cell: Any, column: str) -> Mapping[Role, str] | None:
    """What each role says in a chat: a list of messages, the same as JSON text (all that CSV can hold), or a
    list of each of their parts; None where the cell is no chat.

    Raises ValueError where the messages are not one question with at most one answer behind it.
    """
    chat = _messages(cell)
    if chat is None:
        return None
    said: dict[Role, str] = {}
    for message in chat:
        role = _role(message, column)
        if role == "system" and role in said:
            raise ValueError(f"field '{column}': two system messages; make one of them")
        if role in said:
            raise ValueError(
                f"field '{column}': {role} speaks twice, and a row is one question and its solution; make "
                "a row of each"
            )
        if role == "user" and "assistant" in said:
            raise ValueError(f"field '{column}': assistant speaks before user; put the question first")
        said[role] = _text(_either(message, "content", "value"), column)
    return said


def _messages(cell: Any) -> Sequence[Message] | None:
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, Mapping) and all(isinstance(its, list | tuple) for its in cell.values()):
        cell = [dict(zip(cell, its, strict=False)) for its in zip(*cell.values(), strict=False)]
    if not isinstance(cell, list | tuple) or not cell:
        return None
    are_messages = all(isinstance(its, Mapping) and ("role" in its or "from" in its) for its in cell)
    return cell if are_messages else None


def _role(message: Message, column: str) -> Role:
    name = _either(message, "role", "from")
    role = NAMES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        raise ValueError(
            f"field '{column}': a message by {name!r}; rename it to user, assistant or system, or "
            "remove the row"
        )
    return role


def _either(message: Message, name: str, other: str) -> Any:
    """The one that is there; tables of both kinds of chat fill the other with nulls."""
    value = message.get(name)
    return message.get(other) if value is None else value


def _text(content: Any, column: str) -> str:
    parts = content if isinstance(content, list | tuple) else [{"text": content}]
    texts = [str(part["text"]) for part in parts if isinstance(part, Mapping) and _has_text(part)]
    if len(texts) < len(parts):
        raise ValueError(
            f"field '{column}': a message that is not text (an image, a tool call); remove the row"
        )
    return "\n".join(texts)


def _has_text(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("text"), str)
