import csv
import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from stat_train.data.columns import Columns
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.data.reading import local_place, read_examples
from stat_train.data.writing import write_examples
from stat_train.errors import UserError

ROWS = [
    {"question": "2 + 2?", "answer": "4", "skills": ["addition"], "level": 1, "source": "book"},
    {"question": "9 - 5?", "solution": "9 - 5 = 4\n#### 4", "answer": "4", "subject": "arithmetic"},
]


def jsonl(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_jsonl_parquet_and_csv_give_the_same_examples(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"q": "2, or 3?", "a": 2, "topic": "x; y"}, {"q": 'say "hi"\nnow', "a": 3, "topic": "z"}]
    columns = Columns(question="q", answer="a", skills="topic")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    (tmp_path / "d.csv").write_text('q,a,topic\n"2, or 3?",2,x; y\n"say ""hi""\nnow",3,z\n')
    jsonl(tmp_path / "d.jsonl", rows)
    read = [read_examples(tmp_path / f"d.{kind}", columns) for kind in ("jsonl", "parquet", "csv")]
    assert read[0] == read[1] == read[2]
    assert [(e.question, e.answer, e.skills) for e in read[0]] == [
        ("2, or 3?", "2", ("x", "y")),
        ('say "hi"\nnow', "3", ("z",)),
    ]


def test_columns_of_the_fields_names_are_found_and_the_rest_is_kept(tmp_path: Path) -> None:
    first, second = read_examples(jsonl(tmp_path / "d.jsonl", ROWS))
    assert (first.answer, first.skills, first.level, first.meta) == (
        "4",
        ("addition",),
        "1",
        {"source": "book"},
    )
    assert (second.solution, second.subject, second.skills) == ("9 - 5 = 4\n#### 4", "arithmetic", ())


def test_an_empty_column_name_leaves_the_field_empty(tmp_path: Path) -> None:
    first, _ = read_examples(jsonl(tmp_path / "d.jsonl", ROWS), Columns(skills=""))
    assert first.skills == ()
    assert first.meta["skills"] == ["addition"]


