"""Tasks for other harnesses: what is written, and the judge inside it."""

import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest
import yaml
from tiny_model import write_tiny_model

from stat_train.cli import main
from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.evaluation.export import Export, export_rows
from stat_train.evaluation.export_folder import exporting_to
from stat_train.evaluation.lighteval_export import write_lighteval
from stat_train.evaluation.lm_eval_export import write_lm_eval
from stat_train.pipeline.exporting import export_tasks
from stat_train.recipe_file import read_recipe
from stat_train.student.load import load_student
from stat_train.student.options import Sampling, StudentOptions

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    write_tiny_model(folder / "tiny")
    return folder


def exported(place: Path, to: str, monkeypatch, *more: str) -> Path:
    """The folder that the command writes for the smoke recipe."""
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(place / "cache"))
    out = place / f"{to}{len(more)}"
    chosen = [f"student.model={place / 'tiny'}", f"run_dir={place / 'run'}", *more]
    arguments = ["stat-train", "export-tasks", str(SMOKE), "--to", to, "--out", str(out), *chosen]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    return out


class _Loader(yaml.SafeLoader):
    """Reads lm-eval's `!function` as its name."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def load(path: Path) -> types.ModuleType:
    """A Python file of the export, imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lm_eval_has_a_task_for_the_split_and_one_for_each_skill(place, monkeypatch, capsys) -> None:
    out = exported(place, "lm-eval", monkeypatch)
    said = capsys.readouterr().out
    assert "smoke_test: 8 questions" in said
    rows = list(read_jsonl(out / "data" / "test.jsonl"))
    skills = {skill for row in rows for skill in row["skills"]}
    tasks = {path.stem: yaml.load(path.read_text(), _Loader) for path in out.glob("*.yaml")}
    group = tasks["smoke_test_skills"]
    assert group["group"] == "smoke_test_skills"
    assert {tasks[name]["dataset_kwargs"]["skill"] for name in group["task"]} == skills
    whole = tasks["smoke_test"]
    assert whole["dataset_kwargs"] == {"split": "test"}
    assert whole["generation_kwargs"] == {"until": [], "max_gen_toks": 48, "do_sample": False}
    assert (whole["custom_dataset"], whole["description"]) == ("shared.questions", "system")
    assert "--apply_chat_template" in (out / "README.md").read_text()
    student = load_student(StudentOptions(model=str(place / "tiny")))
    for row in rows:
        messages = [{"role": role, "content": row[role]} for role in ("system", "user")]
        assert messages == student.prompt.messages(row["question"])


def test_lm_evals_judge_is_ours_and_its_rows_are_proved(place, monkeypatch) -> None:
    pytest.importorskip("datasets", reason="needs the extra 'train'")
    out = exported(place, "lm-eval", monkeypatch)
    shared = load(out / "shared.py")
    rows = shared.questions("test", pretrained="whatever lm-eval passes on")["test"]
    assert len(rows) == 8
    skill = rows[0]["skills"][0]
    assert all(skill in row["skills"] for row in shared.questions("test", skill=skill)["test"])
    gold = rows[0]["answer"]
    assert shared.process_results(rows[0], [f"So it is #### {gold}"]) == {"acc": 1.0}
    assert shared.process_results(rows[0], [f"It is {gold}7 or {gold}"]) == {"acc": 0.0}
    file = out / "data" / "test.jsonl"
    kept = file.read_text()
    marked = rows[0]["question"].replace(
        " ", "\u2028", 1
    )  # ends a line for str.splitlines, not in JSON lines
    file.write_text(kept.replace(rows[0]["question"], marked))
    assert shared.questions("test")["test"][0]["question"] == marked
    file.write_text(kept.replace(json.dumps(gold), '"no number"', 1))
    with pytest.raises(UserError, match="does not accept the gold answer"):
        shared.questions("test")
    file.write_text(kept)


