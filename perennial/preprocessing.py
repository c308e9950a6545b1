"""From a table to the numbers an estimator takes, built from the schema alone.

    number    median for what is missing, with a column that says so, then scaled to mean 0 and variance 1
    category  one column per level, at most 100; what was never seen, or is rare beyond those, shares one
    boolean   as a category: yes, no, missing
    datetime  days since 1970, and sine and cosine of its place in the year, the week and the day
    text      hashed words in 64 columns (Weinberger et al., ICML 2009): bounded, no vocabulary to go stale

Every stored pipeline names the functions in here: moving one breaks the versions before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from perennial.config import ModelConfig

MISSING = "missing"
_MAX_LEVELS = 100
_TEXT_COLUMNS = 64
_YEAR, _WEEK, _DAY = 365.2425, 7.0, 1.0  # in days


def build_preprocessing(config: ModelConfig) -> ColumnTransformer:
    """An unfitted transformer of the model's feature columns into a dense float matrix.

    Other columns are ignored; a missing feature column is an error of scikit-learn's, by its name.
    """
    builders: dict[str, Callable[[], Any]] = {
        "number": _numbers,
        "category": _categories,
        "boolean": _categories,
        "datetime": _datetimes,
    }
    steps: list[tuple[str, Any, list[str] | str]] = []
    for kind, build in builders.items():
        names = [name for name in config.features if config.columns[name].type == kind]
        if names:
            steps.append((kind, build(), names))
    steps += [
        (f"text {name}", _words(), name) for name in config.features if config.columns[name].type == "text"
    ]
    return ColumnTransformer(steps, sparse_threshold=0)


def _numbers() -> Any:
    return make_pipeline(
        FunctionTransformer(as_numbers),
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )


def _categories() -> Any:
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=_MAX_LEVELS, sparse_output=False
    )
    return make_pipeline(FunctionTransformer(as_levels), one_hot)


def _datetimes() -> Any:
    return make_pipeline(
        FunctionTransformer(as_calendar),
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
    )


def _words() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return make_pipeline(FunctionTransformer(as_words), HashingVectorizer(n_features=_TEXT_COLUMNS))


def as_numbers(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """float64 of the same shape; what is no number, or not finite, is NaN."""
    columns = [
        pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64, na_value=np.nan) for name in frame
    ]
    numbers = np.column_stack(columns)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def as_levels(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Text of the same shape; what is missing is a level of its own."""
    return np.column_stack([as_text(frame[name], MISSING) for name in frame])


def as_text(column: "pd.Series[Any]", missing: str) -> npt.NDArray[np.object_]:
    """Plain strings, whatever the column's type; `missing` where there is nothing."""
    values = column.astype(object)
    return np.array(
        [missing if gone else str(v) for v, gone in zip(values, values.isna(), strict=True)], dtype=object
    )


def as_words(column: "pd.Series[Any]") -> npt.NDArray[np.object_]:
    """One text per row; empty where there is none."""
    return as_text(column, "")


def as_calendar(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Seven numbers per time, NaN where there is none."""
    return np.column_stack([part for name in frame for part in _calendar(frame[name])])


def _calendar(column: "pd.Series[Any]") -> list[npt.NDArray[np.float64]]:
    times = pd.to_datetime(column, errors="coerce", utc=True).dt.tz_localize(None).to_numpy()
    days = (times - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    turns = [2 * np.pi * days / period for period in (_YEAR, _WEEK, _DAY)]
    return [days, *(wave(turn) for turn in turns for wave in (np.sin, np.cos))]