def test_long_numbers_are_kept_to_the_digit(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    tiny = "0.00000000000000001e-99999999999999999999"
    rows = [
        ("36893488147419103232", "26588814358957503287787", "12345678901234567"),
        ("36893488147419103233", "3.14159265358979323846", "0.1000000000000000055"),
        (
            "3",
            "0.25",
            f"[18446744073709551616, 1e3, 18446744073709551615, {tiny}]",
        ),
    ]
    lines = (f'{{"id": {id}, "question": "q{id}", "answer": {gold}, "n": {n}}}' for id, gold, n in rows)
    file.write_text("\n".join(lines))
    read = read_examples(file)
    assert [example.id for example in read] == ["36893488147419103232", "36893488147419103233", "3"]
    assert [e.answer for e in read] == ["26588814358957503287787", "3.14159265358979323846", "0.25"]
    assert [e.meta["n"] for e in read] == [
        12345678901234567,
        "0.1000000000000000055",
        ["18446744073709551616", 1000.0, 18446744073709551615, tiny],
    ]
    write_examples(tmp_path / "again.jsonl", read)
    assert read_examples(tmp_path / "again.jsonl") == read


def test_columns_that_json_does_not_know_are_text_or_left_out(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = {
        "question": ["a"],
        "answer": [Decimal("7.50")],
        "price": [Decimal("0.10")],
        "took": [timedelta(minutes=1)],
        "day": [date(2026, 11, 27)],
        "image": [{"bytes": b"\x89PNG", "path": "a.png"}],
        "raw": [b"\x00"],
    }
    pq.write_table(pa.table(cells), tmp_path / "d.parquet")
    [example] = read_examples(tmp_path / "d.parquet")
    assert example.answer == "7.50"
    assert example.meta == {
        "price": "0.10",
        "took": "0:01:00",
        "day": "2026-11-27",
        "image": {"bytes": None, "path": "a.png"},
    }
    write_examples(tmp_path / "again.jsonl", [example])
    assert read_examples(tmp_path / "again.jsonl") == [example]


def test_ids_come_from_the_text_and_stay_unique(tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[0]]
    forth = read_examples(jsonl(tmp_path / "a.jsonl", rows))
    back = read_examples(jsonl(tmp_path / "b.jsonl", rows[::-1]))
    assert [e.id for e in forth] == [forth[0].id, forth[1].id, forth[0].id + "-2"]
    assert {e.id for e in back} == {e.id for e in forth}
    assert back[1].id == forth[1].id


@pytest.mark.parametrize(
    ("mark", "solution", "answer"),
    [
        ("####", "a #### b\n#### 3\n#### 1,234 ", "1,234"),
        ("####", "1 + 1 = 2 #### 2", "2"),
        ("####", "#### 3\nno, #### 4 #### 5\n####\n##### 6", "5"),
        ("boxed", r"so \boxed{2}, no, \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("boxed", r"thus \boxed 9.", "9"),
        ("boxed", "none", None),
    ],
)
def test_answers_are_read_from_the_solution(
    tmp_path: Path, mark: str, solution: str, answer: str | None
) -> None:
    rows = [{"question": "q", "s": solution, "answer": "old"}, {"question": "r", "s": "#### 1 \\boxed{1}"}]
    rows[1]["s"] = "\\boxed{1}\n#### 1"
    read = read_examples(jsonl(tmp_path / "d.jsonl", rows), Columns(solution="s", answer_from=mark))
    assert read[0].answer == answer


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    examples = [
        Example(
            "1", "q", "s", "a", "algebra", ("x", "y"), "3", {"question": "other", "n": 1, "deep": {"k": [1]}}
        ),
        Example("2", "r", meta={"n": 2}),
    ]
    assert write_examples(tmp_path / f"d.{suffix}", examples) == 2
    read = read_examples(tmp_path / f"d.{suffix}")
    assert [replace(example, meta=dict(example.meta)) for example in read] == examples


def test_a_folder_in_hub_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra 'train'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    for config in ("easy", "hard"):
        (folder / config).mkdir(parents=True)
        for split in ("train", "test"):
            jsonl(folder / config / f"{split}.jsonl", [{"problem": f"{config} {split}?", "answer": "1"}])
    (folder / "README.md").write_text(
        "---\nconfigs:\n"
        + "".join(
            f"- config_name: {c}\n  data_files:\n"
            + "".join(f"  - split: {s}\n    path: {c}/{s}.jsonl\n" for s in ("train", "test"))
            for c in ("easy", "hard")
        )
        + "---\n"
    )
    columns = Columns(question="problem")
    assert [e.question for e in read_examples(f"{folder}:hard@test", columns)] == ["hard test?"]
    both = [e.question for e in read_examples(f"{folder}:*@test", columns)]
    assert both == ["easy test?", "hard test?"]
    parts = [read_examples(f"{folder}:*@test[{part}]", columns) for part in ("0:1", "1:")]
    assert sorted(e.question for part in parts for e in part) == both
    assert [len(part) for part in parts] == [1, 1]
    with pytest.raises(UserError, match="that part of its 2 rows is empty"):
        read_examples(f"{folder}:*@test[2:]", columns)
    with pytest.raises(UserError, match=r"several splits \(train, test\); name one"):
        read_examples(f"{folder}:hard", columns)
    with pytest.raises(UserError, match="no split 'dev'; splits there: train, test"):
        read_examples(f"{folder}:*@dev", columns)
    with pytest.raises(UserError, match="no split 'dev'; splits there: train, test"):
        read_examples(f"{folder}:hard@dev", columns)
    with pytest.raises(UserError, match="cannot be loaded"):
        read_examples(f"{folder}:other@test", columns)


def test_a_folder_is_read_as_it_is_and_not_from_a_cache(tmp_path: Path, monkeypatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra 'train'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    config = "- config_name: main\n  data_files:\n  - split: test\n    path: test.jsonl\n"
    for place, question in (("a", "one?"), ("b", "two?"), ("b", "three?")):
        folder = tmp_path / place / "set"
        folder.mkdir(parents=True, exist_ok=True)
        jsonl(folder / "test.jsonl", [{"question": question}])
        (folder / "README.md").write_text(f"---\nconfigs:\n{config}---\n")
        assert [e.question for e in read_examples(f"{folder}:main@test")] == [question]


def test_what_save_to_disk_has_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra 'train'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    one = datasets.Dataset.from_list(
        [{"question": "one?", "answer": "1"}, {"question": "two?", "answer": "2"}]
    )
    one.with_format("numpy").save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": one, "test": one.select([1])}).save_to_disk(tmp_path / "both")
    for source in ("one", "one@train", "one:*", "both@train"):
        assert [(e.question, e.answer) for e in read_examples(tmp_path / source)] == [
            ("one?", "1"),
            ("two?", "2"),
        ]
    assert len(read_examples(f"{tmp_path / 'one'}[0:1]")) == 1
    assert [e.question for e in read_examples(tmp_path / "both@test")] == ["two?"]
    with pytest.raises(UserError, match="no split 'test'; splits there: train"):
        read_examples(tmp_path / "one@test")
    with pytest.raises(UserError, match="has no configs; leave out :main"):
        read_examples(tmp_path / "one:main")


def test_parts_of_a_hub_data_set_share_no_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra 'train'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    rows = [{"question": f"question {i % 30}", "level": i} for i in range(40)]  # ten of them twice
    jsonl(tmp_path / "set" / "train.jsonl", rows)
    for cut in range(1, 38):
        parts = [read_examples(f"{tmp_path / 'set'}@train[{part}]") for part in (f":{cut}", f"{cut}:")]
        assert sum(map(len, parts)) == 40
        assert not {e.question for e in parts[0]} & {e.question for e in parts[1]}
    assert [e.question for e in parts[0]] != sorted(e.question for e in parts[0])


TWICE = "line 2: 'answer' stands twice in one object; rename or remove one"
BAD = [
    (
        "d.jsonl",
        '{"text": "a", "b": 1}\n',
        Columns(),
        "no column 'question' for question; columns there: text, b",
    ),
    (
        "d.jsonl",
        '{"question": "a"}\n',
        Columns(answer="gold"),
        "no column 'gold' for answer; columns there: question",
    ),
    (
        "d.jsonl",
        '{"question": "a"}\n{"question": " "}\n',
        Columns(),
        "line 2: field 'question': the question is empty",
    ),
    (
        "d.jsonl",
        '{"question": ["a", "b"]}\n',
        Columns(),
        "line 1: field 'question': a list; write it as text",
    ),
    ("d.jsonl", '{"question": "a", "answer": true}\n', Columns(), "line 1: field 'answer': a bool"),
    (
        "d.jsonl",
        '{"question": "a", "skills": {"x": 1}}\n',
        Columns(),
        "line 1: field 'skills': not a list of names",
    ),
    (
        "d.jsonl",
        '{"question": "a", "id": 1}\n{"question": "b", "id": "1"}\n',
        Columns(),
        "line 2: field 'id': id '1' stands already in line 1",
    ),
    (
        "d.jsonl",
        '{"question": "a", "id": 1}\n{"question": "b"}\n',
        Columns(),
        "line 2: field 'id': the id is empty",
    ),
    ("d.jsonl", '{"question": "a"\n', Columns(), "line 1: not JSON"),
    ("d.jsonl", "", Columns(), "no rows"),
    (
        "d.jsonl",
        '{"question": "a", "solution": "x"}\n',
        Columns(answer_from="####"),
        "no row marks its answer by ####",
    ),
    (
        "d.jsonl",
        '{"question": "a"}\n',
        Columns(answer_from="boxed"),
        "needs a solution; columns there: question",
    ),
    ("d.csv", "question,answer\na,1,2\n", Columns(), "row 1: more or fewer cells than the header"),
    ("d.csv", "question,answer,answer\na,1,2\n", Columns(), "line 1: column 'answer' stands twice in the h"),
    ("d.jsonl", '{"question": "a"}\n{"question": "b", "answer": "1", "answer": "2"}', Columns(), TWICE),
    ("d.jsonl", '\n{"question": "b", "kept": [{"answer": "1", "answer": "2"}]}', Columns(), TWICE),
    ("d.csv", "question,answer\na\n", Columns(), "row 1: more or fewer cells than the header"),
    ("d.parquet", "no parquet", Columns(), "not a Parquet file"),
    ("d.xlsx", "x", Columns(), "format '.xlsx' is not read"),
]


@pytest.mark.parametrize(("name", "text", "columns", "message"), BAD)
def test_each_defect_is_one_line_that_names_the_file(
    tmp_path: Path, name: str, text: str, columns: Columns, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        read_examples(tmp_path / name, columns, split_name="pool")
    assert message in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_or_folder_is_said_without_asking_the_hub(tmp_path: Path) -> None:
    for source in (tmp_path / "none.jsonl", tmp_path / "none", "./none", "a/b/c@test"):
        with pytest.raises(UserError, match="no such file"):
            read_examples(source)


def test_two_sources_of_the_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="leave out answer"):
        Columns(answer="gold", answer_from="boxed")


def test_the_home_and_signs_in_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "u@v" / "q@dev:a.jsonl"
    write_jsonl(file, [{"question": "1 + 1?", "answer": "2"}])
    assert [its.answer for its in read_examples("~/u@v/q@dev:a.jsonl")] == ["2"]
    assert local_place("~/u@v/q@dev:a.jsonl") == (file, "")
    assert local_place("~/u@v") == (tmp_path / "u@v", "")
    assert local_place(f"{tmp_path}:all@dev") == (tmp_path, ":all@dev")
    assert local_place("openai/gsm8k:main@test") == (None, "openai/gsm8k:main@test")
    for missing in ("~/none.jsonl", "~nobody-of-this-name/none.jsonl"):
        with pytest.raises(UserError, match=f"{missing}: no such file"):
            read_examples(missing)


CHAT = [{"role": "user", "content": "9 - 5?"}, {"role": "assistant", "content": "9 - 5 = 4\n#### 4"}]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_chat_gives_its_question_and_its_solution(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [{"type": "text", "text": "2 + 2?"}]
    shared = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "9 - 5?"}]
    path = tmp_path / f"d.{kind}"
    rows = [{"messages": CHAT, "level": 1}]
    if kind == "jsonl":  # where rows may differ in form
        rows += [{"messages": shared}, {"messages": [{"role": "user", "content": parts}]}]
        jsonl(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    columns = Columns(question="messages", solution="messages", answer_from="####")
    first, *more = read_examples(path, columns)
    assert (first.question, first.solution, first.answer) == ("9 - 5?", "9 - 5 = 4\n#### 4", "4")
    assert first.meta == {}
    assert [(its.question, its.solution, its.meta) for its in more] == [
        ("9 - 5?", None, {"system": "Be brief."}),
        ("2 + 2?", None, {}),
    ][: len(more)]


def test_prompt_and_completion_may_each_be_a_chat(tmp_path: Path) -> None:
    row = {"prompt": CHAT[:1], "completion": CHAT[1:]}
    [example] = read_examples(
        jsonl(tmp_path / "d.jsonl", [row]), Columns(question="prompt", solution="completion")
    )
    assert (example.question, example.solution) == ("9 - 5?", "9 - 5 = 4\n#### 4")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([*CHAT, *CHAT], "line 1: field 'messages': user speaks twice"),
        ([CHAT[0], CHAT[0]], "field 'messages': user speaks twice, and a row is one question"),
        ([CHAT[1], CHAT[0]], "field 'messages': assistant speaks before user; put the question first"),
        ([{"role": "tool", "content": "4"}], "field 'messages': a message by 'tool'; rename it to user"),
        ([{"role": ["user"], "content": "4"}], "field 'messages': a message by \\['user'\\]; rename it"),
        ([{"role": "system", "content": "4"}] * 2, "field 'messages': two system messages; make one"),
        ([{"role": "user", "content": [{"type": "image"}]}], "a message that is not text .*; remove the row"),
        (CHAT[1:], "field 'messages': the question is empty"),
        ([], "field 'messages': no list of messages; write"),
        ([*CHAT, "4"], "field 'messages': no list of messages; write"),
        ("9 - 5?", "field 'messages': no list of messages; write"),
        ("[" * 100_000, "field 'messages': no list of messages; write"),
        (None, "field 'messages': no list of messages; write"),
    ],
)
def test_a_chat_that_is_not_one_question_is_one_line(tmp_path: Path, messages: object, words: str) -> None:
    path = jsonl(tmp_path / "d.jsonl", [{"messages": messages}])
    with pytest.raises(UserError, match=words):
        read_examples(path, Columns(question="messages", solution="messages"))


def test_a_file_of_chats_without_a_question_column_is_told_how_to_be_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", [{"messages": CHAT}])
    with pytest.raises(
        UserError, match=r"columns there: messages; for chats: columns\.question and solution: me"
    ):
        read_examples(path)


def test_a_chat_may_be_text_in_csv_a_list_of_each_part_or_beside_chats_of_the_other_kind(
    tmp_path: Path,
) -> None:
    """JSON text, as CSV holds it; a dict of lists and nulls, as tables hold chats; names in any case."""
    with (tmp_path / "d.csv").open("w") as file:
        csv.writer(file).writerows([["messages"], [json.dumps(CHAT)]])
    lists = {"role": ["User", "Assistant"], "content": [its["content"] for its in CHAT]}
    nulls = [{**its, "from": None, "value": None} for its in CHAT]
    other = [
        {"role": None, "content": None, "from": "human", "value": CHAT[0]["content"]},
        {"role": None, "content": None, "from": "gpt", "value": CHAT[1]["content"]},
    ]
    jsonl(tmp_path / "d.jsonl", [{"messages": its} for its in (lists, nulls, other)])
    columns = Columns(question="messages", solution="messages")
    read = [*read_examples(tmp_path / "d.csv", columns), *read_examples(tmp_path / "d.jsonl", columns)]
    assert [(its.question, its.solution) for its in read] == [("9 - 5?", "9 - 5 = 4\n#### 4")] * 4