def test_sampling_and_base_models_are_exported_as_they_are(place, monkeypatch) -> None:
    more = ["evaluation.sampling={temperature: 0.7, max_tokens: 9}", "student.plain=true"]
    out = exported(place, "lm-eval", monkeypatch, *more)
    task = yaml.load((out / "smoke_test.yaml").read_text(), _Loader)
    wanted = {"until": [], "max_gen_toks": 9, "do_sample": True, "temperature": 0.7, "top_p": 1.0}
    assert task["generation_kwargs"] == wanted
    [row, *_] = read_jsonl(out / "data" / "test.jsonl")
    student = load_student(StudentOptions(model=str(place / "tiny"), plain=True))
    assert (row["system"], row["user"]) == ("", student.prompt.text(row["question"]))
    assert "--apply_chat_template" not in (out / "README.md").read_text()


def test_lighteval_has_a_table_of_the_same_tasks(place, monkeypatch) -> None:
    made: list[dict] = []
    for name in ("metrics_sample", "utils", "utils.metric_utils"):
        monkeypatch.setitem(sys.modules, f"lighteval.metrics.{name}", types.ModuleType(name))
    for name in ("", ".metrics", ".tasks", ".tasks.lighteval_task", ".tasks.requests"):
        monkeypatch.setitem(sys.modules, f"lighteval{name}", types.ModuleType(name or "lighteval"))
    sys.modules["lighteval.metrics.metrics_sample"].SampleLevelComputation = object
    sys.modules["lighteval.metrics.utils.metric_utils"].SampleLevelMetric = types.SimpleNamespace
    sys.modules["lighteval.tasks.lighteval_task"].LightevalTaskConfig = lambda **its: made.append(its)
    sys.modules["lighteval.tasks.requests"].Doc = types.SimpleNamespace
    sys.modules["lighteval.tasks.requests"].SamplingMethod = types.SimpleNamespace(GENERATIVE="generative")
    out = exported(place, "lighteval", monkeypatch)
    [file] = out.glob("smoke-*/test.jsonl")  # named by its contents: lighteval's cache goes by the name
    file.write_text(file.read_text().replace(" ", "\u2028", 1))
    tasks = load(out / "tasks.py")
    rows = list(read_jsonl(file))
    whole = next(its for its in made if its["name"] == "smoke_test")
    assert (whole["hf_subset"], whole["generation_size"], whole["hf_filter"]) == ("test", 48, None)
    card = yaml.safe_load((Path(whole["hf_repo"]) / "README.md").read_text().split("---\n")[1])
    config = card["configs"][0]
    assert (config["config_name"], config["data_files"][0]["split"]) == ("test", "test")
    assert "override_chat_template" not in (out / "README.md").read_text()
    skill = rows[0]["skills"][0]
    one = next(its for its in made if its["name"] == f"smoke_test_{skill}")
    assert [one["hf_filter"](row) for row in rows] == [skill in row["skills"] for row in rows]
    doc = tasks.prompt(rows[0], "smoke_test")
    judge = tasks.Right()
    right = types.SimpleNamespace(final_text=[f"#### {rows[0]['answer']}"])
    assert judge.compute(doc, right) == 1.0
    assert judge.compute(doc, types.SimpleNamespace(final_text=["#### none"])) == 0.0
    assert "`system_prompt`" in (out / "README.md").read_text()


def test_lighteval_asks_a_base_model_without_a_template(place, monkeypatch) -> None:
    out = exported(place, "lighteval", monkeypatch, "evaluation.per_skill=false", "student.plain=true")
    assert "dtype=bfloat16,override_chat_template=false" in (out / "README.md").read_text()


def test_lighteval_reads_the_split_of_a_year_by_its_name(tmp_path: Path) -> None:
    rows = {name: [Example(f"{name}1", "?", answer="1")] for name in ("2024", "yes")}
    with exporting_to(tmp_path / "out") as new:
        tasks = export_rows(new, "my", rows, lambda question: [{"role": "user", "content": question}])
        write_lighteval(new, Export("my", tasks, "numeric", Sampling(), chat=True), "")
    [card] = (tmp_path / "out").glob("my-*/README.md")
    configs = yaml.safe_load(card.read_text().split("---\n")[1])["configs"]
    assert [its["config_name"] for its in configs] == ["2024", "yes"]


