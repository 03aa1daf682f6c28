"""Loading a student's tokenizer and weights: local code only, dtype explicit, no stray progress bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(model: str | Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model folder or hub id."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(_message(model, "tokenizer", error)) from error


def load_model(model: str | Path, dtype: str) -> "PreTrainedModel":
    """The causal language model of a folder or hub id, with weights in `dtype` ("float32", "bfloat16", ...).

    The dtype is always given: transformers 5 would otherwise take the file's, and bf16 weights
    hardly learn at small learning rates.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": getattr(torch, dtype), "trust_remote_code": False}
    try:
        return AutoModelForCausalLM.from_pretrained(str(model), **options)
    except (OSError, ValueError) as error:
        raise UserError(_message(model, "weights", error)) from error


def _message(model: str | Path, what: str, error: Exception) -> str:
    if Path(model).is_dir():
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"{model}: no usable {what} here ({reason}); give a folder that save_pretrained wrote"
    return f"student.model {str(model)!r}: no such folder, and no {what} to fetch; give a path or hub id"
