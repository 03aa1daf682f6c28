"""What users get wrong: each is one clear line that names the place and the mend, and a non-zero exit."""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.cli import main
from stat_train.data.jsonl import write_jsonl
from stat_train.data.writing import write_examples
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.pipeline.data import generate_splits
from stat_train.pipeline.pool_check import check_pool
from stat_train.pipeline.steps import steps_up_to
from stat_train.recipe import TutorOptions
from stat_train.recipe_file import read_recipe
from stat_train.teacher.prompts import Prompts

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and all that it names, nothing wrong with it yet."""
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    splits = generate_splits(TutorOptions(pool=12, validation=4, development=1, test=4, ood=1))
    for split in ("pool", "validation", "test"):
        write_examples(tmp_path / f"{split}.jsonl", splits[split])
    shutil.copy(asset("data/arithmetic/taxonomy.yaml"), tmp_path / "skills.yaml")
    (tmp_path / "recipe.yaml").write_text(
        "name: mine\n"
        "data: {pool: pool.jsonl, validation: validation.jsonl, evaluation: {test: test.jsonl}}\n"
        "taxonomy: skills.yaml\n"
        "grader: numeric\n"
        "difficulty: {method: gold}\n"
    )
    return tmp_path


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny")


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run the command; its exit code and its one line."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["stat-train", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr().err
        lines = [line for line in said.splitlines() if line.startswith("stat-train: ")]
        assert len(lines) == 1, said
        assert said.splitlines()[-1] == lines[0], said
        assert "Traceback" not in said
        return int(left.value.code or 0), lines[0].removeprefix("stat-train: ")

    return run


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line)


RECIPES = {
    "not YAML": ("name: mine", "name: [mine", ("recipe.yaml, line 2", "mend the YAML")),
    "unknown key": ("difficulty:", "dificulty:", ("dificulty: unknown key", "did you mean difficulty?")),
    "unknown inner key": ("{method: gold}", "{methd: gold}", ("difficulty.methd", "did you mean method?")),
    "wrong type": ("{method: gold}", "{words: many}", ("difficulty.words", "valid integer", "'many'")),
    "wrong choice": ("{method: gold}", "{method: magic}", ("difficulty.method", "'gold', 'consistency'")),
    "missing key": ("grader: numeric\n", "", ("grader: this key is missing",)),
    "two sources of data": ("grader:", "tutor: {}\ngrader:", ("either `data:`", "or `tutor:`")),
    "no data": (
        "data: {pool: pool.jsonl, validation: validation.jsonl, evaluation: {test: test.jsonl}}\n",
        "",
        ("either `data:`", "or `tutor:`"),
    ),
    "reserved split name": ("{test: test", "{pool: test", ("data.evaluation", "choose another name")),
    "no evaluation split": ("{test: test.jsonl}", "{}", ("data.evaluation", "at least 1")),
    "taxonomy not there": ("skills.yaml", "skils.yaml", ("taxonomy: no such file", "skils.yaml")),
    "votes of one greedy answer": (
        "difficulty: {method: gold}",
        "difficulty: {}",
        ("method consistency", "set sampling.n", "sampling.temperature"),
    ),
    "a date that is none": ("name: mine", "name: 2024-13-45", ("recipe.yaml: not YAML (month must be",)),
    "a name that is a folder": ("name: mine", "name: ..", ("name:", "'..'")),
    "unknown grader": ("numeric", "numerical", ("grader 'numerical'", "choose math, numeric")),
    "grader's module not there": ("numeric", "my_graders:judge", ("my_graders",)),
    "data file not there": ("pool.jsonl", "poll.jsonl", ("poll.jsonl", "no such file")),
    "password in a URL": (
        "grader:",
        "teacher: {endpoint: 'https://me:secret@host/v1'}\ngrader:",
        ("teacher.endpoint", "may not hold a password"),
    ),
}


@pytest.mark.parametrize(("old", "new", "words"), RECIPES.values(), ids=RECIPES)
def test_in_the_recipe(here: Path, fails: Say, old: str, new: str, words: tuple[str, ...]) -> None:
    edit(here / "recipe.yaml", old, new)
    code, line = fails("run", "recipe.yaml")
    assert code == 2
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("sft.epohcs=2", ("command line: sft.epohcs: unknown key", "did you mean epochs?")),
        ("sft.epochs=few", ("command line: sft.epochs", "'few'")),
        ("sft.epochs", ("command line", "write key=value")),
        ("sft.learning_rate=abc", ("command line: sft.learning_rate: Input should be a valid number",)),
        ("sft.learning_rate=[0.1,x]", ("command line: sft.learning_rate.1: ", "(it is 'x')")),
        ("sft=[1", ("command line: sft", "quote it")),
        ("seed=7.0", ("command line: seed", "valid integer")),
        ("name=2024-13-45", ("command line: name", "quote it")),
        ("benchmarks={tasks: [amc23], arms: []}", ("command line: benchmarks.arms", "at least 1 item")),
        ("name.first=x", ("command line: name.first", "'mine' and has no keys")),
        ("name=&a [*a]", ("command line: name holds itself",)),
        ("seed=20260101120000123456", ("command line: seed: a number of more than 64 bits",)),
        ("arms=random", ("command line: arms: write a list, such as [a, b] (it is 'random')",)),
        ("sampling.temperature=.inf", ("command line: sampling.temperature", "finite number")),
        (
            "difficulty.method=length",
            ("difficulty.words 800 is never reached with sampling.max_tokens 512", "below 512"),
        ),
        (
            "adaptmi.difficulty={method: length, words: 512}",
            ("adaptmi.difficulty.words 512 is never reached with evaluation.sampling.max_tokens 512",),
        ),
        ("arms=[random,random]", ("`arms` names an arm twice",)),
        ("student.adapter=lora", ("command line: student.adapter: no such file or folder",)),
    ],
)
def test_in_an_override(here: Path, fails: Say, override: str, words: tuple[str, ...]) -> None:
    code, line = fails("run", "recipe.yaml", override)
    assert code == 2
    assert all(word in line for word in words), line


DATA = {
    "broken JSON": ("pool.jsonl", '{"question": \n', ("pool", "line 13", "not JSON")),
    "no question": ("pool.jsonl", '{"id": "x", "question": ""}\n', ("pool", "line 13", "question is empty")),
    "id twice": (
        "test.jsonl",
        '{"id": "test0-00000", "question": "?"}\n',
        ("test", "line 5", "stands already in line 1"),
    ),
    "gold that its grader refuses": (
        "test.jsonl",
        '{"id": "x", "question": "How many?", "answer": "lots"}\n',
        ("test (", "test.jsonl)", "field 'answer'", "question 5, x ('lots'"),
    ),
    "an own label off the list": (
        "pool.jsonl",
        '{"id": "x", "question": "What?", "skills": ["juggling"]}\n',
        ("skills.yaml", "'x'", "'juggling'", "add it (or an alias)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("file", "row", "words"), DATA.values(), ids=DATA)
def test_in_the_data(here: Path, fails: Say, file: str, row: str, words: tuple[str, ...]) -> None:
    append(here / file, row)
    code, line = fails("label", "recipe.yaml")
    assert code == 2
    assert all(word in line for word in words), line


def test_an_answer_that_its_solution_does_not_mark(here: Path, fails: Say) -> None:
    test = here / "test.jsonl"
    rows = [json.loads(line) for line in test.read_text().splitlines()]
    rows[2]["solution"] = rows[2]["solution"].replace("####", "So it is")
    test.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    code, line = fails("label", "recipe.yaml", "data.columns.answer_from='####'")
    assert code == 2
    assert f"test (test.jsonl): no answer in question 3, {rows[2]['id']}: " in line.replace(f"{here}/", "")
    assert "the solution has no #### (data.columns.answer_from: '####'); add the mark" in line


def test_questions_outside_the_tutors_domain(here: Path, fails: Say) -> None:
    books = ("Faust", "Emma", "Hamlet", "Ulysses")
    questions = [f'{{"question": "Who wrote {book}?"}}\n' for book in books]
    (here / "pool.jsonl").write_text("".join(questions))
    code, line = fails("label", "recipe.yaml")
    assert code == 2
    assert "the teacher at tutor answers: 400" in line
    assert "no question of the tutor's domain" in line


BARE = '{"id": "bare", "question": "Ann has 3 books and buys 4 more. How many?", "answer": "7"}\n'


def test_a_pool_row_without_a_solution_is_told_before_the_teacher_is_asked(here: Path, fails: Say) -> None:
    append(here / "pool.jsonl", BARE)
    code, line = fails("run", "recipe.yaml", "arms=[stat-syn,random]")
    assert code == 2
    assert "pool.jsonl): 1 of 13 rows have no solution to train on, the first 'bare' ('Ann has 3" in line
    assert "random may draw any" in line
    assert "`data.columns.solution`" in line
    assert not list(here.glob("runs/mine/label-*"))
    code, again = fails("select", "recipe.yaml", "arms=[stat-syn,augment]")
    assert again == line.replace("random may", "augment may")


@pytest.mark.parametrize(
    ("up_to", "arms"), [("label", "[random, stat-sel]"), ("data", "[augment]"), ("taxonomy", "[]")]
)
def test_a_pool_row_without_a_solution_is_no_fault_where_nothing_is_drawn(
    here: Path, up_to: str, arms: str
) -> None:
    append(here / "pool.jsonl", BARE)
    run_recipe(read_recipe(here / "recipe.yaml", [f"arms={arms}"]), up_to)


def test_new_questions_alone_need_no_solution_in_the_pool(here: Path) -> None:
    append(here / "pool.jsonl", BARE)
    recipe = read_recipe(here / "recipe.yaml", ["arms=[llm2llm,stat-syn]"])
    steps = steps_up_to(recipe, None)
    check_pool(recipe, steps, run_recipe(recipe, "data")["data"])


def test_a_set_that_was_drawn_without_the_bare_row_stays_finished(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(here / "pool.jsonl", BARE)
    recipe = read_recipe(here / "recipe.yaml", ["arms=[random]", "selection.size=1"])
    with monkeypatch.context() as patch:
        patch.setattr("stat_train.pipeline.runner.check_pool", lambda *_: None)
        run_recipe(recipe, "select")
    run_recipe(recipe, "select")
    with pytest.raises(UserError, match="no solution to train on"):
        run_recipe(read_recipe(here / "recipe.yaml", ["arms=[random]", "selection.size=2"]), "select")


def test_levels_that_the_pool_lacks_are_told_before_the_teacher_is_asked(here: Path, fails: Say) -> None:
    rows = [json.loads(line) for line in (here / "pool.jsonl").read_text().splitlines()]
    (here / "pool.jsonl").write_text("".join(json.dumps({**row, "level": "easy"}) + "\n" for row in rows))
    code, line = fails("run", "recipe.yaml", "arms=[hard]")
    assert code == 2
    assert line.startswith("no question of the pool has level 4 or 5 (there are: easy)")
    assert not list(here.glob("runs/mine/label-*"))


@pytest.mark.parametrize("lacking", ["pool", "validation"])
def test_a_group_that_a_row_lacks_is_told_before_the_teacher_is_asked(
    here: Path, fails: Say, lacking: str
) -> None:
    for split in {"pool", "validation"} - {lacking}:
        rows = [json.loads(line) for line in (here / f"{split}.jsonl").read_text().splitlines()]
        write_jsonl(here / f"{split}.jsonl", [{**row, "colour": "red"} for row in rows])
    code, line = fails("run", "recipe.yaml", "arms=[hard]", "selection.hard.group=colour")
    assert code == 2
    assert line.startswith(f"{lacking} ({here / lacking}.jsonl): row ")
    assert "has no 'colour'; change `selection.hard.group`" in line
    assert not list(here.glob("runs/mine/label-*"))


LISTED = "skills: [{name: addition, subject: sums}, {name: money, subject: sums}]\n"


@pytest.mark.parametrize("split", ["pool", "validation", "test"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject": "physics"}, "no skills for subject 'physics'; its subjects are sums"),
        ({"skills": ["magic"]}, "is labelled 'magic', which is no skill of subject 'sums' in "),
    ],
    ids=["subject", "label"],
)
def test_what_the_taxonomy_lacks_is_told_before_the_teacher_is_asked(
    here: Path, fails: Say, split: str, change: dict, said: str
) -> None:
    (here / "skills.yaml").write_text(LISTED)
    for name in ("pool", "validation", "test"):
        rows = [
            {**json.loads(line), "subject": "sums"}
            for line in (here / f"{name}.jsonl").read_text().splitlines()
        ]
        write_jsonl(here / f"{name}.jsonl", [*rows[:-1], {**rows[-1], **(change if name == split else {})}])
    code, line = fails("run", "recipe.yaml", "arms=[stat-sel]")
    assert code == 2
    assert line.startswith(f"{split} ({here / split}.jsonl): question '")
    assert said in line
    assert str(here / "skills.yaml") in line
    assert not list(here.glob("runs/mine/label-*"))


def test_a_label_of_a_later_round_is_checked_with_the_first(here: Path) -> None:
    write_jsonl(
        here / "more.jsonl", [{"question": "What is 900 plus 1?", "answer": "901", "skills": "magic"}]
    )
    rounds = ["arms=[stat-sel]", "rounds={validation: [more.jsonl]}", "selection.size=2"]
    recipe = read_recipe(here / "recipe.yaml", rounds)
    with pytest.raises(UserError, match=r"^validation of round 2 \(.*more\.jsonl\): question .* 'magic'"):
        run_recipe(recipe)
    assert not list(here.glob("runs/mine/label-*"))


def test_a_column_that_is_not_there(here: Path, fails: Say) -> None:
    code, line = fails("data", "recipe.yaml", "data.columns.question=problem")
    assert code == 2
    assert "no column 'problem' for question" in line
    assert "columns there: answer, id, meta, question, solution" in line


def test_a_question_that_stands_twice_in_its_split_counts_once(here: Path) -> None:
    for split in ("pool", "validation", "test"):
        rows = [json.loads(line) for line in (here / f"{split}.jsonl").read_text().splitlines()]
        again = [
            {**row, "id": f"{row['id']}-{n}", "subject": "other", "question": f" {row['question'].upper()}"}
            for row in rows[:2]
            for n in range(3)
        ]
        write_jsonl(here / f"{split}.jsonl", [*rows, *again])
    data = run_recipe(read_recipe(here / "recipe.yaml"), "data")["data"]
    assert data.manifest
    assert data.manifest["counts"] == {"pool": 18, "validation": 4, "test": 4, "removed": 0}
    assert data.manifest["notes"][:2] == [
        f"6 rows of {split} repeat a question of it: left out, since a question counts once"
        for split in ("validation", "test")
    ]


def test_a_question_in_two_splits(here: Path, fails: Say) -> None:
    (here / "test.jsonl").write_text((here / "validation.jsonl").read_text())
    code, line = fails("data", "recipe.yaml")
    assert code == 2
    assert "'validation' and 'test' share 4 question(s)" in line


@pytest.mark.parametrize(
    ("taxonomy", "words"),
    [
        ("skills: []\n", ("no skills",)),
        ("skills: [addition, Addition]\n", ("skill 2 'Addition'", "merge the two or rename one")),
        (
            "skills:\n- {name: a, parent: b}\n- {name: b, parent: a}\n",
            ("go round in a circle", "remove one `parent`"),
        ),
        ("skills:\n- {name: a, descripton: x}\n", ("unknown field 'descripton'",)),
        ("- [\n", ("skills.yaml",)),
    ],
    ids=["empty", "duplicate", "circle", "unknown field", "not YAML"],
)
def test_in_the_taxonomy(here: Path, fails: Say, taxonomy: str, words: tuple[str, ...]) -> None:
    (here / "skills.yaml").write_text(taxonomy)
    code, line = fails("label", "recipe.yaml")
    assert code == 2
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            "{% block system %}{% endblock %}\n{% block user %}{{ nonsense }}{% endblock %}",
            (":2", "'nonsense' is undefined"),
        ),
        ("{% block system %}{% endblock %}\n{% block user %}\n{% if %}", (":3",)),
        ("{% block system %}{% endblock %}", ("no {% block user %}",)),
    ],
    ids=["undefined name", "syntax", "no block"],
)  # fmt: skip
def test_in_a_template(here: Path, fails: Say, template: str, words: tuple[str, ...]) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "label_skills.jinja").write_text(template)
    code, line = fails("label", "recipe.yaml", "prompts_dir=mine")
    assert code == 2
    assert "label_skills.jinja" in line
    assert all(word in line for word in words), line


def test_a_template_that_does_not_show_the_reference_asked_for(here: Path, fails: Say) -> None:
    (here / "mine").mkdir()
    packaged = asset("prompts/diagnose.jinja").read_text()
    shown = '{{ item.reference | block("reference", item.id) }}'
    assert shown in packaged
    (here / "mine" / "diagnose.jinja").write_text(packaged.replace(shown, ""))
    code, line = fails("prompts", "check", "recipe.yaml", "prompts_dir=mine", "diagnosis.with_reference=true")
    assert code == 2
    assert "diagnose.jinja" in line
    assert "no <reference> block" in line


@pytest.mark.parametrize("command", [("label",), ("run",), ("run", "--dry-run"), ("prompts", "check")])
def test_a_template_of_no_task_is_not_passed_over(here: Path, fails: Say, command: tuple[str, ...]) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "label_skill.jinja").write_text("")
    first, *more = command
    code, line = fails(first, *more, "recipe.yaml", "prompts_dir=mine")
    assert code == 2
    assert "label_skill.jinja: no task has this name" in line
    assert "is it label_skills?" in line


def test_a_students_own_template_may_stand_beside_them_and_so_may_others(here: Path) -> None:
    (here / "mine").mkdir()
    shutil.copy(asset("prompts/student.jinja"), here / "mine" / "student2.jinja")
    (here / "mine" / "tone.jinja").write_text("Be brief.")
    Prompts(here / "mine").check_names(here / "mine" / "student2.jinja")
    with pytest.raises(UserError, match=r"student2\.jinja: no task has this name"):
        Prompts(here / "mine").check_names()


@pytest.mark.parametrize("command", [("label",), ("run",), ("run", "--dry-run")])
def test_a_template_that_lost_its_data_is_found_before_anything_is_asked(
    here: Path, fails: Say, command: tuple[str, ...]
) -> None:
    (here / "mine").mkdir()
    packaged = asset("prompts/label_skills.jinja").read_text()
    shown = '{{ question.text | block("question", question.id) }}'
    assert shown in packaged
    (here / "mine" / "label_skills.jinja").write_text(packaged.replace(shown, "{{ question.text }}"))
    first, *more = command
    code, line = fails(first, *more, "recipe.yaml", "prompts_dir=mine")
    assert code == 2
    assert "no <question> block in the prompt" in line
    assert not list(here.glob("runs/*/label-*"))


def test_a_key_that_stands_twice_is_refused(here: Path, fails: Say) -> None:
    recipe = (here / "recipe.yaml").read_text()
    (here / "recipe.yaml").write_text(recipe + "\nname: again\nname: other\n")
    code, line = fails("run", "recipe.yaml", "--dry-run")
    assert code == 2
    assert "recipe.yaml, line" in line
    assert "'name' stands here twice" in line


def test_a_template_without_its_data_block(here: Path, fails: Say) -> None:
    (here / "mine").mkdir()
    text = "{% block system %}{% endblock %}{% block user %}answers id skills reason skill{% endblock %}"
    (here / "mine" / "label_skills.jinja").write_text(text)
    code, line = fails("prompts", "check", "recipe.yaml", "prompts_dir=mine")
    assert code == 2
    assert "no <skill> block" in line


def test_a_teacher_that_cannot_be_reached(here: Path, fails: Say) -> None:
    endpoint = ["teacher.endpoint=http://127.0.0.1:9/v1", "teacher.model=m", "teacher.max_attempts=1"]
    code, line = fails("label", "recipe.yaml", *endpoint)
    assert code in (2, 3)
    assert "127.0.0.1:9" in line


def test_a_teacher_without_its_key(here: Path, fails: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    options = ["teacher.endpoint=http://127.0.0.1:9/v1", "teacher.model=m", "teacher.api_key_env=NO_SUCH_KEY"]
    code, line = fails("label", "recipe.yaml", *options)
    assert code == 2
    assert "NO_SUCH_KEY" in line


def test_a_budget_that_is_spent_stops_the_run_with_its_own_code(here: Path, fails: Say) -> None:
    code, line = fails("label", "recipe.yaml", "teacher.budget_tokens=10")
    assert code == 3
    assert "budget" in line


def test_a_cache_that_is_no_folder(here: Path, fails: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "file").write_text("")
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(here / "file"))
    code, line = fails("label", "recipe.yaml")
    assert code == 2
    assert "teacher.sqlite" in line


def test_a_student_without_weights(here: Path, fails: Say) -> None:
    (here / "empty").mkdir()
    code, line = fails("answer", "recipe.yaml", "student.model=empty")
    assert code == 2
    assert "empty" in line


def test_a_student_template_that_leaves_out_the_question(here: Path, fails: Say, tiny: Path) -> None:
    (here / "student.jinja").write_text("{% block user %}Hello{% endblock %}")
    code, line = fails("answer", "recipe.yaml", f"student.model={tiny}", "student.template=student.jinja")
    assert code == 2
    assert "student.jinja" in line
    assert "question" in line


@pytest.mark.parametrize("command", [("label",), ("run", "--dry-run"), ("prompts", "check")])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{% block user %}Hello{% endblock %}", "block `user` does not use {{ question }}"),
        ("{% block user %}{{ questoin }}{% endblock %}", "'questoin' is undefined"),
        ("{% block user %}{{ question + 1 }}{% endblock %}", "can only concatenate str"),
        ("Be brief.\n{% block user %}{{ question }}{% endblock %}", "text outside {% block %} is not sent"),
    ],
)
def test_a_broken_student_template_of_prompts_dir_is_found_before_anything_is_asked(
    here: Path, fails: Say, command: tuple[str, ...], text: str, told: str
) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "student.jinja").write_text(text)
    first, *more = command
    code, line = fails(first, *more, "recipe.yaml", "prompts_dir=mine")
    assert code == 2
    assert "mine/student.jinja" in line
    assert told in line
    assert not list(here.glob("runs/*/label-*"))


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("label_skills", "--example 5000: validation has only 4 questions; give 0 to 3"),
        ("student", "--example 5000: validation has only 4 questions; give 0 to 3"),
        ("rewrite", "--example 5000: pool has only 12 questions; give 0 to 11"),
    ],
)
def test_an_example_beyond_the_split(here: Path, fails: Say, task: str, told: str) -> None:
    code, line = fails("prompts", "show", task, "recipe.yaml", "--example", "5000")
    assert (code, line) == (2, told)


def test_a_file_that_is_no_profile(here: Path, fails: Say) -> None:
    (here / "e.json").write_text("{}")
    code, line = fails("profile", "show", "e.json")
    assert code == 2
    assert line.startswith("e.json: it is no profile: ")


def test_a_column_of_groups_that_the_data_lacks(here: Path, fails: Say, tiny: Path) -> None:
    options = [f"student.model={tiny}", "sampling.max_tokens=4", "arms=[hard]", "selection.size=2"]
    code, line = fails("select", "recipe.yaml", *options, "selection.hard.group=kind")
    assert code == 2
    assert "has no 'kind'; change `selection.hard.group`" in line


def test_training_rows_that_are_too_long(here: Path, fails: Say, tiny: Path) -> None:
    options = [f"student.model={tiny}", "arms=[random]", "selection.size=2", "sft.max_length=8"]
    code, line = fails("sft", "recipe.yaml", *options)
    assert code == 2
    assert "exceed max_length 8" in line
    pool = {row["id"] for row in map(json.loads, (here / "pool.jsonl").read_text().splitlines())}
    assert any(f"the first is question {id}, " in line for id in pool)


def test_a_run_folder_that_cannot_be_made(here: Path, fails: Say) -> None:
    (here / "file").write_text("")
    code, line = fails("data", "recipe.yaml", "run_dir=file/run")
    assert code == 2
    assert "file/run: cannot be written" in line


def test_a_full_disk(here: Path, fails: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("stat_train.data.atomic.os.fsync", full)
    code, line = fails("data", "recipe.yaml")
    assert code == 2
    assert "No space left on device" in line
    assert "free space" in line


def test_a_recipe_that_is_not_there(here: Path, fails: Say) -> None:
    code, line = fails("run", "recipes/mine.yaml")
    assert code == 2
    assert line == "recipes/mine.yaml: no such recipe; give the path of a YAML file"


def test_the_recipe_without_faults_runs(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stat-train", "data", "recipe.yaml"])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code, capsys.readouterr().err
