import json

import pytest

from stat_train.teacher.schemas import ClusterSkills, Diagnose, Solve
from stat_train.teacher.structured import InvalidAnswerError, json_schema, parse

SOLVED = {"answers": [{"id": "q1", "solution": "2 + 2 = 4", "answer": "4"}]}
PLAIN = json.dumps(SOLVED)


def objects(node):
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from objects(value)


def test_the_schema_is_what_strict_mode_accepts():
    schema = json_schema(ClusterSkills)
    found = list(objects(schema))
    assert len(found) == 2
    for node in found:
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    assert "STAT" not in json.dumps(json_schema(Diagnose))
    assert set(schema["$defs"]["Cluster"]["properties"]) == {"name", "description", "members"}


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"```json\n{PLAIN}\n```",
        f"```\n{PLAIN}```",
        f"Sure! Here is the answer:\n{PLAIN}\nI hope this {{helps}}.",
        f'<think>maybe {{"answers": 3}} or {{x}}</think>\n{PLAIN}',
        f'Schema: {{"type": "object"}} Example: {{"answers": "..."}} Mine: {PLAIN}',
        "\ufeff" + json.dumps(SOLVED, indent=2),
        "<think>" + r"It is \frac{1}{2}. " * 100 + f"</think>\n{PLAIN}",
    ],
)
def test_the_answer_is_found_in_what_surrounds_it(text):
    assert parse(text, Solve).model_dump() == SOLVED


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        (r"\\frac{1}{2}", r"\frac{1}{2}"),
        (r"\(x\) and \[y\]", r"\(x\) and \[y\]"),
        (r"3 \times 4 \text{ cm}", r"3 \times 4 \text{ cm}"),
        (r"\theta \to \tan x", "\\theta \to \\tan x"),
        (r"a \neq b\nnext line", "a \\neq b\nnext line"),
        (r"\beta \bar x", r"\beta \bar x"),
        (r"\rightarrow \rho", r"\rightarrow \rho"),
        (r"\sqrt{2} \pi \alpha \,", r"\sqrt{2} \pi \alpha \,"),
        (r"\underline{x} é", "\\underline{x} é"),
        (r"line\n\ttab \"quoted\" \/ \r\n", 'line\n\ttab "quoted" / \r\n'),
        (r"\\\\ and \\n", r"\\ and \n"),
        (r"C:\\temp", r"C:\temp"),
        (r"one\nnot two\nelse", "one\nnot two\nelse"),
    ],
)
def test_latex_backslashes_survive(raw, meant):
    text = PLAIN.replace("2 + 2 = 4", raw)
    assert parse(text, Solve).answers[0].solution == meant


def test_a_bare_line_break_in_a_string_is_read():
    assert parse(PLAIN.replace("2 + 2", "two\nplus two"), Solve).answers[0].solution == "two\nplus two = 4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I cannot answer that.", "Invalid JSON"),
        (PLAIN[:-5], "Invalid JSON"),
        ('{"answers": [{"id": "q1", "solution": "s"}]}', r"answers\.0\.answer: Field required"),
        (PLAIN.replace('"4"', "4"), r"answers\.0\.answer: .*string"),
        (PLAIN[:-1] + ', "note": "hi"}', "note: Extra inputs"),
        ("{" * 5000, "JSON"),
        ("[" * 100_000, "JSON"),
        ('{"a":' * 3000, "JSON"),
    ],
)
def test_what_cannot_be_used_says_why(text, message):
    with pytest.raises(InvalidAnswerError, match=message):
        parse(text, Solve)


def test_a_verdict_off_the_list_is_named():
    text = '{"answers": [{"id": "q1", "reason": "r", "verdict": "maybe", "missing_skills": []}]}'
    with pytest.raises(InvalidAnswerError, match=r"verdict: Input should be 'correct' or 'wrong'"):
        parse(text, Diagnose)
