"""The Missing-Skill-Profile: which skills the student's answers lacked, question by question."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stat_train.data.atomic import atomic_file
from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.agreement import skill_agreement
from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.metacognition.intervals import interval
from stat_train.metacognition.skill import SkillKey

if TYPE_CHECKING:
    import pandas as pd

    from stat_train.metacognition.profile_diff import SkillChange


Vote = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """Base of the profile's parts; unknown fields are invalid."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SkillRate(Part):
    """How often the difficult questions that need one skill were answered without it.

    `votes`: difficult question -> the share of its diagnosed samples that lacked the skill, for the
    questions labelled with or diagnosed for it (0.0: labelled with it and never lacked). One question
    is one vote, however many samples it has: `rate` is the mean of the votes, `ci95` its interval over
    questions. `questions` counts all validation questions labelled with or diagnosed for the skill, easy
    ones included. `self_agreement` is the teacher's with itself (0 to 1), None where it was asked once.
    """

    subject: str
    skill: str
    votes: dict[str, Vote]
    questions: int = Field(ge=0)
    self_agreement: float | None = None

    @property
    def missing(self) -> int:
        """Questions with at least one sample that lacked the skill."""
        return len(self.example_ids)

    @property
    def difficult(self) -> int:
        """The rate's denominator: difficult questions labelled with or diagnosed for the skill."""
        return len(self.votes)

    @property
    def rate(self) -> float:
        """Mean vote; `missing / difficult` where every question has one sample."""
        return sum(self.votes.values()) / len(self.votes) if self.votes else 0.0

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's for one sample a question, else by resampling questions."""
        return interval(list(self.votes.values()))

    @property
    def example_ids(self) -> tuple[str, ...]:
        """The questions whose answers lacked the skill, in the order of the validation split."""
        return tuple(id for id, vote in self.votes.items() if vote > 0)

    @property
    def lacking(self) -> float:
        """Share of all the skill's validation questions whose answer was difficult and lacked it."""
        return sum(self.votes.values()) / self.questions if self.questions else 0.0


