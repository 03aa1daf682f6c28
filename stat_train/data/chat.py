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


def message_of(cell: Any, role: Role | None, column: str) -> Any:
    """What that role says, None where it says nothing; a cell that is no chat stays as it is, and so does
    any for which there is no role.

    Raises ValueError where the messages are not one question with at most one answer behind it.
    """
    chat = messages_in(cell) if role else None
    return cell if chat is None or role is None else _said(chat, column).get(role)


def system_of(cell: Any, column: str) -> str | None:
    """The system message of a chat; None where there is none, or no chat."""
    chat = messages_in(cell)
    return _said(chat, column).get("system") if chat else None


def messages_in(cell: Any) -> Sequence[Message] | None:
    """The messages of a cell: a list of them, the same as JSON text (all that CSV can hold), or a list of
    each of their parts; None where it is no chat."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    if isinstance(cell, Mapping) and all(isinstance(its, list | tuple) for its in cell.values()):
        cell = [dict(zip(cell, its, strict=False)) for its in zip(*cell.values(), strict=False)]
    if not isinstance(cell, list | tuple) or not cell:
        return None
    are_messages = all(isinstance(its, Mapping) and ("role" in its or "from" in its) for its in cell)
    return cell if are_messages else None


def _said(chat: Sequence[Message], column: str) -> dict[Role, str]:
    said: dict[Role, str] = {}
    for message in chat:
        name = _either(message, "role", "from")
        role = NAMES.get(name.lower()) if isinstance(name, str) else None
        if role is None:
            raise ValueError(
                f"field '{column}': a message by {name!r}; rename it to user, assistant or system, or "
                "remove the row"
            )
        if role in said:
            raise ValueError(
                f"field '{column}': {role} speaks twice, and a row is one question and its solution; make "
                "a row of each"
                if role != "system"
                else f"field '{column}': two system messages; make one of them"
            )
        if role == "user" and "assistant" in said:
            raise ValueError(f"field '{column}': assistant speaks before user; put the question first")
        said[role] = _text(_either(message, "content", "value"), column)
    return said


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
