"""What the recipe says about the arms' training sets."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stat_train.difficulty.options import DifficultyOptions
from stat_train.embedding.options import EmbeddingOptions
from stat_train.options import Options


class StatSelOptions(Options):
    """STAT-Sel (STAT §2.3 and appendix; Algorithm 1 says 3 draws, the appendix 5)."""

    k: int = Field(
        5, ge=1, description="training questions drawn for each (difficult question, missing skill)"
    )
    draw: Literal["skill_map", "shared"] = Field(
        "shared",
        description="skill_map: uniformly among the questions that need the missing skill; "
        "shared: those first whose labels are most like the difficult question's",
    )
    unique: bool = Field(
        True,
        description="prefer questions not drawn before, as far as the Skill-Map allows, even to ones that "
        "are more alike",
    )


class HardOptions(Options):
    """The Hard control: questions of the hard levels, or like the failed ones, without a diagnosis."""

    group: str | None = Field(
        None,
        description="draw like the failed questions, where this is what makes questions alike: `skills` "
        "(the same labels), `level`, `subject` or a column of the data; none: by `levels` where the pool has "
        "levels, else by `skills`",
    )
    levels: tuple[str, ...] = Field(("4", "5"), min_length=1, description="the hard ones; without `group`")

    @field_validator("levels", mode="before")
    @classmethod
    def _numbers_as_text(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        return [str(its) if type(its) in (int, float) else its for its in given]


class RewritingOptions(Options):
    """The teacher's rewrites of solutions that are there."""

    answers: int = Field(
        3, ge=1, description="rewrites of each solution in the arm augment, where selection.answers is 1"
    )
    temperature: float | None = Field(
        0.7, ge=0, description="above 0, so that the rewrites differ; none: the teacher's own"
    )
    batch_size: int = Field(1, ge=1, description="solutions a request")


class SynthesisOptions(Options):
    """What all arms of new questions share, so that they differ in what is asked for and not in how."""

    solutions: int = Field(3, ge=1, description="solutions of each new question")
    min_votes: int = Field(
        2, ge=1, description="solutions that must agree on the final answer; the others are dropped"
    )
    near_duplicate: float | None = Field(
        0.8,
        gt=0,
        le=1,
        description="similarity (Jaccard, runs of three words) from which a question repeats an earlier one "
        "or a reference; none: equal questions only",
    )
    rounds: int = Field(
        5, ge=1, description="the most rounds of asking, where a skill's yield falls short of its share"
    )
    temperature: float | None = Field(
        0.7,
        ge=0,
        description="of new questions and solutions; above 0, so that solutions are independent; none: the "
        "teacher's own",
    )
    batch_size: int = Field(1, ge=1, description="questions to solve in a request")

    @model_validator(mode="after")
    def _votes_can_be_had(self) -> Self:
        if self.min_votes > self.solutions:
            raise ValueError(
                f"min_votes is {self.min_votes} and each question has {self.solutions} solutions; "
                "lower min_votes or raise solutions"
            )
        return self


class StatSynOptions(Options):
    """STAT-Syn: new questions for each (difficult question, missing skill) (STAT §2.3)."""

    references: int = Field(3, ge=1, description="training questions of the skill shown to the teacher")
    questions: int = Field(2, ge=1, description="new questions a request")
    draw: Literal["skill_map", "shared"] = Field("shared", description="the references, as in `stat_sel`")


class LLM2LLMOptions(Options):
    """The LLM2LLM-like control: variants of the failed questions themselves, no skills (arXiv 2403.15042)."""

    questions: int = Field(2, ge=1, description="new questions a request, each request one failed question")


class EmbedSynOptions(Options):
    """The Embed-Syn control: new questions like groups of pool questions that read like a difficult one."""

    references: int = Field(3, ge=1, description="neighbours of a difficult question shown to the teacher")
    questions: int = Field(5, ge=1, description="new questions a request")


