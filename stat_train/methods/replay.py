"""Replay: rows for the skills that training on others made the student forget."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stat_train.data.example import Example
from stat_train.metacognition.profile_diff import SkillChange
from stat_train.methods.drawing import Drawer, allocate
from stat_train.methods.neighbours import Skill, skill_rows
from stat_train.methods.training_set import TrainingRow, TrainingSet, training_set

REPLAY = "replay"


def forgotten(changes: Iterable[SkillChange]) -> dict[Skill, float]:
    """(subject, skill) -> by how much the share of its questions that lack it grew, the most lost first.

    A skill that no question needed before cannot have been forgotten.
    """
    lost = {
        (change.subject, change.skill): change.difference
        for change in changes
        if change.difference is not None and change.status == "forgotten"
    }
    return dict(sorted(lost.items(), key=lambda its: -its[1]))


def replay(
    lost: Mapping[Skill, float],
    pool: Sequence[Example],
    earlier: Sequence[TrainingRow],
    size: int,
    *,
    seed: int = 0,
) -> TrainingSet:
    """`size` pairs for the skills in `lost`, in proportion to how much of each was lost.

    They are drawn from the Skill-Map, what no `earlier` round trained on first; for a skill that no question
    of the pool is labelled with, from the `earlier` rows that taught it. A skill with neither is left out and
    noted: its share goes to the others. Empty where nothing is left to replay.
    """
    import numpy as np

    rows = skill_rows(pool)
    taught: dict[Skill, list[TrainingRow]] = defaultdict(list)
    for row in earlier:
        taught[row.lineage.get("subject", ""), row.lineage.get("skill", "")].append(row)
    weights = {skill: loss for skill, loss in lost.items() if skill in rows or skill in taught}
    notes = [f"forgotten skill {skill[1]!r}: no row to replay" for skill in lost if skill not in weights]
    if not weights:
        return TrainingSet(REPLAY, (), tuple(notes))
    drawer = Drawer(len(pool), [seed, 20])
    drawer.count(pool, Counter(row.lineage["source_id"] for row in earlier))
    fresh, again = [], []
    for skill, places in allocate(weights, size).items():
        why = {"subject": skill[0], "skill": skill[1], "lost": round(lost[skill], 4)}
        if skill in rows:
            fresh += [(pool[row], why) for row in drawer.draw(rows[skill], places)]
        else:
            its = taught[skill]
            drawn = Drawer(len(its), [seed, 21]).draw(np.arange(len(its)), places)
            again += [
                replace(its[row], lineage={**its[row].lineage, **why, "method": REPLAY}) for row in drawn
            ]
    return TrainingSet(REPLAY, (*training_set(REPLAY, fresh).rows, *again), tuple(notes))
