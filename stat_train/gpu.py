"""What a long-lived process owes to those that share its GPU."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stat_train.errors import UserError, first_line, one_line


def load_llm(setting: str, model: str, **options: Any) -> Any:
    """`vllm.LLM` of a model, written against vLLM 0.31.

    The model's own defaults of sampling stay out. Its engine is a child process, started anew, not forked:
    whoever asked here whether there is a GPU has opened CUDA, which no fork survives. Raises UserError, which
    names the `setting`, where vLLM is not installed or cannot load the model.
    """
    prepare_vllm()
    try:
        from vllm import LLM
    except ImportError as error:
        raise UserError(
            f"{setting}: vllm cannot be imported ({first_line(error)}); pip install 'stat-train[vllm]'"
        ) from error
    try:
        return LLM(model=model, generation_config="vllm", trust_remote_code=False, **options)
    except Exception as error:
        raise UserError(f"{setting}: vLLM cannot load {model!r} ({one_line(error)})") from error


def prepare_vllm() -> None:
    """To be called before vLLM is imported."""
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")


def give_back() -> None:
    """Free what nothing refers to any more, on the GPU too: vLLM asks for a share of a whole card."""
    torch = sys.modules.get("torch")
    if torch is not None:
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


@contextmanager
def own_environment() -> Iterator[None]:
    """What is set in the environment within (TRL and vLLM name a rank there) is unset behind it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
