"""What a request to the tutor holds: the data blocks of its messages, never the prose around them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape

from stat_train.tutor.faults import TutorFaults

_BLOCK = re.compile(r'<([a-z][a-z0-9_]*) id="([^"<>]*)">([^<>]*)</\1>')


class RefusalError(Exception):
    """A request that the tutor cannot answer; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class TutorRequest:
    """One answer to be given: `blocks` is tag -> id -> text, `sample` tells several answers apart."""

    blocks: Mapping[str, Mapping[str, str]]
    sample: str
    faults: TutorFaults

    def of(self, tag: str) -> Mapping[str, str]:
        """The blocks of one tag, in order; refused where there is none."""
        if not (found := self.blocks.get(tag)):
            raise RefusalError(f'no <{tag} id="..."> block in the last user message or the system message')
        return found

    def count(self, id: str) -> int:
        """The number in the `count` block of this id, at least 1."""
        text = self.of("count").get(id, "")
        if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
            raise RefusalError(f"block {id}: the count is {text!r}; it must be a whole number from 1 on")
        return int(text)

    def beside(self, tag: str, id: str) -> str:
        """The block of another tag under the same id."""
        if (text := self.of(tag).get(id)) is None:
            raise RefusalError(f"block {id}: there is no {tag} with this id")
        return text


def read_blocks(messages: Sequence[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The blocks of the system messages and of the last user message that has any."""
    system = [m["content"] for m in messages if m["role"] in ("system", "developer")]
    user = [m["content"] for m in messages if m["role"] == "user" and _BLOCK.search(m["content"])]
    blocks: dict[str, dict[str, str]] = {}
    for content in (*system, *user[-1:]):
        for tag, escaped_id, text in _BLOCK.findall(content):
            id = unescape(escaped_id)
            if blocks.setdefault(tag, {}).setdefault(id, unescape(text)) != unescape(text):
                raise RefusalError(f"block {id}: two different {tag} blocks have this id")
    return blocks
