"""What a function leaves in the workflow's state is small: whole documents lie in the artefact bucket.

Step Functions ends a run whose state passes 256 KiB, and keeps all variables of a run within 10 MiB:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

import json
from typing import Any

LIMIT = 24 * 1024  # bytes of one answer; a state is given a handful of them
_STEPS = ((100, 4000), (20, 1000), (10, 400), (3, 200))  # items of a list, characters of a text


def small(document: dict[str, Any], limit: int = LIMIT) -> dict[str, Any]:
    """The document as it is where its JSON fits, otherwise with texts and lists of texts cut, by steps.

    A list says how many are left out, a text ends in an ellipsis. Raises ValueError where that is not enough.

    >>> small({"reasons": ["too few rows"] * 5000})["reasons"][-2:]
    ['too few rows', '… and 4900 more']
    """
    if _size(document) <= limit:
        return document
    for items, characters in _STEPS:
        shorter: dict[str, Any] = _cut(document, items, characters)
        if _size(shorter) <= limit:
            return shorter
    raise ValueError(
        f"an answer of {_size(document)} bytes: at most {limit} may stay in the workflow's state"
    )


def _size(document: Any) -> int:
    return len(json.dumps(document).encode())


def _cut(value: Any, items: int, characters: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= characters else f"{value[: characters - 1]}…"
    if isinstance(value, dict):
        return {name: _cut(inner, items, characters) for name, inner in value.items()}
    if isinstance(value, list):
        shorter = [_cut(inner, items, characters) for inner in value[:items]]
        left_out = len(value) - len(shorter)
        if left_out and all(isinstance(inner, str) for inner in value):
            return [*shorter, f"… and {left_out} more"]
        return [_cut(inner, items, characters) for inner in value]
    return value
