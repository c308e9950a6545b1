"""When a concept changed: the row of the error stream as a time, and how many batches agree.

The stream counts rows (`error_stream`); a training asks for times. Every batch leaves marks in the state,
rows of the stream with the time at which they came; a change counts from the mark that is nearest to the row
at which it began. Beside them stand the batches, one after the other, in which the relation between features
and label was found changed: one such batch may be a wrong export, several in a row are a new concept.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perennial.config import ModelConfig
from perennial.contracts import ConceptChange
from perennial.drift.error_stream import Change

if TYPE_CHECKING:
    import pandas as pd

_MARKS_PER_BATCH = 16
_MOST = 256  # marks that are remembered
_MOST_BATCHES = 64

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


def concept_change(
    state: Mapping[str, Any], times: Times, standing: Change | None, *, changed: bool | None
) -> tuple[list[list[Any]], ConceptChange | None]:
    """The batches in a row that found the relation changed, this one with rows at `times` (n,) included,
    and the change they are of. `changed` None: this batch cannot tell, and neither ends the row nor adds.
    """
    known = [list(batch) for batch in state.get("changed", ())]
    if not len(times) or changed is None:
        return known, None
    if not changed:
        return [], None
    batches = [*known, [_spelled(times.min()), _spelled(times.max()), len(times)]][-_MOST_BATCHES:]
    since = time_of(state["marks"], standing.began) if standing else None
    since = since or datetime.fromisoformat(batches[0][0])
    agreeing = [batch for batch in batches if datetime.fromisoformat(batch[1]) >= since]
    return batches, ConceptChange(
        kind=standing.kind if standing else "sudden",
        since=since,
        batches=len(agreeing),
        rows=sum(batch[2] for batch in agreeing),
    )


def _spelled(time: np.datetime64) -> str:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC).isoformat()
