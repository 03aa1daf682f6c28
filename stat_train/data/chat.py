"""Cells in chat form: lists of messages, which hold the question, its solution or both."""

from collections.abc import Mapping
from typing import Any, Literal

Role = Literal["user", "assistant", "system"]
SPEAKERS: Mapping[str, Role] = {"question": "user", "solution": "assistant"}
"""Who says what a field of an Example holds."""
NAMES: Mapping[Any, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "system": "system",
}
"""What chat data sets call them, in `role` (beside `content`) or `from` (beside `value`)."""


def message_of(cell: Any, role: Role | None, column: str) -> Any:
    """What that role says, None where it says nothing; a cell that is no chat stays as it is, and so does
    any for which there is no role.

    Raises ValueError where the messages are not one question with at most one answer behind it.
    """
    return _said(cell, column).get(role) if role and _is_chat(cell) else cell


def system_of(cell: Any, column: str) -> str | None:
    """The system message of a chat; None where there is none, or no chat."""
    return _said(cell, column).get("system") if _is_chat(cell) else None


def _is_chat(cell: Any) -> bool:
    return (
        isinstance(cell, list | tuple)
        and len(cell) > 0
        and all(isinstance(its, Mapping) and ("role" in its or "from" in its) for its in cell)
    )


def _said(chat: Any, column: str) -> dict[Role, str]:
    said: dict[Role, str] = {}
    for message in chat:
        name = message.get("role") or message.get("from")
        role = NAMES.get(name)
        if role is None:
            raise ValueError(f"field '{column}': a message of {name!r}; leave user, assistant and system")
        if role in said:
            raise ValueError(
                f"field '{column}': {role} speaks twice, and a row is one question and its solution; make "
                "a row of each"
            )
        if role == "user" and "assistant" in said:
            raise ValueError(f"field '{column}': assistant speaks before user; put the question first")
        said[role] = _text(message.get("content", message.get("value")), column)
    return said


def _text(content: Any, column: str) -> str:
    parts = content if isinstance(content, list | tuple) else [{"text": content}]
    texts = [str(part["text"]) for part in parts if isinstance(part, Mapping) and _has_text(part)]
    if len(texts) < len(parts):
        raise ValueError(f"field '{column}': a message that is not text; only text can be asked")
    return "\n".join(texts)


def _has_text(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("text"), str)