class SelectionOptions(Options):
    """One size for every arm, so that arms differ in what they hold and not in how much."""

    size: int | None = Field(
        None, ge=1, description="pairs in every arm; none, and no `tokens`: as many as STAT-Sel draws"
    )
    tokens: int | None = Field(
        None,
        ge=1,
        description="instead of `size`: tokens in every arm, prompts and answers as the student reads them",
    )
    answers: int = Field(
        1,
        ge=1,
        description="of each question drawn from the pool. 1: its own solution; more (3 in the paper): so "
        "many verified rewrites of it by the teacher, in every arm but train",
    )
    questions: int | None = Field(
        None,
        ge=1,
        description="drawn for `size` pairs, with several `answers`: then not every question keeps all of "
        "them (the paper: about 4,000 for 9,500 pairs of 3 answers); none: size / answers",
    )
    rehearsal: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of each arm's pairs that are drawn uniformly from the pool instead, against "
        "forgetting what most of it is of; random, train and augment are drawn so anyway",
    )
    stat_sel: StatSelOptions = StatSelOptions()
    hard: HardOptions = HardOptions()
    rewriting: RewritingOptions = RewritingOptions()
    synthesis: SynthesisOptions = SynthesisOptions()
    stat_syn: StatSynOptions = StatSynOptions()
    llm2llm: LLM2LLMOptions = LLM2LLMOptions()
    embed_syn: EmbedSynOptions = EmbedSynOptions()
    embedding: EmbeddingOptions = EmbeddingOptions()

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.size and self.tokens:
            raise ValueError("give selection.size (pairs) or selection.tokens, not both")
        return self

    @model_validator(mode="after")
    def _questions_make_the_size(self) -> Self:
        if self.questions is None:
            return self
        if self.size is None or self.answers == 1:
            raise ValueError(
                "selection.questions needs selection.size and more than one of selection.answers"
            )
        if not self.questions <= self.size <= self.questions * self.answers:
            raise ValueError(
                f"{self.questions:,} questions of {self.answers} answers do not make {self.size:,} pairs; "
                "change selection.questions, answers or size"
            )
        return self

    def rewrites(self, arm: str) -> int:
        """Rewrites by the teacher of each solution that an arm draws; 0 where it keeps the pool's own."""
        if arm == "train":
            return 0
        if self.answers > 1:
            return self.answers
        return self.rewriting.answers if arm == "augment" else 0

    def rehearsed(self, arm: str) -> float:
        """The share of an arm's pairs that are rehearsal."""
        return 0.0 if arm in ("random", "train", "augment") else self.rehearsal


class AdaptMIOptions(Options):
    """In-context exemplars by skill (AdaptMI, arXiv 2505.00147), beside prompts that do without."""

    k: int = Field(5, ge=1, description="exemplars in a prompt")
    split: str | None = Field(None, description="the evaluation split that is answered; none: the first")
    student: str = Field("start", description="`start`, or the trained arm that answers")
    fixed: tuple[str, ...] = Field(
        (), description="ids of the pool's questions in the fixed prompt, k of them; none: drawn once"
    )
    difficulty: DifficultyOptions = Field(
        DifficultyOptions(), description="how the answers to the fixed prompt are judged, without gold"
    )
    oracle: bool = Field(
        True, description="also judge them by gold: an oracle, which nobody has at inference"
    )
    samples: int = Field(5, ge=2, description="of the fixed prompt: for the vote, and for consistency")
    temperature: float = Field(0.7, gt=0, description="of those samples")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.fixed and len(set(self.fixed)) != self.k:
            raise ValueError(f"adaptmi.fixed names {len(set(self.fixed))} exemplars, and k is {self.k}")
        if self.difficulty.method == "consistency" and self.samples < self.difficulty.min_votes:
            raise ValueError("adaptmi.samples are fewer than adaptmi.difficulty.min_votes; draw more")
        return self
