"""Declared benchmarks: what they say, how they are read, and what their samples count for."""

from pathlib import Path

import pytest

from stat_train.data.columns import Columns
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError
from stat_train.evaluation.benchmark import Benchmark, read_questions
from stat_train.evaluation.benchmark_file import known_benchmarks, read_benchmark
from stat_train.evaluation.metrics import Metric, metrics_of
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.evaluation.scores import score
from stat_train.grading.grader import Grader
from stat_train.grading.verdict import Verdict
from stat_train.intervals import wilson
from stat_train.student.options import Sampling

SHARED = Path(__file__).parents[2] / "shared" / "data"
DECLARED = {
    "math": "EleutherAI/hendrycks_math:*@test",
    "math500": "HuggingFaceH4/MATH-500@test",
    "gsm8k": "openai/gsm8k:main@test",
    "amc23": "math-ai/amc23@test",
    "aime24": "HuggingFaceH4/aime_2024@train",
    "aime25": "math-ai/aime25@test",
    "olympiadbench": "Hothan/OlympiadBench:OE_TO_maths_en_COMP@train",
    "minervamath": "math-ai/minervamath@test",
}
LOCAL_ONLY = ("math2", "math_perturb_simple", "math_perturb_hard")


def questions(benchmark: Benchmark, source: Path) -> list[Example]:
    with Grader(benchmark.grader) as grader:
        return read_questions(benchmark, str(source), grader)


def test_the_packaged_declarations_name_what_is_known_and_invent_nothing() -> None:
    assert set(known_benchmarks()) == {*DECLARED, *LOCAL_ONLY}
    assert {name: read_benchmark(name).source() for name in DECLARED} == DECLARED
    for name in LOCAL_ONLY:
        with pytest.raises(UserError, match=f"no hub id is known for it; .* --source {name}=FILE"):
            read_benchmark(name).source()


def test_the_papers_sampling() -> None:
    scored = {name: read_benchmark(name) for name in known_benchmarks()}
    assert (scored["amc23"].metric, scored["aime24"].metric) == ("average@64", "pass@64")
    assert {its.sampling.temperature for its in scored.values() if its.sampling.n == 64} == {1.0}
    others = [its for its in scored.values() if its.sampling.n == 1]
    assert {(its.sampling.temperature, its.metric) for its in others} == {(0.1, "pass@1")}


def test_a_users_place_keeps_config_and_split_unless_it_has_its_own(tmp_path: Path) -> None:
    gsm8k = read_benchmark("gsm8k")
    assert gsm8k.source("sets/gsm8k") == "sets/gsm8k:main@test"
    assert gsm8k.source("sets/gsm8k@train") == "sets/gsm8k@train"
    assert gsm8k.source("sets/mine.jsonl") == "sets/mine.jsonl"
    assert gsm8k.source("me/gsm8k:socratic") == "me/gsm8k:socratic@test"
    assert gsm8k.source("me/gsm8k[0:3]") == "me/gsm8k[0:3]"
    folder = tmp_path / "me@home" / "gsm8k"
    folder.mkdir(parents=True)
    assert gsm8k.source(str(folder)) == f"{folder}:main@test"
    (tmp_path / "sets").mkdir()
    assert gsm8k.source(f"{tmp_path}/sets:socratic") == f"{tmp_path}/sets:socratic@test"
    assert gsm8k.source(f"{tmp_path}/sets@train") == f"{tmp_path}/sets@train"