class MissingSkillProfile(Part):
    """The profile (STAT §2.2): per (subject, skill) a `SkillRate`, the most frequently missing first.

    `difficult` are the difficult questions that have a diagnosis, in the order of the validation split,
    those without a missing skill included; `undiagnosed` those that have none (quarantined or owed) and
    so count nowhere. `taxonomy` is the fingerprint of the closed list, where given.
    """

    version: Literal[1] = 1
    taxonomy: str = ""
    difficult: tuple[str, ...] = ()
    undiagnosed: tuple[str, ...] = ()
    skills: tuple[SkillRate, ...] = ()

    @classmethod
    def from_diagnoses(
        cls,
        diagnoses: Sequence[Diagnosis],
        examples: Sequence[Example],
        difficult: Iterable[str],
        *,
        repeated: Sequence[Diagnosis] = (),
        taxonomy: str = "",
    ) -> Self:
        """The profile of the `difficult` question ids among the validation `examples` (labelled or not).

        Diagnoses of other examples do not count. `repeated` are the teacher's further judgments of the
        same responses, for its agreement with itself. Raises UserError for an id that `examples` lack.
        """
        wanted = set(difficult)
        by_id = {example.id: example for example in examples}
        if strangers := sorted(wanted - by_id.keys()):
            raise UserError(
                f"profile: difficult question {strangers[0]!r} is not among the validation examples; "
                "pass the split that was diagnosed"
            )
        per_question: dict[str, list[Diagnosis]] = {}
        for diagnosis in diagnoses:
            if diagnosis.question_id not in by_id:
                raise UserError(
                    f"profile: the diagnosis of {diagnosis.question_id!r} is of no validation example; "
                    "pass the split that was diagnosed"
                )
            if diagnosis.question_id in wanted:
                per_question.setdefault(diagnosis.question_id, []).append(diagnosis)
        votes: dict[SkillKey, dict[str, float]] = {}
        questions: dict[SkillKey, int] = {}
        for example in examples:
            samples = per_question.get(example.id, [])
            shares = _shares(samples)
            for skill in dict.fromkeys((*example.skills, *shares)):
                key = (example.subject, skill)
                questions[key] = questions.get(key, 0) + 1
                if samples:
                    votes.setdefault(key, {})[example.id] = shares.get(skill, 0.0)
        agreement = skill_agreement(
            diagnoses, repeated, {id: example.subject for id, example in by_id.items()}
        )
        rates = [
            SkillRate(
                subject=key[0],
                skill=key[1],
                votes=votes.get(key, {}),
                questions=n,
                self_agreement=agreement.get(key),
            )
            for key, n in questions.items()
        ]
        return cls(
            taxonomy=taxonomy,
            difficult=tuple(id for id in by_id if id in per_question),
            undiagnosed=tuple(id for id in by_id if id in wanted and id not in per_question),
            skills=_ordered(rates),
        )

    @model_validator(mode="after")
    def _votes_have_questions(self) -> Self:
        known = set(self.difficult)
        for rate in self.skills:
            for id in rate.votes:
                if id not in known:
                    raise ValueError(
                        f"skill {rate.skill!r} has a vote of {id!r}, which is not in `difficult`"
                    )
        return self

    @property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """Difficult question -> its missing skills, in the order of `difficult`; those without left out."""
        found: dict[str, list[str]] = {id: [] for id in self.difficult}
        for rate in self.skills:
            for id in rate.example_ids:
                found[id].append(rate.skill)
        return {id: tuple(sorted(skills)) for id, skills in found.items() if skills}

    def pairs(self) -> list[tuple[str, str, str]]:
        """Every (difficult question, subject, missing skill), in the order of `difficult`."""
        subjects = {(id, rate.skill): rate.subject for rate in self.skills for id in rate.example_ids}
        return [(id, subjects[id, skill], skill) for id, skills in self.missing.items() for skill in skills]

    def counts(self) -> dict[SkillKey, int]:
        """Questions that lack each skill, the most frequent first; skills never missing left out."""
        return {(rate.subject, rate.skill): rate.missing for rate in self.skills if rate.missing}

    def rows(self) -> list[dict[str, Any]]:
        """One plain row per skill that a difficult question needs: `results.json`'s `profile`."""
        return [
            {
                "subject": rate.subject,
                "skill": rate.skill,
                "missing": rate.missing,
                "difficult": rate.difficult,
                "rate": rate.rate,
                "ci95": rate.ci95,
            }
            for rate in self.skills
            if rate.difficult
        ]

    def diff(self, after: "MissingSkillProfile") -> "list[SkillChange]":
        """What changed from this profile to a later one, per skill, the most improved first."""
        from stat_train.metacognition.profile_diff import diff

        return diff(self, after)

    def to_frame(self) -> "pd.DataFrame":
        """One row per (subject, skill): the counts, rate and interval, and the votes by question."""
        import pandas as pd

        columns = ["subject", "skill", "missing", "difficult", "questions", "rate", "ci95_low", "ci95_high"]
        columns += ["self_agreement", "question_ids", "votes"]
        rows = [
            [
                *(
                    rate.subject,
                    rate.skill,
                    rate.missing,
                    rate.difficult,
                    rate.questions,
                    rate.rate,
                    *rate.ci95,
                ),
                *(rate.self_agreement, list(rate.votes), list(rate.votes.values())),
            ]
            for rate in self.skills
        ]
        return pd.DataFrame(rows, columns=columns)

    @classmethod
    def from_frame(cls, frame: "pd.DataFrame") -> Self:
        """A profile of the columns `skill` and `question_ids` (and `subject`, `votes`, `questions` if there).

        Counts, rates and intervals are computed anew from the votes (absent: each 1.0), so that a frame may
        be filtered or edited. Raises UserError naming the row and field.
        """
        for column in ("skill", "question_ids"):
            if column not in frame.columns:
                raise UserError(f"frame: no column {column!r}; begin with `profile.to_frame()`")
        rates = [_rate(row, f"frame: row {n}") for n, row in enumerate(frame.to_dict("records"))]
        difficult = dict.fromkeys(id for rate in rates for id in rate.votes)
        return cls(difficult=tuple(difficult), skills=_ordered(rates))

    def write(self, path: Path | str) -> None:
        """Write JSON, whole or not at all; equal profiles give equal bytes."""
        with atomic_file(Path(path)) as file:
            file.write(self.model_dump_json(indent=1).encode() + b"\n")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read what `write` wrote. Raises UserError naming file and field."""
        try:
            read = cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); run the profile stage first"
            ) from None
        except ValidationError as error:
            raise UserError(
                f"{path}: {_first(error)}; it is no profile of this version: build it again"
            ) from None
        for field in ("difficult", "skills"):
            if field not in read.model_fields_set:
                raise UserError(
                    f"{path}: it is no profile: it has no {field!r}; give a profile.json of a run's folder"
                )
        return read


def _shares(samples: Collection[Diagnosis]) -> dict[str, float]:
    """Missing skill -> share of the samples that lack it."""
    counts: dict[str, int] = {}
    for diagnosis in samples:
        for skill in diagnosis.missing_skills:
            counts[skill] = counts.get(skill, 0) + 1
    return {skill: n / len(samples) for skill, n in counts.items()}


def _ordered(rates: Iterable[SkillRate]) -> tuple[SkillRate, ...]:
    return tuple(sorted(rates, key=lambda rate: (-sum(rate.votes.values()), rate.subject, rate.skill)))


def _rate(row: dict[Any, Any], where: str) -> SkillRate:
    ids = row["question_ids"]
    votes = row.get("votes", [1.0] * len(ids))
    agreement = row.get("self_agreement")
    if len(votes) != len(ids):
        raise UserError(f"{where}: {len(votes)} votes for {len(ids)} question_ids; give one vote an id")
    try:
        return SkillRate(
            subject=row.get("subject", ""),
            skill=row["skill"],
            votes=dict(zip(ids, votes, strict=True)),
            questions=row.get("questions", len(ids)),
            self_agreement=None if agreement is None or agreement != agreement else agreement,
        )
    except ValidationError as error:
        raise UserError(f"{where}: {_first(error)}; begin with `profile.to_frame()`") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole file'}: {first['msg']}"
