"""What the documentation shows runs as it stands."""

import re
from pathlib import Path

from grammar_domain import teach
from scripted_server import ScriptedServer, serve

from stat_train import TrainingSet

DOCS = Path(__file__).parents[1] / "docs"


def test_the_python_page_runs_and_finds_the_missing_skill(tmp_path: Path, monkeypatch, capsys) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with serve(ScriptedServer(teach)) as url:
        exec(compile(code.replace("http://localhost:8000/v1", url), "python.md", "exec"), {})
    assert "form_plurals" in capsys.readouterr().out
    [row] = TrainingSet.read(tmp_path / "training_set.jsonl").rows
    assert (row.lineage["skill"], row.lineage["source_id"]) == ("form_plurals", "p1")
