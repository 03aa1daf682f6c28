"""`results.json`: what a run found, for programs."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError

START = "start"

Share = Annotated[float, Field(ge=0, le=1)]
Difference = Annotated[float, Field(ge=-1, le=1)]


class Part(BaseModel):
    """Base of the parts of a results file; unknown fields, NaN and infinities are invalid."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def write(self, path: Path) -> Path:
        """Write JSON atomically; equal parts give equal bytes. UserError where the disk refuses."""
        with atomic_file(path) as file:
            file.write(f"{self.model_dump_json(indent=2)}\n".encode())
        return path


class SkillScore(Part):
    """Accuracy on the `n` questions of a split that need one skill."""

    accuracy: Share
    n: int = Field(ge=1)


class SplitScore(Part):
    """Accuracy on a split of `n` questions, with its 95 % interval and per skill.

    `cut_off` of the answers reached the token limit. `metrics` are what several samples a question tell:
    average@n, pass@k, majority@n.
    A split or a skill without questions has no score and is left out. Skills are kept in
    alphabetical order.
    """

    accuracy: Share
    ci95: tuple[Share, Share]
    n: int = Field(ge=1)
    per_skill: dict[str, SkillScore] = {}
    cut_off: int = Field(0, ge=0)
    metrics: dict[str, Share] = {}

    @field_validator("per_skill")
    @classmethod
    def _alphabetical(cls, per_skill: dict[str, SkillScore]) -> dict[str, SkillScore]:
        return dict(sorted(per_skill.items()))


ArmResult = dict[str, SplitScore]
"""The scores of one arm, by split."""


class Paired(Part):
    """Accuracy of `arm` minus accuracy of `against` on the same questions of `split` (1.0 = 100 points)."""

    arm: str
    against: str
    split: str
    difference: Difference
    ci95: tuple[Difference, Difference]
    p: Share


class ProfileRow(Part):
    """One line of the Missing-Skill-Profile (STAT §2.2).

    `missing` of the `difficult` questions labelled with or diagnosed for the skill lacked it in one
    diagnosed answer at least; `rate` is the mean over the difficult questions of the share of their answers
    that lacked it, the quotient of the two where each has one. `subject` is "" where the data has none.
    """

    subject: str
    skill: str
    missing: int = Field(ge=0)
    difficult: int = Field(ge=0)
    rate: Share
    ci95: tuple[Share, Share]


class ProfileChange(Part):
    """One skill in the profiles of two rounds: the share of its validation questions that lack it.

    None where a profile has no question of the skill. `difference` is after minus before with its 95 %
    interval, None where one of them is; `replayed` pairs of the later round are there because it was
    forgotten.
    """

    subject: str
    skill: str
    before: Share | None
    after: Share | None
    difference: Difference | None
    ci95: tuple[Difference, Difference] | None
    replayed: int = Field(0, ge=0)


class Round(Part):
    """A later round: what changed in the profile since the round before, and what was trained on.

    `arm` is its training, `against` that of the round before; `from_start` says that it began at the start
    and not at `against`. `replayed` of its new `pairs` are for forgotten skills. `changes` start with the
    most improved and end with those of one profile only.
    """

    number: int = Field(ge=2)
    arm: str
    against: str
    from_start: bool = False
    pairs: int = Field(ge=0)
    replayed: int = Field(0, ge=0)
    changes: list[ProfileChange] = []


class SkillReward(Part):
    """The reward that the answers to the questions of one skill earned in a GRPO training.

    `groups` counts the questions asked, each with all its answers; `curve` is the mean reward in equal
    spans of the batches, None where none was asked; `first`, `last` and `difference` are of the thirds of
    the batches.
    """

    skill: str
    groups: int = Field(ge=1)
    curve: list[float | None]
    first: float | None
    last: float | None
    difference: float | None
    ci95: tuple[float, float] | None


class GRPOTraining(Part):
    """One GRPO training: `arm` is what came of `before`.

    `curve` is the mean reward in equal spans of the batches; `first` and `last` that of the first and the
    last third of them, `difference` the last minus the first with its 95 % interval over groups, None where
    there are too few or their rewards too much alike to tell. A group is one question of a batch with all
    its answers; `flat` groups earned one and the same reward, and so taught nothing. `outcomes` counts the
    answers; `quarantined` questions were never asked, since their gold answer could not be scored.
    """

    arm: str
    before: str
    learning_rate: float
    loss_type: str
    beta: float
    prompts: str
    batches: int = Field(ge=1)
    questions: int = Field(ge=1)
    rollouts: int = Field(ge=2)
    updates: int = Field(ge=1)
    curve: list[float | None]
    first: float
    last: float
    difference: float
    ci95: tuple[float, float] | None
    groups: int = Field(ge=1)
    flat: int = Field(ge=0)
    answers: int = Field(ge=1)
    cut_off: int = Field(0, ge=0)
    outcomes: dict[str, int] = {}
    quarantined: int = Field(0, ge=0)
    skills: list[SkillReward] = []


class Results(Part):
    """Everything that a run measured.

    `arms` holds "start" (the student before training) and every trained arm in the order in which
    the run made them; each has its splits in the run's order. `timings` are seconds by stage. `rounds` are
    those after the first, `grpo` the GRPO trainings.
    """

    arms: dict[str, ArmResult]
    paired: list[Paired] = []
    profile: list[ProfileRow] = []
    rounds: list[Round] = []
    grpo: list[GRPOTraining] = []
    timings: dict[str, float] = {}
    versions: dict[str, str] = {}
    seed: int

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if START not in self.arms:
            raise ValueError(f'there is no arm "{START}" to compare with')
        for pair in self.paired:
            for arm in (pair.arm, pair.against):
                if pair.split not in self.arms.get(arm, {}):
                    raise ValueError(f'paired: arm "{arm}" has no score on split "{pair.split}"')
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote. UserError, naming file and field, where it is not that."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); finish the run first") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the whole file"
            mend = "it is no results file of this version: run the report stage again"
            raise UserError(f"{path}: {field}: {first['msg']}; {mend}") from error
