"""From what a classifier says to how often it is right: scores made into probabilities, with their doubt.

Each class has its own map of the score's logit. Under 1,000 rows it is Platt's sigmoid, two parameters fitted
to smoothed targets by Newton's method, its slope drawn to 1 where the rows do not tell; from there on the
isotonic regression of the outcomes in bins of about equally many rows, drawn to the raw score by the weight
of one row. Maps are fitted once to all rows, and once to each of a number of bootstrap samples of them: the
spread of the latter is what the calibration does not know.

Sources: J. Platt, Probabilistic outputs for support vector machines, Advances in Large Margin Classifiers
(1999); B. Zadrozny and C. Elkan, Transforming classifier scores into accurate multiclass probability
estimates, KDD (2002).
"""

from dataclasses import dataclass

import numpy as np

from perennial.columns import Floats

PLATT_BELOW = 1_000  # rows
_BINS = 48
_GRID = np.linspace(-7.0, 7.0, 57)  # logits at which a map is kept; linear in between
_NEWTON = 30
_SLOPE_PRIOR = 0.5


@dataclass(frozen=True)
class Calibration:
    """Maps of shape (1 + samples, classes, 57) from logit to logit; the first is that of all rows."""

    maps: Floats

    @property
    def samples(self) -> int:
        """How many bootstrap samples there are."""
        return len(self.maps) - 1

    def apply(self, probabilities: Floats, sample: int = 0) -> Floats:
        """Probabilities of shape (n, classes), each row made to sum to 1."""
        scores = logits(probabilities)
        columns = [np.interp(scores[:, k], _GRID, self.maps[sample, k]) for k in range(scores.shape[1])]
        calibrated = 1 / (1 + np.exp(-np.column_stack(columns)))
        if calibrated.shape[1] == 2:  # the second class decides: one map, no compromise between two
            return np.column_stack([1 - calibrated[:, 1], calibrated[:, 1]])
        return np.asarray(calibrated / calibrated.sum(axis=1, keepdims=True))


def logits(probabilities: Floats) -> Floats:
    """ln(p / (1 - p)), bounded to the maps' range.

    >>> logits(np.array([0.0, 0.5, 1.0])).round(2).tolist()
    [-7.0, 0.0, 7.0]
    """
    least = 1 / (1 + np.exp(_GRID[-1]))
    bounded = np.clip(probabilities, least, 1 - least)
    return np.asarray(np.log(bounded / (1 - bounded)))


def bootstrap_weights(rows: int, samples: int, seed: int) -> Floats:
    """How often each row is in each sample, of shape (1 + samples, rows); the first row is all ones."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(rows, np.full(rows, 1 / rows), size=samples)
    return np.concatenate([np.ones((1, rows)), drawn])


def calibrate(probabilities: Floats, outcomes: Floats, weights: Floats) -> Calibration:
    """Fit the maps: probabilities and outcomes (1 where the row is of the class, else 0) of shape
    (n, classes), weights as of `bootstrap_weights`.

    >>> random = np.random.default_rng(0)
    >>> p = random.random(800)
    >>> truth = random.random(800) < p**2  # the model says p, and p² is true
    >>> said, outcome = np.column_stack([1 - p, p]), np.column_stack([~truth, truth]).astype(float)
    >>> fitted = calibrate(said, outcome, bootstrap_weights(800, 2, seed=0))
    >>> fitted.apply(np.array([[0.5, 0.5]])).round(1).tolist()
    [[0.8, 0.2]]
    """
    scores = logits(probabilities)
    fit = _platt if len(scores) < PLATT_BELOW else _isotonic
    maps = [fit(scores[:, k], outcomes[:, k], weights) for k in range(scores.shape[1])]
    return Calibration(np.stack(maps, axis=1))


def _platt(scores: Floats, outcomes: Floats, weights: Floats) -> Floats:
    """Maps of shape (samples, grid)."""
    positive = weights @ outcomes
    negative = weights.sum(axis=1) - positive
    target = np.where(
        outcomes[None, :] > 0, ((positive + 1) / (positive + 2))[:, None], (1 / (negative + 2))[:, None]
    )
    slope, shift = np.ones(len(weights)), np.zeros(len(weights))
    for _ in range(_NEWTON):
        p = 1 / (1 + np.exp(-(slope[:, None] * scores + shift[:, None])))
        error, curve = weights * (p - target), weights * p * (1 - p)
        g_slope, g_shift = error @ scores + _SLOPE_PRIOR * (slope - 1), error.sum(axis=1)
        h_slope, h_both = curve @ np.square(scores) + _SLOPE_PRIOR, curve @ scores
        h_shift = curve.sum(axis=1) + 1e-6
        determinant = h_slope * h_shift - np.square(h_both)
        step_slope = (h_shift * g_slope - h_both * g_shift) / determinant
        step_shift = (h_slope * g_shift - h_both * g_slope) / determinant
        damp = np.minimum(1.0, 2.0 / np.maximum(1e-12, np.hypot(step_slope, step_shift)))
        slope, shift = slope - damp * step_slope, shift - damp * step_shift
        if max(np.abs(step_slope).max(), np.abs(step_shift).max()) < 1e-6:
            break
    slope = np.maximum(slope, 0.0)  # a higher score never means a lower probability
    return np.asarray(np.clip(slope[:, None] * _GRID + shift[:, None], -12, 12))


def _isotonic(scores: Floats, outcomes: Floats, weights: Floats) -> Floats:
    """Maps of shape (samples, grid)."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _BINS + 1)[1:-1]))
    place = np.searchsorted(edges, scores, side="left")
    member = (place[:, None] == np.arange(edges.size + 1)).astype(float)
    member = member[:, member.any(axis=0)]
    rows = member.sum(axis=0)
    centre = scores @ member / rows
    raw = (1 / (1 + np.exp(-scores))) @ member / rows
    counted, hits = weights @ member + 1, (weights * outcomes) @ member + raw
    fitted = np.stack([pool_adjacent(h / n, n) for h, n in zip(hits, counted, strict=True)])
    return np.stack([np.interp(_GRID, centre, row) for row in logits(fitted)])


def pool_adjacent(values: Floats, weights: Floats) -> Floats:
    """The non-decreasing sequence closest to `values` in weighted least squares, of the same shape.

    Source: R. E. Barlow et al., Statistical Inference under Order Restrictions (1972).

    >>> pool_adjacent(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, length = value, weight, 1
        while means and means[-1] > mean:
            other, more = means.pop(), masses.pop()
            mean = (mean * mass + other * more) / (mass + more)
            mass += more
            length += lengths.pop()
        means.append(mean)
        masses.append(mass)
        lengths.append(length)
    return np.repeat(means, lengths)
