"""GGUF to safetensors for SmolLM2-135M-Instruct, and the proof that nothing was lost on the way."""

import io
import json
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

from stat_train.errors import UserError
from stat_train.student.loading import load_model, load_tokenizer, save_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROOF_TEXT = "12 + 345 = 357, so 7 x  86 is 602."
PROOF_TOKENS = [33, 34, 1232, 216, 35, 36, 37, 446, 216, 35, 37, 39, 28, 588, 216, 39, 1792, 256, 40, 38, 314]
PROOF_TOKENS += [216, 38, 32, 34, 30]
PROOF_LOGPROBS = [-5.2942, -4.3479, -0.2118, -1.8087, -3.6995, -4.8988, -1.1229, -0.0818, -1.795, -3.1079]
PROOF_LOGPROBS += [-3.0716, -2.6524, -2.0702, -1.7907, -3.2176, -4.3275, -7.8058, -2.8739, -3.8942, -2.7115]
PROOF_LOGPROBS += [-0.5946, -0.9265, -3.9523, -1.9126, -0.3814]
PROOF_QUESTION = "What is the capital of France?"
PROOF_ANSWER = "The capital of France is Paris."
TOLERANCE = 0.02


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write the model of `gguf` as bf16 safetensors with its tokenizer and configuration into `folder`.

    bf16 is the precision SmolLM2 was published in and that it answers in here; its rounding (0.4 %) is
    far below that of the 4-bit GGUF, and the file is half the size. Training loads it as fp32.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    with redirect_stderr(io.StringIO()):  # the conversion's own progress bar cannot be turned off
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),  # without it save_pretrained refuses
            dtype=torch.bfloat16,
        )
    tokenizer = mended_tokenizer(AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name))
    model.config.rms_norm_eps = 1e-5  # float32 noise in the GGUF
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=2)
    save_model(model, tokenizer, folder, "bfloat16")


def mended_tokenizer(converted: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    """SmolLM2's tokenizer as published, where the GGUF conversion differs from it.

    It splits digits one by one, decodes byte-level text as it stands, ends a turn with <|im_end|>
    (the conversion says <|im_start|>) and never tidies white space.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    state = json.loads(converted.backend_tokenizer.to_str())
    state["normalizer"] = None
    state["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
    }
    state["decoder"] = byte_level | {"add_prefix_space": True}
    state["post_processor"] = None
    state["model"] |= {"fuse_unk": False, "byte_fallback": False}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        chat_template=converted.chat_template,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
    )


def prove_conversion(folder: Path) -> None:
    """Raise `UserError` unless the saved student tokenizes, scores and answers fixed texts as it must.

    Log-probabilities are compared in fp32 within `TOLERANCE` nats each: a wrong rope base, a missing
    dequantisation or a wrong tokenizer is off by more than ten times that.
    """
    tokens, logprobs, answer = observe(folder)
    wrong = []
    if tokens != PROOF_TOKENS:
        wrong.append(f"tokens {tokens}")
    if any(abs(a - b) > TOLERANCE for a, b in zip(logprobs, PROOF_LOGPROBS, strict=False)):
        wrong.append(f"log-probabilities {logprobs}")
    if answer != PROOF_ANSWER:
        wrong.append(f"answer {answer!r}")
    if wrong:
        raise UserError(
            f"embedded student: the converted model differs from the published one ({'; '.join(wrong)}); "
            "install the tested versions: pip install 'stat-train[train]'"
        )


def observe(folder: Path) -> tuple[list[int], list[float], str]:
    """What the proof looks at: token ids of the text, each one's log-probability (nats), a greedy answer."""
    import torch

    tokenizer, model = load_tokenizer(folder), load_model(folder, "float32").eval()
    tokens: list[int] = tokenizer(PROOF_TEXT, add_special_tokens=False)["input_ids"]
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROOF_QUESTION}], add_generation_prompt=True, return_tensors="pt"
    )
    with torch.inference_mode():
        scores = model(torch.tensor([tokens])).logits[0, :-1].log_softmax(-1)
        logprobs = [round(float(scores[i, token]), 4) for i, token in enumerate(tokens[1:])]
        output = model.generate(**prompt, max_new_tokens=24, do_sample=False)
    answer: str = tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    return tokens, logprobs, answer
