"""How often the student was right: overall, per skill, per subject, per level."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.evaluation.metrics import Metric, Votes
from stat_train.grading.verdict import VERDICTS, Verdict
from stat_train.intervals import Interval, bootstrap, wilson

FEW = 12
"""Questions: 95 % intervals by resampling shares of fewer hold the truth too seldom (85 % of 5)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Accuracy over the questions that share a skill, subject or level."""

    accuracy: float
    ci95: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Accuracy (average@n where each question has n samples, or what another metric makes of them) over `n`
    questions.

    `questions` maps each question's id to the share of its samples that are correct, or to its metric;
    `verdicts` counts all answers; errors and timeouts count as not correct. `cut_off`
    answers reached the token limit. Skills are keyed "subject/skill" where the data has
    subjects (a name may recur in several, STAT §2.1).
    """

    accuracy: float
    ci95: Interval
    n: int
    samples: int
    per_skill: Mapping[str, Group]
    per_subject: Mapping[str, Group]
    per_level: Mapping[str, Group]
    verdicts: Mapping[str, int]
    cut_off: int
    questions: Mapping[str, float]


def score(
    examples: Sequence[Example],
    verdicts: Sequence[Verdict] | Sequence[Sequence[Verdict]],
    *,
    metric: Metric | None = None,
    votes: Votes | None = None,
    cut_off: int = 0,
    seed: int = 0,
) -> Scores:
    """Scores of `verdicts`: one, or a list of samples, for each example, in the examples' order.

    `metric` says what the samples count for (none: their average); a majority needs the `votes`.
    Intervals are Wilson's where a question is right or wrong, where all are the same, and where there are
    fewer than 12 (it is wider than shares need); else a bootstrap over questions.
    Raises UserError where there is nothing to score, and for a verdict that is none.
    """
    if not examples:
        raise UserError("evaluation: no questions to score; give a split that holds some")
    samples: list[Sequence[Verdict]] = [
        its if isinstance(its, Sequence) and not isinstance(its, str) else [its] for its in verdicts
    ]
    for answers in samples:
        for verdict in answers:
            if verdict not in VERDICTS:
                raise UserError(f"evaluation: {verdict!r} is no verdict; give {', '.join(VERDICTS)}")
    if len(samples) != len(examples) or not all(samples):
        raise ValueError(
            f"{len(examples)} questions, {len(samples)} lists of verdicts; each needs one or more"
        )
    if len({example.id for example in examples}) != len(examples):
        raise ValueError("question ids must be unique")
    most = max(len(answers) for answers in samples)
    metric = metric or Metric("average", most)
    single = most == 1 or metric.kind == "majority" or (metric.kind, metric.k) == ("pass", most)
    shares = metric.values(samples, votes)
    overall = _group(shares, single, seed)
    counts = Counter(answer for answers in samples for answer in answers)
    return Scores(
        accuracy=overall.accuracy,
        ci95=overall.ci95,
        n=overall.n,
        samples=counts.total(),
        per_skill=_groups([_skill_keys(example) for example in examples], shares, single, seed),
        per_subject=_groups([(e.subject,) if e.subject else () for e in examples], shares, single, seed),
        per_level=_groups([(e.level,) if e.level else () for e in examples], shares, single, seed),
        verdicts={verdict: counts[verdict] for verdict in VERDICTS},
        cut_off=cut_off,
        questions={example.id: share for example, share in zip(examples, shares, strict=True)},
    )


def _skill_keys(example: Example) -> tuple[str, ...]:
    prefix = f"{example.subject}/" if example.subject else ""
    return tuple(prefix + skill for skill in dict.fromkeys(example.skills))


def _groups(
    keys: Sequence[Sequence[str]], shares: Sequence[float], single: bool, seed: int
) -> dict[str, Group]:
    members: defaultdict[str, list[float]] = defaultdict(list)
    for names, share in zip(keys, shares, strict=True):
        for name in names:
            members[name].append(share)
    return {name: _group(members[name], single, seed) for name in sorted(members)}


def _group(shares: Sequence[float], single: bool, seed: int) -> Group:
    n = len(shares)
    accuracy = sum(shares) / n
    few = n < FEW or len(set(shares)) == 1  # resampling them would claim too much certainty
    interval = wilson(accuracy, n) if single or few else bootstrap(shares, seed=seed)
    return Group(accuracy=accuracy, ci95=interval, n=n)
