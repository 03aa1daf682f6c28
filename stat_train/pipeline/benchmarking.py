"""The steps of benchmarks: their questions, each arm's answers to them, and the scores."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from stat_train.data.atomic import atomic_file
from stat_train.data.example import Example
from stat_train.data.reading import even_part
from stat_train.data.splits import repeats_note, without_repeats
from stat_train.data.writing import write_examples
from stat_train.evaluation.benchmark import Benchmark, read_questions
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.pipeline.answers import (
    RESPONSES,
    VERDICTS,
    answer_and_grade,
    open_student,
    read_verdicts,
    student_needs,
)
from stat_train.pipeline.benchmark_scores import (
    asks_pool,
    follows_validation,
    overlaps,
    sets_learned,
    task_result,
)
from stat_train.pipeline.clean import task_title
from stat_train.pipeline.data import source_hash
from stat_train.pipeline.metacognition import label_step
from stat_train.pipeline.opening import grader_files, open_grader
from stat_train.pipeline.reporting import comparisons
from stat_train.pipeline.rows import read_rows
from stat_train.pipeline.step import Step, Work
from stat_train.pipeline.versions import versions
from stat_train.recipe import Recipe
from stat_train.report.benchmark_page import page
from stat_train.report.benchmarks import Benchmarks, Overlap
from stat_train.student.response import Response

SUMMARY = "benchmarks"
FIGURES, PAGE = "benchmarks.json", "benchmarks.md"
BENCHMARK_FILES = (FIGURES, PAGE)


def task_steps(recipe: Recipe, options: BenchmarkOptions) -> list[Step]:
    """The questions of each benchmark, read and their gold answers proved."""
    return [
        _task_step(recipe, benchmark, benchmark.source(options.sources.get(benchmark.name)))
        for benchmark in options.benchmarks(recipe.seed)
    ]


def benchmark_steps(recipe: Recipe, options: BenchmarkOptions) -> list[Step]:
    """Each arm's answers to each benchmark, and the scores of all."""
    benchmarks, arms = options.benchmarks(recipe.seed), chosen_arms(recipe, options)
    labelled = [_label_step(recipe, its) for its in benchmarks] if options.per_skill else []
    answered = [_answer_step(recipe, arm, its, options.questions) for its in benchmarks for arm in arms]
    needs: dict[str, tuple[str, ...]] = {step.title: () for step in (*labelled, *answered)}
    needs |= {task_title(its.name): () for its in benchmarks}
    needs |= {f"select {arm}": ("rows.jsonl",) for arm in sets_learned(recipe, arms)}
    needs |= {"label": ("pool.jsonl",)} if asks_pool(arms) else {}
    summary = Step(
        SUMMARY,
        partial(_summarise, benchmarks, options),
        lambda sizes: ", ".join(BENCHMARK_FILES),
        needs=needs | ({"data": ("validation.jsonl",)} if follows_validation(recipe, arms) else {}),
        options={
            "judged": {
                its.name: its.model_dump(include={"metric", "grader", "sampling"}) for its in benchmarks
            },
            "arms": arms,
            "questions": options.questions,
            "seed": recipe.seed,
        },
    )
    return [*labelled, *answered, summary]


def chosen_arms(recipe: Recipe, options: BenchmarkOptions) -> list[str]:
    """The arms to score, the start first, then as they are trained."""
    return [arm for arm in recipe.scored_arms if options.arms is None or arm in options.arms]


def _task_step(recipe: Recipe, benchmark: Benchmark, source: str) -> Step:
    return Step(
        "task",
        partial(_read, benchmark, source),
        lambda sizes: f"{f'{benchmark.rows:,}' if benchmark.rows else 'the'} questions of {source}",
        arm=benchmark.name,
        options={
            **benchmark.model_dump(include={"columns", "grader", "part", "without"}),
            "config": [benchmark.config, benchmark.split],
        },
        files={"source": source_hash(source)} | grader_files(recipe, benchmark.grader),
    )


