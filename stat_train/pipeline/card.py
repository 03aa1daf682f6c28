"""The model card of a trained arm, and sending a trained arm to a model hub when asked."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stat_train.data.atomic import atomic_file
from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError, first_line
from stat_train.intervals import wilson
from stat_train.pipeline.versions import versions
from stat_train.recipe import GRPO_SUFFIX, START, Recipe, trained_by
from stat_train.report.card import CardScore, ModelCard
from stat_train.run import Stage
from stat_train.student.fingerprint import CACHE
from stat_train.training.folder import DONE
from stat_train.training.rollouts import ROLLOUTS

CARD = "README.md"
READ = {"profile": "Missing-Skill-Profile", "label": "labelled pool and validation split"}


def write_card(recipe: Recipe, arm: str, given: Mapping[str, Stage]) -> Path:
    """Write README.md into the model folder of `arm`, from the finished stages `given`, by title.

    The stage that trained it, `select ARM` and `student` must be among them; what else is there (the
    profile, the evaluations) is told too. The card is no output of its stage, so that scores can be added
    later.
    """
    path = given[trained_by(arm)].file("model") / CARD
    with atomic_file(path) as file:
        file.write(model_card(recipe, arm, given).markdown().encode())
    return path


def model_card(recipe: Recipe, arm: str, given: Mapping[str, Stage]) -> ModelCard:
    """What the finished stages say about the model of `arm`."""
    select = given.get(f"select {_selected(arm)}")
    training = json.loads((given[trained_by(arm)].file("model") / DONE).read_text())
    [student] = read_jsonl(given["student"].file("student.jsonl"))
    counts, notes = (_manifest(select)["counts"], _manifest(select)["notes"]) if select else ({}, [])
    return ModelCard(
        name=recipe.name,
        arm=arm,
        base=_base(recipe),
        base_id=_hub_id(recipe),
        teacher=recipe.teacher.logical_name,
        data=_data(recipe),
        pairs=counts.get("pairs", 0),
        unique_questions=counts.get("unique", 0),
        rehearsal=counts.get("rehearsal", 0),
        further=_further(recipe, arm, given),
        per_skill=counts.get("per_skill", {}),
        hashes=_hashes(arm, given, student["fingerprint"]),
        prompts={
            task: digest for stage in given.values() for task, digest in _manifest(stage)["templates"].items()
        },
        options=_used(training["options"]),
        steps=training["steps"],
        scores=list(_scores(arm, given)),
        notes=[*notes, *_manifest(given[trained_by(arm)])["notes"]],
        versions=dict(versions()),
    )


def push(recipe: Recipe, arm: str, repo_id: str, given: Mapping[str, Stage], public: bool = False) -> str:
    """Send the trained model of `arm`, with its card, to the repository `repo_id` of the hub; its URL.

    The repository is made, private unless `public`, where it is not there. Raises UserError where the
    arm is not trained or the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    if trained_by(arm) not in given:
        raise UserError(f"{recipe.name}: {arm} is not trained with these options; run the recipe first")
    folder = write_card(recipe, arm, given).parent
    api = HfApi()
    try:
        url = api.create_repo(repo_id, private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            ignore_patterns=[CACHE, ROLLOUTS],
            commit_message=f"{recipe.name}: {arm}",
        )
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as error:
        raise UserError(
            f"{repo_id}: the hub refuses ({first_line(error)}); check the name, and log in with "
            "`hf auth login` or set HF_TOKEN"
        ) from error
    return str(url)


def _selected(arm: str) -> str:
    """The arm whose training set `arm` was trained on, first of all."""
    return arm.removesuffix(GRPO_SUFFIX)


def _further(recipe: Recipe, arm: str, given: Mapping[str, Stage]) -> str:
    if not arm.endswith(GRPO_SUFFIX):
        return ""
    counts = _manifest(given[trained_by(arm)])["counts"]
    return (
        f"from the weights of {recipe.trained_from(arm)}, {counts['batches']:,} batches, "
        f"{counts['answers']:,} of its own answers to questions of the pool, rewarded where verified"
    )


def _used(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k != "lora" or options["method"] != "full"}


def _hashes(arm: str, given: Mapping[str, Stage], fingerprint: str) -> dict[str, str]:
    """sha256 of what the model came from; the selection's manifest names the profile it read."""
    found, select = {"base model (sha256)": fingerprint}, given.get(f"select {_selected(arm)}")
    if select is None:
        return found
    read = _manifest(select)["inputs"]
    found["training set (sha256)"] = select.hash
    for title, digest in read.items():
        name, *of_round = title.split()
        if name in READ:
            found[" ".join([READ[name], *of_round, "(sha256)"])] = digest
    return found


def _scores(arm: str, given: Mapping[str, Stage]) -> Iterator[CardScore]:
    for title, stage in given.items():
        split = title.removeprefix(f"evaluate {arm}-")
        before = given.get(f"evaluate {START}-{split}")
        if split != title and before is not None:
            share, n = _share(stage), _manifest(stage)["counts"]["rows_in"]
            yield CardScore(split=split, accuracy=share, ci95=wilson(share, n), n=n, start=_share(before))


def _share(stage: Stage) -> float:
    counts = _manifest(stage)["counts"]
    return float(counts["correct"] / counts["rows_out"])


def _manifest(stage: Stage) -> dict[str, Any]:
    assert stage.manifest is not None
    return stage.manifest


def _base(recipe: Recipe) -> str:
    """The base model's name, without the folders of this machine."""
    options = recipe.student
    name = "SmolLM2-135M-Instruct" if options.model == "embedded" else options.model
    name = Path(name).name if Path(name).expanduser().is_dir() else name
    return f"{name} with adapter {options.adapter.name}" if options.adapter else name


def _hub_id(recipe: Recipe) -> str:
    model = recipe.student.model
    if model == "embedded":
        return "HuggingFaceTB/SmolLM2-135M-Instruct"
    return "" if Path(model).expanduser().is_dir() else model


def _data(recipe: Recipe) -> str:
    if not recipe.data:
        return "school arithmetic of the embedded domain"
    pool = recipe.data.pool
    return Path(pool).name if Path(pool).exists() else pool