def test_a_folder_in_hub_layout_is_read_as_the_hub_is(tmp_path: Path, monkeypatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra 'train'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "hendrycks_math"
    configs = ""
    for subject in ("algebra", "geometry"):
        solution = f"So $x = \\boxed{{1}}$, in all \\boxed{{\\frac{{{len(subject)}}}{{2}}}}."
        row = {"problem": f"{subject}?", "solution": solution, "type": subject, "level": "Level 5"}
        write_jsonl(folder / subject / "test.jsonl", [row])
        file = f"  data_files:\n  - split: test\n    path: {subject}/test.jsonl\n"
        configs += f"- config_name: {subject}\n{file}"
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    math = read_benchmark("math")
    found = questions(math, Path(math.source(str(folder))))
    assert [(e.question, e.answer, e.subject, e.level) for e in found] == [
        ("algebra?", "\\frac{7}{2}", "algebra", "Level 5"),
        ("geometry?", "\\frac{8}{2}", "geometry", "Level 5"),
    ]


def test_the_answer_behind_hashes_and_answers_in_a_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"question": "?", "answer": "2 * 617 = <<2*617=1234>>1234\n#### 1,234"}])
    assert [e.answer for e in questions(read_benchmark("gsm8k"), path)] == ["1,234"]
    lists = [["$\\frac{1}{2}$"], ["$1$", "$-2$"]]
    write_jsonl(
        path,
        [{"question": f"{n}?", "final_answer": its, "solution": ["a", "b"]} for n, its in enumerate(lists)],
    )
    found = questions(read_benchmark("olympiadbench"), path)
    assert [e.answer for e in found] == ["$\\frac{1}{2}$".strip("$"), "1, -2"]


def test_a_missing_column_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"question": "?", "answer": "1"}])
    with pytest.raises(
        UserError, match=r"benchmark aime24: .*no column 'problem' for question; columns there"
    ):
        questions(read_benchmark("aime24"), path)


def test_every_gold_answer_is_proved_and_a_bad_one_names_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    golds = ["12", "about a dozen", "7", "", "3/4"]
    write_jsonl(path, [{"id": f"n{n}", "question": f"{n}?", "answer": gold} for n, gold in enumerate(golds)])
    mine = Benchmark(name="mine", grader="numeric")
    with pytest.raises(UserError) as caught:
        questions(mine, path)
    said = str(caught.value)
    assert "row 2 (id n1)" in said
    assert "'about a dozen' (error); so with 1 more" in said
    assert said.endswith("list the ids under `without`: n1, n3")
    assert "\n" not in said
    left = questions(mine.model_copy(update={"without": ("n1", "n3")}), path)
    assert [example.id for example in left] == ["n0", "n2", "n4"]
    with pytest.raises(UserError, match="has no row 'n9'"):
        questions(mine.model_copy(update={"without": ("n9",)}), path)


