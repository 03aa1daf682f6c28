"""What the later rounds found, for the results."""

from collections import Counter
from collections.abc import Iterator

from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.methods.replay import REPLAY
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline.round_selection import profile_title
from stat_train.pipeline.step import Work
from stat_train.recipe import round_arm
from stat_train.report.results import ProfileChange, Round


def rounds_of(work: Work) -> Iterator[Round]:
    """The rounds after the first, in order."""
    rounds = work.recipe.rounds
    for number in range(2, rounds.n + 1) if rounds else ():
        assert rounds
        arm, against = round_arm(rounds.arm, number), round_arm(rounds.arm, number - 1)
        rows = TrainingSet.read(work.file(f"select {arm}", "rows.jsonl")).rows
        ours = [row for row in rows if row.id.startswith(f"round-{number}-")]
        replayed = Counter(
            (row.lineage["subject"], row.lineage["skill"]) for row in ours if row.lineage["method"] == REPLAY
        )
        before, after = (
            MissingSkillProfile.read(work.file(profile_title(its), "profile.json"))
            for its in (number - 1, number)
        )
        changes = [
            ProfileChange(
                subject=change.subject,
                skill=change.skill,
                before=change.before.lacking if change.before else None,
                after=change.after.lacking if change.after else None,
                difference=change.difference,
                ci95=change.ci95,
                replayed=replayed[change.subject, change.skill],
            )
            for change in before.diff(after)
        ]
        yield Round(
            number=number,
            arm=arm,
            against=against,
            from_start=rounds.train_from == "start",
            pairs=len(ours),
            replayed=replayed.total(),
            changes=changes,
        )
