"""Every arm from one recipe: its pairs, their number or tokens, the rewrites, seeds and estimate."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import write_tiny_model

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.methods.training_set import TrainingSet
from stat_train.pipeline import plan, run_recipe
from stat_train.pipeline.estimate import estimate
from stat_train.pipeline.selection import token_cost, training_set_of
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.report.extras import Extras, TrainingSetSummary
from stat_train.report.terminal import sets_table
from stat_train.run import Stage

RECIPES = Path(__file__).parents[1] / "recipes"
SMOKE = RECIPES / "smoke.yaml"
ARMS = read_recipe(RECIPES / "arms.yaml").arms
NAMES = f"arms=[{','.join(ARMS)}]"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(cache))


def recipe_for(tiny: Path, folder: Path, *more: str) -> Recipe:
    student = [f"student.model={tiny}", f"selection.embedding.model={tiny}", f"run_dir={folder}"]
    short = ["sampling.max_tokens=8", "evaluation.sampling.max_tokens=8", "tutor.pool=150", "tutor.seed=0"]
    return read_recipe(SMOKE, [*student, *short, NAMES, "selection.size=21", *more])


def sets(stages: dict[str, Stage]) -> dict[str, TrainingSet]:
    return {arm: TrainingSet.read(stages[f"select {arm}"].file("rows.jsonl")) for arm in ARMS}


@pytest.fixture(scope="module")
def selected(tiny: Path, cache: Path, tmp_path_factory) -> tuple[Recipe, dict[str, Stage]]:
    """All arms' sets of 21 pairs, with seed 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(cache))
        recipe = recipe_for(tiny, tmp_path_factory.mktemp("run"))
        return recipe, run_recipe(recipe, "select")


def test_every_arm_holds_the_same_number_of_pairs_and_says_why_each_is_there(selected) -> None:
    _, stages = selected
    made = sets(stages)
    assert len(ARMS) == 11
    assert {arm: len(its) for arm, its in made.items()} == dict.fromkeys(ARMS, 21)
    assert all(row.lineage["method"] == arm for arm, its in made.items() for row in its.rows)
    assert made["augment"].counts()["unique"] == 7
    difficult = {row["question_id"] for row in read_jsonl(stages["difficulty"].file("difficulty.jsonl"))}
    for arm in ("embed-sel", "embed-syn", "llm2llm", "shuffled", "stat-sel", "stat-syn"):
        assert {row.lineage["difficult_question"] for row in made[arm].rows} <= difficult


def test_rewrites_are_verified_and_every_one_asked_for_is_accounted_for(selected) -> None:
    _, stages = selected
    counts = stages["rewrite augment"].manifest["counts"]
    assert counts["rows_in"] == counts["rows_out"] + counts["quarantined"]
    assert len(list(read_jsonl(stages["rewrite augment"].file("quarantined.jsonl")))) == counts["quarantined"]
    assert stages["rewrite augment"].manifest["usage"]["requests"] > 0
    answers = {row["id"]: row["answer"] for row in read_jsonl(stages["label"].file("pool.jsonl"))}
    own = {row["id"]: row["solution"] for row in read_jsonl(stages["label"].file("pool.jsonl"))}
    rows = sets(stages)["augment"].rows
    assert sum(row.lineage["rewritten"] for row in rows) > 10
    for row in rows:
        assert row.solution.rpartition("####")[2].strip() == answers[row.lineage["source_id"]]
        assert row.lineage["rewritten"] == (row.solution != own[row.lineage["source_id"]])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    tiny: Path, tmp_path: Path, selected
) -> None:
    def bytes_of(folder: str, seed: int) -> dict[str, bytes]:
        stages = run_recipe(recipe_for(tiny, tmp_path / folder, f"seed={seed}"), "select")
        return {arm: stages[f"select {arm}"].file("rows.jsonl").read_bytes() for arm in ARMS}

    _, stages = selected
    first = {arm: stages[f"select {arm}"].file("rows.jsonl").read_bytes() for arm in ARMS}
    assert bytes_of("again", 0) == first
    other = bytes_of("other", 1)
    assert [arm for arm in ARMS if other[arm] == first[arm]] == []


def test_every_arm_holds_the_same_number_of_tokens_if_asked(tiny: Path, tmp_path: Path) -> None:
    recipe = recipe_for(tiny, tmp_path / "run", "selection.size=null", "selection.tokens=4000")
    stages = run_recipe(recipe, "select")
    cost = token_cost(recipe)
    for arm, made in sets(stages).items():
        tokens = [cost(row) for row in made.rows]
        assert 4000 - max(tokens) < sum(tokens) <= 4000, arm
        assert stages[f"select {arm}"].manifest["counts"]["tokens"] == sum(tokens)
    lengths = {len(made) for made in sets(stages).values()}
    assert len(lengths) > 1
    assert {work for title, _, work in plan(recipe) if title.startswith("select")} == {"4,000 tokens"}


