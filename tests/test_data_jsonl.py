from pathlib import Path

import pytest

from stat_train.data.atomic import atomic_file
from stat_train.data.jsonl import append_jsonl, read_jsonl, write_jsonl
from stat_train.errors import UserError


def test_equal_rows_are_equal_bytes(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"b": 1, "a": "é"}, {"c": None}])
    write_jsonl(tmp_path / "b.jsonl", [{"a": "é", "b": 1}, {"c": None}])
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [{"a": "é", "b": 1}, {"c": None}]


def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_jsonl(path, rows())
    assert list(read_jsonl(path)) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [])
    (tmp_path / "other").touch()
    assert (tmp_path / "rows.jsonl").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_where_nothing_can_be_written_the_message_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file/rows\.jsonl: cannot be written"),
        atomic_file(tmp_path / "file" / "rows.jsonl"),
    ):
        pass
    with pytest.raises(UserError, match=r"file/rows\.jsonl: cannot be written"):
        append_jsonl(tmp_path / "file" / "rows.jsonl", [{"a": 1}])


def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(UserError, match="No space left on device; free space"):
        append_jsonl(Path("/dev/full"), [{"a": 1}])


def test_a_torn_tail_is_owed_and_cut_off_by_the_next_batch(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"a": 1}, {"a": 2}])
    with open(path, "ab") as file:
        file.write(b'{"a": "' + b"x" * 200_000)
    assert list(read_jsonl(path, torn_tail_ok=True)) == [{"a": 1}, {"a": 2}]
    with pytest.raises(UserError, match="line 3: not JSON"):
        list(read_jsonl(path))
    append_jsonl(path, [{"a": 3}])
    assert list(read_jsonl(path)) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_torn_first_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": ')
    append_jsonl(path, [{"a": 1}])
    assert list(read_jsonl(path)) == [{"a": 1}]


@pytest.mark.parametrize(
    ("line", "message"),
    [('{"a": 1,}', "line 2: not JSON"), ("[1]", "line 2: a JSON list; each line must be one object")],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(UserError, match=message):
        list(read_jsonl(path))
    with pytest.raises(UserError, match="line 2"):
        list(read_jsonl(path, torn_tail_ok=True))


def test_a_byte_order_mark_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": 2}')
    assert list(read_jsonl(path)) == [{"a": 1}, {"a": 2}]


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))
