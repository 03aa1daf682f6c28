"""Finding the skills of a data set: discover fine names, then merge them into a short list (STAT §2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from pydantic import Field

from stat_train.data.example import Example
from stat_train.errors import Unfinished, UserError
from stat_train.metacognition.asking import Asks, Batch, Unanswered, ask_batches, in_batches
from stat_train.metacognition.labelling import NO_SKILL
from stat_train.metacognition.skill import Skill, normalise
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.options import Options
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message, TeacherRequest
from stat_train.teacher.schemas import ClusterSkills, DiscoverSkills


class DiscoveryOptions(Options):
    """How a taxonomy is discovered."""

    batch_size: int = Field(8, ge=1, description="questions a request")
    max_skills: int = Field(20, ge=1, description="skills a subject may have in the end")
    cluster_size: int = Field(
        200, ge=4, description="fine names a clustering request, so that it fits a context"
    )


@dataclass(frozen=True, slots=True)
class Discovery:
    """A discovered taxonomy, and how it came about.

    `fine`: question id -> its fine names (normalised). Examples in = `fine` + `quarantined` + `owed`.
    `unplaced`: (subject, fine name) that no cluster took in, after the one repair.
    """

    taxonomy: SkillTaxonomy
    fine: dict[str, tuple[str, ...]]
    quarantined: list[Unanswered]
    unplaced: list[tuple[str, str]]


def discover(
    teacher: Asks, prompts: Prompts, examples: Sequence[Example], options: DiscoveryOptions
) -> Discovery:
    """Discover each subject's skills; every question is then labelled with the list by `label`.

    Fine names are merged in rounds: lists longer than `cluster_size` are cut, each part is merged into
    half as many clusters at most, and the clusters' names are merged again, until one request holds
    all names and gives at most `max_skills` skills. Subjects that differ in case alone are one. Raises
    Unfinished where requests are owed, UserError where some examples have a subject and others none, or where
    a subject yields no skill or its names cannot be merged.
    """
    subjects = {normalise(example.subject): example.subject for example in reversed(examples)}
    if "" in subjects and len(subjects) > 1:
        bare = next(example.id for example in examples if not normalise(example.subject))
        raise UserError(
            f"discovery: question {bare!r} has no subject and others have one; give each of them a subject, "
            'or none of them (`columns.subject: ""`)'
        )
    fine, quarantined = _fine_names(teacher, prompts, examples, options)
    names: dict[str, list[str]] = {subjects[normalise(example.subject)]: [] for example in examples}
    for example in examples:
        names[subjects[normalise(example.subject)]] += fine.get(example.id, ())
    skills: list[Skill] = []
    unplaced: list[tuple[str, str]] = []
    for subject, found in names.items():
        if not found:
            raise UserError(
                f"discovery: no skill was found for any question of subject {subject!r}; "
                f"{quarantined[0].reason if quarantined else 'there are no questions'}: "
                "look at the discover_skills prompt"
            )
        merged, left = _merge(teacher, prompts, subject, list(dict.fromkeys(found)), options)
        skills += merged
        unplaced += [(subject, name) for name in left]
    return Discovery(SkillTaxonomy(tuple(skills)), fine, quarantined, unplaced)


def _fine_names(
    teacher: Asks, prompts: Prompts, examples: Sequence[Example], options: DiscoveryOptions
) -> tuple[dict[str, tuple[str, ...]], list[Unanswered]]:
    def render(batch: Batch[Example]) -> Sequence[Message]:
        questions = [{"id": id, "text": example.question} for id, example in batch.items.items()]
        return prompts.render(DiscoverSkills.task, subject=batch.subject, questions=questions)

    batches = in_batches(examples, lambda example: example.subject, options.batch_size)
    found: dict[str, tuple[str, ...]] = {}
    refused: dict[str, str] = {}
    owed: list[str] = []
    for reply in ask_batches(
        teacher, batches, render, DiscoverSkills, lambda part, subject: None, label="discovery"
    ):
        named = [normalise(name) for name in (reply.answer.skills if reply.answer else [])]
        if reply.status == "owed":
            owed.append(reply.reason)
        elif reply.status == "quarantined" or not any(named):
            refused[reply.item.id] = reply.reason or NO_SKILL
        else:
            found[reply.item.id] = tuple(dict.fromkeys(name for name in named if name))
    if owed:
        raise Unfinished(f"discovery: {len(owed)} questions are owed ({owed[0]}); run again to go on")
    order = [example.id for example in examples]
    return (
        {id: found[id] for id in order if id in found},
        [Unanswered(id, refused[id]) for id in order if id in refused],
    )


def _merge(
    teacher: Asks, prompts: Prompts, subject: str, names: list[str], options: DiscoveryOptions
) -> tuple[list[Skill], list[str]]:
    """The final skills of one subject, and the fine names that were left out."""
    while len(names) > options.cluster_size:
        parts = ceil(len(names) / options.cluster_size)
        size = ceil(len(names) / parts)
        chunks = [names[start : start + size] for start in range(0, len(names), size)]
        merged, left = _cluster(teacher, prompts, subject, chunks, ceil(size / 2))
        shorter = list(dict.fromkeys([*(skill.name for skill in merged), *left]))
        if len(shorter) >= len(names):
            raise UserError(
                f"discovery: the teacher does not merge the {len(names)} skill names of subject {subject!r} "
                "any further; raise `cluster_size`, or look at the cluster_skills prompt"
            )
        names = shorter
    merged, left = _cluster(teacher, prompts, subject, [names], options.max_skills)
    if not merged:
        raise UserError(
            f"discovery: the teacher gave no valid clusters of the {len(names)} skill names of subject "
            f"{subject!r}; look at the cluster_skills prompt, or use a stronger teacher"
        )
    return merged, left


def _cluster(
    teacher: Asks, prompts: Prompts, subject: str, chunks: Sequence[list[str]], at_most: int
) -> tuple[list[Skill], list[str]]:
    """One request a chunk: the clusters (equal names are one), and the names that no cluster took in."""
    checks = [_ClusterCheck(chunk, at_most) for chunk in chunks]
    requests = [
        TeacherRequest(
            ClusterSkills.task,
            prompts.render(
                ClusterSkills.task,
                subject=subject,
                fine_skills=[{"id": f"s{n}", "text": name} for n, name in enumerate(chunk, start=1)],
                max_clusters=at_most,
            ),
            ClusterSkills,
            check=check,
        )
        for chunk, check in zip(chunks, checks, strict=True)
    ]
    clusters: dict[str, Skill] = {}
    left: list[str] = []
    for check, result in zip(checks, teacher.ask(requests, label="clustering"), strict=True):
        if result.status == "owed":
            raise Unfinished(f"discovery: a clustering request is owed ({result.reason}); run again to go on")
        usable = check.usable(result.answer)
        for name, (description, _) in usable.items():
            clusters.setdefault(name, Skill(name, description, subject))
        taken = {member for _, members in usable.values() for member in members}
        left += [name for name in check.names if name not in taken]
    return list(clusters.values()), left


class _ClusterCheck:
    """What is wrong with the clusters of one chunk of names."""

    def __init__(self, names: list[str], at_most: int) -> None:
        self.names, self.at_most = names, at_most

    def __call__(self, answer: Any) -> str | None:
        members = [normalise(member) for cluster in answer.clusters for member in cluster.members]
        twice = sorted({member for member in members if members.count(member) > 1})
        found = [
            *_listed("no cluster holds", [name for name in self.names if name not in members]),
            *_listed("in two clusters", twice),
            *_listed("not among the given names", sorted({*members} - {*self.names})),
        ]
        if len(answer.clusters) > self.at_most:
            found.append(f"{len(answer.clusters)} clusters; make at most {self.at_most}")
        if not all(normalise(cluster.name) for cluster in answer.clusters):
            found.append("a cluster has no name")
        return "; ".join(found) or None

    def usable(self, answer: Any) -> dict[str, tuple[str, list[str]]]:
        """Cluster name -> description and known members, of as many clusters as were allowed."""
        usable: dict[str, tuple[str, list[str]]] = {}
        for cluster in answer.clusters[: self.at_most] if answer else []:
            members = [name for name in map(normalise, cluster.members) if name in self.names]
            if members and normalise(cluster.name):
                _, known = usable.setdefault(normalise(cluster.name), (cluster.description, []))
                known += members
        return usable


def _listed(what: str, names: Sequence[str]) -> list[str]:
    shown = ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return [f"{what}: {shown}"] if names else []
