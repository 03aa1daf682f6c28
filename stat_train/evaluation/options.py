"""What a recipe, or the command `benchmark`, says about the benchmarks to run."""

from typing import Self

from pydantic import Field, model_validator

from stat_train.errors import UserError
from stat_train.evaluation.benchmark import Benchmark, all_equal
from stat_train.evaluation.benchmark_file import read_benchmark
from stat_train.options import Options
from stat_train.student.options import Sampling


class SamplingChange(Options):
    """What is sampled otherwise than the benchmarks say; what is None stays as it is."""

    temperature: float | None = Field(None, ge=0, description="0: greedy")
    top_p: float | None = Field(None, gt=0, le=1, description="nucleus of the distribution")
    n: int | None = Field(None, ge=1, description="k of pass@k and majority@k is at most that")
    max_tokens: int | None = Field(None, ge=1, description="of an answer")
    batch_size: int | None = Field(None, ge=1, description="prompts at once in transformers")
    seed: int | None = Field(None, description="of the samples")

    @model_validator(mode="after")
    def _differing(self) -> Self:
        if self.temperature == 0 and self.n and (equal := all_equal(Sampling(n=self.n))):
            raise ValueError(equal)
        return self


class BenchmarkOptions(Options):
    """Which benchmarks are run, on which arms, and how they are read."""

    tasks: tuple[str, ...] = Field(min_length=1, description="packaged names, or YAML files of your own")
    sources: dict[str, str] = Field({}, description="a local file or folder in hub layout, by task")
    arms: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: the start and all that is trained"
    )
    sampling: SamplingChange = Field(SamplingChange(), description="in place of what the benchmarks say")
    questions: int | None = Field(None, ge=1, description="only so many of each, an even mixture: to try it")
    per_skill: bool = Field(False, description="let the teacher label the questions, to score each skill")

    @model_validator(mode="after")
    def _tasks_agree(self) -> Self:
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks names a benchmark twice; name each once")
        return self

    def benchmarks(self, seed: int) -> list[Benchmark]:
        """The benchmarks as they are to be run; `seed` is theirs where no other is given.

        Raises UserError where one is not there or cannot be used.
        """
        changes = self.sampling.model_dump(exclude_none=True)
        read = [_changed(read_benchmark(task), seed, changes) for task in self.tasks]
        names = [benchmark.name for benchmark in read]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"benchmarks.tasks: two are called {repeated}; give one another name")
        if unknown := sorted(self.sources.keys() - set(names)):
            raise UserError(
                f"benchmarks.sources: no benchmark {unknown[0]!r} is run; the tasks are {', '.join(names)}"
            )
        return read


def _changed(benchmark: Benchmark, seed: int, changes: dict[str, float]) -> Benchmark:
    own = benchmark.sampling
    sampling = own.model_copy(update=({} if "seed" in own.model_fields_set else {"seed": seed}) | changes)
    if equal := all_equal(sampling):
        raise UserError(f"benchmark {benchmark.name}: sampling: {equal}")
    metric = str(benchmark.scored_by.within(sampling.n)) if "n" in changes else benchmark.metric
    return benchmark.model_copy(update={"sampling": sampling, "metric": metric})
