"""Tables, shares and intervals as the pages of the quality benchmark show them."""

from collections.abc import Iterable, Sequence
from typing import Any

from perennial.drift.proportions import share_interval


def interval(count: int, of: int) -> str:
    """Wilson's, 95 %."""
    low, high = share_interval(count, of, 0.95)
    return f"{low:.1%} to {high:.1%}"


def share(count: int, of: int) -> str:
    """The share in per cent with its interval."""
    return f"{count / of:.2%} ({interval(count, of)})"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"
