"""What is known of the champion's performance: is it worse, does it hold, and how sure is that?"""

from dataclasses import dataclass
from math import erfc, exp, pi, sqrt
from typing import Literal

from perennial.contracts.drift import Finding, PerformanceSummary
from perennial.decision.evidence import Evidence

_HALF = 1.959964  # standard errors that an interval of 0.95 reaches to either side


@dataclass(frozen=True)
class Known:
    """The drop in performance as a normal distribution; > 0 is worse."""

    how: Literal["measured", "estimated"]
    summary: PerformanceSummary
    drop: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The standard error of the drop."""
        return max(0.0, self.high - self.low) / (2 * _HALF)

    @property
    def holds(self) -> bool:
        """Is a drop that matters ruled out?"""
        return self.high <= self.summary.allowed

    @property
    def words(self) -> str:
        """The numbers in a sentence."""
        found = self.summary
        verb = "is" if self.how == "measured" else "is estimated to be"
        return (
            f"{found.metric} {verb} {found.current:.3g} ({found.low:.3g} to {found.high:.3g}) on "
            f"{found.rows} rows, on the holdout it was {found.reference:.3g}"
        )

    @property
    def per_prediction(self) -> float:
        """What turns the drop into errors, or units of error, per prediction."""
        return 1.0 if self.summary.higher_is_better else abs(self.summary.reference) or 1.0


def known(evidence: Evidence) -> Known | None:
    """What labels say, or without labels the estimate; None where neither is there."""
    for how, found in _both(evidence):
        if found is None or found.drop is None or found.drop_low is None or found.drop_high is None:
            continue
        return Known(how, found, found.drop, found.drop_low, found.drop_high)
    return None


def _both(
    evidence: Evidence,
) -> tuple[tuple[Literal["measured", "estimated"], PerformanceSummary | None], ...]:
    return ("measured", evidence.drift.measured), ("estimated", evidence.drift.estimated)


def finding(evidence: Evidence) -> Finding | None:
    """A loss of performance that is significant at the level of a check, and matters."""
    found = known(evidence)
    if found is None or found.drop < found.summary.allowed or found.drop <= 0:
        return None
    p_value = _tail(found.drop / found.error) if found.error else 0.0
    if p_value > evidence.alpha:
        return None
    size = found.drop / found.summary.allowed if found.summary.allowed else None
    return Finding(kind="performance", p_value=p_value, size=size)


def expected_loss(found: Known) -> float:
    """E max(0, drop), the drop being normal: what is lost per prediction while nothing is done.

    The uncertainty of the drop is in it: the less is known, the more may be lost.
    """
    if not found.error:
        return max(0.0, found.drop)
    z = found.drop / found.error
    density = exp(-z * z / 2) / sqrt(2 * pi)
    return found.drop * (1 - _tail(z)) + found.error * density


def _tail(z: float) -> float:
    """P(Z > z) of a standard normal Z."""
    return erfc(z / sqrt(2)) / 2