def _answer_step(recipe: Recipe, arm: str, benchmark: Benchmark, most: int | None) -> Step:
    known = [n for n in (most, benchmark.rows) if n]
    asked = f"{min(known):,} questions" if known else "its questions"
    return Step(
        "benchmark",
        partial(_answer, arm, benchmark, most),
        lambda sizes: f"{asked} x {benchmark.sampling.n}",
        arm=f"{arm}-{benchmark.name}",
        needs=student_needs(arm) | {task_title(benchmark.name): ()},
        options={
            "sampling": benchmark.sampling.model_dump(),
            "grader": benchmark.grader,
            "questions": most,
        },
        files=grader_files(recipe, benchmark.grader),
    )


def _label_step(recipe: Recipe, benchmark: Benchmark) -> Step:
    """The teacher's labels for a benchmark's questions."""
    name, task = benchmark.name, task_title(benchmark.name)
    return replace(
        label_step(recipe, (name,)),
        arm=name,
        plan=lambda sizes: f"the questions of {name}",
        needs={task: (f"{name}.jsonl",), "taxonomy": ()},
        called={f"data/{name}.jsonl": task},
    )


def _read(benchmark: Benchmark, source: str, work: Work) -> None:
    with open_grader(work.recipe, benchmark.grader, stage=work.stage) as grader:
        given = read_questions(benchmark, source, grader)
    examples = without_repeats(given)
    file = f"{benchmark.name}.jsonl"
    write_examples(work.stage.file(file), examples)
    notes = [f"{len(benchmark.without)} rows are left out (`without`)"] if benchmark.without else []
    notes += repeats_note(len(given) - len(examples), benchmark.name)
    found = len(given) + len(benchmark.without)
    if benchmark.rows not in (None, found) and not benchmark.part:
        notes.append(f"{found:,} rows, and not the {benchmark.rows:,} that are known of it")
    work.stage.finish([file], counts={"questions": len(examples)}, notes=notes)


def _answer(arm: str, benchmark: Benchmark, most: int | None, work: Work) -> None:
    examples = _questions(benchmark, most, work)
    student = open_student(work, arm)
    with open_grader(work.recipe, benchmark.grader, stage=work.stage) as grader:
        limit = f"max_tokens {benchmark.sampling.max_tokens}"
        answer_and_grade(student, examples, benchmark.sampling, grader, work.stage, limit)


def _questions(benchmark: Benchmark, most: int | None, work: Work, labelled: bool = False) -> list[Example]:
    name = benchmark.name
    examples = work.split(name, f"label {name}" if labelled else task_title(name))
    return even_part(examples, 0, most) if most and most < len(examples) else examples


def _summarise(benchmarks: Sequence[Benchmark], options: BenchmarkOptions, work: Work) -> None:
    recipe, results = work.recipe, []
    arms = chosen_arms(recipe, options)
    pairs = [pair for pair in comparisons(recipe) if set(pair) <= set(arms)]
    shared: list[Overlap] = []
    for its in benchmarks:
        examples = _questions(its, options.questions, work, options.per_skill)
        answers = {}
        for arm in arms:
            title = f"benchmark {arm}-{its.name}"
            verdicts, votes = read_verdicts(work.file(title, VERDICTS), examples)
            answers[arm] = (verdicts, votes, read_rows(work.file(title, RESPONSES), Response))
        results.append(task_result(its, examples, answers, pairs, recipe.seed))
        shared += overlaps(its.name, examples, arms, work)
    found = Benchmarks(
        name=recipe.name, tasks=results, overlaps=shared, versions=dict(versions()), seed=recipe.seed
    )
    found.write(work.stage.file(FIGURES))
    with atomic_file(work.stage.file(PAGE)) as file:
        file.write(page(found).encode())
    work.stage.finish(
        BENCHMARK_FILES, counts={"tasks": len(results), "arms": len(arms)}, notes=found.warnings
    )