def test_answers_are_rewritten_in_every_arm_from_the_pool_but_train(tiny: Path, tmp_path: Path) -> None:
    arms = ["arms=[random,train,augment,stat-sel,stat-syn]", "selection.answers=2", "selection.size=20"]
    recipe = recipe_for(tiny, tmp_path / "run", *arms)
    stages = run_recipe(recipe, "select")
    assert [title for title in stages if title.startswith("rewrite")] == [
        "rewrite random",
        "rewrite augment",
        "rewrite stat-sel",
    ]
    for arm, unique in {"random": 10, "train": 20, "augment": 10, "stat-sel": 10}.items():
        counts = stages[f"select {arm}"].manifest["counts"]
        assert (counts["pairs"], counts["unique"]) == (20, unique)


def test_a_share_of_every_targeted_arm_is_rehearsal_which_the_teacher_is_not_paid_for(
    tiny: Path, tmp_path: Path, selected
) -> None:
    _, without = selected
    recipe = recipe_for(tiny, tmp_path / "run", "selection.rehearsal=0.4")
    stages = run_recipe(recipe, "select")
    for arm, made in sets(stages).items():
        methods = Counter(row.lineage["method"] for row in made.rows)
        as_before = arm in ("random", "train", "augment")
        assert methods == ({arm: 21} if as_before else {arm: 13, "rehearsal": 8})
        assert (stages[f"select {arm}"].key == without[f"select {arm}"].key) == as_before
    wanted = read_jsonl(stages["synthesize stat-syn"].file("yield.jsonl"))
    assert sum(row["wanted"] for row in wanted) == 13
    assert stages["select hard"].manifest["counts"]["rehearsal"] == 8
    assert "rehearsal" not in stages["select random"].manifest["counts"]
    planned = {title: work for title, _, work in plan(recipe)}
    assert (
        planned["synthesize stat-syn"] == "new questions for 21 pairs, 8 of them rehearsal, 3 solutions each"
    )
    assert planned["select hard"] == "21 pairs, 8 of them rehearsal"
    assert planned["select random"] == "21 pairs"


def test_rehearsal_keeps_its_share_of_rewritten_answers_of_tokens_and_of_the_estimate(
    tiny: Path, tmp_path: Path, selected
) -> None:
    half = ["selection.rehearsal=0.5", "arms=[stat-sel,stat-syn]"]
    rewritten = recipe_for(tiny, tmp_path / "rewritten", *half, "selection.answers=2", "selection.size=20")
    asked = [
        next(row.requests for row in estimate(recipe) if row.stage == "synthesize stat-syn")
        for recipe in (rewritten, recipe_for(tiny, tmp_path / "all", half[1], "selection.size=10"))
    ]
    assert asked[0] == asked[1]
    rows = TrainingSet.read(run_recipe(rewritten, "select")["select stat-sel"].file("rows.jsonl")).rows
    assert Counter(row.lineage["method"] for row in rows) == {"stat-sel": 10, "rehearsal": 10}
    assert sum(row.lineage["rewritten"] for row in rows if row.lineage["method"] == "rehearsal") > 0
    recipe = recipe_for(tiny, tmp_path / "tokens", *half, "selection.size=null", "selection.tokens=3000")
    stages, cost = run_recipe(recipe, "select"), token_cost(recipe)
    for arm in ("stat-sel", "stat-syn"):
        made = TrainingSet.read(stages[f"select {arm}"].file("rows.jsonl")).rows
        tokens = [cost(row) for row in made]
        assert 3000 - max(tokens) < sum(tokens) <= 3000, arm
        share = sum(row.lineage["method"] == "rehearsal" for row in made) / len(made)
        assert 0.4 < share < 0.6, arm


def test_more_questions_than_all_their_answers_need_leave_answers_out(tiny: Path, tmp_path: Path) -> None:
    paper = ["arms=[stat-sel]", "selection.answers=3", "selection.questions=9", "selection.size=21"]
    counts = run_recipe(recipe_for(tiny, tmp_path / "run", *paper), "select")["select stat-sel"].manifest[
        "counts"
    ]
    assert (counts["pairs"], counts["unique"]) == (21, 9)
    with pytest.raises(UserError, match="6 questions of 3 answers do not make 21 pairs"):
        recipe_for(tiny, tmp_path, *paper, "selection.questions=6")
    with pytest.raises(UserError, match=r"selection\.questions needs selection\.size"):
        recipe_for(tiny, tmp_path, "selection.questions=9")


