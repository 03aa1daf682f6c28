"""Sentence embeddings: pooling, pieces, and exact neighbours."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.data.example import Example
from stat_train.embedding import nearest as nearest_module
from stat_train.embedding import vectors as vectors_module
from stat_train.embedding.minilm import embedded_sentence_model
from stat_train.embedding.model import SentenceModel, sentence_model_folder
from stat_train.embedding.nearest import nearest
from stat_train.embedding.vectors import embed, forget_pieces, read_vectors
from stat_train.errors import UserError
from stat_train.pipeline.embedding import embed_step
from stat_train.recipe_file import read_recipe

TEXTS = [f"{n} birds and {n * n} bees" for n in range(11)] + ["", "a" * 300]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def test_minilm_finds_what_means_the_same() -> None:
    model = SentenceModel(embedded_sentence_model())
    vectors, cut = model.encode(
        ["How many apples are left?", "Find the slope of the line.", "What number of apples remains?"]
    )
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert vectors[0] @ vectors[2] > 0.7 > 0.3 > vectors[0] @ vectors[1]
    assert (model.pooling, model.max_tokens, cut) == ("mean", 256, 0)


def test_the_mean_is_over_a_texts_own_tokens(tiny: Path) -> None:
    model = SentenceModel(tiny)
    alone = np.concatenate([model.encode([text])[0] for text in TEXTS if text])
    together, _ = model.encode([text for text in TEXTS if text])
    assert together == pytest.approx(alone, abs=1e-5)


def test_a_folder_says_its_pooling_and_length(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cls"
    shutil.copytree(tiny, folder)
    pooling = folder / "1_Pooling" / "config.json"
    pooling.parent.mkdir()
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    model = SentenceModel(folder)
    vectors, cut = model.encode(["abcdefgh", "abcdzzzz", "xbcd"])
    assert cut == 2
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])
    pooling.write_text(json.dumps({"pooling_mode": "cls", "include_prompt": True}))
    assert SentenceModel(folder).pooling == "cls"
    pooling.write_text(json.dumps({"pooling_mode": ["mean"]}))
    assert SentenceModel(folder).pooling == "mean"
    pooling.write_text(json.dumps({"pooling_mode": "lasttoken"}))
    with pytest.raises(UserError, match="its pooling is lasttoken"):
        SentenceModel(folder)
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}))
    with pytest.raises(UserError, match="its pooling is pooling_mode_max_tokens and pooling_mode_mean"):
        SentenceModel(folder)


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"selection\.embedding\.model 'no/such': no such folder"):
        sentence_model_folder("no/such")
    with pytest.raises(UserError, match=r"cannot be loaded .* give an encoder's folder"):
        SentenceModel(tmp_path)


def test_weights_that_were_not_loaded_are_refused(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, folder := tmp_path / "renamed")
    weights = load_file(folder / "model.safetensors")
    renamed = {f"other.{name}": its for name, its in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"renamed: weights without .* fetch the model again"):
        SentenceModel(folder)


def test_a_model_that_cannot_embed_is_one_line(tiny: Path, tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    shape = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_heads": 2, "num_layers": 1, "vocab_size": 300}
    T5Model(T5Config(**shape, decoder_start_token_id=0)).save_pretrained(folder := tmp_path / "t5")
    for path in tiny.glob("tokenizer*"):
        shutil.copy(path, folder)
    with pytest.raises(UserError, match=r"t5: is no sentence model \(.*; give an encoder's folder"):
        SentenceModel(folder)


def test_roberta_takes_texts_of_all_its_positions_but_those_of_padding(tiny: Path, tmp_path: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = RobertaConfig(**shape, vocab_size=300, max_position_embeddings=66, pad_token_id=1)
    RobertaModel(config).save_pretrained(folder := tmp_path / "roberta")
    for path in tiny.glob("tokenizer*"):
        shutil.copy(path, folder)
    model = SentenceModel(folder)
    assert model.max_tokens == 64
    assert model.encode(["a" * 300])[1] == 1


def test_a_folders_pooling_is_part_of_what_its_vectors_are(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, folder := tmp_path / "mine")
    recipe = read_recipe(asset("recipes/arms.yaml"), [f"selection.embedding.model={folder}"])
    bare = embed_step(recipe).files
    (folder / "1_Pooling").mkdir()
    told = []
    for pooling in ("mean", "cls"):
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
        told.append(embed_step(recipe).files)
    assert bare != told[0] != told[1]


def test_a_pool_that_is_embedded_is_not_embedded_again(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    """The second split was being embedded when the run was killed."""
    split = {"pool": ["a", "b"], "validation": ["c"]}
    work = SimpleNamespace(
        recipe=read_recipe(asset("recipes/arms.yaml"), [f"selection.embedding.model={tiny}"]),
        split=lambda name, _: [Example(text, text) for text in split[name]],
        stage=SimpleNamespace(file=tmp_path.joinpath, finish=lambda *_, **__: None),
    )
    encode, encoded = SentenceModel.encode, []

    def noting(self, texts):
        if not texts[0].startswith("word"):
            encoded.append(list(texts))
            if len(encoded) == 2:
                raise KeyboardInterrupt
        return encode(self, texts)

    monkeypatch.setattr(SentenceModel, "encode", noting)
    with pytest.raises(KeyboardInterrupt):
        embed_step(work.recipe).work(work)
    embed_step(work.recipe).work(work)
    assert encoded == [["a", "b"], ["c"], ["c"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool.npy", "validation.npy"]


def test_a_killed_embedding_goes_on_and_ends_with_the_same_bytes(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(vectors_module, "PIECE", 5)
    model = SentenceModel(tiny, batch_size=2)
    embed(model, TEXTS, tmp_path / "whole.npy")
    encode, calls = model.encode, []

    def dies_at_the_second(texts):
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(texts)

    monkeypatch.setattr(model, "encode", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        embed(model, TEXTS, tmp_path / "killed.npy")
    assert not (tmp_path / "killed.npy").exists()
    embed(model, TEXTS, tmp_path / "killed.npy")
    assert calls == [5, 5, 5, 3]
    assert (tmp_path / "killed.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    for name in ("killed.npy", "whole.npy"):
        embed(model, TEXTS, tmp_path / name)
        forget_pieces(tmp_path / name)
    assert calls == [5, 5, 5, 3]  # what is there is not computed again until it is forgotten
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.npy", "whole.npy"]
    assert read_vectors(tmp_path / "whole.npy") == pytest.approx(
        np.concatenate([encode(TEXTS[start : start + 5])[0] for start in (0, 5, 10)])
    )


def test_the_nearest_are_those_of_brute_force_in_every_block_size(monkeypatch) -> None:
    random = np.random.default_rng(0)
    pool, queries = (_unit(random.normal(size=(n, 8))) for n in (203, 7))
    expected = np.argsort(-(queries @ pool.T), axis=1, kind="stable")[:, :9]
    for block in (16, 100, 1000):
        monkeypatch.setattr(nearest_module, "BLOCK", block)
        assert np.array_equal(nearest(queries, pool, 9), expected)
    assert nearest(queries, pool, 500).shape == (7, 203)


def test_equal_likeness_goes_by_place_and_neighbours_are_distinct(monkeypatch) -> None:
    monkeypatch.setattr(nearest_module, "BLOCK", 4)
    pool = _unit(np.array([[0, 1], *[[1, 0]] * 9]))
    assert nearest(_unit(np.array([[1, 0]])), pool, 5).tolist() == [[1, 2, 3, 4, 5]]


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
