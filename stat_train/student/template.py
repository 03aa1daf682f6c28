"""The student's prompt template: question in, chat messages out."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stat_train.errors import UserError

Exemplar = tuple[str, str]  # question, solution
Message = dict[str, str]
PROBE = "probe-4711"


class StudentTemplate:
    """A jinja file with a block `user` and, optionally, a block `system`.

    Both see `question` (text) and `exemplars` (a list of `question`, `solution`, empty unless few-shot).
    `control_tokens` of the student's tokenizer are broken up where they occur in data ("< |im_end|>").
    Raises `UserError` for a file that cannot be used, with the line or the name at fault.
    """

    def __init__(self, path: Path, control_tokens: Sequence[str] = ()) -> None:
        self.path = path
        self.control_tokens = tuple(token for token in control_tokens if len(token) > 1)
        self.source = _read(path)
        self._template = _compile(self.source, path)
        if PROBE not in self.messages(PROBE)[-1]["content"]:
            raise UserError(
                f"{path}: block `user` does not use {{{{ question }}}}; write it where it belongs"
            )

    def messages(self, question: str, exemplars: Sequence[Exemplar] = ()) -> list[Message]:
        """The chat messages: system (unless its block is empty or absent), user.

        Raises `UserError` for exemplars that the template does not show.
        """
        if exemplars and not self._shows_exemplars:
            raise UserError(
                f"{self.path}: the template does not use `exemplars`, so that few-shot prompts would be "
                "zero-shot; write {% for exemplar in exemplars %} with exemplar.question and .solution"
            )
        return self._rendered(question, exemplars)

    @cached_property
    def _shows_exemplars(self) -> bool:
        shown = "\n".join(its["content"] for its in self._rendered(PROBE, [(f"{PROBE}-q", f"{PROBE}-s")]))
        return f"{PROBE}-q" in shown and f"{PROBE}-s" in shown

    def _rendered(self, question: str, exemplars: Sequence[Exemplar]) -> list[Message]:
        context = {
            "question": self.as_text(question),
            "exemplars": [{"question": self.as_text(q), "solution": self.as_text(s)} for q, s in exemplars],
        }
        roles = [role for role in ("system", "user") if role in self._template.blocks]
        rendered = [{"role": role, "content": self._block(role, context)} for role in roles]
        return [message for message in rendered if message["content"] or message["role"] == "user"]

    def as_text(self, data: str) -> str:
        """`data` with the control tokens in it broken up, so that it stays data."""
        for token in self.control_tokens:
            data = data.replace(token, f"{token[0]} {token[1:]}")
        return data

    def _block(self, role: str, context: dict[str, Any]) -> str:
        try:
            rendered = self._template.blocks[role](self._template.new_context(context))
            return "".join(rendered).strip()
        except UndefinedError as error:
            raise UserError(f"{self.path}: block `{role}`: {error}; use question and exemplars") from error
        except (TemplateError, TypeError, ValueError) as error:
            raise UserError(f"{self.path}: block `{role}`: {error}; mend the template") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: student template cannot be read ({error}); check student.template"
        ) from error


def _compile(source: str, path: Path) -> Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        template = environment.from_string(source)
    except TemplateSyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.message}; mend the template") from error
    if "user" not in template.blocks:
        raise UserError(
            f"{path}: no block `user`; wrap the question in {{% block user %}}...{{% endblock %}}"
        )
    return template
