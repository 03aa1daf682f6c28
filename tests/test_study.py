"""The study: cells that resume, rows that say what was run, and a page that says what the rows say."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.errors import UserError
from stat_train.run import Stage
from studies.study import again, beyond, cells, claims, mix, primary, remedies, tuning, why
from studies.study.__main__ import main
from studies.study.cells import Place, chosen_rate, fingerprint, recipe_of, warm_up
from studies.study.evidence import Evidence, difference
from studies.study.plan import FOLDER, FROZEN, KEPT, RATES, SECONDARY, SEEDS, TRAINED
from studies.study.rows import CELL, Row, add_rows, read_rows
from studies.study.run import outcome, run

ROOT = Path(__file__).parents[1]
SHORT = """
tutor.pool=150 tutor.validation=34 tutor.development=17 tutor.test=34 tutor.ood=17
sampling.max_tokens=8 evaluation.sampling.max_tokens=8 selection.size=12 sft.max_steps=1 sft.batch_size=4
student.adapter=null student.adapter_sha256=null
"""


def scored(arm: str, seed: int, correct: str, setting: str = "frozen", **more: object) -> Row:
    cell = {"setting": setting, "seed": seed, "device": "cpu", "arm": arm, "split": "test"}
    cell |= {"seconds": 60, "threads": 1}
    return cell | {"correct": correct, "learning_rate": 1e-3, "recipe": "a", "start": f"start {seed}"} | more


def kept(arm: str, seed: int, correct: str) -> Row:
    return scored(arm, seed, correct, KEPT.name, start=f"kept start {seed}")


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Rows of a few cells with a tiny student, and the arguments that made them."""
    folder = tmp_path_factory.mktemp("study")
    tiny = write_tiny_model(folder / "tiny")
    last = ["--folder", str(folder / "rows"), "--runs", str(folder / "runs"), "--set", *SHORT.split()]
    last += [f"student.model={tiny}", f"selection.embedding.model={tiny}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(folder / "cache"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert main(["run", "--parts", "rates", "--arms", "random", "stat-sel", *last]) == 0
        first = ["run", "--parts", "primary", "diagnosis", "--seeds", "100"]
        assert main([*first, "--arms", "start", "random", "stat-sel", "oracle", *last]) == 0
    return folder, last


def test_a_finished_arm_leaves_a_digit_for_each_question_and_the_rate_it_was_trained_with(tried) -> None:
    folder, _ = tried
    rows = {(row["arm"], row["split"]): row for row in read_rows(folder / "rows", "primary")}
    assert set(rows) == {(arm, its) for arm in ("start", "random", "stat-sel") for its in ("test", "ood")}
    assert {(split, len(row["correct"])) for (_, split), row in rows.items()} == {("test", 34), ("ood", 17)}
    assert rows["start", "test"]["learning_rate"] is None
    assert rows["random", "ood"]["learning_rate"] in RATES
    assert len({row["start"] for row in rows.values()}) == 1
    assert rows["stat-sel", "test"]["pairs"] == 12 >= rows["stat-sel", "test"]["distinct"]
    assert rows["random", "test"]["seen"] == 12  # its warm-up is as large here, and so the same sample
    assert rows["stat-sel", "test"]["seen"] < 12
    assert {row["arm"] for row in read_rows(folder / "rows", "diagnosis")} == {"oracle", "stat-sel"}
    questions = {row["split"]: row for row in read_rows(folder / "rows", "questions")}
    assert len(questions.pop("development")["kinds"]) == 17  # where rates are tuned
    for own in ("skills", "kinds"):
        assert {split: len(row[own]) for split, row in questions.items()} == {"test": 34, "ood": 17}
        assert all(questions["test"][own])
    assert sum(questions["test"]["pool"].values()) == 150
    assert set(questions["test"]["pool"]) <= set(questions["test"]["kinds"])


def test_an_exact_teacher_names_the_true_skills_and_a_faulty_one_does_not(tried) -> None:
    folder, _ = tried
    found = {row["setting"]: row for row in read_rows(folder / "rows", "profiles")}
    exact, faulty = found["frozen"], found["40% wrong"]
    assert exact["named"] == exact["true"] == exact["both"] > 20
    assert faulty["both"] < 0.8 * faulty["named"]
    assert sum(missing for missing, _, _ in exact["skills"].values()) == exact["named"]


def test_cells_with_rows_are_not_run_again(tried, monkeypatch, capsys) -> None:
    folder, last = tried
    before = (folder / "rows" / "primary.jsonl").read_bytes()
    monkeypatch.setattr("studies.study.run.run_cell", lambda *_: pytest.fail("run again"))
    assert main(["run", "--parts", "primary", "--seeds", "100", "--arms", "start", "random", *last]) == 0
    assert capsys.readouterr().err.count("has its rows") == 2
    assert (folder / "rows" / "primary.jsonl").read_bytes() == before


def test_rows_of_another_recipe_are_never_taken_for_those_of_this_one(tried, capsys) -> None:
    _, last = tried
    other = ["run", "--parts", "primary", "--seeds", "100", "--arms", "random", *last, "sft.max_steps=2"]
    assert main(other) == 1
    assert "primary.jsonl: random, seed 100, frozen: its rows were made by another" in capsys.readouterr().err


@pytest.mark.parametrize("folder", [[], ["--folder", "docs/study"]])
def test_tries_are_kept_out_of_the_study(capsys, monkeypatch, folder: list[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["run", "--set", "sft.max_steps=2", *folder]) == 1
    assert capsys.readouterr().err == "error: --set is for tries: give them a --folder of their own\n"


def test_a_choice_that_leaves_nothing_is_an_error_in_one_line(tried, capsys) -> None:
    _, last = tried
    assert main(["run", "--parts", "grpo", "--seeds", "7", *last]) == 1
    assert capsys.readouterr().err == (
        "error: no cell of the plan has these parts, seeds and arms; see studies/study/plan.py\n"
    )


def test_rows_of_two_processes_are_all_kept_and_a_cell_made_again_takes_its_place(tmp_path: Path) -> None:
    add_rows(tmp_path, "arms", [scored("b", 101, "01"), scored("a", 100, "00")], CELL)
    add_rows(tmp_path, "arms", [scored("a", 100, "11"), scored("a", 99, "10")], CELL)
    rows = [(row["seed"], row["arm"], row["correct"]) for row in read_rows(tmp_path, "arms")]
    assert rows == [(99, "a", "10"), (100, "a", "11"), (101, "b", "01")]


def test_the_rate_is_the_best_on_development_the_lower_of_equals_and_never_guessed(tmp_path: Path) -> None:
    tried = {"a": ("01", "10", "11"), "b": ("10", "01", "10"), "c": ("11",)}
    rates = [
        scored(arm, 99, correct, f"{rate:g}", learning_rate=rate)
        for arm, its in tried.items()
        for rate, correct in zip(RATES, its, strict=False)
    ]
    add_rows(tmp_path, "rates", rates, CELL)
    place = Place(tmp_path, tmp_path)
    assert chosen_rate(place, "a") == RATES[2]
    assert chosen_rate(place, "b") == RATES[0]
    with pytest.raises(UserError, match=r"rates\.jsonl: c has no row of learning rate 0\.001"):
        chosen_rate(place, "c")


def test_a_kept_start_is_trained_once_and_the_primary_claim_trains_its_own(
    tmp_path: Path, monkeypatch
) -> None:
    warmed_up = Stage(tmp_path, "sft", "random", {})
    trained = warmed_up.file("model") / "adapter"
    trained.mkdir(parents=True)
    (trained / "adapter_model.safetensors").write_bytes(b"weights")
    asked: list[str] = []

    def run_recipe(recipe: object, up_to: str) -> dict[str, Stage]:
        asked.append(up_to)
        return {"sft random": warmed_up}

    monkeypatch.setattr(cells, "run_recipe", run_recipe)
    monkeypatch.setattr(cells, "STARTS", tmp_path / "starts")
    place = Place(tmp_path, tmp_path)
    for _ in range(2):
        start, _ = warm_up(place, KEPT, 100)
        assert start == tmp_path / "starts" / "100"
        assert (start / "adapter_model.safetensors").read_bytes() == b"weights"
    assert warm_up(place, FROZEN, 100)[0] == trained
    assert warm_up(replace(place, overrides=("sft.max_steps=1",)), KEPT, 100)[0] == trained
    assert asked == ["sft", "select", "sft", "sft"]


def claim(folder: Path, stat_sel: str, seeds: tuple[int, ...] = SEEDS) -> Evidence:
    rows = [scored("stat-sel", seed, stat_sel) for seed in seeds]
    add_rows(folder, "primary", [*rows, *(scored("random", seed, "10" * 50) for seed in seeds)], CELL)
    add_rows(folder, "primary", [scored("start", seed, "0" * 100) for seed in seeds], CELL)
    return Evidence(folder)


@pytest.mark.parametrize(
    ("stat_sel", "said", "target"),
    [
        ("1110" * 25, "STAT-Sel beats Random: +25.0 points", "reaches the target of +8.0;"),
        (
            "11" * 5 + "10" * 45,
            "STAT-Sel beats Random: +5.0 points",
            "below the target of +8.0, which the interval also excludes;",
        ),
        ("10" * 50, "No difference between STAT-Sel and Random is shown: 0.0 points", "also excludes;"),
        ("1000" * 25, "STAT-Sel is worse than Random: −25.0 points", "also excludes;"),
    ],
)
def test_the_first_sentence_says_what_came_out_whatever_it_is(tmp_path: Path, stat_sel, said, target) -> None:
    headline = primary.headline(claim(tmp_path, stat_sel))
    assert headline.startswith(f"**{said}")
    assert target in headline


def test_the_first_paragraph_says_whether_the_diagnosis_is_why(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25)
    assert "diagnosis" not in primary.headline(evidence)
    add_rows(tmp_path, "primary", [scored("balanced", seed, "0" * 100) for seed in SEEDS], CELL)
    assert "It is ahead of Balanced, a set" in primary.headline(evidence)
    add_rows(tmp_path, "primary", [scored("balanced", seed, "1110" * 25) for seed in SEEDS], CELL)
    assert "is why is not shown**: it is not ahead of Balanced" in primary.headline(evidence)
    arms = [kept(arm, SEEDS[0], its) for arm, its in (("stat-sel", "1110" * 25), ("shuffled", "0" * 100))]
    add_rows(tmp_path, "arms", [*arms, kept("stat-sel", SEEDS[1], "1110" * 25)], CELL)
    add_rows(tmp_path, "arms", [kept("hard", seed, "0" * 100) for seed in SEEDS[:2]], CELL)
    said = primary.headline(evidence)
    assert (
        "any diagnosis: minus Balanced 0.0 [0.0, 0.0] over 5 seeds. From the kept starts, adjusted for "
        "nothing: minus Hard +75.0 [" in said
    )
    assert "On one seed, with intervals of its questions only: minus Shuffled +75.0 [" in said


def test_kept_arms_stand_seed_by_seed_once_there_are_two_seeds(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25)
    both = {"test": "1110" * 25, "ood": "10" * 50}
    rows = [{**kept("stat-sel", SEEDS[0], its), "split": split} for split, its in both.items()]
    add_rows(tmp_path, "arms", rows, CELL)
    assert "Seed by seed" not in claims.arms(evidence)
    add_rows(tmp_path, "arms", [kept("shuffled", SEEDS[1], "10" * 50)], CELL)
    told = claims.arms(evidence).partition("Seed by seed:\n\n")[2].splitlines()
    assert told[0] == f"| kept starts, test | {SEEDS[0]} | {SEEDS[1]} |"
    assert told[2:] == ["| shuffled |  | 50.0% |", "| stat-sel | 75.0% |  |"]


def test_the_arms_say_which_seeds_were_trained_in_which_precision(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25)
    assert "trained in" not in claims.arms(evidence)
    precisions = {SEEDS[0]: "fp32", SEEDS[1]: "bf16", SEEDS[2]: "bf16"}
    rows = [
        kept("random", seed, "10" * 50) | {"precision": its, "split": split}
        for seed, its in precisions.items()
        for split in ("test", "ood")
    ]
    add_rows(tmp_path, "arms", rows, CELL)
    told = claims.arms(evidence).splitlines()[-1]
    assert told == "Seeds from the kept starts that were trained in bf16: 101, 102; in fp32: 100."


def test_solutions_of_another_form_are_compared_with_the_same_arm(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25)
    assert beyond.solutions(evidence) == "Not run yet."
    varied = [scored("stat-sel", seed, "10" * 50, "either order") for seed in SEEDS[:2]]
    add_rows(tmp_path, "solutions", varied, CELL)
    arms = [scored("stat-sel", seed, "1110" * 25, KEPT.name) for seed in SEEDS[:2]]
    add_rows(tmp_path, "arms", arms, CELL)
    row = beyond.solutions(evidence).splitlines()[-1]
    assert row.startswith("| stat-sel, either order | stat-sel | 2 | 50.0% | 75.0% | −25.0 |")
    repeating = scored("stat-sel", SEEDS[0], "10" * 50, "either order", pairs=300, distinct=229)
    add_rows(tmp_path, "solutions", [repeating], CELL)
    said = "Seed 100, stat-sel, either order: 300 pairs of 229 different questions."
    assert beyond.solutions(evidence).endswith(said)


def test_the_mean_is_over_the_seeds_that_have_both_and_says_how_many_are_owed(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25, SEEDS[:2])
    add_rows(tmp_path, "primary", [scored("stat-sel", SEEDS[2], "0" * 100)], CELL)
    found = difference("stat-sel", "random", evidence.scores())
    assert found is not None
    assert (found.seeds, found.per_seed, found.difference) == (SEEDS[:2], (0.25, 0.25), 0.25)
    assert primary.headline(evidence).startswith("**Interim: STAT-Sel beats Random")
    assert "seeds 100, 101, 3 of 5 not run yet" in primary.headline(evidence)


def test_rows_that_began_at_different_weights_are_no_pair(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25, SEEDS[:2])
    add_rows(tmp_path, "primary", [scored("random", SEEDS[0], "0" * 100, start="elsewhere")], CELL)
    found = difference("stat-sel", "random", evidence.scores())
    assert found is not None
    assert (found.seeds, found.difference) == (SEEDS[1:2], 0.25)


def test_rows_of_another_device_are_left_out(tmp_path: Path) -> None:
    claim(tmp_path, "1110" * 25)
    add_rows(tmp_path, "primary", [scored("random", 100, "1" * 100, device="a GPU")], CELL)
    assert Evidence(tmp_path).scores()["random"][100].scores.accuracy == 0.5


def test_secondary_comparisons_hold_every_control_and_are_adjusted_for_each_other(tmp_path: Path) -> None:
    against = {c[4] for c in SECONDARY if c[0] in ("primary", "arms") and c[2:4] == ("test", "stat-sel")}
    assert against == set(TRAINED) - {"random", "stat-sel", "stat-syn"}
    evidence = claim(tmp_path, "1110" * 25)
    for number, seed in enumerate(SEEDS):
        strong = "1" * (70 + number) + "0" * (30 - number)
        add_rows(tmp_path, "primary", [scored("balanced", seed, "0" * 100)], CELL)
        add_rows(tmp_path, "arms", [kept("hard", seed, strong), kept("stat-sel", seed, "1110" * 25)], CELL)
    table = claims.secondary(evidence)
    cells = {
        line.split(" | ")[0].strip("| "): line.split(" | ") for line in table.splitlines() if "minus" in line
    }
    p, adjusted = (float(cells["stat-sel minus hard"][place].strip("| ")) for place in (5, 6))
    assert adjusted == pytest.approx((len(SECONDARY) - 1) * p, abs=0.01)  # balanced, with p 0, comes first
    assert "stat-syn minus random" in table.rpartition("Not run yet: ")[2]
    add_rows(tmp_path, "arms", [kept("shuffled", SEEDS[0], "0" * 100)], CELL)
    row = next(line for line in claims.secondary(evidence).splitlines() if "minus shuffled" in line)
    assert row.endswith("] |  |  |")  # one seed has no p
    add_rows(tmp_path, "arms", [kept("shuffled", SEEDS[1], "0" * 99 + "1")], CELL)
    row = next(line for line in claims.secondary(evidence).splitlines() if "minus shuffled" in line)
    assert row.split(" | ")[2] == "2"
    assert row.endswith("] |  |  |")  # nor have two
    add_rows(tmp_path, "arms", [kept("shuffled", SEEDS[2], "0" * 98 + "11")], CELL)
    row = next(line for line in claims.secondary(evidence).splitlines() if "minus shuffled" in line)
    assert not row.endswith("] |  |  |")


def test_skills_name_what_was_forgotten(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "10" * 50)
    for arm, correct in {"start": "01" * 50, "random": "0" * 100}.items():
        add_rows(tmp_path, "primary", [scored(arm, seed, correct) for seed in SEEDS], CELL)
    skills = [["learned"] if place % 2 == 0 else ["lost"] for place in range(100)]
    add_rows(
        tmp_path,
        "questions",
        [{"seed": s, "split": "test", "skills": skills} for s in SEEDS],
        ("seed", "split"),
    )
    profile = {"learned": [9, 10, 10], "lost": [1, 10, 10]}
    cells = [{"setting": "frozen", "seed": seed, "device": "cpu", "skills": profile} for seed in SEEDS]
    add_rows(tmp_path, "profiles", cells, CELL[:3])
    table = why.skills(evidence)
    assert "| learned | 90% | 250 | 0% | 0% | 100% | +100.0 |" in table
    assert "| lost | 10% | 250 | 100% | 0% | 0% | −100.0 |" in table
    assert (
        "ahead of the start in 1 and behind in 1, 1 with an interval below 0; ahead of Random in 1 and"
        in table
    )
    assert (
        "how often one was missing: the start's accuracy −1.00 [−1.00, −1.00]; STAT-Sel minus Rand" in table
    )
    assert "Balanced" not in table
    add_rows(tmp_path, "primary", [scored("balanced", seed, "01" * 50) for seed in SEEDS], CELL)
    table = why.skills(evidence)
    assert "; Balanced minus Random −1.00 [" in table
    assert "; STAT-Sel minus Balanced +1.00 [" in table


def test_grpo_tells_reward_by_thirds_and_accuracy_before_and_after(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25, SEEDS[:1])
    made = {"random+grpo": "1" * 100, "random": "10" * 50, "start+grpo": "1" * 100}
    add_rows(tmp_path, "grpo", [scored(arm, SEEDS[0], its, "on top") for arm, its in made.items()], CELL)
    elsewhere = {"random": "0" * 100, "start": "1110" * 25}  # of random, another training
    add_rows(tmp_path, "arms", [scored(arm, 100, its, KEPT.name) for arm, its in elsewhere.items()], CELL)
    batches = [[0.25, 0.25]] * 3 + [[0.5, 0.5]] * 3 + [[0.75, 0.75]] * 3
    cell = {"setting": "on top", "seed": SEEDS[0], "device": "cpu", "arm": "random+grpo"}
    add_rows(tmp_path, "rewards", [cell | {"batches": batches}], CELL)
    table = beyond.grpo(evidence)
    assert "| random+grpo | 100 | 0.250 | 0.750 | +0.500 |" in table
    assert "| random+grpo | random | 1 | 100.0% | 50.0% | +50.0 |" in table
    assert "| start+grpo | start | 1 | 100.0% | 75.0% | +25.0 |" in table


def test_prompts_tell_what_became_of_the_first_answers_and_what_is_like_for_like(tmp_path: Path) -> None:
    made = {
        "fixed": "11000",
        "adaptmi": "10100",
        "adaptmi+": "11110",
        "adaptmi (oracle)": "11100",
        "adaptmi+ (oracle)": "11111",
    }
    more = {"tokens": 300.0, "teacher_questions": 5}
    rows = [scored(arm, 100, its, "all prompts", **more) for arm, its in made.items()]
    add_rows(tmp_path, "prompting", rows, CELL)
    said = beyond.prompting(Evidence(tmp_path))
    assert "| adaptmi | 1 | 40.0% | 300 | 5 | +40.0 | [" in said
    assert (
        "Of 5 answers with fixed exemplars 2 are right: adaptmi loses 1 of these and gains 1 of the others; "
        "adaptmi+ loses 0 of these and gains 2 of the others." in said
    )
    assert "adaptmi+ (oracle) minus adaptmi (oracle): +40.0 [" in said


def test_rounds_are_compared_with_the_training_they_go_on_from(tmp_path: Path) -> None:
    made = {"stat-sel": "10" * 50, "stat-sel-round-2": "1110" * 25}
    add_rows(tmp_path, "rounds", [scored(arm, 100, its, "two") for arm, its in made.items()], CELL)
    elsewhere = {"stat-sel": "0" * 100, "start": "1000" * 25}  # of stat-sel, another training
    add_rows(tmp_path, "arms", [scored(arm, 100, its, KEPT.name) for arm, its in elsewhere.items()], CELL)
    table = beyond.rounds(Evidence(tmp_path))
    assert "| stat-sel-round-2 | stat-sel | 1 | 75.0% | 50.0% | +25.0 |" in table
    assert "| stat-sel-round-2 | start | 1 | 75.0% | 25.0% | +50.0 |" in table
    assert "at-once" not in table


def test_the_page_says_what_the_raw_rows_say(tmp_path: Path, capsys) -> None:
    assert main(["tables", "--check"]) == 0
    folder = tmp_path / "study"
    folder.mkdir()
    for rows in FOLDER.glob("*.jsonl"):
        shutil.copy(rows, folder)
    shutil.copy(FOLDER.with_suffix(".md"), tmp_path / "study.md")
    seed = 104
    made = {"random": "0" * 612, "stat-sel": "1" * 612, "start": "0" * 612}
    add_rows(folder, "primary", [scored(arm, seed, correct) for arm, correct in made.items()], CELL)
    assert main(["tables", "--check", "--folder", str(folder)]) == 1
    assert "headline is not what the raw rows say; run `make study-tables`" in capsys.readouterr().err
    assert main(["tables", "--folder", str(folder)]) == 0
    assert main(["tables", "--check", "--folder", str(folder)]) == 0
    assert "| 104 | 0.0% | 0.0% | 100.0% | +100.0 |" in (tmp_path / "study.md").read_text()
    assert (folder / "skills.png").stat().st_size > 10_000


def test_hours_are_those_of_one_core(tmp_path: Path) -> None:
    add_rows(tmp_path, "primary", [scored("start", 100, "01", seconds=3600, threads=2)], CELL)
    assert "| primary | 1 | 2.0 |" in claims.hours(Evidence(tmp_path, "cpu"))


def test_every_training_again_of_a_seed_is_told_and_how_far_they_lie_apart(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25)
    assert "again" not in primary.primary(evidence)
    random, better, other = (
        kept("random", 100, "10" * 50),
        kept("stat-sel", 100, "1" * 100),
        kept("stat-sel", 101, "1" * 100),
    )
    add_rows(tmp_path, "arms", [random, better, other], CELL)
    for arm, correct in (("random", "10" * 50), ("stat-sel", "1000" * 25)):
        add_rows(tmp_path, "grpo", [scored(arm, 100, correct, "on top")], CELL)
    claim(tmp_path / "again", "1110" * 25, SEEDS[1:2])
    said = primary.primary(evidence).rpartition("\n\n")[2]
    assert said.startswith("Seed 100 trained again, from the kept start (*All arms*): +50.0 [")
    assert "; from the same start once more, for *GRPO on top*: −25.0 [" in said
    assert "Seed 101 trained again, on another machine (below): +25.0 [" in said
    # of seed 100: 25, 50, -25, and of seed 101: 25, 25; three of the five are free
    assert (
        "have a standard deviation of 31.2 points in this difference, the 5 seeds of the table one of 0.0"
        in said
    )


def test_a_kept_start_with_the_claims_weights_has_the_claims_trainings_and_none_is_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, place = claim(tmp_path, "1110" * 25), Place(tmp_path, tmp_path)
    made = [
        row | {"recipe": fingerprint(recipe_of(place, KEPT, row["seed"], row["arm"]))}
        for row in read_rows(tmp_path, "primary")
    ]
    add_rows(tmp_path, "primary", made, CELL)
    both = [row | {"split": split} for row in made for split in ("test", "ood")]
    add_rows(tmp_path, "primary", both, (*CELL, "split"))
    starts = {100: "another", 101: "start 101"}
    for seed, start in starts.items():
        its = [scored("start", seed, "0" * 100, KEPT.name, start=start, split=s) for s in ("test", "ood")]
        add_rows(tmp_path, "arms", its, (*CELL, "split"))
    ran: list[int] = []
    monkeypatch.setattr("studies.study.run._run", lambda place, setting, seed, arm: ran.append(seed))
    run(place, [KEPT], [100, 101], ["random", "stat-sel"])
    assert ran == [100, 100]
    assert {(row["arm"], row["seed"]) for row in read_rows(tmp_path, "arms") if row["arm"] != "start"} == {
        ("random", 101),
        ("stat-sel", 101),
    }
    assert difference("stat-sel", "random", evidence.kept()).seeds == (101,)
    said = primary.primary(evidence).rpartition("\n\n")[2]
    assert said == ("For seed 101 the kept start has the table's weights, so its trainings are these.")


def test_diagnoses_are_compared_on_the_seeds_that_all_of_them_have(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    arms = {"random": "10" * 50, "balanced": "10" * 50, "stat-sel": "1110" * 25}
    add_rows(tmp_path, "arms", [kept(arm, s, its) for arm, its in arms.items() for s in SEEDS[:2]], CELL)
    assert why.diagnosis(evidence) == "Not run yet."
    start = f"kept start {SEEDS[0]}"
    faulty = scored("stat-sel", SEEDS[0], "1100" * 25, "40% wrong", start=start)
    add_rows(tmp_path, "diagnosis", [faulty], CELL)
    counts = {KEPT.name: (50, 50, 50), "40% wrong": (40, 50, 30)}
    profiles = [
        {"setting": setting, "seed": SEEDS[0], "device": "cpu", "named": named, "true": true, "both": both}
        for setting, (named, true, both) in counts.items()
    ]
    add_rows(tmp_path, "profiles", profiles, CELL[:3])
    table = why.diagnosis(evidence)
    assert "| teacher 40% wrong | 75.0% | 60.0% | 50.0% | +25.0 |" in table
    assert "| no profile: balanced |  |  | 50.0% | +25.0 |" in table
    assert "| exact teacher | 100.0% | 100.0% | 75.0% |  |  |" in table
    assert "\n\nSeed 100 alone: " in table


def test_a_rerun_stands_beside_where_one_more_seed_is_expected(tmp_path: Path) -> None:
    evidence = claim(tmp_path, "1110" * 25)
    for seed, right in zip(SEEDS, (60, 70, 75, 80, 90), strict=True):
        add_rows(tmp_path, "primary", [scored("stat-sel", seed, "1" * right + "0" * (100 - right))], CELL)
    assert again.rerun(evidence) == "Not run yet."
    claim(tmp_path / "again", "1" * 100, SEEDS[:1])
    trained = scored("stat-sel", SEEDS[0], "1" * 100, precision="fp32", threads=2)
    add_rows(tmp_path / "again", "primary", [trained], CELL)
    said = again.rerun(evidence)
    assert "| 100 | 0.0% | 50.0% | 100.0% | +50.0 |\n\n3 minutes, 2 threads, fp32." in said
    # mean 25, standard deviation 11.18: 25 -+ 2.776 * 11.18 * sqrt(1 + 1/5)
    assert said.endswith("on record: +10.0 and +40.0; one more seed is expected in [−9.0, +59.0].")


def test_a_cell_of_the_primary_claim_ends_beside_what_was_to_be_expected(
    tmp_path: Path,
) -> None:
    claim(tmp_path, "1110" * 25, SEEDS[:1])
    said = outcome(Place(tmp_path, tmp_path), FROZEN, SEEDS[0], "stat-sel")
    assert "stat-sel test 75.0%\nseed 100: stat-sel minus random +25.0 points on test; the 5" in said
    assert said.endswith("one more is expected from −1.9 to +13.8 (95%)")


def test_the_pools_own_mix_shows_what_an_even_test_hides(tmp_path: Path) -> None:
    """Three kinds of 20 questions: STAT-Sel takes the two rare ones, Random keeps the common one."""
    made = {"start": "0" * 60, "random": "1" * 20 + "0" * 40, "stat-sel": "0" * 20 + "1" * 40}
    rows = [scored(arm, seed, its) for arm, its in made.items() for seed in SEEDS[:2]]
    add_rows(tmp_path, "primary", rows, CELL)
    evidence = Evidence(tmp_path)
    assert mix.mix(evidence) == "Not run yet."
    assert "commonest" not in primary.headline(evidence)
    kinds = ["often"] * 20 + ["rare"] * 20 + ["seldom"] * 20
    pool = {"often": 80, "seldom": 15, "rare": 5}
    questions = [
        {"seed": seed, "split": "test", "skills": [], "kinds": kinds, "pool": pool} for seed in SEEDS[:2]
    ]
    add_rows(tmp_path, "questions", questions, ("seed", "split"))
    add_rows(tmp_path, "arms", [kept("hard", SEEDS[0], "1" * 40 + "0" * 20)], CELL)
    told = mix.mix(evidence)
    assert "| commonest third (80% of it) | 0.0% | 100.0% | 0.0% | −100.0 | [−100.0, −100.0] |" in told
    assert "| rarest third (5% of it) | 0.0% | 0.0% | 100.0% | +100.0 |" in told
    assert "| as the pool | 0.0% | 80.0% | 20.0% | −60.0 | [−60.0, −60.0] |" in told
    assert "As the pool, seeds 100, 101: random 80.0%, 80.0%; stat-sel 20.0%, 20.0%." in told
    assert "| as the pool, without its commonest kind | 0.0% | 0.0% | 100.0% | +100.0 |" in told
    assert told.endswith("| hard | 1 | 100.0% | 0.0% | 100.0% | 85.0% |")
    add_rows(tmp_path, "arms", [kept("stat-sel", SEEDS[1], "0" * 20 + "1" * 40)], CELL)
    assert mix.mix(evidence).endswith("| hard | 85.0% |  |\n| stat-sel |  | 20.0% |")
    said = primary.headline(evidence)
    assert said.startswith("**Interim: STAT-Sel beats Random: +33.3 points")
    assert "(80% of it) STAT-Sel minus Random is −100.0 [" in said
    assert "weighted as the pool is −60.0 [−60.0, −60.0]" in said
    add_rows(tmp_path, "primary", [scored("random", SEEDS[0], "0" * 60, start="elsewhere")], CELL)
    assert "| as the pool | 0.0% | 80.0% | 20.0% | −60.0 |  |" in mix.mix(evidence)  # one seed is left


def test_rehearsal_stands_beside_the_arms_it_is_between_from_one_start(tmp_path: Path) -> None:
    """As above, two seeds, a third with another start; the half keeps the common kind and one rare one."""
    evidence = Evidence(tmp_path)
    assert remedies.remedies(evidence) == "Not run yet."
    often, made = "1" * 20 + "0" * 40, "0" * 20 + "1" * 40
    arms = {"start": "0" * 60, "random": often, "balanced": often, "stat-sel": made}
    add_rows(tmp_path, "arms", [kept(arm, s, its) for arm, its in arms.items() for s in SEEDS[:3]], CELL)
    kinds = ["often"] * 20 + ["rare"] * 20 + ["seldom"] * 20
    mixed = {"split": "test", "kinds": kinds, "pool": {"often": 80, "seldom": 15, "rare": 5}}
    add_rows(tmp_path, "questions", [mixed | {"seed": s} for s in SEEDS[:3]], ("seed", "split"))
    half = [scored("stat-sel", s, "1" * 40 + "0" * 20, "half", start=f"kept start {s}") for s in SEEDS[:2]]
    elsewhere = scored("stat-sel", SEEDS[2], "0" * 60, "half")
    add_rows(tmp_path, "rehearsal", [*half, elsewhere], CELL)
    told = remedies.remedies(evidence)
    assert told.startswith("Rehearsal, seeds 100, 101:\n")
    assert "| stat-sel, half rehearsal | 66.7% | 100.0% | 0.0% | 100.0% | 85.0% |" in told
    assert "| random | +33.3 | [" in told
    assert "| +5.0 | [+5.0, +5.0] |" in told  # 85 % of the mix, where Random has 80 %
    assert "| stat-sel | 0.0 | [" in told
    assert "Rounds" not in told
    later = scored("stat-sel-round-2", SEEDS[1], "1" * 60, "two")
    add_rows(tmp_path, "rounds", [later], CELL)
    told = remedies.remedies(evidence).partition("Rounds, seed 101:\n")[2]
    assert told.endswith("| stat-sel-round-2 | 100.0% | 100.0% | 100.0% | 100.0% | 100.0% |")


def test_rates_are_shown_as_they_were_chosen_and_on_the_pools_own_mix(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    assert tuning.rates(evidence) == "Not run yet."
    answers = ("1100", "1110", "0111")  # of equals the lower rate is chosen
    rates = [
        scored("random", 99, its, f"{rate:g}", learning_rate=rate, split="development")
        for rate, its in zip(RATES, answers, strict=True)
    ]
    add_rows(tmp_path, "rates", [*rates, rates[0] | {"arm": "hard"}], CELL)
    even = tuning.rates(evidence)
    assert even.endswith("| random | 50.0% | **75.0%** | 75.0% |\n| hard | 50.0% | - | - |")
    mixed = {"kinds": ["often", "often", "rare", "seldom"], "pool": {"often": 90, "rare": 4, "seldom": 6}}
    add_rows(tmp_path, "questions", [mixed | {"seed": 99, "split": "development"}], ("seed", "split"))
    both = tuning.rates(evidence)
    assert both.startswith(even)
    assert both.endswith("| random | 90.0% | **94.0%** | 55.0% |\n| hard | 90.0% | - | - |")
