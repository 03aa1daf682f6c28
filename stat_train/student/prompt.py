"""The one rendering of the student's prompt: for answering, for training and for evaluation."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stat_train.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Exemplar = tuple[str, str]  # question, solution
Message = dict[str, str]

MASKED = -100  # labels that the loss leaves out
PROBE = "probe-4711"
FIXED_DATE = "26 Jul 2024"  # Llama 3's template would print today's date: another prompt every day


class StudentPrompt:
    """Question in, token ids out, through a jinja template and the tokenizer's own chat template.

    `template` has a block `user` and, optionally, a block `system`; both see `question` (text) and
    `exemplars` (a list of `question`, `solution`, empty unless few-shot). A model without a chat template
    needs `plain=True`: system and user text, a blank line between them, then the answer.
    Raises `UserError` for a template or a tokenizer that cannot be used.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", template: Path, plain: bool = False) -> None:
        self.tokenizer, self.path, self.plain = tokenizer, template, plain
        if not plain and not tokenizer.chat_template:
            raise UserError(
                f"student.model {tokenizer.name_or_path!r} has no chat template; "
                "set student.plain: true for a base model, or choose its instruct version"
            )
        self._special = [token for token in tokenizer.all_special_tokens if len(token) > 1]
        self._source = _read(template)
        self._template = _compile(self._source, template)
        if PROBE not in self.messages(PROBE)[-1]["content"]:
            raise UserError(
                f"{template}: block `user` does not use {{{{ question }}}}; write it where it belongs"
            )
        self.end_of_turn = self._find_end_of_turn()

    @property
    def hash(self) -> str:
        """sha256 (hex) of all that the rendering depends on besides the tokenizer's vocabulary."""
        parts = [self._source, str(self.plain), str(self.tokenizer.chat_template), FIXED_DATE]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def stop_tokens(self) -> list[int]:
        """Token ids that end an answer: the chat template's end of turn and the tokenizer's EOS."""
        eos = self.tokenizer.eos_token_id
        return sorted({self.end_of_turn} | ({eos} if eos is not None else set()))

    def messages(self, question: str, exemplars: Sequence[Exemplar] = ()) -> list[Message]:
        """The chat messages (system unless empty, user), as a chat server wants them."""
        context = {
            "question": self._as_text(question),
            "exemplars": [{"question": self._as_text(q), "solution": self._as_text(s)} for q, s in exemplars],
        }
        rendered = [
            {"role": role, "content": self._block(role, context)}
            for role in ("system", "user")
            if role in self._template.blocks
        ]
        return [message for message in rendered if message["content"]]

    def text(self, question: str, exemplars: Sequence[Exemplar] = ()) -> str:
        """The prompt as the model reads it, up to where its answer begins."""
        return self._chat(self.messages(question, exemplars), generate=True)

    def tokens(self, question: str, exemplars: Sequence[Exemplar] = ()) -> list[int]:
        """The prompt's token ids, up to where the answer begins."""
        return self._encode(self.text(question, exemplars), special=self.plain)

    def training(self, question: str, solution: str) -> tuple[list[int], list[int]]:
        """`(input_ids, labels)`, equally long: exactly `tokens(question)`, the solution, the end of turn.

        The prompt is masked (-100) in the labels; the solution and the end of turn are learned.
        """
        prompt = self.tokens(question)
        learned = [*self._encode(self._as_text(solution), special=False), self.end_of_turn]
        return prompt + learned, [MASKED] * len(prompt) + learned

    def _as_text(self, data: str) -> str:
        """`data` with the tokenizer's control tokens broken up ("< |im_end|>"), so that it stays data."""
        for token in self._special:
            data = data.replace(token, f"{token[0]} {token[1:]}")
        return data

    def _block(self, role: str, context: dict[str, Any]) -> str:
        try:
            rendered = self._template.blocks[role](self._template.new_context(context))
            return "".join(rendered).strip()
        except UndefinedError as error:
            raise UserError(f"{self.path}: block `{role}`: {error}; use question and exemplars") from error
        except TemplateError as error:
            raise UserError(f"{self.path}: block `{role}`: {error}") from error

    def _chat(self, messages: list[Message], generate: bool) -> str:
        if self.plain:
            return "\n\n".join(message["content"] for message in messages) + "\n" * generate
        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=generate, date_string=FIXED_DATE
            )
        except TemplateError as error:
            raise UserError(
                f"{self.path}: the chat template of {self.tokenizer.name_or_path!r} refuses these messages "
                f"({error}); leave the system block empty where a model takes none"
            ) from error
        return text

    def _encode(self, text: str, special: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids

    def _find_end_of_turn(self) -> int:
        """The id of the token that the chat template writes after an assistant's message, else EOS."""
        if not self.plain:
            answered = [*self.messages(PROBE), {"role": "assistant", "content": PROBE + "!"}]
            after = self._chat(answered, generate=False).rpartition(PROBE + "!")[2].lstrip()
            ids = self._encode(after, special=False)
            if ids and ids[0] in self.tokenizer.all_special_ids:
                return ids[0]
        if self.tokenizer.eos_token_id is None:
            raise UserError(
                f"student.model {self.tokenizer.name_or_path!r}: its chat template has no end-of-turn token "
                "and its tokenizer no EOS token; set eos_token in its tokenizer_config.json"
            )
        return int(self.tokenizer.eos_token_id)


def _read(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{template}: student template cannot be read ({error}); check the path") from error


def _compile(source: str, path: Path) -> Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        template = environment.from_string(source)
    except TemplateSyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.message}") from error
    if "user" not in template.blocks:
        raise UserError(
            f"{path}: no block `user`; wrap the question in {{% block user %}}...{{% endblock %}}"
        )
    return template
