"""What is thought of a champion's performance without labels: a number, and how far it can be trusted."""

from dataclasses import dataclass

import numpy as np

from perennial.columns import Floats

MOST_OUTSIDE = 0.2
_LOWER_IS_BETTER = {"mae", "rmse", "log_loss"}


@dataclass(frozen=True)
class Estimate:
    """A metric of a batch without labels, beside that on the holdout.

    `interval` holds what labels would show with probability 0.95. `drop` > 0 is worse: the difference, or for
    errors the relative growth, with its own interval; `p_value` is one-sided, for a drop above 0. `outside`:
    the share of rows unlike any of the holdout, for which nothing is known. With more than a fifth of them
    `known` is false: then the number speaks of the others only.
    """

    metric: str
    value: float
    interval: tuple[float, float]
    reference: float
    rows: int
    reference_rows: int
    drop: float
    drop_interval: tuple[float, float]
    p_value: float
    outside: float
    known: bool

    @property
    def words(self) -> str:
        """The estimate in a sentence."""
        if not self.known:
            return (
                f"{self.metric} is not known: {self.outside:.0%} of {self.rows} rows are unlike any that the "
                f"champion was measured on"
            )
        low, high = self.interval
        return (
            f"{self.metric} is estimated at {self.value:.3g} ({low:.3g} to {high:.3g}) on {self.rows} rows, "
            f"it was {self.reference:.3g} on {self.reference_rows} holdout rows"
        )


def from_samples(  # noqa: PLR0913
    metric: str,
    value: float,
    drawn: Floats,
    reference: Floats,
    *,
    rows: int,
    reference_rows: int,
    outside: float,
    bounds: tuple[float, float] | None = None,
    correction: Floats | None = None,
) -> Estimate:
    """An estimate from the metric's values on simulated labels of the batch, `drawn` (samples,), beside those
    on the same bootstrap samples of the holdout, `reference` (1 + samples,), the first that of the holdout.

    `correction` (samples,) may be added to what was drawn: then the interval spans both.
    Where the metric has `bounds`, the rows outside are taken as worst in one end of the interval and as best
    in the other.

    >>> found = from_samples("mae", 2.0, np.array([1.9, 2.1]), np.array([1.0, 1.0, 1.0]), rows=5,
    ...                      reference_rows=9, outside=0.0)
    >>> found.drop, found.interval[0] > 1.8, found.known
    (1.0, True, True)
    """
    sign = -1.0 if metric in _LOWER_IS_BETTER else 1.0
    scale = abs(float(reference[0])) or 1.0 if sign < 0 else 1.0
    both = np.stack([drawn, drawn if correction is None else drawn + correction])
    both = both if bounds is None else np.clip(both, *bounds)
    drops = sign * (reference[1:] - both) / scale
    low, high = _span(both)
    if bounds is not None:
        low, high = (
            (1 - outside) * end + outside * worst for end, worst in zip((low, high), bounds, strict=True)
        )
    least, most = _span(drops)
    return Estimate(
        metric=metric,
        value=value,
        interval=(min(low, value), max(high, value)),
        reference=float(reference[0]),
        rows=rows,
        reference_rows=reference_rows,
        drop=sign * (float(reference[0]) - value) / scale,
        drop_interval=(least, most),
        p_value=float((1 + np.sum(drops <= 0, axis=1).max()) / (1 + drops.shape[1])),
        outside=outside,
        known=outside <= MOST_OUTSIDE,
    )


def _span(samples: Floats) -> tuple[float, float]:
    """From the lowest to the highest 95 % interval of samples of shape (ways, samples)."""
    low, high = np.quantile(samples, (0.025, 0.975), axis=1)
    return float(low.min()), float(high.max())
