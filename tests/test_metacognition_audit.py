"""The audit: planted faults are found at the planted rate."""

import io
from random import Random

import pytest
from rich.console import Console
from scripted_teacher import ScriptedTeacher

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.agreement import cohen_kappa, jaccard_distance, krippendorff_alpha
from stat_train.metacognition.audit import AuditOptions, audit, compare
from stat_train.metacognition.labelling import LabellingOptions
from stat_train.metacognition.show import audit_report
from stat_train.metacognition.skill import Skill
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.metacognition.usage import Proposal, proposals, usage
from stat_train.teacher.prompts import Prompts

NAMES = [f"skill{n:02}" for n in range(20)]
TAXONOMY = SkillTaxonomy.from_names(NAMES)
POOL = [Example(f"q{n}", f"question {n}") for n in range(600)]


def faulty(wrong=0.0, off_list=0.0):
    """Labels question n with skill n modulo 20; errs at the given rates, anew for every draw."""

    def script(asked):
        answers = []
        for id, text in asked.blocks("question").items():
            n = int(text.split()[1])
            random = Random(f"{n} {asked.sample}")
            name = NAMES[n % 20]
            if random.random() < wrong:
                name = random.choice([other for other in NAMES if other != name])
            if random.random() < off_list:
                name = f"invented {n % 3}"
            answers.append({"id": id, "skills": [{"reason": "", "skill": name}]})
        return {"answers": answers}

    return script


def run(script, examples=POOL, taxonomy=TAXONOMY, **options):
    teacher = ScriptedTeacher(script)
    found = audit(teacher, Prompts(), taxonomy, examples, AuditOptions(**options), LabellingOptions())
    return found, teacher


@pytest.mark.parametrize("planted", [0.0, 0.1, 0.3])
def test_the_planted_rate_of_wrong_labels_is_recovered(planted):
    found, _ = run(faulty(wrong=planted), sample_size=600)
    assert found.agreement.error_rate == pytest.approx(planted, abs=0.04)
    assert found.agreement.same == pytest.approx((1 - planted) ** 2, abs=0.06)
    kappas = [kappa for kappa in found.agreement.kappa.values() if kappa is not None]
    assert sum(kappas) / len(kappas) == pytest.approx((1 - planted) ** 2, abs=0.06)
    assert found.agreement.alpha == pytest.approx((1 - planted) ** 2, abs=0.06)


@pytest.mark.parametrize("planted", [0.0, 0.15])
def test_the_planted_off_list_rate_is_recovered_unrepaired(planted):
    found, teacher = run(faulty(off_list=planted), sample_size=600)
    assert found.off_list_rate == pytest.approx(planted, abs=0.03)
    assert {name for _, name in found.off_list} == (
        {"invented 0", "invented 1", "invented 2"} if planted else set()
    )
    assert found.left == pytest.approx(600 * (1 - (1 - planted) ** 2), abs=30)
    assert not any(asked.error for asked in teacher.asked)


def test_the_second_labelling_is_another_draw_in_another_order():
    _, teacher = run(faulty(), sample_size=40)
    orders = {sample: [] for sample in (1, 2)}
    for asked in teacher.asked:
        orders[asked.sample] += asked.blocks("question").values()
    assert set(orders[1]) == set(orders[2])
    assert orders[1] != orders[2]
    _, again = run(faulty(), sample_size=40)
    assert [asked.prompt for asked in again.asked] == [asked.prompt for asked in teacher.asked]
    _, other = run(faulty(), sample_size=40, seed=1)
    assert [asked.prompt for asked in other.asked] != [asked.prompt for asked in teacher.asked]


def test_skills_that_the_teacher_confuses_are_proposed_for_merging():
    def script(asked):
        answers = []
        for id, text in asked.blocks("question").items():
            n = int(text.split()[1])
            name = NAMES[(asked.sample + n) % 2] if n % 4 == 0 else NAMES[2 + n % 3]
            answers.append({"id": id, "skills": [{"reason": "", "skill": name}]})
        return {"answers": answers}

    found, _ = run(script, sample_size=200)
    assert found.agreement.kappa["", "skill00"] == 0
    assert found.agreement.kappa["", "skill02"] == 1
    assert [p.skills for p in found.proposals if "took one for the other" in p.reason] == [
        ("skill00", "skill01")
    ]


def test_an_audit_without_a_valid_answer_is_an_error():
    with pytest.raises(UserError, match=r"no question has two valid labellings .off the list"):
        run(faulty(off_list=1.0), sample_size=10)


