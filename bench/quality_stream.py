"""The concept-drift detectors on Elec2, a real stream: half-hours of the electricity market of New South
Wales from 1996 to 1998, in order of time: does the price rise or fall?

Source: M. Harries, Splice-2 comparative evaluation: electricity pricing (1999). What to expect: I. Zliobaite,
How good is the Electricity benchmark for evaluating concept drift adaptation (2013), arXiv:1301.3524.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from perennial.columns import Floats
from perennial.drift.adwin import Adwin
from perennial.drift.error_stream import ErrorStream
from perennial.drift.page_hinkley import PageHinkley

_LEARNT = 4_000
_WEEK, _DAY = 336, 48
_SHUFFLES = 10


class Stream(NamedTuple):
    """Values, their correlation with the one before, and what each detector found; `shuffled`: changes found
    in all of ten random orders of the same values, where there are none.
    """

    what: str
    values: int
    mean: float
    correlation: float
    changes: int
    worse: int
    adwin: int
    page_hinkley: int
    shuffled: int


def elec2(path: Path) -> list[Stream]:
    """Two champions that learnt the first 4,000 rows and never again: errors of each row, and of each day."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    frame = pd.read_csv(path)
    X, y = frame.drop(columns="class").to_numpy(float), frame["class"].to_numpy()
    found = []
    models: tuple[tuple[str, Any], ...] = (
        ("logistic regression", LogisticRegression()),
        ("naive Bayes", GaussianNB()),
    )
    for name, model in models:
        errors = (model.fit(X[:_LEARNT], y[:_LEARNT]).predict(X) != y).astype(float)[_LEARNT:]
        days = errors[: len(errors) // _DAY * _DAY].reshape(-1, _DAY).mean(axis=1)
        found += [_watched(f"{name}, rows", errors), _watched(f"{name}, means of days", days)]
    return found


def _watched(what: str, errors: Floats) -> Stream:
    stream = ErrorStream()
    changes = [c for at in range(0, len(errors), _WEEK) for c in stream.update(errors[at : at + _WEEK])]
    last = {change.began: change for change in changes}
    shuffled = (np.random.default_rng(seed).permutation(errors) for seed in range(_SHUFFLES))
    return Stream(
        what,
        len(errors),
        float(errors.mean()),
        float(np.corrcoef(errors[1:], errors[:-1])[0, 1]),
        len(last),
        sum(change.worse for change in last.values()),
        len(Adwin().update(errors)),
        len(PageHinkley().update(errors)),
        sum(len(ErrorStream().update(order)) for order in shuffled),
    )
