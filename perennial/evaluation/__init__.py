"""Champion against challenger on the same holdout rows: gates, each with its verdict and its numbers."""

from perennial.evaluation.verdict import evaluate

__all__ = ["evaluate"]
