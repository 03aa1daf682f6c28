"""The one rendering of the student's prompt: for answering, for training and for evaluation."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from stat_train.errors import UserError
from stat_train.student.template import PROBE, Exemplar, Message, StudentTemplate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASKED = -100  # labels that the loss leaves out
FIXED_DATE = "26 Jul 2024"  # Llama 3's template would print today's date: another prompt every day


class StudentPrompt:
    """Question in, token ids out, through a `StudentTemplate` and the tokenizer's own chat template.

    A base model without a chat template needs `plain=True`: system and user text with a blank line
    between them, then a line break, then the answer up to EOS.
    Raises `UserError` for a template or a tokenizer that cannot be used.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", template: Path, plain: bool = False) -> None:
        self.tokenizer, self.plain = tokenizer, plain
        if not plain and not tokenizer.chat_template:
            raise UserError(
                f"student.model {tokenizer.name_or_path!r} has no chat template; "
                "set student.plain: true for a base model, or choose its instruct version"
            )
        self.template = StudentTemplate(template, _control_tokens(tokenizer))
        self.end_of_turn = self._find_end_of_turn()

    @property
    def hash(self) -> str:
        """sha256 (hex) of all that the rendering depends on besides the tokenizer's vocabulary."""
        parts = [self.template.source, str(self.plain), str(self.tokenizer.chat_template), FIXED_DATE]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def stop_tokens(self) -> list[int]:
        """Token ids that end an answer: the chat template's end of turn and the tokenizer's EOS."""
        eos = self.tokenizer.eos_token_id
        return sorted({self.end_of_turn} | ({eos} if eos is not None else set()))

    def messages(self, question: str, exemplars: Sequence[Exemplar] = ()) -> list[Message]:
        """The chat messages, as a chat server wants them."""
        return self.template.messages(question, exemplars)

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
        learned = [*self._encode(self.template.as_text(solution), special=False), self.end_of_turn]
        return prompt + learned, [MASKED] * len(prompt) + learned

    def decode(self, generated: Sequence[int]) -> tuple[str, int | None]:
        """The text before the first stop token among the generated ids, and that token's place."""
        stops = set(self.stop_tokens)
        end = next((i for i, token in enumerate(generated) if token in stops), None)
        text: str = self.tokenizer.decode(generated[:end], skip_special_tokens=True)
        return text, end

    def _chat(self, messages: list[Message], generate: bool) -> str:
        if self.plain:
            return "\n\n".join(message["content"] for message in messages) + "\n" * generate
        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=generate, date_string=FIXED_DATE
            )
        except TemplateError as error:
            raise UserError(
                f"{self.template.path}: the chat template of {self.tokenizer.name_or_path!r} refuses these "
                f"messages ({error}); leave the system block empty where a model takes none"
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
            if ids and ids[0] in self.tokenizer.added_tokens_decoder:
                return ids[0]
        if self.tokenizer.eos_token_id is None:
            raise UserError(
                f"student.model {self.tokenizer.name_or_path!r}: its chat template has no end-of-turn token "
                "and its tokenizer no EOS; set eos_token in its tokenizer_config.json"
            )
        return int(self.tokenizer.eos_token_id)


def _control_tokens(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """All tokens that text may not forge, those too that stand in no list of the tokenizer's own."""
    added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    return list(dict.fromkeys([*tokenizer.all_special_tokens, *added]))
