"""Loading a student's tokenizer and weights: local code only, dtype explicit, no stray progress bars."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(model: str | Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model folder or hub id."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(_message(model, "tokenizer", error)) from error


def positions(folder: Path) -> int | None:
    """The tokens that a model folder's config.json says the model takes; None where it does not."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder}: its config.json cannot be read ({error}); mend the model folder"
        ) from error
    stated = (config.get("text_config") or config).get("max_position_embeddings")
    return stated if isinstance(stated, int) else None


def load_model(model: str | Path, dtype: str, **more: Any) -> "PreTrainedModel":
    """The causal language model of a folder or hub id, with weights in `dtype` ("float32", "bfloat16", ...).

    `more` goes to transformers' `from_pretrained` (attention, kernels, quantization). The dtype is always
    given: transformers 5 would otherwise take the file's, and bf16 weights hardly learn at small learning
    rates.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    options: dict[str, Any] = {
        "dtype": getattr(torch, dtype),
        "trust_remote_code": False,
        "use_safetensors": True,
        **more,
    }
    try:
        loaded, info = AutoModelForCausalLM.from_pretrained(str(model), output_loading_info=True, **options)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(_message(model, "weights", error)) from error
    if info["missing_keys"]:
        raise UserError(
            f"student.model {model}: weights without {min(info['missing_keys'])}; fetch the model again"
        )
    _make_savable(loaded)
    return loaded


def _make_savable(model: "PreTrainedModel") -> None:
    """Drops a generation config that transformers reads and refuses to write (`temperature` without
    sampling); the ids in it stay. Nothing here samples by it."""
    from transformers import GenerationConfig

    config = model.generation_config
    if config is None:
        return
    try:
        config.validate(strict=True)
    except ValueError:
        ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        if isinstance(ids["pad_token_id"], int) and ids["pad_token_id"] < 0:
            ids["pad_token_id"] = None
        model.generation_config = GenerationConfig(**ids)


def save_model(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", folder: Path, dtype: str
) -> None:
    """Write a plain model folder, weights in `dtype`, that transformers 4 reads too.

    transformers 5 writes the rope base as `rope_parameters` only; 4 would silently take 10000 for it.
    """
    import torch

    model.to(getattr(torch, dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config.pop("_model_name_or_path", None)
    if "rope_theta" in (config.get("rope_parameters") or {}):
        config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _message(model: str | Path, what: str, error: Exception) -> str:
    if Path(model).is_dir():
        return (
            f"{model}: no usable {what} here ({first_line(error)}); give a folder that save_pretrained wrote"
        )
    return f"student.model {str(model)!r}: no such folder, and no {what} to fetch; give a path or hub id"
