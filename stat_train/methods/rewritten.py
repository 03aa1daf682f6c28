"""Training sets with several solutions of each question."""

from collections.abc import Mapping, Sequence

from stat_train.methods.training_set import TrainingRow, TrainingSet


def with_rewrites(drawn: TrainingSet, rewrites: Mapping[str, Sequence[str]], answers: int) -> TrainingSet:
    """Each drawn question with `answers` solutions: its rewrites, by the id of the pool's row.

    Where a question has fewer, the pool's own solution takes the places left, so that every question weighs
    the same; the notes say how often.
    """
    rows: list[TrainingRow] = []
    for row in drawn.rows:
        its = rewrites.get(row.lineage["source_id"], ())
        for number in range(answers):
            rewritten = number < len(its)
            solution = its[number] if rewritten else row.solution
            why = {**row.lineage, "solution": number, "rewritten": rewritten}
            rows.append(TrainingRow(f"{drawn.method}-{len(rows):05d}", row.question, solution, why))
    own = sum(not row.lineage["rewritten"] for row in rows)
    said = f"{own} of {len(rows)} answers are the pool's own solutions: too few rewrites were right and new"
    return TrainingSet(drawn.method, tuple(rows), (*drawn.notes, *([said] if own else ())))


def some_pairs(made: TrainingSet, answers: int, size: int, *, seed: int = 0) -> TrainingSet:
    """`size` of the pairs that `with_rewrites` made, as many different questions as there are: first answers
    before second ones, and of the last ones that are taken those of questions chosen at random."""
    import numpy as np

    turns = np.random.default_rng([seed, 10]).permutation(len(made) // answers)
    in_turn = [int(turn) * answers + number for number in range(answers) for turn in turns]
    rows = tuple(made.rows[place] for place in sorted(in_turn[:size]))
    return TrainingSet(made.method, rows, made.notes)
