"""How much a model leans on each feature, and whether that has changed.

Permutation importance of a feature: how much worse the rows are answered when its values are shuffled among
them. A feature is shuffled as a whole, whatever columns it is encoded in.

Two sets of importances are compared by the ranking's normalised discounted cumulative gain,

    NDCG = sum of a(f'_i) / log2(i + 1)  /  sum of a(f_i) / log2(i + 1)

where a is the importance in the baseline, f_1, f_2, ... the features ranked by it, and f'_1, f'_2, ... those
ranked by their importance now. It is 1 for the same ranking; Amazon SageMaker Clarify alarms below 0.90. A
ranking of few rows is noisy, so a change counts only if it is also lower than nearly all that are drawn with
both sets' standard errors around the baseline, and if the importance of some feature by itself differs by
Student's t (Bonferroni): features of nearly equal importance swap ranks easily.

Sources: L. Breiman, Random forests, Machine Learning 45 (2001); Amazon SageMaker AI Developer Guide, Feature
attribution drift for models in production.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.special import stdtr

from perennial.columns import Floats

MIN_NDCG = 0.90
_DRAWS = 999
_TAILS = 3  # degrees of freedom: a few rows that are badly missed carry most of a loss
_BATCH = 20_000  # rows that the model answers at a time


@dataclass(frozen=True)
class Importances:
    """The mean loss of score by feature when it is shuffled, and its standard error, on so many rows."""

    mean: dict[str, float]
    error: dict[str, float]
    rows: int

    def weights(self) -> dict[str, float]:
        """Shares that sum to 1; a feature whose shuffling does no harm has none.

        >>> Importances({"a": 0.3, "b": 0.1, "c": -0.01}, {"a": 0.0, "b": 0.0, "c": 0.0}, 50).weights()
        {'a': 0.75, 'b': 0.25, 'c': 0.0}
        """
        useful = {name: max(0.0, value) for name, value in self.mean.items()}
        total = sum(useful.values())
        return {name: round(value / total, 12) if total else 0.0 for name, value in useful.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        return cls(dict(stored["mean"]), dict(stored["error"]), int(stored["rows"]))


@dataclass(frozen=True)
class ImportanceChange:
    """`ndcg` of the ranking now; `p_value`: how often chance alone brings one as low.

    `changed`: below 0.90 and beyond chance. `risen` and `fallen`: the features that moved most in rank.
    """

    ndcg: float
    p_value: float
    changed: bool
    risen: str | None
    fallen: str | None
    rows: int


def permutation_importances(
    score: Callable[[Any], Floats], frame: Any, features: list[str], *, seed: int, repeats: int = 3
) -> Importances:
    """Shuffle each feature of a pandas frame `repeats` times; `score` gives what each row of such a frame
    adds to the score, of shape (rows,), for any number of copies of the frame below each other.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"a": np.arange(200.0), "b": np.zeros(200)})
    >>> def score(asked):
    ...     return -np.abs(asked["a"].to_numpy() - np.tile(np.arange(200.0), len(asked) // 200))
    >>> found = permutation_importances(score, frame, ["a", "b"], seed=0)
    >>> found.mean["a"] > 50, found.mean["b"]
    (True, 0.0)
    """
    import pandas as pd

    random, rows = np.random.default_rng(seed), len(frame)
    base = score(frame)
    at_once = max(1, _BATCH // max(1, rows))
    copies = [(name, random.permutation(rows)) for name in features for _ in range(repeats)]
    losses: dict[str, list[Floats]] = {name: [] for name in features}
    for start in range(0, len(copies), at_once):
        some = copies[start : start + at_once]
        asked = [frame.assign(**{name: frame[name].take(order).to_numpy(copy=True)}) for name, order in some]
        asked = [copy.astype({name: frame[name].dtype}) for copy, (name, _) in zip(asked, some, strict=True)]
        answered = score(pd.concat(asked, ignore_index=True)).reshape(len(some), rows)
        for (name, _), one in zip(some, answered, strict=True):
            losses[name].append(base - one)
    return Importances(
        {name: float(np.mean(found)) for name, found in losses.items()},
        {name: _error(np.stack(found)) for name, found in losses.items()},
        rows,
    )


def _error(losses: Floats) -> float:
    """Standard error of the mean of losses (repeats, rows): rows vary, and so do shuffles."""
    repeats, rows = losses.shape
    over_rows = float(losses.mean(axis=0).var()) / max(1, rows - 1)
    over_shuffles = float(losses.mean(axis=1).var(ddof=1)) / repeats if repeats > 1 else 0.0
    return float(np.sqrt(over_rows + over_shuffles))


def ndcg(baseline: Floats, now: Floats) -> float:
    """NDCG of ranking by `now`, of shape (features,), the gain being the baseline's importance.

    >>> ndcg(np.array([3.0, 2.0, 1.0]), np.array([0.3, 0.2, 0.1]))
    1.0
    >>> round(ndcg(np.array([3.0, 2.0, 1.0]), np.array([0.1, 0.2, 0.3])), 3)
    0.79
    """
    return float(_gains(baseline[None], now[None])[0])


def _gains(baseline: Floats, now: Floats) -> Floats:
    """NDCG of each row of two (draws, features): (draws,)."""
    gain = np.maximum(baseline, 0.0)
    discount = 1 / np.log2(np.arange(2, gain.shape[1] + 2))
    ideal = np.sort(gain, axis=1)[:, ::-1] @ discount
    ranked = np.take_along_axis(gain, np.argsort(-now, axis=1, kind="stable"), axis=1) @ discount
    return np.where(ideal > 0, ranked / np.where(ideal > 0, ideal, 1.0), 1.0)


def compare_importances(
    baseline: Importances, now: Importances, *, seed: int, alpha: float = 0.01
) -> ImportanceChange:
    """Has the ranking of the baseline's features changed, beyond what so few rows bring by chance?

    >>> before = Importances({"a": 0.3, "b": 0.02, "c": 0.0}, {"a": 0.01, "b": 0.01, "c": 0.01}, 500)
    >>> after = Importances({"a": 0.0, "b": 0.02, "c": 0.3}, {"a": 0.01, "b": 0.01, "c": 0.01}, 500)
    >>> compare_importances(before, before, seed=0).changed
    False
    >>> change = compare_importances(before, after, seed=0)
    >>> change.changed, change.risen, change.fallen
    (True, 'c', 'a')
    """
    names = [name for name in baseline.mean if name in now.mean]
    mean = np.array([baseline.mean[name] for name in names])
    current = np.array([now.mean[name] for name in names])
    found = ndcg(mean, current)
    first = np.array([baseline.error[name] for name in names])
    second = np.array([now.error[name] for name in names])
    random, shape = np.random.default_rng(seed), (_DRAWS, len(names))
    before = mean + first * random.standard_t(_TAILS, shape)
    after = mean + second * random.standard_t(_TAILS, shape)
    lower = int((_gains(before, after) <= found + 1e-12).sum()) if names else _DRAWS
    apart = np.abs(current - mean) / np.maximum(np.hypot(first, second), 1e-12)
    alone = 2 * float(stdtr(_TAILS, -apart.max(initial=0.0))) * len(names)
    p_value = max((1 + lower) / (1 + _DRAWS), min(alone, 1.0))
    moved = np.argsort(np.argsort(-mean, kind="stable")) - np.argsort(np.argsort(-current, kind="stable"))
    same = not names or not moved.any()
    return ImportanceChange(
        ndcg=found,
        p_value=p_value,
        changed=found < MIN_NDCG and p_value < alpha,
        risen=None if same else names[int(moved.argmax())],
        fallen=None if same else names[int(moved.argmin())],
        rows=now.rows,
    )
