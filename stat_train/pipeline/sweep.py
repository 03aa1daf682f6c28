"""Several learning rates for an arm: a training each, scored on the development split; the best is kept."""

import os
import shutil
from functools import partial
from pathlib import Path

from stat_train.data.jsonl import write_jsonl
from stat_train.pipeline.arms import accuracy, evaluate_step, sft_step
from stat_train.pipeline.card import CARD, write_card
from stat_train.pipeline.step import Step, Work
from stat_train.recipe import DEVELOPMENT, Method, Recipe
from stat_train.student.fingerprint import CACHE

RATES = "learning_rates.jsonl"


def sft_steps(recipe: Recipe, arm: Method) -> list[Step]:
    """The training of one arm; of several learning rates a training and a score each, and the choice."""
    rates = recipe.sft.rates
    if len(rates) == 1:
        return [sft_step(recipe, arm)]
    tried = [
        step
        for rate in rates
        for step in (sft_step(recipe, arm, rate), evaluate_step(recipe, trial(arm, rate), DEVELOPMENT))
    ]
    return [*tried, _choice(recipe, arm, tried)]


def trial(arm: str, rate: float) -> str:
    """The name of an arm's training at one learning rate."""
    return f"{arm}-{rate:g}"


def _choice(recipe: Recipe, arm: Method, tried: list[Step]) -> Step:
    rates = ", ".join(f"{rate:g}" for rate in recipe.sft.rates)
    return Step(
        "sft",
        partial(_choose, arm),
        lambda sizes: f"the best of {rates} on the {DEVELOPMENT} split",
        arm=arm,
        needs={step.title: () for step in tried},
        checks=("student", f"select {arm}"),
        options={"learning_rate": list(recipe.sft.rates)},
    )


def _choose(arm: str, work: Work) -> None:
    """Keep the model that does best on the development split; of equals, that of the lower rate."""
    rates = work.recipe.sft.rates
    scores = {rate: accuracy(work.given[f"evaluate {trial(arm, rate)}-{DEVELOPMENT}"]) for rate in rates}
    best = max(rates, key=lambda rate: (scores[rate], -rate))
    rows = [{"learning_rate": r, "development": scores[r], "kept": r == best} for r in rates]
    write_jsonl(work.stage.file(RATES), rows)
    model = work.stage.file("model")
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(
        work.file(f"sft {trial(arm, best)}", "model"),
        model,
        copy_function=_link,
        ignore=shutil.ignore_patterns(CACHE, CARD),
    )
    said = ", ".join(f"{rate:g} {scores[rate]:.1%}" for rate in rates)
    note = f"learning rate {best:g} kept; on the {DEVELOPMENT} split: {said}"
    work.stage.finish(["model", RATES], counts={"trainings": len(rates)}, notes=[note])
    write_card(work.recipe, arm, {**work.given, work.stage.title: work.stage})


def _link(source: str, target: str) -> None:
    """The same file under another name; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(Path(source), Path(target))
