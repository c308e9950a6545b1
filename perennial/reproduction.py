"""Training a version once more, and what tells the second from the first."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import scipy
import sklearn

from perennial.config import ModelConfig
from perennial.metrics import ask


def libraries() -> dict[str, str]:
    """What rows and a fitted pipeline depend on, and its version here."""
    modules = {
        "numpy": np,
        "pandas": pd,
        "pyarrow": pa,
        "scipy": scipy,
        "scikit-learn": sklearn,
        "joblib": joblib,
    }
    return {"python": platform.python_version()} | {name: str(m.__version__) for name, m in modules.items()}


def fingerprint_of(pipeline: Any) -> str:
    """A hash of what was fitted, the same wherever equal values lie in memory.

    Pickled bytes tell equal strings apart that are one object here and two there; joblib's hash does not.
    https://joblib.readthedocs.io/en/stable/generated/joblib.hash.html
    """
    return str(joblib.hash(pipeline, hash_name="sha1"))


def surroundings(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is of another version than it was.

    >>> surroundings({"numpy": "2.4.0", "code": "3"}, {"numpy": "2.5.0", "code": "3"})
    ['numpy was 2.4.0 and is 2.5.0']
    """
    return [
        f"{name} was {then.get(name, 'not there')} and is {now.get(name, 'not there')}"
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    ]


def differences(first: Any, second: Any, holdout: pd.DataFrame, config: ModelConfig) -> list[str]:
    """How two fitted pipelines differ, in words; nothing where they are the same."""
    if fingerprint_of(first) == fingerprint_of(second):
        return []
    if holdout.empty:
        return ["the fitted parameters differ; there is no holdout to compare answers on"]
    one, other = ask(first, holdout, config), ask(second, holdout, config)
    changed = int(np.sum(one.predicted != other.predicted))
    found = f"the fitted parameters differ; {changed} of {len(holdout)} held-out rows are answered otherwise"
    if one.probabilities is not None and other.probabilities is not None:
        if one.probabilities.shape != other.probabilities.shape:
            return [f"{found}, among other classes"]
        most = float(np.abs(one.probabilities - other.probabilities).max())
        found += f", probabilities differ by {most:.2g} at most"
    return [found]
