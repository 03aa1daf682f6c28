"""LoRA adapters: merged on top of a base into a plain model folder."""

import json
import tempfile
from pathlib import Path

from stat_train.errors import UserError
from stat_train.student.fingerprint import fingerprint
from stat_train.student.loading import load_model, load_tokenizer, save_model
from stat_train.wheels import cache_folder, locked

DTYPE = "bfloat16"


def adapted_student(base: Path, adapter: Path, cache: Path | None = None) -> Path:
    """The folder of `base` with `adapter` merged into it, made on the first call and kept in the cache.

    Named by the contents of both, so another base or adapter makes another folder.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise UserError(f"student.adapter {adapter}: no adapter_config.json; give a folder that PEFT wrote")
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
    from peft import PeftModel

    model = load_model(base, "float32")
    try:
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"student.adapter {adapter}: does not fit {base} ({reason})") from error
    save_model(merged, load_tokenizer(base), out, dtype)


def copy_adapter(trained: Path, out: Path) -> None:
    """Write the adapter in `trained` into `out`, fit to ship: bf16 weights, no path of this machine."""
    import torch
    from safetensors.torch import load_file, save_file

    out.mkdir(parents=True)
    weights = load_file(trained / "adapter_model.safetensors")
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    save_file(halved, out / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((trained / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    config["target_modules"] = sorted(config["target_modules"])  # a set: its order differs each time
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