def test_a_part_is_an_even_mixture(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"question": f"{n}?", "answer": "1"} for n in range(20)])
    parts = [questions(Benchmark(name="mine", part=part), path) for part in (":5", "5:")]
    assert [len(part) for part in parts] == [5, 15]
    assert not {e.id for e in parts[0]} & {e.id for e in parts[1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: mine\nsplits: test\n", "mine.yaml: splits: unknown key"),
        ("name: mine\nsampling: {n: 4}\n", "n 4 at temperature 0 draws equal answers; set n to 1, or"),
        ("name: mine\nmetric: pass@4\n", "metric pass@4 needs sampling.n 4; it is 1"),
        ("name: mine\nmetric: best\n", "metric: metric 'best': write pass@K"),
        ("name: a b\n", "mine.yaml: name: "),
        ("- mine\n", "a benchmark is a mapping"),
        ("name: [\n", "mine.yaml, line"),
        ("name: &a [*a]\n", "mine.yaml: a list or mapping holds itself"),
        ("name: mine\nhub: a/b\npath: c.jsonl\n", "give hub or path, not both"),
        ("name: mine\nsampling: {seed: 100000000000000000000}\n", "seed: a number of more than 64 bits"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_benchmark(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    for name in ("nothing", str(tmp_path / "none.yaml")):
        with pytest.raises(UserError, match=r"no benchmark 'nothing'; there are aime24|no such file"):
            read_benchmark(name)


def test_a_declarations_path_starts_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\npath: rows.jsonl\n")
    write_jsonl(tmp_path / "rows.jsonl", [{"question": "?", "answer": "1"}])
    assert read_benchmark(str(tmp_path / "mine.yaml")).source() == str(tmp_path / "rows.jsonl")


def test_fewer_samples_score_by_as_many_as_there_are() -> None:
    options = BenchmarkOptions(tasks=("amc23", "aime24", "math"), sampling={"n": 4, "max_tokens": 9})
    read = options.benchmarks(seed=7)
    assert [its.metric for its in read] == ["average@4", "pass@4", "pass@1"]
    assert {(its.sampling.n, its.sampling.max_tokens, its.sampling.seed) for its in read} == {(4, 9, 7)}
    with pytest.raises(ValueError, match="names a benchmark twice"):
        BenchmarkOptions(tasks=("math", "math"))
    with pytest.raises(ValueError, match="n 4 at temperature 0 draws equal answers"):
        BenchmarkOptions(tasks=("math",), sampling={"n": 4, "temperature": 0})
    cold = BenchmarkOptions(tasks=("math", "amc23"), sampling={"temperature": 0})
    with pytest.raises(UserError, match="benchmark amc23: sampling: n 64 at temperature 0"):
        cold.benchmarks(7)
    [one] = BenchmarkOptions(tasks=("amc23",), sampling={"temperature": 0, "n": 1}).benchmarks(7)
    assert one.metric == "average@1"


@pytest.mark.parametrize(
    "declared", ["metric: majority@4\nsampling: {n: 4, temperature: 1}", "metric: majority@1"]
)
def test_the_majority_of_one_sample_is_pass_at_1(tmp_path: Path, declared: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\n{declared}\n")
    [its] = BenchmarkOptions(tasks=(str(file),), sampling={"n": 1}).benchmarks(0)
    assert its.metric == "pass@1"
    assert its.scored_by.values([["correct"], ["wrong"]]) == [1.0, 0.0]


@pytest.mark.parametrize(("own", "seed"), [("{seed: 7}", 7), ("{seed: 0}", 0), ("{n: 1}", 3)])
def test_a_benchmark_keeps_a_seed_of_its_own_unless_the_recipe_changes_it(
    tmp_path: Path, own: str, seed: int
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\nsampling: {own}\n")
    [its] = BenchmarkOptions(tasks=(str(file),)).benchmarks(3)
    assert its.sampling.seed == seed
    [its] = BenchmarkOptions(tasks=(str(file),), sampling={"seed": 5}).benchmarks(3)
    assert its.sampling.seed == 5


VERDICTS: list[list[Verdict]] = [
    ["correct", "wrong", "wrong", "wrong"],
    ["correct", "correct", "wrong", "wrong"],
    ["wrong"] * 4,
]
VOTES: list[list[int | None]] = [[0, 1, 1, 2], [0, 0, 1, None], [0, 1, 2, 3]]


def test_what_samples_count_for() -> None:
    examples = [Example(str(n), "?", level=str(n % 2)) for n in range(3)]
    by = {
        str(metric): score(examples, VERDICTS, metric=metric, votes=VOTES)
        for metric in metrics_of(4, voted=True)
    }
    assert {name: its.accuracy for name, its in by.items()} == {
        "average@4": pytest.approx(0.25),
        "pass@2": pytest.approx((1 / 2 + 5 / 6) / 3),
        "pass@4": pytest.approx(2 / 3),
        "majority@4": pytest.approx(1 / 3),
    }
    assert by["pass@4"].ci95 == wilson(2 / 3, 3)
    assert by["pass@2"].ci95 == wilson(by["pass@2"].accuracy, 3)  # too few to be resampled
    assert by["majority@4"].per_level["1"].accuracy == 1.0
    assert by["average@4"] == score(examples, VERDICTS)
    assert [str(metric) for metric in metrics_of(1, voted=False)] == ["pass@1"]
    assert [str(metric) for metric in metrics_of(6, voted=False)] == [
        "average@6",
        "pass@2",
        "pass@4",
        "pass@6",
    ]
    with pytest.raises(ValueError, match="needs the votes"):
        Metric("majority", 2).values(VERDICTS)


def test_no_question_solved_is_no_certainty() -> None:
    examples = [Example(str(n), "?") for n in range(3)]
    assert score(examples, [["wrong", "wrong"]] * 3).ci95 == wilson(0.0, 3)


@pytest.mark.parametrize(("name", "rows"), [("amc23", 40), ("aime24", 30), ("math_val", 1000)])
def test_the_gold_answers_of_real_sets_pass_their_own_grader(name: str, rows: int) -> None:
    path = SHARED / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path}")
    columns = Columns(question="question", answer="answer")
    assert len(questions(Benchmark(name=name, columns=columns, sampling=Sampling()), path)) == rows
