"""A classifier's performance without labels, from its own calibrated confidence (CBPE).

If a calibrated model gives class k the probability p, the row is of class k with probability p. The expected
confusion matrix of a batch is therefore known without one label,

    E[C_jk] = sum over rows answered k of p_j,

and with it accuracy, balanced accuracy and F1; for two classes the expected ROC AUC likewise.

The interval holds what would be measured if the labels came, with probability 0.95: for each of the
calibration's bootstrap samples labels are drawn for the batch, and the metric of these is taken. Rows outside
what the holdout knows may be right or wrong: the interval of the accuracy makes room for both.

To the expected metric is added what was measured more on the holdout, weighted to the batch's mix, than the
calibration expects there: the estimate is right if either the calibration or the weights are. The interval
spans that with and that without the correction, since a holdout without a single error has none to correct.

Assumption: no concept drift. The probability of a label given the row is what it was on the holdout; the rows
may be of another mix (covariate shift), as long as such rows were in the holdout.

Source: J. Białek et al., Estimating Model Performance Under Covariate Shift Without Labels (2024),
arXiv:2401.08348; J. Robins, A. Rotnitzky and L. Zhao, J. Am. Stat. Assoc. 89 (1994), for the correction.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perennial.columns import Floats
from perennial.drift.calibration import Calibration, bootstrap_weights, calibrate
from perennial.drift.estimate import Estimate, from_samples

SAMPLES = 200
MIN_ROWS = 20
_MAX_CLASSES = 50

Codes = Any


@dataclass(frozen=True)
class ConfidenceEstimator:
    """The calibration of a version; and by metric, on each bootstrap sample of its holdout, what was measured
    (`reference`) and by how much more that is than was expected (`correction`): of shape (1 + samples,).
    """

    classes: tuple[Any, ...]
    calibration: Calibration
    reference: dict[str, Floats]
    correction: dict[str, Floats]
    rows: int

    @classmethod
    def fit(
        cls,
        labels: Any,
        predicted: Any,
        probabilities: Floats,
        classes: Any,
        *,
        seed: int,
        ratio: Floats | None = None,
    ) -> "ConfidenceEstimator | None":
        """Learn from the holdout: labels and predicted of shape (n,), probabilities (n, k) of the k classes.

        `ratio` (n,) says how much more frequent rows like each are in the batch to be estimated: the
        calibration then is that of the batch's mix. None where it holds fewer than 20 rows, or the classes
        are more than 50.
        """
        names = tuple(np.asarray(classes).tolist())
        true, said = codes(labels, names), codes(predicted, names)
        if len(true) < MIN_ROWS or len(names) > _MAX_CLASSES:
            return None
        outcomes = (true[:, None] == np.arange(len(names))).astype(float)
        weights = bootstrap_weights(len(true), SAMPLES, seed)
        shares = 1.0 if ratio is None else ratio / ratio.mean()
        calibration = calibrate(np.asarray(probabilities, float), outcomes, weights * shares)
        reference: dict[str, list[float]] = {}
        correction: dict[str, list[float]] = {}
        for sample, weight in enumerate(weights):
            for name, value in metrics(true, said, probabilities, len(names), weight).items():
                reference.setdefault(name, []).append(value)
            mixed = weight * shares
            implied = _expected(calibration.apply(probabilities, sample), said, probabilities, mixed)
            for name, value in metrics(true, said, probabilities, len(names), mixed).items():
                correction.setdefault(name, []).append(value - implied.get(name, value))
        whole = {name for name, values in reference.items() if len(values) == len(weights)}
        return cls(
            names,
            calibration,
            {name: np.array(reference[name]) for name in whole},
            {name: np.array(correction[name]) for name in whole},
            len(true),
        )

    def estimate(
        self, predicted: Any, probabilities: Floats, *, outside: Any = None, seed: int
    ) -> dict[str, Estimate]:
        """Estimates by metric for a batch without labels: predicted (m,), probabilities (m, k); `outside`
        (m,) says which rows are unlike any of the holdout. Empty for no rows.
        """
        said = codes(predicted, self.classes)
        if not len(said):
            return {}
        beyond = np.zeros(len(said), bool) if outside is None else np.asarray(outside, bool)
        random = np.random.default_rng(seed)
        expected = _expected(self.calibration.apply(probabilities), said, probabilities)
        drawn: dict[str, list[float]] = {name: [] for name in expected}
        for sample in range(1, self.calibration.samples + 1):
            chances = np.cumsum(self.calibration.apply(probabilities, sample), axis=1)
            true = (random.random(len(said))[:, None] > chances[:, :-1]).sum(axis=1)
            found = metrics(true, said, probabilities, len(self.classes))
            for name, values in drawn.items():
                values.append(found.get(name, expected[name]))
        return {
            name: from_samples(
                name,
                float(np.clip(expected[name] + self.correction[name][0], 0.0, 1.0)),
                np.array(drawn[name]),
                self.reference[name],
                correction=self.correction[name][1:],
                rows=len(said),
                reference_rows=self.rows,
                outside=float(beyond.mean()),
                bounds=(0.0, 1.0),
            )
            for name in expected
            if name in self.reference
        }


def codes(values: Any, classes: tuple[Any, ...]) -> Any:
    """Places of the values among the classes, of shape (n,); what is none of them gets a place of its own."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places.get(value, len(classes)) for value in np.asarray(values).tolist()], np.int64)


