"""Can the labels be trusted? The teacher labels a sample twice, and its answers are compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from pydantic import Field

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.agreement import cohen_kappa, krippendorff_alpha
from stat_train.metacognition.asking import Asks
from stat_train.metacognition.labelling import Labelling, LabellingOptions, label
from stat_train.metacognition.skill import SkillKey
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.metacognition.usage import Proposal, Usage, proposals, usage
from stat_train.options import Options
from stat_train.teacher.prompts import Prompts


class AuditOptions(Options):
    """How labels are audited."""

    sample_size: int = Field(200, ge=2, description="questions that are labelled twice")
    seed: int = Field(0, description="chooses the questions and their order")
    min_count: int = Field(5, ge=1, description="questions below which a skill is too rare to use")
    together: float = Field(0.9, gt=0, le=1, description="overlap above which two skills are never apart")
    coarse: float = Field(
        1 / 3, gt=0, le=1, description="share of questions above which a skill is too coarse"
    )
    confused: float = Field(
        0.3, gt=0, le=1, description="share of a skill's uses that were another skill the second time: merge"
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two labellings of the same `n` questions.

    `same`: share with equal label sets. `error_rate`: share of wrong labellings that would explain it if
    errors are independent and never agree, 1 - sqrt(same). `kappa`: Cohen's, per (subject, skill), over
    the subject's questions; None where neither labelling varies. `alpha`: Krippendorff's over label sets
    (Jaccard distance). `confused`: (subject, skill, skill) -> questions where the one stood for the other.
    """

    n: int
    same: float
    error_rate: float
    alpha: float | None
    kappa: dict[SkillKey, float | None]
    confused: dict[tuple[str, str, str], int]


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit's findings.

    `off_list_rate`: share of all names in the teacher's first answers that are not on the list, and
    `off_list` those names; `left`: questions without two valid answers (of `asked`); `owed`: of the two
    labellings, those that did not come (transport). Usage and proposals
    rest on the labels that the examples have, or, where none has any, on the first of the two labellings.
    """

    asked: int
    left: int
    owed: int
    agreement: Agreement
    off_list_rate: float
    off_list: dict[SkillKey, int]
    usage: Usage
    proposals: list[Proposal]


def audit(
    teacher: Asks,
    prompts: Prompts,
    taxonomy: SkillTaxonomy,
    examples: Sequence[Example],
    options: AuditOptions,
    labelling: LabellingOptions,
) -> Audit:
    """Label a random sample of `examples` twice, in another order and as other draws, and compare.

    The sample is asked as if unlabelled, and first answers stand: nothing is repaired, so that the
    off-list rate is the teacher's own. Raises UserError where no question has two valid answers.
    """
    random = Random(f"audit {options.seed}")
    chosen = random.sample(list(examples), min(options.sample_size, len(examples)))
    asked = [replace(example, skills=()) for example in chosen]
    runs: list[Labelling] = []
    for sample in (1, 2):
        random.shuffle(asked)
        runs.append(label(teacher, prompts, taxonomy, asked, labelling, sample=sample, repair=False))
    first, second = ({example.id: example for example in run.examples} for run in runs)
    twice = {id: (first[id], second[id]) for id in first if id in second}
    if not twice:
        reasons = [left.reason for run in runs for left in (*run.quarantined, *run.owed)]
        raise UserError(
            f"audit: no question has two valid labellings ({reasons[0] if reasons else 'none asked'})"
        )
    agreement = compare(twice, taxonomy)
    labelled = [example for example in examples if example.skills] or list(first.values())
    used = usage(labelled, taxonomy, min_count=options.min_count, together=options.together)
    proposed = proposals(used, taxonomy, labelled, coarse=options.coarse)
    off_list = sum((Counter(run.off_list) for run in runs), Counter[SkillKey]())
    return Audit(
        asked=len(asked),
        left=len(asked) - len(twice),
        owed=sum(len(run.owed) for run in runs),
        agreement=agreement,
        off_list_rate=sum(off_list.values()) / max(1, sum(run.named for run in runs)),
        off_list=dict(off_list),
        usage=used,
        proposals=proposed + _confusions(agreement, twice, options),
    )


def compare(twice: Mapping[str, tuple[Example, Example]], taxonomy: SkillTaxonomy) -> Agreement:
    """Agreement of two labellings of the same questions: the teacher's two, or its own and published ones."""
    by_subject: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for a, b in twice.values():
        by_subject.setdefault(a.subject, []).append((frozenset(a.skills), frozenset(b.skills)))
    kappa = {
        (subject, name): cohen_kappa([name in a for a, _ in pairs], [name in b for _, b in pairs])
        for subject, pairs in by_subject.items()
        for name in taxonomy.names(subject)
    }
    confused: Counter[tuple[str, str, str]] = Counter()
    for subject, pairs in by_subject.items():
        for once, again in pairs:
            confused.update((subject, min(x, y), max(x, y)) for x in once - again for y in again - once)
    same = sum(a == b for pairs in by_subject.values() for a, b in pairs) / len(twice)
    alpha = krippendorff_alpha(by_subject)
    return Agreement(len(twice), same, 1 - same**0.5, alpha, kappa, dict(confused))


def _confusions(
    agreement: Agreement, twice: Mapping[str, tuple[Example, Example]], options: AuditOptions
) -> list[Proposal]:
    uses: Counter[SkillKey] = Counter(
        (example.subject, skill) for pair in twice.values() for example in pair for skill in example.skills
    )
    found = []
    for (subject, a, b), n in sorted(agreement.confused.items()):
        rarer = min(uses[subject, a], uses[subject, b])
        if n >= options.min_count and n >= options.confused * rarer:
            reason = f"the teacher took one for the other in {n} of {agreement.n} questions"
            found.append(Proposal("merge", subject, (a, b), reason))
    return found
