"""From a table to the numbers an estimator takes, built from the schema alone.

    number    median for what is missing, with a column that says so, then scaled to mean 0 and variance 1
    category  one column per level, at most 100; what was never seen, or is rare beyond those, shares one
    boolean   as a category: yes, no, missing
    datetime  days since 1970, and sine and cosine of its place in the year, the week and the day
    text      hashed words in 64 columns (Weinberger et al., ICML 2009): bounded, no vocabulary to go stale

One that is to go on learning knows only what can be updated: numbers are scaled by a running mean and
variance (Chan, Golub & LeVeque, The American Statistician 37(3), 1983) and the mean stands for what is
missing; a category has the columns of its declared levels, or of those of the first training.

Every stored pipeline names the functions in here: moving one breaks the versions before.
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from perennial.config import ModelConfig
from perennial.data_config import Column

MISSING = "missing"
_MAX_LEVELS = 100
_TEXT_COLUMNS = 64
_YEAR, _WEEK, _DAY = 365.2425, 7.0, 1.0  # in days


def build_preprocessing(config: ModelConfig, updating: bool = False) -> ColumnTransformer:
    """An unfitted transformer of the model's feature columns into a dense float matrix.

    `updating`: one that `perennial.training.incremental` can go on with. Other columns are ignored; a missing
    feature column is an error of scikit-learn's, by its name.
    """
    builders: dict[str, Callable[[], Any]] = {
        "number": _running_numbers if updating else _numbers,
        "category": _categories,
        "boolean": _categories,
        "datetime": _running_datetimes if updating else _datetimes,
    }
    steps: list[tuple[str, Any, list[str] | str]] = []
    declared = [name for name in config.features if updating and _levels(config.columns[name])]
    if declared:
        steps.append(("declared", _declared([_levels(config.columns[name]) for name in declared]), declared))
    for kind, build in builders.items():
        names = [n for n in config.features if config.columns[n].type == kind and n not in declared]
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


def _running_numbers() -> Any:
    return make_pipeline(
        FunctionTransformer(as_numbers), RunningScaler(), FunctionTransformer(with_gaps_marked)
    )


def _running_datetimes() -> Any:
    return make_pipeline(
        FunctionTransformer(as_calendar), RunningScaler(), FunctionTransformer(np.nan_to_num)
    )


def _levels(column: Column) -> list[str]:
    """What a column of levels may hold, as text; empty where that is not declared."""
    if column.type == "boolean":
        return ["False", "True"]
    return list(column.levels or ()) if column.type == "category" else []


def _declared(levels: list[list[str]]) -> Any:
    known = [np.array([*these, MISSING], dtype=object) for these in levels]
    one_hot = OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False)
    return make_pipeline(FunctionTransformer(as_levels), one_hot)


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


class RunningScaler(StandardScaler):  # type: ignore[misc]
    """A StandardScaler that gets over columns of which nothing was seen yet: mean 0, scale 1 until then."""

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add the rows (n, k) to mean and variance."""
        with np.errstate(invalid="ignore", divide="ignore"):
            super().partial_fit(X, y, sample_weight)
        unseen = np.isnan(self.mean_)
        self.mean_[unseen], self.var_[unseen], self.scale_[unseen] = 0.0, 0.0, 1.0
        return self


def with_gaps_marked(scaled: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, 2k) of scaled numbers (n, k): 0, their mean, for what is missing; then 1 where it is, else 0."""
    return np.hstack([np.nan_to_num(scaled), np.isnan(scaled)])


def as_levels(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Text of the same shape; what is missing is a level of its own."""
    return np.column_stack([as_text(frame[name], MISSING) for name in frame])


def as_text(column: "pd.Series[Any]", missing: str) -> npt.NDArray[np.object_]:
    """Strings, whatever the column's type; `missing` where there is nothing."""
    if column.dtype == "str" or pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column.to_numpy(object, na_value=missing)
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
