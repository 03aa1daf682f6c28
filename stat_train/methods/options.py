"""What the recipe says about the arms' training sets."""

from typing import Literal

from pydantic import Field

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
    """The Hard control: questions like the failed ones, without a diagnosis."""

    group: str = Field(
        "skills",
        description="what makes questions alike: `skills` (the same labels), `level`, `subject` "
        "or a column of the data",
    )


class RewritingOptions(Options):
    """The teacher's rewrites of solutions that are there."""

    answers: int = Field(3, ge=1, description="rewrites of each solution")
    temperature: float | None = Field(
        0.7, ge=0, description="above 0, so that the rewrites differ; none: the teacher's own"
    )
    batch_size: int = Field(1, ge=1, description="solutions a request")


class SelectionOptions(Options):
    """One size for every arm, so that arms differ in what they hold and not in how much."""

    size: int | None = Field(None, ge=1, description="pairs in every arm; none: as many as STAT-Sel draws")
    stat_sel: StatSelOptions = StatSelOptions()
    hard: HardOptions = HardOptions()
