"""A sentence model: an encoder whose token states are pooled to one vector of length 1."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.embedding.minilm import embedded_sentence_model
from stat_train.embedding.options import EMBEDDED
from stat_train.errors import UserError, first_line
from stat_train.hub import local_model

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    """One row a text, each of length 1."""

OPTION = "selection.embedding.model"
POOLINGS = {
    "mean": "mean",
    "cls": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}
POOLING = Path("1_Pooling", "config.json")
LONGEST = 512
"""Tokens of a text, where the model does not say less."""


def sentence_model_folder(model: str) -> Path:
    """The folder of `embedded`, of a user's own model, or of the hub's."""
    if model == EMBEDDED:
        return embedded_sentence_model()
    return local_model(model, OPTION, "a model folder, a hub id, or embedded")


class SentenceModel:
    """The encoder of a Hugging Face folder, in fp32, on a GPU where there is one.

    Token states are averaged, or, where a sentence-transformers folder says so, the first is taken.
    No code of the checkpoint is run. Raises UserError where it cannot be loaded.
    """

    def __init__(self, folder: Path, batch_size: int = 64) -> None:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        self.pooling, self.batch_size = _pooling(folder), batch_size
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model, found = AutoModel.from_pretrained(
                folder,
                dtype=torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(
                f"{OPTION} {folder}: cannot be loaded ({first_line(error)}); give an encoder's folder"
            ) from error
        if missing := [name for name in found["missing_keys"] if not name.startswith("pooler.")]:
            raise UserError(f"{OPTION} {folder}: weights without {min(missing)}; fetch the model again")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokenizer.padding_side = "right"
        self.model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.max_tokens = _max_tokens(folder, self.tokenizer, model)
        self.width = int(model.config.hidden_size)
        self._try(folder)

    def _try(self, folder: Path) -> None:
        """One text of the longest there may be, so that what the model cannot do is said before the rest."""
        try:
            self.encode(["word " * self.max_tokens])
        except (ValueError, RuntimeError, IndexError, TypeError, AttributeError) as error:
            raise UserError(
                f"{OPTION} {folder}: is no sentence model ({first_line(error)}); give an encoder's folder"
            ) from error

    def encode(self, texts: Sequence[str]) -> tuple["Vectors", int]:
        """The vectors of `texts`, in order, and how many of these were cut at `max_tokens`.

        Texts of similar length share a batch; equal calls give equal vectors.
        """
        import numpy as np

        tokens, cut = self._tokens(texts)
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda place: (len(tokens[place]), place))
        for start in range(0, len(texts), self.batch_size):
            places = by_length[start : start + self.batch_size]
            vectors[places] = self._pooled([tokens[place] for place in places])
        return vectors, cut

    def _tokens(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        tokens: list[list[int]] = self.tokenizer(list(texts), verbose=False)["input_ids"] if texts else []
        long = [place for place, its in enumerate(tokens) if len(its) > self.max_tokens]
        for place in long:
            cut = self.tokenizer(texts[place], truncation=True, max_length=self.max_tokens)
            tokens[place] = cut["input_ids"]
        return [its or [self.tokenizer.pad_token_id] for its in tokens], len(long)

    def _pooled(self, tokens: list[list[int]]) -> "Vectors":
        import torch

        padded = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            states = self.model(**padded).last_hidden_state
            pooled = states[:, 0] if self.pooling == "cls" else _mean(states, padded["attention_mask"])
            vectors: Vectors = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return vectors


def _mean(states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def _pooling(folder: Path) -> str:
    """`mean` or `cls`, as the folder's 1_Pooling/config.json says; mean without one."""
    config = _json(folder / POOLING)
    named = config.get("pooling_mode") or []  # as sentence-transformers writes it since 6
    asked = [named] if isinstance(named, str) else list(named)
    asked += [name for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    if any(name not in POOLINGS for name in asked) or len(asked) > 1:
        raise UserError(
            f"{OPTION} {folder}: its pooling is {' and '.join(asked)}; give a model that takes the mean of "
            "the tokens, or the first"
        )
    return POOLINGS[asked[0]] if asked else "mean"


def _max_tokens(folder: Path, tokenizer: Any, model: Any) -> int:
    """The least of what the folder, the tokenizer and the positions allow. RoBERTa's begin behind the one
    that stands for padding."""
    said = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    positions = getattr(model.config, "max_position_embeddings", None)
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    if positions and padding is not None:
        positions -= padding + 1
    return min(int(limit) for limit in (said, tokenizer.model_max_length, positions, LONGEST) if limit)


def _json(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{OPTION}: {file} cannot be read ({error}); fetch the model again") from error
