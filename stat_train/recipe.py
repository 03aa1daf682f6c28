"""The recipe: all that a run depends on, a typed section for each stage."""

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stat_train.data.columns import Columns
from stat_train.data.decontamination import DecontaminationOptions
from stat_train.difficulty.options import DifficultyOptions
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.metacognition.audit import AuditOptions
from stat_train.metacognition.diagnosis import DiagnosisOptions
from stat_train.metacognition.discovery import DiscoveryOptions
from stat_train.metacognition.labelling import LabellingOptions
from stat_train.methods.options import AdaptMIOptions, SelectionOptions
from stat_train.options import Options
from stat_train.student.options import Sampling, StudentOptions
from stat_train.teacher.options import TeacherOptions
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.options import SFTOptions
from stat_train.tutor.faults import TutorFaults

DISCOVER = "discover"
START = "start"
DEVELOPMENT = "development"
Method = Literal[
    "random",
    "train",
    "augment",
    "balanced",
    "hard",
    "embed-sel",
    "embed-syn",
    "llm2llm",
    "shuffled",
    "stat-sel",
    "stat-syn",
]
METHODS: tuple[Method, ...] = ("stat-sel", "stat-syn")
"""The arms that follow the profile; the others are their controls."""
SYNTHESIZED: tuple[Method, ...] = ("embed-syn", "llm2llm", "stat-syn")
"""The arms whose questions the teacher writes."""
SEEDED = (("tutor",), ("sampling",), ("sft",), ("grpo",), ("evaluation", "sampling"))
OPTIONAL = ("tutor", "grpo")
"""Sections whose absence means something."""
GRPO_SUFFIX = "+grpo"


class TutorOptions(Options):
    """The embedded arithmetic domain: how many questions each split has, how skewed the pool is, and what
    the tutor gets wrong where it is the teacher."""

    pool: int = Field(3000, ge=1, description="questions to choose from")
    skew: float = Field(1.0, ge=0, description="0: all skills equally frequent in the pool")
    validation: int = Field(300, ge=1, description="questions that the profile comes from")
    development: int = Field(200, ge=1, description="to choose rates by, and to see whether training hurts")
    test: int = Field(600, ge=1, description="even over the kinds of problem")
    ood: int = Field(300, ge=1, description="wordings and longer combinations that occur nowhere else")
    seed: int = Field(0, description="of the questions; default: the recipe's")
    faults: TutorFaults = TutorFaults()


class DataOptions(Options):
    """A user's data: .jsonl, .parquet or .csv files, or `name[:config][@split]` of a hub data set."""

    pool: str = Field(description="what training sets are drawn from: question, solution, answer")
    validation: str = Field(description="what the student answers for the profile; never trained on")
    development: str | None = Field(
        None, description="to choose between several sft.learning_rate, and to see whether a training hurts"
    )
    evaluation: dict[str, str] = Field(min_length=1, description="a name and a source for each split")
    columns: Columns = Field(
        Columns(),
        description='your names of the columns; left out: the column of that name, if it is there; "": none',
    )
    columns_of: dict[str, Columns] = Field(
        {}, description="for splits whose files name their columns otherwise: theirs, in place of `columns`"
    )
    rows: dict[str, int] = Field(
        {}, description="rows that splits have, to plan and estimate with while the hub is not in reach"
    )

    @field_validator("evaluation")
    @classmethod
    def _usable_names(cls, evaluation: dict[str, str]) -> dict[str, str]:
        for name in evaluation:
            if name in ("pool", "validation", "development") or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ValueError(f"split {name!r}: choose another name, of letters, digits, - and _")
        return evaluation

    @model_validator(mode="after")
    def _of_known_splits(self) -> Self:
        for key, of in (("rows", self.rows), ("columns_of", self.columns_of)):
            if unknown := sorted(of.keys() - self.sources.keys()):
                raise ValueError(f"{key}: no split {unknown[0]!r}; the splits are {', '.join(self.sources)}")
        return self

    def columns_in(self, split: str) -> Columns:
        """What the columns of a split are called."""
        return self.columns_of.get(split, self.columns)

    @property
    def sources(self) -> dict[str, str]:
        """Split -> source; the evaluation splits last."""
        own = {"pool": self.pool, "validation": self.validation, "development": self.development}
        return {split: source for split, source in (own | self.evaluation).items() if source is not None}