def test_skills_that_read_alike_get_tasks_of_their_own(tmp_path: Path) -> None:
    examples = [
        Example("a", "?", answer="1", subject="algebra", skills=("long division",)),
        Example("b", "?", answer="1", subject="algebra", skills=("long-division", "long division")),
        Example("c", "?", answer="1"),
    ]
    tasks = export_rows(
        tmp_path, "My run", {"test": examples}, lambda question: [{"role": "user", "content": question}]
    )
    assert [(task.name, task.skill, task.n) for task in tasks] == [
        ("my_run_test", "", 3),
        ("my_run_test_algebra_long_division", "algebra/long division", 2),
        ("my_run_test_algebra_long_division_2", "algebra/long-division", 1),
    ]


def written(folder: Path, splits: dict[str, list[tuple[str, ...]]]) -> Path:
    """An export for lm-eval; `splits`: the skills of each question."""
    rows = {
        split: [Example(f"{split}{n}", "?", answer="1", skills=its) for n, its in enumerate(skills)]
        for split, skills in splits.items()
    }
    with exporting_to(folder) as new:
        tasks = export_rows(new, "my", rows, lambda question: [{"role": "user", "content": question}])
        write_lm_eval(new, Export("my", tasks, "numeric", Sampling(), chat=True))
    return folder


def test_splits_and_skills_that_read_alike_overwrite_nothing(tmp_path: Path) -> None:
    splits = {
        "test": [("hard",), ("skills",)],
        "test_hard": [(), ()],
        "math-500": [(), (), ()],
        "math_500": [()] * 4,
        "Test": [()] * 5,
    }
    out = written(tmp_path / "out", splits)
    tasks = {path.stem: yaml.load(path.read_text(), _Loader) for path in out.glob("*.yaml")}
    assert {name: its["dataset_kwargs"] for name, its in tasks.items() if "group" not in its} == {
        "my_test": {"split": "test"},
        "my_test_hard": {"split": "test_hard"},
        "my_math_500": {"split": "math-500"},
        "my_math_500_2": {"split": "math_500"},
        "my_test_2": {"split": "Test_2"},
        "my_test_hard_2": {"split": "test", "skill": "hard"},
        "my_test_skills_2": {"split": "test", "skill": "skills"},
    }
    assert tasks["my_test_skills"]["task"] == ["my_test_hard_2", "my_test_skills_2"]
    rows = {path.name: len(list(read_jsonl(path))) for path in (out / "data").iterdir()}
    assert rows == {
        "test.jsonl": 2,
        "test_hard.jsonl": 2,
        "math-500.jsonl": 3,
        "math_500.jsonl": 4,
        "Test_2.jsonl": 5,
    }


def test_a_later_export_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    out = written(tmp_path / "out", {"test": [("old",)], "gone": [()]})
    (out / "my_results.yaml").write_text("mine: 1")
    written(out, {"test": [("new",)]})
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    tasks = {"my_test.yaml", "my_test_new.yaml", "my_test_skills.yaml"}
    assert names == {*tasks, "data/test.jsonl", "shared.py", "README.md", "export.json", "my_results.yaml"}
    with pytest.raises(UserError, match=r"my_results.yaml: no export wrote it; move it"):
        written(out, {"results": [()]})
    assert (out / "my_test_new.yaml").exists()
    assert not (out / ".export").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'README.md', which no export wrote; choose an empty folder"):
        export_tasks(read_recipe(SMOKE, []), "lm-eval", tmp_path)
    with pytest.raises(UserError, match="a file, not a folder"):
        written(tmp_path / "README.md", {"test": [()]})
    (tmp_path / "export.json").write_text('{"files": ["../README.md"]}')
    with pytest.raises(UserError, match="outside the folder"):
        written(tmp_path, {"test": [()]})
    (tmp_path / "export.json").write_text("[]")
    with pytest.raises(UserError, match="not the list of an export's files"):
        written(tmp_path, {"test": [()]})
