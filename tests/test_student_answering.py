"""Answers with transformers: fixed batches, committed one by one, the same after a kill."""

from collections import Counter
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student import transformers_engine
from stat_train.student.loading import load_tokenizer
from stat_train.student.options import Sampling
from stat_train.student.prompt import StudentPrompt
from stat_train.student.transformers_engine import TransformersStudent

ITEMS = [(f"q{i}", "why? " * (7 - i)) for i in range(7)]
SAMPLED = Sampling(temperature=1.0, n=2, max_tokens=8, batch_size=4, seed=3)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def student(tiny: Path) -> TransformersStudent:
    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))
    return TransformersStudent(tiny, prompt, dtype="float32")


def count_batches(
    student: TransformersStudent, monkeypatch: pytest.MonkeyPatch, die_after: int = 99
) -> list[int]:
    """Make `student` note the size of each batch it computes, and die before the batch after `die_after`."""
    sizes: list[int] = []
    generate = student._generate

    def counted(batch, sampling):
        if len(sizes) == die_after:
            raise KilledError
        sizes.append(len(batch.units))
        return generate(batch, sampling)

    monkeypatch.setattr(student, "_generate", counted)
    return sizes


def test_rows_come_in_input_order_with_every_sample(student: TransformersStudent, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    responses = student.answer(ITEMS, SAMPLED, out)
    assert [(r.question_id, r.sample) for r in responses] == [(i, s) for i, _ in ITEMS for s in (0, 1)]
    assert len(out.read_text().splitlines()) == 14
    assert any(a.text != b.text for a, b in zip(responses[::2], responses[1::2], strict=True))
    assert all(r.finish_reason == "stop" or r.completion_tokens == 8 for r in responses)


@pytest.mark.parametrize("torn", [b"", b'{"batch": "half a li'])
def test_a_killed_run_computes_only_what_is_missing(
    student: TransformersStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bytes
) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    expected = student.answer(ITEMS, SAMPLED, whole)
    with monkeypatch.context() as patch:
        count_batches(student, patch, die_after=2)
        with pytest.raises(KilledError):
            student.answer(ITEMS, SAMPLED, cut)
    with cut.open("ab") as file:
        file.write(torn)
    sizes = count_batches(student, monkeypatch)
    assert student.answer(ITEMS, SAMPLED, cut) == expected
    assert sizes == [4, 2]
    assert cut.read_bytes() == whole.read_bytes()


def test_a_half_written_batch_is_computed_again(
    student: TransformersStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "answers.jsonl"
    expected = student.answer(ITEMS, SAMPLED, out)
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[1:]))
    sizes = count_batches(student, monkeypatch)
    assert student.answer(ITEMS, SAMPLED, out) == expected
    assert len(sizes) == 1