class EvaluationOptions(Options):
    """How the student is scored."""

    sampling: Sampling = Field(Sampling(), description="how the student answers the evaluation splits")
    per_skill: bool = Field(True, description="label the evaluation splits, to score each skill")


class RoundsOptions(Options):
    """Training, answering again, a new profile and the next set (STAT's continual setting); `rounds: 2` says
    as much as `rounds: {n: 2}`. The first round is the run as it is without this section."""

    n: int = Field(2, ge=2, description="rounds in all, the first included")
    arm: Literal["random", "balanced", "hard", "stat-sel"] = Field(
        "stat-sel", description="the arm that is trained on, one of `arms`, drawn from the pool"
    )
    validation: tuple[str, ...] = Field(
        (),
        description="`data:` only: a new validation source for each later round; none: the same questions "
        "are answered again. `tutor:` always asks new ones",
    )
    replay: float = Field(
        0.1, ge=0, lt=1, description="share of a later set that goes to skills that were forgotten"
    )
    train_from: Literal["last", "start"] = Field(
        "last",
        description="last: the weights of the round before, on the new set; start: the starting point, on "
        "the sets of all rounds so far",
    )
    at_once: bool = Field(
        False,
        description="an arm of equal budget: one training on as many pairs as all rounds have together, "
        "drawn by the first profile",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, given: Any) -> Any:
        return {"n": given} if isinstance(given, int) else given

    @model_validator(mode="after")
    def _one_source_a_round(self) -> Self:
        if self.validation and len(self.validation) != self.n - 1:
            raise ValueError(
                f"rounds.validation has {len(self.validation)} sources for {self.n - 1} later rounds; name "
                "one for each, or none to ask the same questions again"
            )
        return self

    @property
    def later_arms(self) -> tuple[str, ...]:
        """The names of what is trained besides `arms`: the later rounds, and the arm of equal budget."""
        rounds = [round_arm(self.arm, number) for number in range(2, self.n + 1)]
        return (*rounds, f"{self.arm}-at-once") if self.at_once else tuple(rounds)


def round_arm(arm: str, number: int) -> str:
    """What `arm` is called as trained in a round."""
    return arm if number == 1 else f"{arm}-round-{number}"


class GRPOSection(GRPOOptions):
    """GRPO on the pool's questions after the arms' SFT: a training, and scores, for each of `arms`."""

    arms: tuple[str, ...] | None = Field(
        None, description="of `arms`, later rounds, and `start`; none: `start` and all of `arms`"
    )


def grpo_arm(arm: str) -> str:
    """What `arm` is called after GRPO."""
    return f"{arm}{GRPO_SUFFIX}"


def trained_by(arm: str) -> str:
    """The title of the stage that trained `arm`, which is not `start`."""
    return f"grpo {arm.removesuffix(GRPO_SUFFIX)}" if arm.endswith(GRPO_SUFFIX) else f"sft {arm}"


