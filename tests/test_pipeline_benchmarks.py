"""Benchmarks as steps: of a model alone, named by a recipe, and beside a finished run."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import write_tiny_model

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl, write_jsonl
from stat_train.errors import UserError
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.methods.training_set import TrainingRow, TrainingSet
from stat_train.pipeline import run_recipe
from stat_train.pipeline.benchmark_scores import overlaps
from stat_train.pipeline.benchmarking import benchmark_steps, task_steps
from stat_train.pipeline.estimate import estimate
from stat_train.pipeline.steps import all_steps, steps_up_to
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_benchmarks, read_recipe
from stat_train.run import Stage

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
SHORT = ["sampling.max_tokens=16", "evaluation.sampling.max_tokens=16", "arms=[random]"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny student, and a benchmark of two pool questions of the smoke recipe and others."""
    folder = tmp_path_factory.mktemp("benchmarks")
    write_tiny_model(folder / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(folder / "cache"))
        data = run_recipe(read_recipe(SMOKE, [f"run_dir={folder / 'first'}"]), "data")["data"]
    pool = list(read_jsonl(data.file("pool.jsonl")))
    for name, rows in {"mine": pool[:2], "pool": pool}.items():
        own = [{"question": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(4)]
        kept = [{key: row[key] for key in ("question", "answer")} for row in rows]
        levels = [{**row, "level": f"Level {n % 2}"} for n, row in enumerate([*kept, *own])]
        write_jsonl(folder / f"{name}.jsonl", levels)
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\npath: {name}.jsonl\ngrader: numeric\nmetric: pass@2\n"
            "sampling: {temperature: 1.0, n: 2, max_tokens: 8}\n"
        )
    return folder


@pytest.fixture(autouse=True)
def _own_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(place / "cache"))


@pytest.fixture
def cli(command, monkeypatch, place):
    """`command`, in the folder."""
    monkeypatch.chdir(place)
    return command


def recipe_of(place: Path, *more: str) -> Recipe:
    folder = [f"student.model={place / 'tiny'}", f"run_dir={place / 'run'}"]
    return read_recipe(SMOKE, [*folder, *SHORT, *more])


NAMED = "evaluation.sampling={n: 2, temperature: 1.0, max_tokens: 8}"


