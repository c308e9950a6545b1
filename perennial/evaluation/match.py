"""Two models' answers to the same labelled rows, compared in one metric."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from perennial.config import ModelConfig
from perennial.evaluation import words
from perennial.metrics import Answers, Floats, Metric, Values, metric_of
from perennial.pairs import p_above, standard_error, student
from perennial.resampling import Spread, spread


@dataclass(frozen=True)
class Match:
    """What both answered, and how the champion's seat is called (`opponent`)."""

    config: ModelConfig
    labels: Values
    champion: Answers
    challenger: Answers
    opponent: str

    def of(self, rows: Values) -> "Match":
        """On some of the rows: a mask, or places."""
        return Match(
            self.config, self.labels[rows], self.champion.of(rows), self.challenger.of(rows), self.opponent
        )

    def compared(self, metric: str | None = None) -> "Compared":
        """In the metric of this name, or the primary one."""
        return Compared(self, metric_of(self.config, metric))


@dataclass(frozen=True)
class Compared:
    """One metric of both. `gain` > 0: the challenger is better, in the metric's units."""

    match: Match
    metric: Metric

    @cached_property
    def challenger(self) -> float:
        """The challenger's value; NaN where it has none."""
        return self.metric.score(self.match.labels, self.match.challenger)

    @cached_property
    def opponent(self) -> float:
        """The other's."""
        return self.metric.score(self.match.labels, self.match.champion)

    @property
    def gain(self) -> float:
        """By how much the challenger is better."""
        return self.metric.gain(self.challenger, self.opponent)

    @cached_property
    def differences(self) -> Floats | None:
        """What each row adds to the gain, where it is a sum."""
        return self.metric.differences(self.match.labels, self.match.challenger, self.match.champion)

    @cached_property
    def _spread(self) -> Spread:
        sides = (self.match.challenger, self.match.champion)
        ahead, behind = (self.metric.on_places(self.match.labels, side) for side in sides)
        rows, seed = len(self.match.labels), self.match.config.seed
        return spread(lambda places: self.metric.gain(ahead(places), behind(places)), rows, seed)

    @property
    def error(self) -> float:
        """Standard error of the gain."""
        return self._spread.error if self.differences is None else standard_error(self.differences)

    @cached_property
    def differ(self) -> int:
        """Rows on which one did better than the other, or answered otherwise."""
        if self.differences is not None:
            return int(np.count_nonzero(self.differences))
        return int(np.sum(self.match.champion.predicted != self.match.challenger.predicted))

    def p_above(self, bound: float = 0.0) -> float:
        """One-sided p-value of a gain above the bound."""
        if self.differences is None:
            return self._spread.p_above(bound)
        if self.metric.name == "roc_auc":
            return student(self.differences, bound)
        return p_above(self.differences, bound, self.match.config.seed)

    def p_below(self, bound: float = 0.0) -> float:
        """Of one below it."""
        if self.differences is None:
            return self._spread.p_below(bound)
        if self.metric.name == "roc_auc":
            return student(-self.differences, -bound)
        return p_above(-self.differences, -bound, self.match.config.seed)

    def allowed(self, margin: float) -> float:
        """What a margin comes to, in the metric's units."""
        return self.metric.allowed(self.opponent, margin)

    @property
    def sentence(self) -> str:
        """What both scored."""
        rows = len(self.match.labels)
        return words.compare(self.metric.name, self.challenger, self.opponent, rows, self.match.opponent)
