"""Training: from labelled rows to a fitted pipeline."""

from perennial.training.checkpoints import Checkpoints, MemoryCheckpoints, Progress, silent
from perennial.training.estimators import build_estimator, build_pipeline
from perennial.training.fitting import Fitted, Trained, fit, score, train
from perennial.training.rows import PlainRows, Rows, Split, check_labelled, split

__all__ = [
    "Checkpoints",
    "Fitted",
    "MemoryCheckpoints",
    "PlainRows",
    "Progress",
    "Rows",
    "Split",
    "Trained",
    "build_estimator",
    "build_pipeline",
    "check_labelled",
    "fit",
    "score",
    "silent",
    "split",
    "train",
]
