"""A program as the answer: the last code block, judged by the user's tests (`sandbox.py` runs them)."""

import io
import re
import tokenize
from functools import lru_cache

FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*\{?\.?([\w+#.-]*)")
PYTHON = re.compile(r"py(?:thon)?(?:3(?:\.\d+)*)?")
STATEMENT = re.compile(r"^(?:def|class|import|from|async def|@|[A-Za-z_]\w*[ \t]*=(?!=))", re.MULTILINE)
IGNORED = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)
LONGEST_COMPARED = 50_000


def extract(text: str) -> str | None:
    """The last code block marked as Python, else the last unmarked one, else a text that is code itself.

    A block that is not closed reaches to the end of the text.
    """
    blocks = _blocks(text)
    marked = [content for language, content in blocks if PYTHON.fullmatch(language)]
    for code in (marked, [content for language, content in blocks if not language]):
        if code:
            return code[-1] if code[-1].strip() else None
    return text if not blocks and STATEMENT.search(text) else None


def same(a: str, b: str) -> bool:
    """Whether two programs are alike but for comments and spacing."""
    return _tokens(a) == _tokens(b)


def gradable(gold: str) -> bool:
    return bool(gold.strip())


def _blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of each fenced block, in order; lines lose the indentation of their fence, as in
    a list."""
    blocks: list[tuple[str, str]] = []
    indent, fence, language = "", "", ""
    content: list[str] = []
    for line in text.split("\n"):
        match = FENCE.match(line)
        if not fence and match:
            indent, fence, language, content = match[1], match[2], match[3].lower(), []
        elif fence and match and match[2].startswith(fence) and not line[match.end(2) :].strip():
            blocks.append((language, "\n".join(content)))
            fence = ""
        elif fence:
            content.append(line[: len(indent)].lstrip(" \t") + line[len(indent) :])
    if fence:
        blocks.append((language, "\n".join(content)))
    return blocks


@lru_cache(maxsize=256)
def _tokens(code: str) -> tuple[str, ...]:
    """What a program consists of, comments and spacing aside; its lines where it is no Python."""
    if len(code) <= LONGEST_COMPARED:
        try:
            read = tokenize.generate_tokens(io.StringIO(code).readline)
            return tuple(_plain(token) for token in read if token.type not in IGNORED)
        except (tokenize.TokenError, SyntaxError):
            pass
    return tuple(line.strip() for line in code.split("\n") if line.strip())


def _plain(token: tokenize.TokenInfo) -> str:
    return {tokenize.INDENT: "indent", tokenize.NEWLINE: "newline"}.get(token.type, token.string)
