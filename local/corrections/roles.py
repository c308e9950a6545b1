"""IAM (AUTH=true)."""

from collections.abc import Callable

CORRECTIONS: dict[str, Callable[[], None]] = {}
