"""The JSON that the teacher answers, one model a task.

The class attribute `task` is the name of the JSON schema, of the template
(`prompts/<task>.jinja`) and of the task in every log. Every answer carries back the
ids of the blocks it speaks of, so that one request may hold several questions.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of all teacher answers; unknown fields are invalid, as OpenAI's strict mode wants."""

    model_config = ConfigDict(extra="forbid")
    task: ClassVar[str]


class Item(BaseModel):
    """One element of an answer's list."""

    model_config = ConfigDict(extra="forbid")


class DiscoveredItem(Item):
    id: str
    skills: list[str]


class DiscoverSkills(Answer):
    """Fine-grained skill names for each question (STAT §2.1; Didolkar et al. §2)."""

    task: ClassVar[str] = "discover_skills"
    answers: list[DiscoveredItem]


class Cluster(Item):
    name: str
    description: str
    members: list[str]


class ClusterSkills(Answer):
    """Fine skill names merged into coarse, named skills."""

    task: ClassVar[str] = "cluster_skills"
    clusters: list[Cluster]


class SkillLabel(Item):
    reason: str
    skill: str


class LabelledItem(Item):
    id: str
    skills: list[SkillLabel]


class LabelSkills(Answer):
    """Skills of a closed list that each question needs, with a reason each."""

    task: ClassVar[str] = "label_skills"
    answers: list[LabelledItem]


class DiagnosedItem(Item):
    id: str
    reason: str
    verdict: Literal["correct", "wrong"]
    missing_skills: list[str]


class Diagnose(Answer):
    """What each response got wrong and the skills it failed to apply (STAT §2.2)."""

    task: ClassVar[str] = "diagnose"
    answers: list[DiagnosedItem]


class JudgedItem(Item):
    id: str
    reason: str
    verdict: Literal["correct", "wrong"]


class Judge(Answer):
    """Whether each response gives the reference answer."""

    task: ClassVar[str] = "judge"
    answers: list[JudgedItem]


class NewQuestion(Item):
    question: str


class Synthesize(Answer):
    """New questions that need the target skill (STAT-Syn)."""

    task: ClassVar[str] = "synthesize"
    questions: list[NewQuestion]


class SolvedItem(Item):
    id: str
    solution: str
    answer: str


class Solve(Answer):
    """A worked solution and final answer for each question."""

    task: ClassVar[str] = "solve"
    answers: list[SolvedItem]


class Rewrite(Answer):
    """Another wording of each worked solution; the final answer must not change."""

    task: ClassVar[str] = "rewrite"
    answers: list[SolvedItem]
