"""Concept drift as it happens: a champion's errors, row by row, watched from one run to the next.

ADWIN finds where their mean changed, Page-Hinkley seconds it or not; both know how much less the rows say
than independent ones would (`dependence`). Each change is called by its name:

    sudden      the level went over in one step
    gradual     it rose or fell over a stretch of rows; cuts on one slope count as one change
    recurring   the new level, and the look of the data where it is known, are those of an earlier segment,
                not the one just left: the concept was here before

A change is named anew with every block of rows that follows, until the next one comes.

Source of the taxonomy: J. Gama et al., A survey on concept drift adaptation, ACM Computing Surveys 46 (2014).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import sqrt
from typing import Any, Self

import numpy as np

from perennial.columns import Floats
from perennial.contracts.words import ChangeKind
from perennial.drift.adwin import Adwin, Cut
from perennial.drift.dependence import Dependence
from perennial.drift.exponential_histogram import ExponentialHistogram
from perennial.drift.page_hinkley import PageHinkley
from perennial.drift.transition import Transition, fit_transition

_HISTORY_BUCKETS = 32  # of one size
_MOST = 32  # segments and changes that are remembered
_ALIKE = 2.0  # standard errors between the levels of two segments of one concept
_SAME_LOOK = 0.5  # reference standard deviations between their data
_CHUNK = 512  # rows after which the latest change is named anew,
_UNSETTLED = 8_192  # as long as its segment is no longer than this

Look = Mapping[str, float]


@dataclass(frozen=True)
class Segment:
    """A stretch of the stream between two changes: its mean error, variance, and how its data looked."""

    start: int
    end: int
    mean: float
    variance: float
    look: dict[str, float]


@dataclass(frozen=True)
class Change:
    """One change of the error level: noticed after `at` rows, begun after `began`, over after `ended`.

    `seconded`: Page-Hinkley gave the alarm, too. `like`: the start of the segment whose concept is back.
    """

    kind: ChangeKind
    at: int
    began: int
    ended: int
    before: float
    after: float
    seconded: bool
    like: int | None = None

    @property
    def worse(self) -> bool:
        """Did errors become more?"""
        return self.after > self.before

    @property
    def words(self) -> str:
        """What happened, in a sentence."""
        hows = {"sudden": "suddenly", "gradual": "gradually", "recurring": "to a level that it had before"}
        course = f"{self.before:.3g} → {self.after:.3g}"
        return (
            f"the error {'rose' if self.worse else 'fell'} {hows[self.kind]}, {course}, from row {self.began}"
        )


class ErrorStream:
    """Feed it errors in [0, 1] in the order of time; it says how their level changed.

    >>> stream = ErrorStream()
    >>> calm, storm = [0.0] * 9 + [1.0], [0.0, 1.0, 1.0, 0.0, 1.0]
    >>> [change.kind for change in stream.update(calm * 100 + storm * 100)]
    ['sudden']
    >>> again = ErrorStream.load(stream.dump())
    >>> [(change.kind, change.like) for change in again.update(calm * 100)]
    [('recurring', 0)]
    """

    def __init__(self) -> None:
        self.adwin, self.page_hinkley, self.dependence = Adwin(), PageHinkley(), Dependence()
        self.segments: list[Segment] = []
        self.changes: list[Change] = []
        self._history = ExponentialHistogram(_HISTORY_BUCKETS)
        self._start = 0
        self._look: dict[str, float] = {}
        self._alarms: list[int] = []

    @property
    def seen(self) -> int:
        """How many rows were fed in all."""
        return self.adwin.seen

    @property
    def level(self) -> float:
        """The mean error now."""
        return self.adwin.mean

    def update(self, errors: Any, look: Look | None = None) -> list[Change]:
        """Feed a block of errors, of shape (n,); returns the changes that were noticed in it.

        `look` says what the data of the block is like: numbers that are comparable between blocks, such as
        column means in standard deviations of the reference.
        """
        values = np.asarray(errors, np.float64)
        if not np.isfinite(values).all() or (values.size and not 0 <= values.min() <= values.max() <= 1):
            raise ValueError("expected errors in [0, 1]")
        noticed = [
            cut.at
            for start in range(0, values.size, _CHUNK)
            for cut in self._advance(values[start : start + _CHUNK], look or {})
        ]
        self._name_latest()
        return [change for change in self.changes if change.at in noticed]

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values; bounded, however long the stream."""
        return {
            "adwin": self.adwin.dump(),
            "page_hinkley": self.page_hinkley.dump(),
            "dependence": self.dependence.dump(),
            "history": self._history.dump(),
            "segments": [asdict(segment) for segment in self.segments],
            "changes": [asdict(change) for change in self.changes],
            "start": self._start,
            "look": self._look,
            "alarms": self._alarms,
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """Go on from what `dump` gave."""
        stream = cls()
        stream.adwin = Adwin.load(state["adwin"])
        stream.page_hinkley = PageHinkley.load(state["page_hinkley"])
        stream.dependence = Dependence.load(state["dependence"]) if "dependence" in state else Dependence()
        stream._history = ExponentialHistogram.load(state["history"])
        stream.segments = [Segment(**segment) for segment in state["segments"]]
        stream.changes = [Change(**change) for change in state["changes"]]
        stream._start, stream._look = state["start"], dict(state["look"])
        stream._alarms = list(state["alarms"])
        return stream

    def _advance(self, values: Floats, look: Look) -> list[Cut]:
        self._history.insert(values.tolist())
        self.dependence.update(values)
        self.adwin.inflation = self.page_hinkley.inflation = self.dependence.inflation
        cuts = self.adwin.update(values)
        self._alarms = [*self._alarms, *(alarm.at for alarm in self.page_hinkley.update(values))][-_MOST:]
        self._remember_look(look, values.size)
        for cut in cuts:
            self._take(cut, look)
        if cuts or self.seen - self._start < _UNSETTLED:
            self._name_latest()
        return cuts

    def _name_latest(self) -> None:
        if self.changes:
            self.changes[-1] = self._named(self.changes[-1])

    def _remember_look(self, look: Look, rows: int) -> None:
        share = rows / max(1, self.seen - self._start)
        for name, value in look.items():
            known = self._look.get(name, value)
            self._look[name] = known + (value - known) * share

    def _take(self, cut: Cut, look: Look) -> None:
        """Close a segment at a cut, or go on with the slope that the last change is on."""
        last = self.changes[-1] if self.changes else None
        if last is not None and last.worse == (cut.after > cut.before):
            whole = self._fit(self.segments[-1].start)
            if whole is not None and whole.kind == "gradual":
                self.changes[-1] = replace(last, kind="gradual", ended=whole.ended, after=cut.after)
                self._start = cut.began
                return
        sizes, _, squares = self._runs(self._start, cut.began)
        variance = float(squares.sum() / max(1.0, sizes.sum()))
        variance += cut.before * (1 - cut.before) if not variance else 0.0
        segment = Segment(self._start, cut.began, cut.before, variance, dict(self._look))
        self.segments = [*self.segments, segment][-_MOST:]
        change = Change("sudden", cut.at, cut.began, cut.began, cut.before, cut.after, seconded=False)
        self.changes = [*self.changes, change][-_MOST:]
        self._start, self._look = cut.began, dict(look)

    def _named(self, change: Change) -> Change:
        """The latest change, by all that is known by now."""
        seconded = any(change.began < alarm for alarm in self._alarms)
        fitted = self._fit(self.segments[-1].start)
        after = self.level
        known = self._known_before(after, change)
        if known is not None:
            return replace(change, kind="recurring", after=after, seconded=seconded, like=known.start)
        if fitted is not None and fitted.kind == "gradual":
            return replace(
                change,
                kind="gradual",
                began=fitted.began,
                ended=fitted.ended,
                after=after,
                seconded=seconded,
                like=None,
            )
        return replace(change, kind="sudden", after=after, seconded=seconded, like=None)

    def _known_before(self, level: float, change: Change) -> Segment | None:
        """The segment most like the present one, if any is of one concept with it."""
        rows = max(1, self.adwin.width)
        sizes, sums, squares = self._runs(self.seen - rows, self.seen)
        variance = float((squares + np.square(sums - sizes * level) / sizes).sum()) / rows if rows else 0.0
        for segment in sorted(self.segments[:-1], key=lambda known: abs(known.mean - level)):
            error = sqrt(variance / rows + segment.variance / max(1, segment.end - segment.start))
            error *= sqrt(self.dependence.inflation)
            distance = abs(segment.mean - level)
            shared = segment.look.keys() & self._look.keys()
            apart = max((abs(segment.look[name] - self._look[name]) for name in shared), default=0.0)
            near = distance <= _ALIKE * error and distance < abs(level - change.before) / 2
            if near and apart <= _SAME_LOOK:
                return segment
        return None

    def _fit(self, since: int) -> Transition | None:
        """The course of the stream since then; the places counted from the stream's beginning."""
        sizes, sums, squares = self._runs(since, self.seen)
        fitted = fit_transition(sizes, sums, squares, self.dependence.inflation)
        if fitted is None:
            return None
        origin = self.seen - int(sizes.sum())
        return fitted._replace(began=fitted.began + origin, ended=fitted.ended + origin)

    def _runs(self, start: int, end: int) -> tuple[Floats, Floats, Floats]:
        """The history's buckets that lie wholly between two places of the stream."""
        sizes, sums, squares = self._history.buckets()
        ends = np.cumsum(sizes)
        inside = (ends - sizes >= start) & (ends <= end)
        return sizes[inside], sums[inside], squares[inside]
