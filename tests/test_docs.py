"""What the documentation shows runs as it stands."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from grammar_domain import teach
from scripted_server import ScriptedServer, serve
from tiny_model import write_tiny_model

from stat_train import (
    Diagnosis,
    LabellingOptions,
    MissingSkillProfile,
    Prompts,
    SkillTaxonomy,
    Teacher,
    TeacherOptions,
    TrainingSet,
    label,
)
from stat_train.data.writing import write_examples
from stat_train.pipeline.data import generate_splits
from stat_train.recipe import TutorOptions
from stat_train.tutor.server import tutor_app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_the_python_page_runs_and_finds_the_missing_skill(tmp_path: Path, monkeypatch, capsys) -> None:
    code, reading, rest = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with serve(ScriptedServer(teach)) as url:
        exec(compile(code.replace("http://localhost:8000/v1", url), "python.md", "exec"), names)
    assert "form_plurals" in capsys.readouterr().out
    said = [("user", "What is 1 + 1?"), ("assistant", "It is \\boxed{2}.")]
    chat = {"messages": [{"role": role, "content": text} for role, text in said]}
    Path("my_chats.jsonl").write_text(json.dumps(chat))
    exec(compile(reading, "python.md", "exec"), names)
    assert [(row.question, row.answer) for row in names["rows"]] == [("What is 1 + 1?", "2")]
    tiny = write_tiny_model(tmp_path / "tiny")
    exec(compile(rest.replace("my-student", str(tiny)), "python.md", "exec"), names)
    assert (names["trained"] / "model.safetensors").is_file()
    assert names["scores"]["trained"].per_skill.keys() == {"form_plurals", "form_past_tenses"}
    [row] = TrainingSet.read(tmp_path / "training_set.jsonl").rows
    assert (row.lineage["skill"], row.lineage["source_id"]) == ("form_plurals", "p1")


def test_the_page_of_adaptmi_chooses_the_exemplar_of_the_missing_skill(capsys) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (DOCS / "adaptmi.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(compile(code, "adaptmi.md", "exec"), names)
    assert names["prompt"].exemplars[0].id == "e2"
    assert "Eve had 8 cards" in names["messages"][-1]["content"]
    assert "9 - 2 = 7" in names["messages"][-1]["content"]


def test_the_page_of_new_questions_makes_pairs_and_rewrites(tmp_path: Path, monkeypatch) -> None:
    code, rewriting = re.findall(r"```python\n(.*?)```", (DOCS / "new-questions.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "data" / "arithmetic" / "taxonomy.yaml", "skills.yaml")
    splits = generate_splits(TutorOptions(pool=60, validation=4, development=1, test=4, ood=1))
    names: dict = {}
    with serve(tutor_app()) as url:
        with Teacher(TeacherOptions(endpoint=url, model="tutor"), "labels.sqlite") as teacher:
            listed = SkillTaxonomy.read("skills.yaml")
            for split in ("pool", "validation"):
                labelled = label(teacher, Prompts(), listed, splits[split], LabellingOptions()).examples
                write_examples(Path(f"{split}.jsonl"), labelled)
        write_examples(Path("test.jsonl"), splits["test"])
        found = [Diagnosis(its.id, 0, "wrong", "", its.skills[:1]) for its in labelled]
        profile = MissingSkillProfile.from_diagnoses(found, labelled, [its.id for its in labelled])
        profile.write("profile.json")
        code = code.replace("http://localhost:8000/v1", url).replace("300", "6")
        exec(compile(code, "new-questions.md", "exec"), names)
        rewriting = rewriting.replace("[:10]", "[:2]")
        exec(compile(rewriting, "new-questions.md", "exec"), names)
    assert len(names["training_set"]) == 6
    assert all(len(texts) > 0 for texts in names["rewriting"].solutions.values())


def test_the_guide_goes_from_a_file_to_a_trained_and_evaluated_model(tmp_path: Path) -> None:
    """Every bash and python block of it, in order; the tutor on a port stands in for vLLM."""
    blocks = re.findall(r"```(bash|python|yaml)\n(.*?)```", (DOCS / "guide.md").read_text(), re.DOTALL)
    assert [kind for kind, _ in blocks].count("bash") >= 6
    tiny = write_tiny_model(tmp_path / "tiny")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STAT_TRAIN_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    (tmp_path / "data").symlink_to(ROOT / "data")
    short = {"512": "8", "{size: 40}": "{size: 8}", "epochs: 3": "epochs: 3\n  max_steps: 1"}
    said = ""
    with serve(tutor_app()) as url:
        for kind, block in blocks:
            if kind == "yaml":
                recipe = block.replace("http://localhost:8000/v1", url)
                recipe = recipe.replace("meta-llama/Llama-3.2-1B-Instruct", str(tiny))
                for long, quick in short.items():
                    recipe = recipe.replace(long, quick)
                (tmp_path / "my_recipe.yaml").write_text(recipe)
                continue
            code = [sys.executable, "-c", block]
            if kind == "bash":
                code = ["bash", "-ec", block.replace("stat-train", f"{sys.executable} -m stat_train")]
            done = subprocess.run(
                code, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block}\n{done.stderr}"
            said += done.stdout
    run = tmp_path / "runs" / "mine"
    assert "Memory of a training (lora)" in said
    assert "Missing-Skill-Profile" in said
    assert "What training changed" in (run / "report.md").read_text()
    cards = [card.read_text() for card in run.glob("sft-stat-sel-*/model/README.md")]
    assert any("| `test` |" in card for card in cards)
