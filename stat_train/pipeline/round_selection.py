"""What a later round trains on: by the new profile, and what was forgotten in between."""

from collections import Counter
from dataclasses import replace
from functools import partial

from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.replay import REPLAY, forgotten, replay
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.selection import training_set_of
from stat_train.pipeline.step import Sizes, Step, Work
from stat_train.recipe import RoundsOptions, round_arm

BEFORE = "profile of the round before"


def profile_title(number: int) -> str:
    """The stage that holds the profile of a round."""
    return "profile" if number == 1 else f"profile round-{number}"


def round_select_step(step: Step, rounds: RoundsOptions, number: int) -> Step:
    """`step`, an arm's selection in round `number`, with the replay and with regard to earlier rounds."""
    earlier = [f"select {round_arm(rounds.arm, other)}" for other in range(1, number)]
    profiles = {BEFORE: profile_title(number - 1), "profile": profile_title(number)} if rounds.replay else {}
    plan = step.plan

    def planned(sizes: Sizes) -> str:
        return plan(sizes) + (f", up to {rounds.replay:.0%} replay" if rounds.replay else "")

    return replace(
        step,
        work=partial(_select, rounds, number),
        plan=planned,
        needs={
            **step.needs,
            **dict.fromkeys(profiles.values(), ()),
            **dict.fromkeys(earlier, ("rows.jsonl",)),
        },
        options={**step.options, "replay": rounds.replay, "train_from": rounds.train_from},
        version=step.version + (1 if rounds.arm == "stat-sel" else 0),
        called={**step.called, **profiles},
    )


def _select(rounds: RoundsOptions, number: int, work: Work) -> None:
    sets = [
        TrainingSet.read(work.file(f"select {round_arm(rounds.arm, other)}", "rows.jsonl"))
        for other in range(1, number)
    ]
    union = rounds.train_from == "start"  # the set of the round before holds those of all rounds before it
    earlier = [row for its in (sets[-1:] if union else sets) for row in its.rows]
    drawn = Counter(str(row.lineage["source_id"]) for row in earlier)
    chosen, back = training_set_of(rounds.arm, work, drawn_before=drawn), TrainingSet(REPLAY, ())
    if rounds.replay:
        lost = forgotten(_profile(work, BEFORE).diff(_profile(work, "profile")))
        places = round(rounds.replay * len(chosen))
        fewer = training_set_of(rounds.arm, work, len(chosen) - places, drawn_before=drawn)
        back = replay(lost, work.split("pool"), [*earlier, *fewer.rows], places, seed=work.recipe.seed)
        chosen = fewer if back.rows else chosen
    new = [replace(row, id=f"round-{number}-{row.id}") for row in (*chosen.rows, *back.rows)]
    begun = "the start, on all rounds' pairs" if union else round_arm(rounds.arm, number - 1)
    notes = [f"trained from {begun}", *chosen.notes, *back.notes]
    if rounds.replay and not back.rows:
        notes.append("nothing to replay: its share goes by the new profile too")
    made = TrainingSet(rounds.arm, tuple([*earlier, *new] if union else new), tuple(notes))
    made.write(work.stage.file("rows.jsonl"))
    counts = {
        "new": len(new),
        "replayed": len(back),
        "repeated": sum(row.lineage["source_id"] in drawn for row in new),
    }
    work.stage.finish(["rows.jsonl"], counts=made.counts() | counts, notes=made.notes)


def _profile(work: Work, name: str) -> MissingSkillProfile:
    return MissingSkillProfile.read(work.file(name, "profile.json"))
