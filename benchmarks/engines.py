"""The same student behind two engines: the same prompts, and the same answers and scores on greedy decoding?

    python benchmarks/engines.py [--questions 100] [--threads 2]

The demo's student (SmolLM2-135M-Instruct with the warm-up adapter) answers questions of the embedded domain
with transformers and, as a GGUF of the very same weights in fp32, behind a real server (xllamacpp, an
environment of its own, made on the first run). The server renders the chat with the GGUF's own template and
splits it with llama.cpp's tokenizer: its prompts and token ids are compared with ours, then answers and
verdicts. vLLM needs a GPU and has not been tried.
"""

import argparse
import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from check_server import XLLAMACPP, serving, weights  # noqa: E402
from environments import python_with  # noqa: E402

from stat_train.errors import UserError  # noqa: E402
from stat_train.grading.grader import Grader  # noqa: E402
from stat_train.pipeline.data import generate_splits  # noqa: E402
from stat_train.pipeline.opening import student_options  # noqa: E402
from stat_train.recipe import TutorOptions  # noqa: E402
from stat_train.recipe_file import read_recipe  # noqa: E402
from stat_train.student.load import load_student, model_folder, student_prompt  # noqa: E402
from stat_train.student.loading import load_model  # noqa: E402
from stat_train.student.options import Sampling, StudentOptions  # noqa: E402

RECIPE = HERE.parent / "recipes" / "demo.yaml"
MODULES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
OWN_KEYS = ("general.architecture", "general.file_type", "general.quantization_version")


def write_gguf(model: Path, like: Path, out: Path) -> None:
    """The weights of a Llama folder in fp32, with tokenizer, template and shape of the GGUF `like`."""
    import gguf

    llama = load_model(model, "float32")
    out.parent.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(like)
    writer = gguf.GGUFWriter(out, "llama")
    for name, field in reader.fields.items():
        if name not in OWN_KEYS and not name.startswith("GGUF."):
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    heads = {"q_proj": llama.config.num_attention_heads, "k_proj": llama.config.num_key_value_heads}
    for name, tensor in llama.state_dict().items():
        values = tensor.numpy()
        for part, n in heads.items():
            if f".{part}." in name:  # llama.cpp turns neighbours, transformers halves
                values = values.reshape(n, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        if name != "lm_head.weight" or not llama.config.tie_word_embeddings:
            writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name: str) -> str:
    """`model.layers.3.mlp.up_proj.weight` -> `blk.3.ffn_up.weight`."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    _, _, layer, module = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{MODULES[module]}.weight"


def asked(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The server's answer to one of its own requests."""
    request = urllib.request.Request(
        url.removesuffix("/v1") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    python = python_with(*XLLAMACPP)
    if python is None:
        print("skipped: no xllamacpp")
        return
    try:
        like = weights()
    except UserError as absent:
        print(f"skipped: no weights ({absent})")
        return
    options = student_options(read_recipe(RECIPE)).model_copy(
        update={"dtype": "float32", "engine": "transformers", "threads": arguments.threads}
    )
    model, sampling = model_folder(options), Sampling(max_tokens=64)
    examples = generate_splits(TutorOptions(pool=1, test=arguments.questions))["test"]
    items = [(example.id, example.question) for example in examples]
    prompt = student_prompt(options, model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here = load_student(options).answer(items, sampling, folder / "here.jsonl")
        write_gguf(model, like, folder / "student.gguf")
        with serving(python, folder / "student.gguf", arguments.threads) as url:
            served = StudentOptions(model="student", base_url=url, template=options.template, concurrency=2)
            there = load_student(served).answer(items, sampling, folder / "there.jsonl")
            texts = [
                asked(url, "/apply-template", {"messages": prompt.messages(question)})["prompt"]
                for _, question in items
            ]
            ids = [
                asked(url, "/tokenize", {"content": text, "add_special": False, "parse_special": True})[
                    "tokens"
                ]
                for text in texts
            ]
    gold = [example.answer or "" for example in examples]
    with Grader("numeric") as grader:
        verdicts = [
            grader.grade([(row.text, answer) for row, answer in zip(rows, gold, strict=True)])
            for rows in (here, there)
        ]
    both = list(zip(*verdicts, strict=True))
    figures = {
        "questions": len(items),
        "same_prompts": sum(text == prompt.text(q) for text, (_, q) in zip(texts, items, strict=True)),
        "same_token_ids": sum(its == prompt.tokens(q) for its, (_, q) in zip(ids, items, strict=True)),
        "same_answers": sum(a.text == b.text for a, b in zip(here, there, strict=True)),
        "same_verdicts": sum(a == b for a, b in both),
        "accuracy_transformers": sum(a == "correct" for a, _ in both) / len(both),
        "accuracy_server": sum(b == "correct" for _, b in both) / len(both),
        "vllm": "not tried: it needs a GPU",
    }
    for key, value in figures.items():
        print(f"{key:24}{value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
