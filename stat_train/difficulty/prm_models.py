"""The two families of process reward models, scored with one forward pass a response."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.errors import UserError, first_line
from stat_train.hub import local_model
from stat_train.progress import progress

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STEP_TOKEN = "<extra_0>"
QWEN_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True)
class Encoded:
    """The tokens of one response, and for each of its steps the position whose hidden state scores it."""

    tokens: list[int]
    places: list[int]


def load_prm(model: str) -> "PlusMinusPrm | StepTokenPrm":
    """The process reward model of a folder or hub id; its kind is told by `architectures` in config.json.

    Weights keep the file's dtype; a GPU is used where there is one. No code of the checkpoint is run.
    Raises UserError where it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Model
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = local_model(model, "difficulty.prm_model", "a folder or hub id")
    try:
        architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        by_step_token = architecture.endswith("ProcessRewardModel")
        loader = Qwen2Model if by_step_token else AutoModelForCausalLM
        network = loader.from_pretrained(folder, dtype="auto", trust_remote_code=False)
        network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        if by_step_token:
            return StepTokenPrm(network, tokenizer, _head(folder, network))
        return PlusMinusPrm(network, tokenizer)
    except (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise UserError(
            f"difficulty.prm_model {model!r}: cannot be loaded ({first_line(error)}); give a PRM's folder"
        ) from error


class _Prm(ABC):
    """What both families share: batches of padded responses through the decoder."""

    def __init__(self, decoder: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        self.decoder, self.tokenizer = decoder, tokenizer
        self.context = int(decoder.config.max_position_embeddings)
        special = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)")

    def score(
        self, responses: Sequence[tuple[str, list[str]]], batch_tokens: int
    ) -> list[list[float] | None]:
        """For each (question, steps) the score of each step, 0 to 1; None where it exceeds the context.

        A forward pass takes at most `batch_tokens`, padding included, or one response.
        """
        import torch

        encoded = [self.encode(question, steps) for question, steps in responses]
        fitting = [place for place, row in enumerate(encoded) if len(row.tokens) <= self.context]
        scores: list[list[float] | None] = [None for _ in encoded]
        with torch.inference_mode(), progress("step scores", len(fitting)) as bar:
            for batch in _batches({place: len(encoded[place].tokens) for place in fitting}, batch_tokens):
                hidden = self._hidden([encoded[place].tokens for place in batch])
                for row, place in enumerate(batch):
                    scores[place] = self.scores(hidden[row, encoded[place].places]).float().tolist()
                bar.advance(len(batch))
        return scores

    @abstractmethod
    def encode(self, question: str, steps: list[str]) -> Encoded:
        """The response as one chat, and where each step's score is read."""

    @abstractmethod
    def scores(self, hidden: "torch.Tensor") -> "torch.Tensor":
        """The hidden states of the steps (steps x width) to their scores."""

    def _hidden(self, rows: Sequence[list[int]]) -> "torch.Tensor":
        """Last hidden states (rows x longest x width); rows are padded on the right."""
        import torch

        longest = max(map(len, rows))
        tokens = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        device = self.decoder.device
        given = {"input_ids": tokens.to(device), "attention_mask": mask.to(device), "use_cache": False}
        hidden: torch.Tensor = self.decoder(**given).last_hidden_state
        return hidden

    def _plain(self, text: str) -> str:
        """`text` without the tokenizer's own marks, which a response could forge."""
        return self._special.sub(" ", text)

    def _rendered(self, turns: list[dict[str, str]], **options: Any) -> str:
        rendered = self.tokenizer.apply_chat_template(turns, tokenize=False, **options)
        assert isinstance(rendered, str)
        return rendered


class PlusMinusPrm(_Prm):
    """RLHFlow's kind: a chat in which each step is a user turn that the assistant answers with "+" or "-".

    A step's score is P("+") from the softmax over the "+" and "-" logits alone, where the assistant's
    answer is predicted; all earlier answers are "+".
    """

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(model.get_decoder(), tokenizer)
        self.head = model.get_output_embeddings()
        self.signs = [tokenizer.encode(sign, add_special_tokens=False)[-1] for sign in "+-"]

    def encode(self, question: str, steps: list[str]) -> Encoded:
        first, *later = map(self._plain, steps)
        turns: list[dict[str, str]] = []
        starts: list[int] = []
        for said in (f"{self._plain(question)} {first}", *later):
            turns.append({"role": "user", "content": said})
            starts.append(len(self._rendered(turns, add_generation_prompt=True)))
            turns.append({"role": "assistant", "content": "+"})
        text = self._rendered(turns)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        place_of = {start: place for place, (start, _) in enumerate(encoded["offset_mapping"])}
        places = [place_of.get(start, 0) for start in starts]
        if any(encoded["input_ids"][place] != self.signs[0] for place in places):
            raise UserError(
                'difficulty.prm_model: its chat template does not show the assistant\'s "+" as a token '
                "of its own; give a PRM of RLHFlow's kind"
            )
        return Encoded(encoded["input_ids"], [place - 1 for place in places])

    def scores(self, hidden: "torch.Tensor") -> "torch.Tensor":
        return self.head(hidden)[:, self.signs].float().softmax(-1)[:, 0]


class StepTokenPrm(_Prm):
    """Qwen2.5-Math-PRM's kind: `<extra_0>` after each step, and a two-class head at those tokens."""

    def __init__(
        self, decoder: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", head: "torch.nn.Module"
    ) -> None:
        super().__init__(decoder, tokenizer)
        self.head = head
        if STEP_TOKEN not in tokenizer.get_vocab():
            raise ValueError(f"its tokenizer has no {STEP_TOKEN}")
        self.step_token = tokenizer.convert_tokens_to_ids(STEP_TOKEN)

    def encode(self, question: str, steps: list[str]) -> Encoded:
        turns = [
            {"role": "system", "content": QWEN_SYSTEM},
            {"role": "user", "content": self._plain(question)},
            {"role": "assistant", "content": "".join(self._plain(step) + STEP_TOKEN for step in steps)},
        ]
        tokens = self.tokenizer(self._rendered(turns), add_special_tokens=False)["input_ids"]
        return Encoded(tokens, [place for place, token in enumerate(tokens) if token == self.step_token])

    def scores(self, hidden: "torch.Tensor") -> "torch.Tensor":
        return self.head(hidden).float().softmax(-1)[:, 1]


def _head(folder: Path, network: "PreTrainedModel") -> "torch.nn.Module":
    """The two-class head of the checkpoint: linear, ReLU, linear (`score.0` and `score.2`)."""
    import torch
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    names = json.loads(index.read_text())["weight_map"] if index.exists() else {}
    files = {names[name] for name in names if name.startswith("score.")} or {"model.safetensors"}
    weights: dict[str, torch.Tensor] = {}
    for file in sorted(files):
        with safe_open(folder / file, framework="pt") as tensors:
            kept = [name for name in tensors.keys() if name.startswith("score.")]  # noqa: SIM118
            weights |= {name.removeprefix("score."): tensors.get_tensor(name) for name in kept}
    width, classes = network.config.hidden_size, len(weights["2.bias"])
    head = torch.nn.Sequential(
        torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, classes)
    )
    head.load_state_dict(weights)
    return head.to(device=network.device, dtype=network.dtype).eval()


def _batches(lengths: Mapping[int, int], batch_tokens: int) -> Iterator[list[int]]:
    """Keys of rows of similar length, together at most `batch_tokens` with padding (one row at least)."""
    batch: list[int] = []
    for place in sorted(lengths, key=lambda place: lengths[place]):
        if batch and lengths[place] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
