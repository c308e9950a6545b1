"""When a concept changed: the row of the error stream as a time, and how many batches agree.

The stream counts rows (`error_stream`); a training asks for times. Every batch leaves marks in the state,
rows of the stream with the time at which they came; a change counts from the mark that is nearest to the row
at which it began. Beside them stand the batches, one after the other, in which the relation between features
and label was found changed in the same way: one such batch may be a wrong export, several in a row are a new
concept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perennial.config import ModelConfig
from perennial.contracts.drift import ConceptChange
from perennial.drift.error_stream import Change

if TYPE_CHECKING:
    import pandas as pd

_MARKS_PER_BATCH = 16
_MOST = 256  # marks that are remembered
_MOST_BATCHES = 64
_ALIKE = 0.9  # cosine between the errors of two batches of one new concept
_FIFTHS = 5

Times = npt.NDArray[np.datetime64]


def row_times(frame: "pd.DataFrame", config: ModelConfig, arrived: datetime) -> Times:
    """When each row came, datetime64[us] in UTC of shape (n,): its own time, where the model file names a
    column of it and it is not missing, else the arrival of its batch. As `perennial.assembly` has it."""
    fallback = np.datetime64(arrived.astimezone(UTC).replace(tzinfo=None), "us")
    if config.time is None:
        return np.full(len(frame), fallback)
    own = frame[config.time].to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(own), fallback, own)


def marked(marks: Sequence[Sequence[Any]], start: int, times: Times) -> list[list[Any]]:
    """The marks with those of a batch whose first row is row `start` of the stream; `times` (n,) ascend.

    >>> marked([], 50, np.array(["2026-01-01", "2026-01-01", "2026-01-02"], "datetime64[us]"))
    [[50, '2026-01-01T00:00:00+00:00'], [52, '2026-01-02T00:00:00+00:00']]
    """
    step = -(-len(times) // _MARKS_PER_BATCH) or 1
    found = [list(mark) for mark in marks]
    last = None
    for place in range(0, len(times), step):
        at = _spelled(times[place])
        if at != last:
            found.append([start + place, at])
        last = at
    return found[-_MOST:]


def time_of(marks: Sequence[Sequence[Any]], row: int) -> datetime | None:
    """The time of the mark that is nearest to a row; None without marks.

    >>> time_of([[0, "2026-01-01T00:00:00+00:00"], [90, "2026-02-01T00:00:00+00:00"]], 80).month
    2
    """
    nearest = min(marks, key=lambda mark: abs(mark[0] - row), default=None)
    return datetime.fromisoformat(nearest[1]) if nearest else None


@dataclass(frozen=True)
class Seen:
    """What a batch's labelled rows show: their `times` (n,), whether the relation of features and label is
    `changed` (None: they cannot tell), by which `errors` (`signature`), and whether the rows are `new` to the
    watch or a window of rows that it has seen."""

    times: Times
    changed: bool | None
    errors: Mapping[str, float]
    new: bool = True


def concept_change(
    state: Mapping[str, Any], seen: Seen, standing: Change | None
) -> tuple[list[dict[str, Any]], ConceptChange | None]:
    """The batches in a row that show one change, this one included, and that change.

    `standing`: the change of the error's level that lasts. A batch that errs in another way than those before
    begins anew; one that cannot tell neither adds nor ends.
    """
    known = [dict(batch) for batch in state.get("changed", ())]
    if not len(seen.times) or seen.changed is None:
        return known, None
    if not seen.changed:
        return [], None
    batch = {
        "from": _spelled(seen.times.min()),
        "to": _spelled(seen.times.max()),
        "rows": len(seen.times),
        "errors": dict(seen.errors),
    }
    if known and alike(known[-1]["errors"], seen.errors) < _ALIKE:
        known = []
    batches = known if known and not seen.new else [*known, batch][-_MOST_BATCHES:]
    first = datetime.fromisoformat(batches[0]["from"])
    began = time_of(state["marks"], standing.began) if standing else None
    since = first
    if standing and began:  # a slope begins before it is noticed; a step not before a batch that shows it
        since = began if standing.kind == "gradual" else max(first, began)
    agreeing = [batch for batch in batches if datetime.fromisoformat(batch["to"]) >= since]
    return batches, ConceptChange(
        kind=standing.kind if standing else "sudden",
        since=since,
        batches=max(1, len(agreeing)),
        rows=sum(batch["rows"] for batch in agreeing),
    )


def signature(predicted: Any, labels: Any, reference: Any = None) -> dict[str, float]:
    """In which way rows are answered wrongly, of n answers and labels.

    For classes, the share of rows by answer and label where they differ. For numbers, the mean error by
    fifths of the answers, in mean absolute errors of `reference`: answers minus labels that were known.

    >>> signature(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))
    {'a > b': 0.3333333333333333}
    """
    if reference is None:
        wrong = [f"{was} > {is_now}" for was, is_now in zip(predicted, labels, strict=True) if was != is_now]
        return {name: wrong.count(name) / len(labels) for name in sorted(set(wrong))}
    usual = float(np.abs(reference).mean()) or 1.0
    errors = (np.asarray(predicted, np.float64) - np.asarray(labels, np.float64)) / usual
    parts = np.array_split(errors[np.argsort(predicted, kind="stable")], _FIFTHS)
    return {str(number): float(part.mean()) for number, part in enumerate(parts) if part.size}


def alike(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The cosine between two signatures: 1 where errors are the same up to their number.

    >>> alike({"a > b": 0.3}, {"a > b": 0.1}), alike({"a > b": 0.3}, {"b > a": 0.3})
    (1.0, 0.0)
    """
    names = sorted(one.keys() | other.keys())
    first, second = (np.array([side.get(name, 0.0) for name in names]) for side in (one, other))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return round(float(first @ second) / lengths, 12) if lengths else 0.0


def _spelled(time: np.datetime64) -> str:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC).isoformat()
