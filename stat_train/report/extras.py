"""What a report tells besides the figures: the run's setting, its warnings and examples."""

from pydantic import BaseModel, ConfigDict


class Extra(BaseModel):
    """Base of the report's extras; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingSetSummary(Extra):
    """What an arm was trained on; `notes` are one-line remarks (a skill that had too few rows).

    `tokens` are those of prompts and answers as the student reads them in one epoch, `source` where the
    pairs are from, but for those of `rehearsal`, which are uniformly from the pool.
    """

    rows: int
    unique_questions: int
    back_offs: int = 0
    tokens: int | None = None
    rehearsal: int = 0
    source: str = ""
    notes: list[str] = []


class TriedRate(Extra):
    """A learning rate that an arm was trained with, and what that scored on the development split."""

    learning_rate: float
    development: float
    kept: bool


class TeacherBill(Extra):
    """Teacher requests sent and answered from the cache, tokens, and dollars (None: price unknown)."""

    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None = None


class StageCount(Extra):
    """Rows in = rows out + quarantined + owed, for a stage that keeps rows."""

    stage: str
    rows_in: int
    rows_out: int
    quarantined: int = 0
    owed: int = 0


class DiagnosisExample(Extra):
    """A difficult question, what the student wrote, and the teacher's diagnosis of it."""

    question: str
    response: str
    missing_skills: list[str]
    reason: str = ""


class YieldRow(Extra):
    """What became of the questions that an arm asked the teacher for, for one skill (counts of questions).

    Of those `asked`, `valid` came and could be used; `contaminated` ones ask a question of another split;
    `consistent` ones have solutions that agree; `duplicate` ones repeat another; `kept` ones have `pairs`
    agreeing solutions, of which `wanted` were needed.
    """

    subject: str
    skill: str
    wanted: int
    requests: int
    asked: int
    valid: int
    contaminated: int
    consistent: int
    duplicate: int
    kept: int
    pairs: int


class SelectedExample(Extra):
    """A training row with its lineage: the skill it teaches and the failed question that called for it."""

    arm: str
    question: str
    solution: str | None = None
    missing_skill: str
    difficult_question: str


class Extras(Extra):
    """Optional parts of a report; what is empty is left out of it.

    `name` is the run's; `student`, `teacher` and `data` describe each in a sentence; `commands` repeat
    the run; `warnings` stand first and loud; `sets`, `yields` and `learning_rates` are keyed by arm;
    `tokens_in_every_arm` is their size where the recipe counts tokens.
    """

    name: str = ""
    student: str = ""
    teacher: str = ""
    data: str = ""
    commands: list[str] = []
    warnings: list[str] = []
    sets: dict[str, TrainingSetSummary] = {}
    tokens_in_every_arm: int | None = None
    yields: dict[str, list[YieldRow]] = {}
    learning_rates: dict[str, list[TriedRate]] = {}
    teacher_bill: TeacherBill | None = None
    counts: list[StageCount] = []
    diagnoses: list[DiagnosisExample] = []
    selected: list[SelectedExample] = []
