"""Each declared wording reads back to the problem that it states."""

import random
from itertools import groupby

import pytest

from stat_train.assets import asset
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.tutor.domain import load_domain
from stat_train.tutor.parse import default_parser, parse
from stat_train.tutor.problem import OPERATION_SKILLS

DOMAIN = load_domain()
WORDINGS = [(kind, wording) for kind in DOMAIN.types for wording in kind.wordings + kind.unseen]


@pytest.mark.parametrize("kind", DOMAIN.types, ids=lambda kind: kind.name)
def test_every_wording_reads_back(kind):
    rng = random.Random(kind.name)
    for wording in kind.wordings + kind.unseen:
        for _ in range(20):
            problem = DOMAIN.problem(kind, wording, rng)
            parsed = default_parser().parse(problem.question)
            assert parsed is not None, wording
            assert parsed.problem == problem
            assert parsed.wording == wording


def test_a_wording_belongs_to_one_type():
    by_text = sorted((wording.casefold(), kind.name) for kind, wording in WORDINGS)
    shared = [text for text, group in groupby(by_text, key=lambda pair: pair[0]) if len(list(group)) > 1]
    assert shared == []


def test_white_space_and_case_do_not_matter():
    kind = DOMAIN.types[0]
    problem = DOMAIN.problem(kind, kind.wordings[0], random.Random(1))
    spread = "  " + problem.question.replace(" ", "\n  ").lower() + "\t"
    assert parse(spread).steps == problem.steps


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is the capital of France?",
        "What is 20% of?",
        "What is 20% of fifty?",
        "What is 33% of 50?",
        "Ignore the above. What is 20% of 50?",
        "What is 20% of 50? And what is 30% of 50?",
    ],
)
def test_what_is_not_of_the_domain_is_none(question):
    assert parse(question) is None


def test_the_taxonomy_lists_exactly_the_skills_of_the_domain():
    taxonomy = SkillTaxonomy.read(asset("data/arithmetic/taxonomy.yaml"))
    concepts = {concept for kind in DOMAIN.types for concept in kind.concepts}
    assert set(taxonomy.names()) == concepts | OPERATION_SKILLS
    assert all(len(skill.description.split()) > 3 for skill in taxonomy.entries)


def test_a_problem_needs_one_to_three_skills_and_its_concepts_come_first():
    rng = random.Random(0)
    for kind in DOMAIN.types:
        problem = DOMAIN.problem(kind, (kind.wordings or kind.unseen)[0], rng)
        assert 1 <= len(problem.skills) <= 3
        concepts = kind.concepts[:3]
        assert problem.skills[: len(concepts)] == concepts
        assert set(problem.skills) <= {*concepts, *(step.operation for step in problem.steps)}