def test_another_seed_or_question_leaves_old_answers_aside(
    student: TransformersStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "answers.jsonl"
    first = student.answer(ITEMS, SAMPLED, out)
    sizes = count_batches(student, monkeypatch)
    second = student.answer(ITEMS, SAMPLED.model_copy(update={"seed": 4}), out)
    assert sum(sizes) == 14
    assert [r.text for r in first] != [r.text for r in second]
    assert len(student.answer([("q0", "new?"), *ITEMS[1:]], SAMPLED, out)) == 14
    assert sum(sizes) > 14


def test_padding_does_not_change_a_greedy_answer(student: TransformersStudent, tmp_path: Path) -> None:
    together = student.answer(ITEMS, Sampling(max_tokens=8, batch_size=7), tmp_path / "a.jsonl")
    alone = student.answer(ITEMS, Sampling(max_tokens=8, batch_size=1), tmp_path / "b.jsonl")
    assert [r.text for r in together] == [r.text for r in alone]
    assert len({r.text for r in together}) > 3


def test_answers_that_have_ended_leave_the_others_as_they_are(
    student: TransformersStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = Sampling(max_tokens=20, batch_size=7)
    monkeypatch.setattr(transformers_engine, "STEPS", 20)
    at_once = student.answer(ITEMS, greedy, tmp_path / "a.jsonl")
    frequent = Counter("".join(r.text for r in at_once)).most_common(20)
    student.prompt.end_of_turn = next(  # some answers end early, some do not
        student.prompt.tokenizer.encode(letter)[0]
        for letter, _ in frequent
        if letter.isascii() and 0 < sum(letter in r.text for r in at_once) < len(ITEMS)
    )
    at_once = student.answer(ITEMS, greedy, tmp_path / "b.jsonl")
    assert {r.finish_reason for r in at_once} == {"stop", "length"}
    monkeypatch.setattr(transformers_engine, "STEPS", 3)
    assert student.answer(ITEMS, greedy, tmp_path / "c.jsonl") == at_once


def test_a_model_whose_cache_cannot_be_cut_answers_as_it_does_alone(tiny: Path, tmp_path: Path) -> None:
    """LFM2 has layers of convolutions beside those of attention."""
    import torch
    from transformers import AutoModelForCausalLM, Lfm2Config

    shape = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3}
    torch.manual_seed(0)
    config = Lfm2Config(**shape, **heads, layer_types=["conv", "full_attention"], pad_token_id=0)
    folder = tmp_path / "lfm2"
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    load_tokenizer(tiny).save_pretrained(folder)
    prompt = StudentPrompt(load_tokenizer(folder), asset("prompts/student_short.jinja"))
    student = TransformersStudent(folder, prompt, dtype="float32")
    together, alone = (
        student.answer(ITEMS[:3], Sampling(max_tokens=40, batch_size=size), tmp_path / f"{size}.jsonl")
        for size in (3, 1)
    )
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert len({answer.text for answer in together}) == 3


def test_a_closed_student_loads_again(student: TransformersStudent, tmp_path: Path) -> None:
    greedy = Sampling(max_tokens=4)
    first = student.answer(ITEMS[:2], greedy, tmp_path / "a.jsonl")
    assert student._model is not None
    student.close()
    assert student._model is None
    assert student.answer(ITEMS[:2], greedy, tmp_path / "b.jsonl") == first


def test_an_answer_stops_at_the_end_of_turn(
    student: TransformersStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated: list[int] = []
    decode = student.prompt.decode
    monkeypatch.setattr(student.prompt, "decode", lambda ids: generated.extend(ids) or decode(ids))
    long = student.answer(ITEMS[:1], Sampling(max_tokens=4), tmp_path / "a.jsonl")[0]
    assert (long.finish_reason, long.completion_tokens, len(generated)) == ("length", 4, 4)
    place = next(i for i in range(1, 4) if generated[i] not in generated[:i])
    student.prompt.end_of_turn = generated[place]  # a word of the student's own now ends its turn
    short = student.answer(ITEMS[:1], Sampling(max_tokens=4), tmp_path / "b.jsonl")[0]
    assert (short.finish_reason, short.completion_tokens) == ("stop", place + 1)
    assert short.text == student.prompt.tokenizer.decode(generated[:place])


def test_exemplars_reach_the_question_they_are_for(student: TransformersStudent, tmp_path: Path) -> None:
    greedy = Sampling(max_tokens=8)
    plain = student.answer(ITEMS, greedy, tmp_path / "a.jsonl")
    shot = student.answer(ITEMS, greedy, tmp_path / "b.jsonl", exemplars={"q2": [("a?", "b"), ("c?", "d")]})
    assert [a.question_id for a, b in zip(plain, shot, strict=True) if a.text != b.text] == ["q2"]


def test_bad_questions_are_one_clear_line(student: TransformersStudent, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="id 'q0' occurs twice"):
        student.answer([*ITEMS, ITEMS[0]], SAMPLED, tmp_path / "a.jsonl")
    student.max_model_len = 43
    with pytest.raises(UserError, match=r"question 'q0' and 2 more: .* exceed 43 tokens"):
        student.answer(ITEMS, SAMPLED, tmp_path / "a.jsonl")
    other = tmp_path / "other.jsonl"
    other.write_text('{"name": "no answer"}\n')
    student.max_model_len = None
    with pytest.raises(UserError, match="holds other rows than answers"):
        student.answer(ITEMS, SAMPLED, other)
