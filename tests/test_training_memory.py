"""The memory estimate: parameters as they are, activations as autograd keeps them."""

from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.student.loading import load_model
from stat_train.training.memory import Shape, estimate_memory, processes, read_shape
from stat_train.training.options import LoraOptions, SFTOptions


def test_parameters_come_from_config_json_alone(tmp_path: Path) -> None:
    from transformers import LlamaConfig

    LlamaConfig(
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        vocab_size=128256,
        tie_word_embeddings=True,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(tmp_path)
    shape = read_shape(tmp_path)
    assert shape.parameters == 1_235_814_400  # as Llama 3.2 1B has
    lora = estimate_memory(SFTOptions(method="lora", lora=LoraOptions(r=16)), shape)
    assert lora.trained == 11_272_192
    for targets in (r".*\.(q|v)_proj", ("self_attn.q_proj", "v_proj")):
        some = estimate_memory(SFTOptions(method="lora", lora=LoraOptions(r=16, targets=targets)), shape)
        assert some.trained == 16 * 16 * ((2048 + 2048) + (2048 + 512))
    bare = {"bf16": False, "optimizer": "adamw_torch"}
    full = estimate_memory(SFTOptions(**bare), shape)
    assert (full.weights, full.gradients, full.optimizer) == tuple(shape.parameters * n for n in (4, 4, 8))
    qlora = estimate_memory(SFTOptions(method="qlora", optimizer="paged_adamw_8bit"), shape)
    assert qlora.weights is not None
    assert 0.8e9 < qlora.weights < 1.2e9
    assert qlora.optimizer == 2 * 11_272_192


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("dtype", "lora"), [("float32", False), ("float32", True), ("bfloat16", False)])
def test_activations_are_those_that_autograd_keeps(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, checkpointing: bool, lora: bool
) -> None:
    """Measured on a model with the proportions of the embedded student: within a fifth."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        attn_implementation="sdpa",
    )
    folder = tmp_path_factory.mktemp("shape")
    LlamaForCausalLM(config).save_pretrained(folder)
    model = load_model(folder, dtype)
    if lora:
        model = get_peft_model(model, LoraConfig(r=4, lora_dropout=0.05, target_modules="all-linear"))
    model.train()
    options = SFTOptions(
        method="lora" if lora else "full",
        bf16=True,
        dtype=dtype,
        gradient_checkpointing=checkpointing,
        batch_size=2,
        max_length=512,
    )
    body = model.get_base_model().model if lora else model.model
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    kept: dict[int, int] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    alive: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu"):
        out = body(torch.randint(0, 64, (2, 512)), use_cache=False)
    shape = read_shape(folder)
    found = estimate_memory(options, shape)
    assert found.activations is not None
    copies = 2 * sum(i * o for _, i, o in shape.linears) if dtype == "float32" else 0
    measured = sum(kept.values()) - (0 if checkpointing else copies)
    if checkpointing:  # what one layer needs while its backward pass runs is not kept by the forward pass
        whole = estimate_memory(options.model_copy(update={"gradient_checkpointing": False}), shape)
        assert whole.activations is not None
        measured += whole.activations / 4
    assert out.last_hidden_state.requires_grad
    assert found.activations == pytest.approx(measured, rel=0.2)


def test_lora_in_one_process_keeps_no_second_copy_of_what_it_wraps(tmp_path: Path) -> None:
    shape = read_shape(write_tiny_model(tmp_path / "tiny"))
    options = SFTOptions(method="lora", bf16=True, lora=LoraOptions(r=4))
    one, two = (estimate_memory(options, shape, processes=n) for n in (1, 2))
    linear = sum(inputs * outputs for _, inputs, outputs in shape.linears)
    assert one.trained is not None
    assert one.weights == 4 * (shape.parameters + one.trained)
    assert two.weights == one.weights + 2 * linear


def test_without_a_config_only_what_the_number_of_parameters_tells() -> None:
    full = estimate_memory(SFTOptions(bf16=False), None, 1_000_000)
    assert (full.weights, full.gradients, full.optimizer) == (4e6, 4e6, 8e6)
    assert (full.activations, full.total, full.known) == (None, None, 16e6)
    lora = estimate_memory(SFTOptions(method="lora"), None, 1_000_000)
    assert (lora.trained, lora.gradients, lora.known) == (None, None, 4e6)


def test_weights_are_divided_by_fsdp_and_zero3_and_batches_by_all(tmp_path: Path) -> None:
    assert processes({"num_processes": 8, "distributed_type": "FSDP"}) == (8, 8)
    assert processes({"num_processes": 4, "deepspeed_config": {"zero_stage": 3}}) == (4, 4)
    assert processes({"num_processes": 2, "distributed_type": "MULTI_GPU"}) == (2, 1)
    shape: Shape = read_shape(write_tiny_model(tmp_path / "tiny"))
    options = SFTOptions(batch_size=8)
    one, four = estimate_memory(options, shape), estimate_memory(options, shape, processes=4, spread=4)
    assert one.total is not None
    assert four.total == pytest.approx(one.total / 4)