@pytest.fixture(scope="module")
def named(place: Path) -> tuple[Recipe, dict[str, Stage]]:
    """A recipe that names the benchmark, run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(place / "cache"))
        task = f"benchmarks={{tasks: [{place / 'mine.yaml'}], per_skill: true}}"
        recipe = recipe_of(place, NAMED, task)
        return recipe, run_recipe(recipe)


def test_a_recipe_without_the_section_depends_on_no_benchmark(place: Path) -> None:
    steps = all_steps(recipe_of(place))
    assert not {step.name for step in steps} & {"task", "benchmark", "benchmarks"}
    assert not [title for step in steps for title in step.after if "task" in title]


def test_a_named_benchmark_is_scored_with_the_run(named) -> None:
    recipe, _ = named
    found = json.loads((recipe.folder / "benchmarks.json").read_text())
    [task] = found["tasks"]
    assert (task["task"], task["metric"], task["samples"]) == ("mine", "pass@2", 2)
    assert list(task["arms"]) == ["start", "random"]
    [pair] = task["compared"]
    assert (pair["arm"], pair["against"]) == ("random", "start")
    shares = {arm: its["score"]["value"] for arm, its in task["arms"].items()}
    assert pair["difference"] == pytest.approx(shares["random"] - shares["start"])
    assert pair["difference"] == pytest.approx((pair["gained"] - pair["lost"]) / 6)
    for its in task["arms"].values():
        assert (its["score"]["n"], its["answers"], sum(its["verdicts"].values())) == (6, 12, 12)
        assert set(its["metrics"]) == {"average@2", "pass@2", "majority@2"}
        assert {level: group["n"] for level, group in its["per_level"].items()} == {
            "Level 0": 3,
            "Level 1": 3,
        }
        assert its["per_skill"]
        assert its["cut_off"] > 0
    shown = (recipe.folder / "benchmarks.md").read_text()
    assert "answers of start were cut off at 8 tokens" in shown
    assert "| `Level 0` |" in shown


def test_the_pool_is_cleaned_of_a_named_benchmarks_questions(named, place: Path) -> None:
    _, stages = named
    asked = {row["question"] for row in read_jsonl(place / "mine.jsonl")}
    assert not asked & {row["question"] for row in read_jsonl(stages["data"].file("pool.jsonl"))}
    hits = [row for row in read_jsonl(stages["data"].file("decontamination.jsonl")) if row["removed"]]
    assert {(hit["rule"], hit["split"]) for hit in hits} == {("exact", "benchmark mine")}
    assert len(hits) >= 2


def test_a_question_that_stands_twice_in_a_benchmark_counts_once(place: Path, tmp_path: Path) -> None:
    rows = [{"question": f"What is 1 and {n}?", "answer": "1"} for n in (1, 2)]
    write_jsonl(tmp_path / "twice.jsonl", [{**row, "id": str(n)} for n, row in enumerate([*rows, *rows])])
    (tmp_path / "twice.yaml").write_text("name: twice\npath: twice.jsonl\ngrader: numeric\nrows: 4\n")
    recipe = recipe_of(place, f"run_dir={tmp_path}", f"benchmarks={{tasks: [{tmp_path / 'twice.yaml'}]}}")
    task = run_recipe(recipe, "task twice")["task twice"]
    assert [row["id"] for row in read_jsonl(task.file("twice.jsonl"))] == ["0", "1"]
    assert task.manifest
    assert task.manifest["notes"] == [
        "2 rows of twice repeat a question of it: left out, since a question counts once"
    ]


def test_several_samples_of_the_evaluation_tell_more_than_their_mean(named) -> None:
    recipe, stages = named
    results = json.loads((recipe.folder / "results.json").read_text())
    its = results["arms"]["start"]["test"]
    assert set(its["metrics"]) == {"average@2", "pass@2", "majority@2"}
    assert its["metrics"]["average@2"] == pytest.approx(its["accuracy"])
    assert its["metrics"]["pass@2"] >= its["accuracy"]
    assert "Several samples a question: start on test: average@2" in (recipe.folder / "report.md").read_text()
    rows = list(read_jsonl(stages["evaluate start-test"].file("verdicts.jsonl")))
    assert all("vote" in row for row in rows)


def test_nothing_is_done_twice_and_the_bill_can_be_told(named, monkeypatch) -> None:
    recipe, _ = named
    monkeypatch.setattr(Stage, "begin", lambda self: pytest.fail(f"{self.title} began again"))
    run_recipe(recipe)
    assert {row.stage for row in estimate(recipe, anew=True)} >= {"label", "label mine"}


def test_beside_a_run_nothing_of_it_is_redone(named, place: Path, cli) -> None:
    chosen = [f"student.model={place / 'tiny'}", f"run_dir={place / 'run'}", *SHORT, NAMED]
    chosen.append(f"benchmarks.tasks=[{place / 'mine.yaml'}]")
    code, shown, said = cli(
        "benchmark", str(SMOKE), *chosen[:-1], "--tasks", "pool.yaml", "--questions", "70"
    )
    assert code == 0, said
    done = [line.split("  ")[0] for line in said.splitlines() if "done in" in line]
    assert "task pool" in done
    # this recipe names no benchmark: its pool keeps what the named one loses, so it is trained anew
    warning = "stand in the training set of random"
    assert warning in shown.replace("\n", " ")
    code, again, said = cli(
        "benchmark", str(SMOKE), *chosen[:-1], "--tasks", "pool.yaml", "--questions", "70"
    )
    assert again == shown
    assert all(line.endswith("current") for line in said.splitlines())
    code, shown, said = cli(
        "benchmark", str(SMOKE), *chosen[:-1], "--tasks", "pool.yaml", "--arms", "start", "--questions", "5"
    )
    assert {line.split("  ")[0] for line in said.splitlines()} >= {
        "student",
        "task pool",
        "benchmark start-pool",
    }
    assert "sft" not in said


def test_a_model_alone_is_scored(place: Path, cli) -> None:
    arguments = ["benchmark", str(place / "tiny"), "--tasks", "mine.yaml", "benchmarks.sampling.n=3"]
    _, planned, _ = cli(*arguments, "--dry-run")
    assert "benchmark start-mine  would run  its questions x 3" in planned
    code, shown, said = cli(*arguments)
    assert code == 0, said
    assert "start" in shown
    [found] = (place / "runs").glob("model-*/benchmarks.json")
    [task] = json.loads(found.read_text())["tasks"]
    assert (task["metric"], task["samples"], task["compared"]) == ("pass@2", 3, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no benchmark to run: name some, as --tasks amc23,aime24"),
        (
            ["--tasks", "mine.yaml", "--arms", "hard"],
            "benchmarks.arms: no arm 'hard'; the arms are start, random",
        ),
        (["--tasks", "math2"], "benchmark math2: no hub id is known for it"),
        (["--tasks", "mine.yaml", "--source", "mine"], "write TASK=PATH"),
        (["--tasks", "mine.yaml", "benchmarks.sampling.temp=1"], "benchmarks.sampling.temp"),
        (["--tasks", "mine.yaml", "--source", "nine=x"], "benchmarks.sources: no benchmark 'nine' is run"),
    ],
)
def test_what_cannot_be_run_is_one_line(arguments, message, place: Path, cli) -> None:
    code, _, said = cli("benchmark", str(SMOKE), f"run_dir={place / 'bad'}", "arms=[random]", *arguments)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_a_recipes_own_source_stands(named, place: Path, cli) -> None:
    chosen = [f"student.model={place / 'tiny'}", f"run_dir={place / 'run'}", *SHORT, NAMED]
    recipe = place / "mine_recipe.yaml"
    recipe.write_text(
        SMOKE.read_text().replace("../", f"{SMOKE.parents[1]}/") + "benchmarks: {tasks: [mine.yaml]}\n"
    )
    code, _, said = cli("benchmark", str(recipe), *chosen, "--source", "mine=pool.jsonl")
    assert code == 2
    assert "task mine: the recipe reads it from elsewhere; change benchmarks.sources there" in said
    assert read_recipe(recipe, chosen).benchmarks.tasks == (str(place / "mine.yaml"),)


def test_the_summary_is_made_anew_where_another_judge_gave_the_same_verdicts(place: Path, tmp_path) -> None:
    summaries = []
    for grader in ("numeric", "exact"):
        declared = tmp_path / "judged.yaml"
        declared.write_text(f"name: judged\npath: {place / 'pool.jsonl'}\ngrader: {grader}\n")
        options = BenchmarkOptions(tasks=(str(declared),))
        recipe = read_recipe(SMOKE, [f"student.model={place / 'tiny'}"])
        summaries.append(benchmark_steps(recipe, options)[-1].options)
    assert summaries[0] != summaries[1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("part: '0:3'", "part"),
        ("columns: {answer: level}", "columns"),
        ("without: [a]", "without"),
        ("split: dev", "config or split"),
    ],
)
def test_a_benchmark_of_the_same_name_is_not_read_as_the_recipes(
    place: Path, tmp_path: Path, change: str, named: str
) -> None:
    recipe = recipe_of(place, f"benchmarks={{tasks: [{place / 'mine.yaml'}]}}")
    other = tmp_path / "other.yaml"
    other.write_text(f"name: mine\npath: {place / 'mine.jsonl'}\ngrader: numeric\n{change}\n")
    beside = read_benchmarks(recipe, [], {"tasks": [str(other)]})
    with pytest.raises(UserError, match=rf"task mine: the recipe reads it otherwise \({named}\); give yours"):
        steps_up_to(recipe, "benchmarks", beside)


def test_the_recipes_sources_serve_the_command_and_those_of_others_are_passed_over(place: Path) -> None:
    section = "benchmarks={tasks: [amc23, aime24], sources: {amc23: a.jsonl, aime24: b.jsonl}}"
    recipe = recipe_of(place, section)
    given = {"tasks": ["amc23", "aime25"], "sources": {"aime25": "c.jsonl"}}
    assert read_benchmarks(recipe, [], given).sources == {"amc23": "a.jsonl", "aime25": "c.jsonl"}
    elsewhere = read_benchmarks(recipe, ["benchmarks.sources.amc23=d.jsonl"], {"arms": ["start"]})
    assert elsewhere.sources == {"amc23": "d.jsonl", "aime24": "b.jsonl"}
    assert recipe.benchmarks.sources["amc23"] == "a.jsonl"


@pytest.mark.parametrize(
    ("changes", "arm", "told"),
    [
        (["grpo={}"], "random+grpo", {"the training set of random", "the validation split"}),
        (["grpo={}"], "start+grpo", set()),
        (["grpo={prompts: profile}"], "start+grpo", {"the validation split"}),
        (
            ["rounds={n: 2, arm: random}"],
            "random-round-2",
            {"the training set of random", "the training set of random-round-2", "the validation split"},
        ),
    ],
)
def test_what_an_arm_was_trained_on_before_is_told_too(
    place: Path, tmp_path: Path, changes: list[str], arm: str, told: set[str]
) -> None:
    recipe = recipe_of(place, *changes)
    asked = [Example("a", "How many are three and four?"), Example("b", "Who?")]
    TrainingSet("random", (TrainingRow("r", asked[0].question, "#### 7", {}),)).write(tmp_path / "rows.jsonl")
    options = BenchmarkOptions(tasks=("amc23",), sources={"amc23": "x.jsonl"}, arms=(arm,))
    needs = benchmark_steps(recipe, options)[-1].needs

    def file(title: str, name: str) -> Path:
        assert name in needs[title]
        return tmp_path / name

    def split(name: str, title: str = "label") -> list[Example]:
        assert f"{name}.jsonl" in needs[title]
        return asked[:1] if name == "validation" else []

    work = SimpleNamespace(recipe=recipe, file=file, split=split)
    assert {its.other for its in overlaps("amc23", asked, [arm], work)} == told


@pytest.mark.parametrize("name", ["u@v/q.jsonl", "u:v/q.jsonl", "q@dev.jsonl", "q.jsonl"])
def test_an_edited_benchmark_is_read_again_whatever_its_path(place: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    options = BenchmarkOptions(tasks=("amc23",), sources={"amc23": str(file)})
    hashes = set()
    for answer in ("1", "2"):
        write_jsonl(file, [{"question": "?", "answer": answer}])
        hashes.add(task_steps(recipe_of(place), options)[0].files["source"])
    assert len(hashes) == 2
