"""The settings that a search tries: drawn from the declared spaces, the same for the same seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, prod
from typing import Any

import numpy as np

from perennial.config import ModelConfig
from perennial.estimator_config import Candidate, Estimator, Range, Search


@dataclass(frozen=True)
class _Rounded:
    """Whole numbers, drawn so that every order of magnitude is as likely."""

    low: int
    high: int

    def rvs(self, random_state: np.random.RandomState) -> int:
        drawn = np.exp(random_state.uniform(log(self.low - 0.5), log(self.high + 0.5)))
        return int(np.clip(round(drawn), self.low, self.high))


def draw(config: ModelConfig, wanted: Search) -> list[Estimator]:
    """The model file's own estimator first, then the drawn settings, in turn of each candidate.

    A space with fewer values than its share of the trials is tried whole.
    """
    shares = zip(wanted.candidates, _shares(wanted), strict=True)
    drawn = [
        [_setting(config.estimator, of, params) for params in _sample(of, count, config.seed + number)]
        for number, (of, count) in enumerate(shares)
    ]
    turns = range(max(map(len, drawn)))
    return [config.estimator, *(of[turn] for turn in turns for of in drawn if turn < len(of))]


def _shares(wanted: Search) -> list[int]:
    """How many trials each candidate gets; the first ones one more where it does not come out even."""
    each, more = divmod(wanted.trials, len(wanted.candidates))
    return [each + (i < more) for i in range(len(wanted.candidates))]


def _sample(candidate: Candidate, count: int, seed: int) -> list[dict[str, Any]]:
    from sklearn.model_selection import ParameterSampler

    space = {name: _values(of) for name, of in candidate.space.items()}
    finite = all(isinstance(values, list) for values in space.values())
    if finite:
        count = min(count, prod(len(values) for values in space.values()))
    found = ParameterSampler(space, count, random_state=seed) if space else [{}] * min(count, 1)
    return [{name: _plain(value) for name, value in params.items()} for params in found]


def _values(of: Any) -> Any:
    from scipy.stats import loguniform, randint, uniform

    if not isinstance(of, Range):
        return list(of)
    if of.whole:
        return _Rounded(int(of.low), int(of.high)) if of.log else randint(int(of.low), int(of.high) + 1)
    return loguniform(of.low, of.high) if of.log else uniform(of.low, of.high - of.low)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _setting(own: Estimator, candidate: Candidate, drawn: Mapping[str, Any]) -> Estimator:
    if candidate.class_path is None:
        return own.model_copy(update={"params": {**own.params, **candidate.params, **drawn}})
    named = {"class_path": candidate.class_path, "factory": None, "params": {**candidate.params, **drawn}}
    return own.model_copy(update=named)
