"""A run folder: lock, content-addressed stages, manifests, hashes."""

from stat_train.run.hashing import content_hash
from stat_train.run.run import Run
from stat_train.run.stage import Stage

__all__ = ["Run", "Stage", "content_hash"]