def test_the_estimate_of_the_rewrites_is_what_is_then_asked_at_first(
    tiny: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    recipe = recipe_for(tiny, tmp_path / "run", "arms=[augment]")
    before = {row.stage: row for row in estimate(recipe)}["rewrite augment"]
    assert "as if the first questions of the pool were drawn" in before.note
    run_recipe(recipe, "label")
    then = {row.stage: row for row in estimate(recipe)}["rewrite augment"]
    assert before.requests == then.requests == 21
    usage = run_recipe(recipe, "select")["rewrite augment"].manifest["usage"]
    assert then.requests <= usage["requests"] <= 2 * then.requests
    assert "rewrite augment" not in {row.stage for row in estimate(recipe)}


def test_the_embeddings_serve_only_the_arms_that_need_them(tiny: Path, tmp_path: Path) -> None:
    titles = [title for title, _, _ in plan(recipe_for(tiny, tmp_path, "arms=[random,hard]"))]
    assert "embed" not in titles
    assert "embed" in [title for title, _, _ in plan(recipe_for(tiny, tmp_path, "arms=[embed-syn]"))]


def test_hard_goes_by_levels_where_the_pool_has_them(tiny: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    source = (RECIPES.parent / "data/arithmetic/sample/pool.jsonl").read_text().splitlines()
    pool.write_text("\n".join(f'{line[:-1]}, "level": "{n % 5 + 1}"}}' for n, line in enumerate(source)))
    own = [f"student.model={tiny}", f"run_dir={tmp_path / 'run'}", "arms=[hard]", "sampling.max_tokens=8"]
    recipe = read_recipe(RECIPES / "own_data.yaml", [*own, f"data.pool={pool}"])
    rows = TrainingSet.read(run_recipe(recipe, "select")["select hard"].file("rows.jsonl")).rows
    assert {row.lineage["group"] for row in rows} == {"4", "5"}


def test_a_size_in_pairs_and_one_in_tokens_and_rounds_of_rewrites_are_refused(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="not both"):
        recipe_for(tiny, tmp_path, "selection.tokens=100")
    with pytest.raises(UserError, match=r"set selection\.answers to 1"):
        recipe_for(tiny, tmp_path, "selection.answers=3", "rounds=2")
    with pytest.raises(UserError, match=r"rounds\.replay shares out pairs: set it to 0"):
        recipe_for(tiny, tmp_path, "selection.size=null", "selection.tokens=100", "rounds=2")


def test_an_arm_of_tokens_of_which_no_pair_was_made_is_one_line(tmp_path: Path, tiny: Path) -> None:
    recipe = recipe_for(tiny, tmp_path, "selection.size=null", "selection.tokens=5000", "arms=[llm2llm]")
    for name in ("rows.jsonl", "yield.jsonl"):
        (tmp_path / name).write_text("")
    work = SimpleNamespace(recipe=recipe, file=lambda stage, name: tmp_path / name)
    with pytest.raises(UserError, match="llm2llm: no pair could be made of the 5,000 tokens"):
        training_set_of("llm2llm", work)


def test_what_each_arm_holds_is_told(tiny: Path, tmp_path: Path) -> None:
    recipe = recipe_for(tiny, tmp_path / "run", "arms=[random,augment]", "selection.size=6")
    report = run_recipe(recipe)["report"]
    held = Extras.model_validate_json(report.file("extras.json").read_bytes()).sets
    assert {arm: (its.rows, its.unique_questions, its.source) for arm, its in held.items()} == {
        "random": (6, 6, "pool"),
        "augment": (6, 2, "pool, 3 reworded solutions each"),
    }
    assert all(its.tokens > 100 for its in held.values())
    page = (recipe.folder / "report.md").read_text()
    assert "Every arm holds 6 pairs." in page
    assert "pool, 3 reworded solutions each" in page
    assert "every arm holds 600 tokens" in str(sets_table(_of_tokens(600, 590), 600).title)
    assert "not equally large" in str(sets_table(_of_tokens(600, 400), 600).title)
    shown = sets_table(held)
    assert shown.row_count == 2
    assert "every arm holds 6 pairs" in str(shown.title)


def test_what_of_an_arm_is_rehearsal_is_told_wherever_its_pairs_are(tiny: Path, tmp_path: Path) -> None:
    few = ["arms=[random,stat-sel]", "selection.size=6", "selection.rehearsal=0.9"]
    recipe = recipe_for(tiny, tmp_path / "run", *few)
    stages = run_recipe(recipe)
    extras = Extras.model_validate_json(stages["report"].file("extras.json").read_bytes())
    assert {arm: its.rehearsal for arm, its in extras.sets.items()} == {"random": 0, "stat-sel": 5}
    assert {example.arm for example in extras.selected} == {"stat-sel"}  # one that was drawn for a skill
    page = (recipe.folder / "report.md").read_text()
    assert "A part of the pairs is rehearsal, drawn uniformly from the pool: `stat-sel` 5." in page
    assert "pool; 5 pairs are rehearsal" in page
    card = (stages["sft stat-sel"].file("model") / "README.md").read_text()
    assert "6 different questions; 5 of the pairs are rehearsal, uniformly from the pool" in card


def _of_tokens(*tokens: int) -> dict[str, TrainingSetSummary]:
    return {str(n): TrainingSetSummary(rows=n // 10, unique_questions=1, tokens=n) for n in tokens}
