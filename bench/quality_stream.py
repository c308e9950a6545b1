"""The concept-drift detectors on errors that follow each other: drawn ones, and those on Elec2, a real
stream: half-hours of the electricity market of New South Wales from 1996 to 1998, in order of time: does the
price rise or fall?

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
STAYS = (0.0, 0.3, 0.6, 0.8)
_STREAMS, _ROWS, _AT = 20, 10_000, 3_000
_BEFORE, _AFTER = 0.2, 0.3


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


class Following(NamedTuple):
    """Of 20 streams of 10,000 errors at a rate of 0.2, neighbours correlated by `correlation`: changes found
    by the watch and by ADWIN alone, streams with any; and of 20 whose rate goes to 0.3 after 3,000 rows, in
    how many each saw a change from there on, and the mean of the rows until then.
    """

    correlation: float
    false: tuple[int, int]
    false_streams: tuple[int, int]
    seen: tuple[int, int]
    delay: tuple[float, float]


def following(stays: float) -> Following:
    """Each error is that of the row before with chance `stays`, else drawn anew."""
    rng = np.random.default_rng([int(100 * stays), _ROWS])
    calm = [_both(_drawn(rng, stays, np.full(_ROWS, _BEFORE))) for _ in range(_STREAMS)]
    rates = np.where(np.arange(_ROWS) < _AT, _BEFORE, _AFTER)
    moved = [_both(_drawn(rng, stays, rates)) for _ in range(_STREAMS)]
    delays = [
        [min(at for at in one[which] if at > _AT) - _AT for one in moved if max(one[which], default=0) > _AT]
        for which in (0, 1)
    ]
    counts = [[len(one[which]) for one in calm] for which in (0, 1)]
    return Following(
        stays,
        (sum(counts[0]), sum(counts[1])),
        (sum(map(bool, counts[0])), sum(map(bool, counts[1]))),
        (len(delays[0]), len(delays[1])),
        (float(np.mean(delays[0] or np.nan)), float(np.mean(delays[1] or np.nan))),
    )


def _drawn(rng: np.random.Generator, stays: float, rates: Floats) -> Floats:
    fresh = rng.random(rates.size) < rates
    places = np.maximum.accumulate(np.where(rng.random(rates.size) >= stays, np.arange(rates.size), 0))
    return np.asarray(fresh[places], float)


def _both(errors: Floats) -> tuple[list[int], list[int]]:
    """After how many rows changes were noticed: by the watch, a week at a time, and by ADWIN alone."""
    stream = ErrorStream()
    for at in range(0, len(errors), _WEEK):
        stream.update(errors[at : at + _WEEK])
    return [change.at for change in stream.changes], [cut.at for cut in Adwin().update(errors)]


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