def labelled(*groups):
    rows = [skills for n, *skills in groups for _ in range(n)]
    return [Example(f"q{i}", "?", skills=tuple(skills)) for i, skills in enumerate(rows)]


def test_usage_finds_rare_unused_and_inseparable_skills():
    taxonomy = SkillTaxonomy.from_names(["a", "b", "c", "d", "e"])
    examples = labelled((9, "a", "b"), (1, "a"), (20, "c"), (2, "c", "d"))
    used = usage(examples, taxonomy, min_count=5, together=0.9)
    assert used.counts == {("", "a"): 10, ("", "b"): 9, ("", "c"): 22, ("", "d"): 2, ("", "e"): 0}
    assert used.rare == [("", "d"), ("", "e")]
    assert used.together == [("", "a", "b")]
    assert usage(examples, taxonomy, min_count=5, together=0.95).together == []


def test_proposals_merge_the_rare_and_the_inseparable_and_split_the_coarse():
    taxonomy = SkillTaxonomy((*(Skill(name) for name in "abcd"), Skill("e", parent="a"), Skill("f")))
    examples = labelled((9, "a", "b"), (20, "c"), (2, "c", "d"))
    used = usage(examples, taxonomy, min_count=5, together=0.9)
    assert proposals(used, taxonomy, examples, coarse=0.5) == [
        Proposal("merge", "", ("a", "b"), "they hardly ever occur apart"),
        Proposal("merge", "", ("d", "c"), "only 2 questions need d"),
        Proposal("merge", "", ("e", "a"), "only 0 questions need e"),
        Proposal("split", "", ("c",), "71% of the questions need it"),
    ]


def test_existing_labels_are_what_usage_rests_on():
    pool = labelled((30, "skill00"), (2, "skill01"))
    pool = [Example(e.id, f"question {i}", skills=e.skills) for i, e in enumerate(pool)]
    found, teacher = run(faulty(), pool, sample_size=8)
    assert found.usage.counts["", "skill00"] == 30
    assert len(teacher.asked) == 2
    assert found.asked == 8


def test_cohen_kappa_by_hand():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: (0.7 - 0.5) / 0.5
    first = [True] * 25 + [False] * 25
    second = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa([False] * 3, [False] * 3) is None
    assert cohen_kappa([], []) is None


def test_krippendorff_alpha_by_hand():
    # nominal data of one coder pair (0/1, ten items; Krippendorff 2011, section A): alpha .095
    first, second = "0100000010", "1110010000"
    pairs = [(frozenset(a), frozenset(b)) for a, b in zip(first, second, strict=True)]
    assert krippendorff_alpha({"": pairs}) == pytest.approx(0.095, abs=5e-4)
    same = [(frozenset("a"), frozenset("a")), (frozenset("b"), frozenset("b"))]
    assert krippendorff_alpha({"x": same, "y": same}) == 1
    assert krippendorff_alpha({"x": [(frozenset("a"), frozenset("a"))] * 3}) is None
    assert jaccard_distance("ab", "bc") == pytest.approx(2 / 3)
    assert jaccard_distance("", "") == 0


def test_disagreement_is_expected_within_a_subject_only():
    a, b = frozenset("a"), frozenset("b")
    mixed = [(a, b), (b, a), (a, a), (b, b)]
    alone = krippendorff_alpha({"x": mixed})
    assert krippendorff_alpha({"x": mixed, "y": [(a, a)] * 50}) == alone


def test_published_labels_are_compared_the_same_way():
    twice = {
        "q1": (Example("q1", "?", skills=("a",)), Example("q1", "?", skills=("a",))),
        "q2": (Example("q2", "?", skills=("a", "b")), Example("q2", "?", skills=("b",))),
        "q3": (Example("q3", "?", skills=("b",)), Example("q3", "?", skills=("c",))),
    }
    found = compare(twice, SkillTaxonomy.from_names(["a", "b", "c"]))
    assert found.same == pytest.approx(1 / 3)
    assert found.confused == {("", "b", "c"): 1}
    assert found.kappa["", "a"] == pytest.approx(0.4)


def test_the_report_says_the_figures():
    found, _ = run(faulty(wrong=0.3, off_list=0.1), sample_size=100)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(audit_report(found))
    text = console.export_text()
    assert f"same labels {found.agreement.same:.1%}" in text
    assert f"names off the list {found.off_list_rate:.1%}" in text
    assert "skill07" in text
