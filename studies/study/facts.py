"""What a cell leaves besides its scores: the profile beside the truth, skills, rewards, prompts."""

from collections import Counter
from collections.abc import Iterator, Mapping

from stat_train.data.jsonl import read_jsonl
from stat_train.data.reading import read_examples
from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.pipeline.adaptmi import QUESTIONS, RESULTS
from stat_train.pipeline.rows import read_rows
from stat_train.report.prompting import PromptingResults
from stat_train.run import Stage
from stat_train.student.response import Response
from stat_train.training.rewards import groups_of
from stat_train.training.rollouts import ROLLOUTS
from stat_train.tutor.diagnosis import diagnose
from stat_train.tutor.domain import load_domain
from stat_train.tutor.parse import QuestionParser
from studies.study.rows import Row


def profile_row(stages: Mapping[str, Stage]) -> Row:
    """Each skill of the profile (missing, difficult, all of its questions), and the teacher's diagnoses
    against the tutor's own, of the same answers: skills named, true ones, and those that are both."""
    profile = MissingSkillProfile.read(stages["profile"].file("profile.json"))
    named = {
        row.question_id: set(row.missing_skills)
        for row in read_rows(stages["diagnose"].file("diagnoses.jsonl"), Diagnosis)
    }
    true = {id: skills for id, skills in _truth(stages).items() if id in named}
    return {
        "skills": {rate.skill: [rate.missing, rate.difficult, rate.questions] for rate in profile.skills},
        "difficult": len(profile.difficult),
        "named": sum(map(len, named.values())),
        "true": sum(map(len, true.values())),
        "both": sum(len(named[id] & skills) for id, skills in true.items()),
    }


def _truth(stages: Mapping[str, Stage]) -> dict[str, set[str]]:
    """What each validation answer lacks, by the rules that made its question; no request, no prompt."""
    parser = QuestionParser(load_domain())
    answers = {row.question_id: row for row in read_rows(stages["answer"].file("responses.jsonl"), Response)}
    found = {}
    for example in read_examples(stages["data"].file("validation.jsonl")):
        parsed = parser.parse(example.question)
        assert parsed is not None, example.question
        found[example.id] = set(
            diagnose(parsed.problem, answers[example.id].text, parsed.kind).missing_skills
        )
    return found


def skills_of(stages: Mapping[str, Stage], split: str) -> list[list[str]]:
    """The skills that each question of a split needs, in its order."""
    return [list(example.skills) for example in read_examples(stages["label"].file(f"{split}.jsonl"))]


def mix_of(stages: Mapping[str, Stage], split: str) -> Row:
    """The kind of problem of each question of a split, and how many questions of each kind the pool has."""
    kinds = {
        its: [example.meta["type"] for example in read_examples(stages["data"].file(f"{its}.jsonl"))]
        for its in (split, "pool")
    }
    return {"kinds": kinds[split], "pool": dict(Counter(kinds["pool"]).most_common())}


def rewards_of(stages: Mapping[str, Stage], arm: str) -> list[list[float]]:
    """The mean reward of each group of answers, batch by batch."""
    groups = groups_of(read_jsonl(stages[f"grpo {arm.removesuffix('+grpo')}"].file("model") / ROLLOUTS))
    batches: dict[int, list[float]] = {}
    for group in groups:
        batches.setdefault(group.batch, []).append(round(group.reward, 4))
    return [batches[batch] for batch in sorted(batches)]


def prompt_rows(stages: Mapping[str, Stage]) -> Iterator[Row]:
    """One for each way to prompt: a 1 or 0 for each question, the student's tokens a question, and the
    questions put to the teacher."""
    stage = stages["adaptmi"]
    results = PromptingResults.model_validate_json(stage.file(RESULTS).read_bytes())
    questions = list(read_jsonl(stage.file(QUESTIONS)))
    for prompting in results.promptings:
        yield {
            "arm": prompting.name,
            "correct": "".join("01"[row[prompting.name] == 1] for row in questions),
            "tokens": round((prompting.prompt_tokens + prompting.completion_tokens) / prompting.n, 1),
            "teacher_questions": prompting.teacher_questions,
        }