def metrics(
    true: Codes, said: Codes, probabilities: Floats, classes: int, weights: Floats | None = None
) -> dict[str, float]:
    """accuracy, balanced_accuracy, f1_macro, and for two classes roc_auc, of rows that count `weights` times.

    >>> two = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    >>> found = metrics(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1]), two, 2)
    >>> {name: round(value, 2) for name, value in found.items()}
    {'accuracy': 0.5, 'balanced_accuracy': 0.5, 'f1_macro': 0.5, 'roc_auc': 0.75}
    """
    size = classes + 1
    counts = np.bincount(true * size + said, weights=weights, minlength=size * size)
    found = from_confusion(counts.astype(np.float64).reshape(size, size))
    if classes == 2:
        mass = np.ones(len(true)) if weights is None else weights
        area = roc_auc(probabilities[:, 1], mass * (true == 1), mass * (true != 1))
        if area is not None:
            found["roc_auc"] = area
    return found


def from_confusion(table: Floats) -> dict[str, float]:
    """accuracy, balanced_accuracy and f1_macro of a confusion matrix, true classes down, answers across.

    >>> from_confusion(np.array([[3.0, 1.0], [0.0, 4.0]]))["balanced_accuracy"]
    0.875
    """
    right, actual, claimed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    there, either = actual > 0, actual + claimed > 0
    return {
        "accuracy": float(right.sum() / table.sum()),
        "balanced_accuracy": float(np.mean(right[there] / actual[there])),
        "f1_macro": float(np.mean(2 * right[either] / (actual + claimed)[either])),
    }


def roc_auc(scores: Floats, positive: Floats, negative: Floats) -> float | None:
    """The chance that a positive row has a higher score than a negative one, ties counting half; rows may be
    partly both. None where either has no weight.

    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0, 1, 1]), np.array([1.0, 1, 0, 0]))
    0.75
    """
    total = float(positive.sum()) * float(negative.sum())
    if total <= 0:
        return None
    _, place = np.unique(scores, return_inverse=True)
    above, below = np.bincount(place, weights=positive), np.bincount(place, weights=negative)
    return float(above @ (np.cumsum(below) - below / 2)) / total


def _expected(
    calibrated: Floats, said: Codes, probabilities: Floats, weights: Floats | None = None
) -> dict[str, float]:
    """The metrics of the expected confusion matrix."""
    if weights is not None:
        calibrated = calibrated * weights[:, None]
    classes = calibrated.shape[1]
    table = np.zeros((classes + 1, classes + 1))
    np.add.at(table.T, said, np.column_stack([calibrated, np.zeros(len(said))]))
    found = from_confusion(table)
    if classes == 2:
        area = roc_auc(probabilities[:, 1], calibrated[:, 1], calibrated[:, 0])
        if area is not None:
            found["roc_auc"] = area
    return found