class Recipe(Options):
    """What a run does. Exactly one of `data` (a user's files) and `tutor` (the embedded domain) is given.

    `seed` reaches the sections `tutor`, `sampling`, `sft`, `grpo` and `evaluation.sampling` where they set
    none; `audit` and `tutor.faults` have their own. `arms` are trained and scored beside the start; each is
    given as many pairs, or tokens (`selection`).
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", description="of the run and its folder")
    seed: int = Field(
        0, ge=0, strict=True, description="of every section that sets none, but `audit` and `tutor.faults`"
    )
    run_dir: Path | None = Field(None, description="default: runs/<name> where the command is given")
    prompts_dir: Path | None = Field(None, description="templates of your own, file by file")
    data: DataOptions | None = None
    tutor: TutorOptions | None = None
    decontamination: DecontaminationOptions | None = Field(
        None, description="none: `data:` removes number and 13-word matches, `tutor:` reports all"
    )
    taxonomy: str = Field(description="a YAML file of skills, or `discover`")
    grader: str = Field(description="math, numeric, exact, choice, code, judge, or your module:function")
    teacher: TeacherOptions = TeacherOptions()
    discovery: DiscoveryOptions = DiscoveryOptions()
    labelling: LabellingOptions = LabellingOptions()
    audit: AuditOptions = Field(AuditOptions(), description="of the command `stat-train audit`")
    student: StudentOptions = StudentOptions()
    sampling: Sampling = Field(Sampling(), description="the validation split, for the profile")
    difficulty: DifficultyOptions = DifficultyOptions()
    diagnosis: DiagnosisOptions = DiagnosisOptions()
    selection: SelectionOptions = SelectionOptions()
    arms: tuple[Method, ...] = Field(
        ("random", "stat-sel"), description="what is trained and scored beside the start; none: only diagnose"
    )
    sft: SFTOptions = SFTOptions()
    rounds: RoundsOptions | None = Field(None, description="none: one round")
    grpo: GRPOSection | None = Field(None, description="none: no GRPO")
    evaluation: EvaluationOptions = EvaluationOptions()
    benchmarks: BenchmarkOptions | None = Field(
        None, description="scored beside the evaluation splits; no pool question may stand in them"
    )
    adaptmi: AdaptMIOptions = Field(AdaptMIOptions(), description="of the command `stat-train adaptmi`")

    @model_validator(mode="before")
    @classmethod
    def _seed_the_sections(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("seed", 0), int):
            return given
        filled = dict(given)
        for path in SEEDED:
            filled = _with_default(filled, (*path, "seed"), given.get("seed", 0))
        return filled

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if (self.data is None) == (self.tutor is None):
            raise ValueError("give either `data:` (your files) or `tutor:` (the embedded domain)")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("`arms` names an arm twice; name each once")
        if self.grader == "code" and (made := sorted(set(self.arms) & set(SYNTHESIZED))):
            raise ValueError(
                f"arm {made[0]}: grader `code` needs tests, and the teacher writes none for new questions; "
                "leave it out of `arms`"
            )
        votes = self.difficulty.min_votes
        if self.difficulty.method == "consistency" and (
            self.sampling.n < votes or not self.sampling.temperature
        ):
            raise ValueError(
                f"difficulty.method consistency compares sampled answers: set sampling.n ({votes} at least, "
                "5 in the paper) and sampling.temperature (above 0), or choose method gold, length or prm"
            )
        if len(self.sft.rates) > 1 and not self.has_development:
            raise ValueError(
                "sft.learning_rate has several rates, which are compared on a development split: give "
                "data.development, or one rate"
            )
        if (self.arms or self.grpo) and (self.student.engine == "server" or self.student.base_url):
            raise ValueError(
                "a student behind a server cannot be trained here; set `arms: []` (and leave out `grpo:`) to "
                "diagnose it"
            )
        return self

    @model_validator(mode="after")
    def _words_are_in_reach(self) -> Self:
        for key, difficulty, limit, sampling in (
            ("difficulty", self.difficulty, "sampling", self.sampling),
            ("adaptmi.difficulty", self.adaptmi.difficulty, "evaluation.sampling", self.evaluation.sampling),
        ):
            words, most = difficulty.words, sampling.max_tokens
            if difficulty.method == "length" and words >= most:
                raise ValueError(
                    f"{key}.words {words} is never reached with {limit}.max_tokens {most}, since a word is a "
                    f"token or more: set {key}.words below {most}, or {limit}.max_tokens above {words}"
                )
        return self

    @model_validator(mode="after")
    def _rounds_fit(self) -> Self:
        rounds = self.rounds
        if rounds is None:
            return self
        if rounds.arm not in self.arms:
            raise ValueError(f"rounds.arm {rounds.arm} is not one of `arms`; add it there")
        if rounds.validation and self.tutor:
            raise ValueError("rounds.validation is for `data:`; `tutor:` makes new questions for every round")
        if self.selection.rewrites(rounds.arm):
            raise ValueError("rounds train on the pool's own solutions: set selection.answers to 1")
        if rounds.replay and self.selection.tokens:
            raise ValueError("rounds.replay shares out pairs: set it to 0 with selection.tokens")
        if rounds.at_once and self.selection.size is None:
            raise ValueError("rounds.at_once needs to know how many pairs a round has: set selection.size")
        return self

    @model_validator(mode="after")
    def _benchmarks_fit(self) -> Self:
        if self.benchmarks:
            self.check_arms(self.benchmarks)
        return self

    def check_arms(self, benchmarks: BenchmarkOptions) -> None:
        """ValueError where benchmarks are to be run on an arm that is not there."""
        there = self.scored_arms
        if unknown := sorted(set(benchmarks.arms or ()) - set(there)):
            raise ValueError(f"benchmarks.arms: no arm {unknown[0]!r}; the arms are {', '.join(there)}")

    @model_validator(mode="after")
    def _grpo_fits(self) -> Self:
        known = (START, *self.trained_arms)
        for place, arm in enumerate(self.grpo_bases):
            if arm not in known:
                raise ValueError(f"grpo.arms: {arm} is not trained; choose of {', '.join(known)}")
            if arm in self.grpo_bases[:place]:
                raise ValueError(f"grpo.arms names {arm} twice; name each once")
        return self

    @property
    def near_rules(self) -> DecontaminationOptions:
        """Pool questions that are near one of another split: removed from real data, and only reported in
        the embedded domain, whose wordings stand in every split. Eight words in a row are reported in both:
        removing them would cost MATH a sixth of its training split."""
        if self.decontamination:
            return self.decontamination
        return (
            DecontaminationOptions(numbers="remove", ngram_13="remove")
            if self.data
            else DecontaminationOptions()
        )

    @property
    def trained_arms(self) -> tuple[str, ...]:
        """All that is trained and scored: the arms, then the later rounds."""
        return (*self.arms, *(self.rounds.later_arms if self.rounds else ()))

    @property
    def grpo_bases(self) -> tuple[str, ...]:
        """The arms that GRPO trains further."""
        if self.grpo is None:
            return ()
        return (START, *self.arms) if self.grpo.arms is None else self.grpo.arms

    @property
    def scored_arms(self) -> tuple[str, ...]:
        """All that is scored: the start, what is trained, and what GRPO made of them."""
        return (START, *self.trained_arms, *map(grpo_arm, self.grpo_bases))

    def trained_from(self, arm: str) -> str:
        """The arm whose weights the training of `arm` began with: the start, the round before, or for GRPO
        the arm that it trained further."""
        if arm.endswith(GRPO_SUFFIX):
            return arm.removesuffix(GRPO_SUFFIX)
        if self.rounds and self.rounds.train_from == "last":
            for number in range(2, self.rounds.n + 1):
                if arm == round_arm(self.rounds.arm, number):
                    return round_arm(self.rounds.arm, number - 1)
        return START

    def method_of(self, arm: str) -> str:
        """What draws the pairs of `arm`, which may be a later round of one of `arms`."""
        return self.rounds.arm if self.rounds and arm in self.rounds.later_arms else arm

    @property
    def folder(self) -> Path:
        """Where the run stands."""
        return self.run_dir or Path("runs") / self.name

    @property
    def evaluation_splits(self) -> tuple[str, ...]:
        """The splits that are scored and never trained on."""
        return tuple(self.data.evaluation) if self.data else ("test", "ood")

    @property
    def has_development(self) -> bool:
        """Whether a training can be compared with its start without touching the evaluation splits."""
        return self.tutor is not None or bool(self.data and self.data.development)


def _with_default(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """`tree` with `value` at `path` unless something is there; sections that are absent are made, but those
    whose absence means something."""
    first, *rest = path
    if not rest:
        return {first: value} | tree
    if first in OPTIONAL and tree.get(first) is None:
        return tree
    section = tree.get(first) or {}
    if not isinstance(section, dict):
        return tree
    return tree | {first: _with_default(section, tuple(rest), value)}
