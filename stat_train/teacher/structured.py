"""Structured answers: the JSON schema that is asked for, and a tolerant reading of what comes back."""

import json
import re
from functools import cache
from typing import Any

import orjson
from pydantic import ValidationError

from stat_train.teacher.schemas import Answer

MAX_CANDIDATES = 64
OBJECT = re.compile(r'\{\s*["}]')
"""How a JSON object begins; a brace of LaTeX seldom does."""


class InvalidAnswerError(Exception):
    """An answer that cannot be used; the message goes back to the teacher."""


@cache
def json_schema(schema: type[Answer]) -> dict[str, Any]:
    """The model's JSON schema as OpenAI's strict mode wants it: every field required, none besides."""
    strict = _strict(schema.model_json_schema())
    assert isinstance(strict, dict)
    return strict


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(element) for element in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _strict(value)
        for key, value in node.items()
        if key != "default" and not (key in ("title", "description") and isinstance(value, str))
    }
    if kept.get("type") == "object" and "properties" in kept:
        kept["additionalProperties"] = False
        kept["required"] = list(kept["properties"])
    return kept


def instructions(schema: type[Answer]) -> str:
    """Asks for the schema in words, for endpoints that cannot enforce it."""
    text = orjson.dumps(json_schema(schema)).decode()
    return f"Answer with one JSON object and nothing else. It must follow this JSON schema:\n{text}"


def parse(text: str, schema: type[Answer]) -> Answer:
    """The answer in `text`, which may be fenced, stand in prose or hold bare LaTeX backslashes."""
    mended = _mend_backslashes(text) if "\\" in text else text
    try:
        return schema.model_validate_json(mended)
    except ValidationError as error:
        first_error = error
    best: ValidationError | None = None
    for candidate in _objects(mended):
        try:
            return schema.model_validate(candidate)
        except ValidationError as error:
            best = best or error
    if best is None and not text.strip():
        raise InvalidAnswerError("The answer was empty.")
    raise InvalidAnswerError(_readable(best or first_error))


def _objects(text: str) -> list[dict[str, Any]]:
    """The outermost JSON objects in `text`, longest first."""
    decoder = json.JSONDecoder(strict=False)
    found: list[tuple[int, dict[str, Any]]] = []
    start = OBJECT.search(text)
    for _ in range(MAX_CANDIDATES):
        if start is None:
            break
        try:
            value, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            end = start.start() + 1
        else:
            found.append((end - start.start(), value))
        start = OBJECT.search(text, end)
    return [value for _, value in sorted(found, key=lambda pair: -pair[0])]


def _readable(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False)[:5]:
        place = ".".join(str(part) for part in problem["loc"])
        problems.append(f"{place}: {problem['msg']}" if place else str(problem["msg"]))
    return "; ".join(problems)


# LaTeX commands that begin like a legal JSON escape. Those that leave an English word or a
# variable behind the escape (\ne, \nu, \to, ...) only count where that reading is impossible.
_LATEX = re.compile(
    r"\\(?:"
    r"(?P<legal>[\\\"/])"
    r"|(?P<unicode>u[0-9a-fA-F]{4})"
    r"|(?P<control>[bf])(?![A-Za-z])"
    r"|(?P<newline>n)(?!(?:eq|abla|otin|eg|ewline|leq|geq|earrow|exists)(?![A-Za-z]))"
    r"|(?P<tab>t)(?!(?:imes|ext|extbf|extit|extrm|heta|an|anh|au|frac|ilde|riangle|herefore)(?![A-Za-z]))"
    r"|(?P<return>r)(?![a-z])"
    r"|(?P<stray>.|\Z))",
    re.DOTALL,
)


def _mend_backslashes(text: str) -> str:
    r"""Doubles the backslashes of LaTeX in JSON strings: `\frac`, `\(`, `\times`; legal escapes stay."""
    return _LATEX.sub(lambda match: match[0] if match["stray"] is None else "\\" + match[0], text)
