"""Which rows a training should learn from, by what was found: pure, with the reason in words."""

from perennial.contracts import Strategy


def full(reason: str) -> Strategy:
    """All accepted rows, each with the same weight."""
    return Strategy(name="full", reason=reason)
