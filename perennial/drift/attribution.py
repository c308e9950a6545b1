"""Did the relation between features and label change, or only which rows come?

A champion that errs more on a batch may meet rows unlike those it knew, or labels in other shares, while each
row still has the label that it would have had before. Compared are therefore only the batch's rows that lie
where the holdout has rows (`support.outside`), with what was to be expected of them: the champion's error on
the holdout, each row weighed by how often its like comes now,

    expected = max(Σ r_x e / Σ r_x, Σ r_y e / Σ r_y),   r_x = q(x) / p(x),   r_y = q(y) / p(y)

and what is found above it is a change of the relation: concept drift in the narrow sense.

Source: T. Cai, H. Namkoong and S. Yadlowsky, Diagnosing model performance under distribution shift (2023),
which splits a loss of performance into a part of X and a part of Y given X on the support that both share.
"""

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

import numpy as np

from perennial.columns import Floats
from perennial.config import ModelConfig
from perennial.drift.concept import Rows, errors_of, has_label, thinned
from perennial.drift.support import Space, density_ratio, outside
from perennial.weighting import effective_rows, strata_of

_LEAST_ROWS = 30  # alike ones below which nothing is said
_DOUBT = 0.5  # of a row, wrong and right, that both sides are given


@dataclass(frozen=True)
class Attribution:
    """The error found on `rows` of a kind that was known, beside the one to be expected of them.

    `changed`: the excess is significant and matters.
    """

    expected: float
    found: float
    rows: int
    p_value: float
    changed: bool

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        told = f"of {self.rows} rows like those it knew the champion errs on {self.found:.0%}"
        return f"{told}, {self.expected:.0%} were to be expected"


def attribute(config: ModelConfig, batch: Rows, holdout: Rows) -> Attribution | None:
    """Judge the labelled rows of a batch; None where too few are like the holdout's to tell."""
    batch = thinned(batch.of(has_label(batch.frame, config)))
    holdout = thinned(holdout.of(has_label(holdout.frame, config)))
    if len(batch) < _LEAST_ROWS or len(holdout) < _LEAST_ROWS:
        return None
    space = Space.of(holdout.frame, config)
    before, now = space.points(holdout.frame), space.points(batch.frame)
    alike = ~outside(before, now)
    if alike.sum() < _LEAST_ROWS:
        return None
    errors, known = errors_of(config, batch.of(alike), holdout), errors_of(config, holdout, holdout)
    by_rows = density_ratio(before, now[alike])
    by_labels = _label_ratio(config, holdout, batch.of(alike))
    expected = max((_weighed(known, ratio) for ratio in (by_rows, by_labels)), key=lambda found: found[0])
    return _compared(config, errors, *expected)


def _compared(config: ModelConfig, errors: Floats, expected: float, effective: float) -> Attribution:
    found, rows = _softened(float(errors.mean()), len(errors)), len(errors)
    soft = _softened(expected, effective)
    spread = sqrt(max(errors.var(), found * (1 - found)) / rows + soft * (1 - soft) / effective)
    p_value = erfc((found - soft) / spread / sqrt(2)) / 2
    matters = float(errors.mean()) - expected >= config.drift.min_performance_drop
    return Attribution(
        expected=expected,
        found=float(errors.mean()),
        rows=rows,
        p_value=p_value,
        changed=matters and p_value <= config.drift.alpha,
    )


def _weighed(errors: Floats, ratio: Floats) -> tuple[float, float]:
    """The mean error with these weights, and how many rows it rests on.

    >>> _weighed(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    (0.75, 1.6)
    """
    return float((ratio * errors).sum() / ratio.sum()), effective_rows(ratio)


def _softened(mean: float, rows: float) -> float:
    """Not nought and not one, however few the rows: (k + 1/2) / (n + 1)."""
    return (mean * rows + _DOUBT) / (rows + 2 * _DOUBT)


def _label_ratio(config: ModelConfig, holdout: Rows, batch: Rows) -> Floats:
    """How much more frequent the label of each of the holdout's rows is in the batch, of shape (rows,)."""
    import pandas as pd

    both: Any = pd.concat([holdout.frame[config.label], batch.frame[config.label]], ignore_index=True)
    strata = strata_of(both, config.task)
    before, now = strata[: len(holdout)], strata[len(holdout) :]
    levels = int(strata.max()) + 1
    known = np.bincount(before, minlength=levels) / len(before)
    current = np.bincount(now, minlength=levels) / len(now)
    return np.asarray(np.divide(current, known, out=np.zeros(levels), where=known > 0)[before])
