"""The stages of a run, from data to evidence."""

from stat_train.pipeline.runner import plan, run_recipe

__all__ = ["plan", "run_recipe"]
