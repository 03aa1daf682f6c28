"""LoRA adapters: merged on top of a base into a plain model folder."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from stat_train.errors import UserError, first_line
from stat_train.student.fingerprint import fingerprint
from stat_train.student.loading import load_model, load_tokenizer, save_model
from stat_train.wheels import cache_folder, locked

if TYPE_CHECKING:
    from peft import PeftModel

DTYPE = "bfloat16"
WEIGHTS = "adapter_model.safetensors"


def adapted_student(base: Path, adapter: Path, cache: Path | None = None) -> Path:
    """The folder of `base` with `adapter` merged into it, made on the first call and kept in the cache.

    Named by the contents of both, so another base or adapter makes another folder.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise UserError(f"student.adapter {adapter}: no adapter_config.json; give a folder that PEFT wrote")
    if not (adapter / WEIGHTS).is_file():
        raise UserError(f"student.adapter {adapter}: no {WEIGHTS}; save the adapter as safetensors")
    root = cache_folder(cache)
    folder = root / f"adapted-{fingerprint(base)[:12]}-{fingerprint(adapter)[:12]}"
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=root, prefix="merging-") as name:
                    work = Path(name) / "student"
                    merge_adapter(base, adapter, work)
                    work.rename(folder)
    except OSError as error:
        raise UserError(
            f"{root}: cannot keep the merged student here ({error}); set STAT_TRAIN_CACHE"
        ) from error
    return folder


def merge_adapter(base: Path, adapter: Path, out: Path, dtype: str = DTYPE) -> None:
    """Write `base` plus `adapter`, merged in fp32 and rounded to `dtype`, and its tokenizer into `out`."""
    import warnings

    from peft import PeftModel
    from safetensors import SafetensorError

    model = load_model(base, "float32")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # told below
            adapted = PeftModel.from_pretrained(model, str(adapter))
        stray = _lora_weights(adapted, adapter)
        merged = None if stray else adapted.merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"student.adapter {adapter}: does not fit {base} ({first_line(error)})") from error
    if merged is None:
        raise UserError(
            f"student.adapter {adapter}: does not fit {base} ({len(stray)} weights are in one alone, "
            f"such as {min(stray)}); name the model that it was trained on"
        )
    save_model(merged, load_tokenizer(base), out, dtype)


def _lora_weights(adapted: "PeftModel", adapter: Path) -> set[str]:
    """The names of LoRA weights that the model has and the adapter's file has not, or the reverse."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter / WEIGHTS, "pt") as file:
        given = set(file.keys())
    wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    return {name for name in given ^ wanted if "lora_" in name}


def copy_adapter(trained: Path, out: Path) -> None:
    """Write the adapter in `trained` into `out`, fit to ship: bf16 weights, no path of this machine."""
    import torch
    from safetensors.torch import load_file, save_file

    out.mkdir(parents=True)
    weights = load_file(trained / WEIGHTS)
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    save_file(halved, out / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((trained / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    if not isinstance(config["target_modules"], str):  # a set: its order differs each time
        config["target_modules"] = sorted(config["target_modules"])
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
