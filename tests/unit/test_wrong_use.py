"""What is used wrongly says what was expected and what came; what has one plain meaning simply works."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from perennial import Profile, detect_drift
from perennial.config import DriftPolicy
from perennial.data_config import Column
from perennial.drift import compare_performance
from perennial.drift.multivariate import compare_samples
from perennial.errors import InvalidData, InvalidRequest, MissingColumn, PerennialError, ProfileMismatch

FRAME = pd.DataFrame({"x": np.arange(60.0), "c": ["a", "b", "b"] * 20})
SHIFTED = FRAME.assign(x=FRAME["x"] + 30)
PROFILE = Profile.of(FRAME)
BODY = PROFILE.save()
STATE: Any = detect_drift(PROFILE, PROFILE, state={}).state


class Streams:
    """Neither of pandas nor of pyarrow, it hands out its rows as Arrow, as polars does."""

    columns = ("x",)

    def __init__(self, held: Any) -> None:
        self._held = held

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._held.__arrow_c_stream__(requested_schema)


class Names:
    """A data set that knows its columns' names alone."""

    column_names = ("x",)


def refused(error: type[PerennialError], words: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(words)}")


NO_TABLES: dict[str, Any] = {
    "NoneType": None,
    "str": "batch.csv",
    "bytes": BODY,
    "list": [{"x": 1.0}, {"x": 2.0}],
    "tuple": ([1.0, 2.0],),
    "ndarray": np.zeros((3, 2)),
    "Series": pd.Series([1.0, 2.0], name="x"),
    "Index": pd.Index([1.0]),
    "ChunkedArray": pa.chunked_array([[1.0]]),
    "Streams": Streams(pa.chunked_array([[1.0]])),
    "Names": Names(),
    "generator": (row for row in [1.0]),
    "type": pa.Table,
    "DriftPolicy": DriftPolicy(),
}


@pytest.mark.parametrize("kind", NO_TABLES)
def test_what_is_no_table_is_refused_wherever_it_comes(kind: str) -> None:
    given = NO_TABLES[kind]
    words = f"a DataFrame, a pyarrow Table or a mapping of arrays, got {kind}"
    with refused(InvalidData, f"table: expected {words}"):
        Profile.of(given)
    with refused(InvalidData, f"table: expected {words}"):
        Profile.of_parts(lambda: [given])
    with refused(InvalidData, f"reference: expected a Profile, {words}"):
        detect_drift(given, FRAME)
    if given is not None:
        with refused(InvalidData, f"like: expected a Profile, {words}"):
            Profile.of(FRAME, like=given)
    with refused(InvalidData, f"current: expected a Profile, {words}"):
        detect_drift(PROFILE, given)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (1.0, "an array, got float"),
        (None, "an array, got NoneType"),
        ("abc", "an array, got str"),
        (b"abc", "an array, got bytes"),
        ({0: 1.0, 1: 2.0}, "an array, got dict"),
        ({1.0, 2.0}, "an array, got set"),
        ((value for value in [1.0]), "an array, got generator"),
        (pa.scalar(1), "an array, got Int64Scalar"),
        (pa.table({"y": [1]}), "an array, got Table"),
        (np.zeros((3, 2)), "an array of one dimension, got 2"),
        (np.float64(1), "an array of one dimension, got 0"),
        (FRAME, "an array of one dimension, got 2"),
    ],
)
def test_what_is_no_column_is_refused_by_name(values: Any, words: str) -> None:
    with refused(InvalidData, f"column 'x': expected {words}"):
        Profile.of({"a": [1.0], "x": values})


def test_columns_of_several_lengths_are_named() -> None:
    table = {"a": [1, 2, 3], "b": [1, 2], "c": [1, 2, 3]}
    with refused(InvalidData, "column 'a' has 3 rows, 'b' 2: expected equally many"):
        detect_drift(PROFILE, table)


@pytest.mark.parametrize(
    "cells",
    [
        [np.zeros((2, 2)), np.ones((2, 2)), np.zeros((2, 2))],
        [np.zeros((2, 2)), np.ones(2), np.zeros((2, 2))],
        [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[1, 2], [3, 4]]],
    ],
    ids=["arrays", "arrays of several shapes", "lists"],
)
def test_cells_that_hold_tables_are_levels(cells: list[Any]) -> None:
    for values in (cells, pd.Series(cells)):
        column = Profile.of({"x": values}).columns["x"]
        assert (column.kind, column.count, sorted(column.counts)) == ("category", 3, [1, 2])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"policy": "strict"}, InvalidRequest, "policy: expected a DriftPolicy or a mapping of its"),
        ({"policy": Column(type="number")}, InvalidRequest, "policy: expected a DriftPolicy or a mapping"),
        ({"policy": {"alpha": 3}}, InvalidRequest, "policy: alpha: Input should be less than 1, got 3"),
        ({"policy": {"alfa": 0.1}}, InvalidRequest, "policy: alfa: Extra inputs are not permitted, got 0.1"),
        ({"policy": {1: 2}}, InvalidRequest, "policy: 1: "),
        ({"state": "{}"}, InvalidRequest, "state: expected the `state` of a report, as a mapping, got str"),
        ({"state": []}, InvalidRequest, "state: expected the `state` of a report, as a mapping, got list"),
        (
            {"state": detect_drift(PROFILE, PROFILE)},
            InvalidRequest,
            "state: expected the `state` of a report, as a mapping, got DriftReport",
        ),
        ({"columns": 5}, InvalidRequest, "columns: expected the names of columns, got int"),
        ({"columns": ["x", "z"]}, MissingColumn, "the reference has no column 'z': found x, c"),
        ({"label": "z"}, MissingColumn, "the reference has no column 'z': found x, c"),
        (
            {"importances": [1, 2]},
            InvalidRequest,
            "importances: expected a mapping of names to numbers, got list",
        ),
        (
            {"importances": dict},
            InvalidRequest,
            "importances: expected a mapping of names to numbers, got type",
        ),
        (
            {"importances": {"x": "high"}},
            InvalidRequest,
            "importances: expected a number for 'x', got 'high'",
        ),
        ({"importances": {"x": None}}, InvalidRequest, "importances: expected a number for 'x', got None"),
        ({"performance": 0.9}, InvalidRequest, "performance: expected a PerformanceChange, got float"),
        ({"multivariate": {}}, InvalidRequest, "multivariate: expected a MultivariateChange, got dict"),
    ],
    ids=str,
)
def test_an_argument_that_is_not_of_its_kind(
    options: dict[str, Any], error: type[PerennialError], words: str
) -> None:
    with refused(error, words):
        detect_drift(PROFILE, PROFILE, **options)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"batches": 1, "p_value": 1.0}, "it has no 'reference', but batches, p_value"),
        ({name: part for name, part in STATE.items() if name != "sums"}, "it has no 'sums'"),
        ({**STATE, "batches": "many"}, "invalid literal for int"),
        ({**STATE, "recent": None}, "'NoneType' object is not iterable"),
        ({**STATE, "sums": []}, "expected 5 rows of sums for every start in 1 batches"),
        ({**STATE, "sums": [STATE["sums"][0][:4]]}, "expected 5 rows of sums for every start in 1 batches"),
        ({**STATE, "batches": 5}, "expected 5 rows of sums for every start in 5 batches"),
        ({**STATE, "sums": [[[1.0]] * 5]}, "expected 2 numbers in every row"),
        ({**STATE, "p_values": [1.0]}, "expected 2 numbers in every row"),
        (
            {**STATE, "recent": [{"batches": 1, "rows": [1], "sums": [1], "effects": [1]}]},
            "expected 2 numbers in every row",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_what_is_no_state(state: dict[str, Any], words: str) -> None:
    assert len(STATE["watched"]) == 2
    with refused(ProfileMismatch, f"this is not a stored detector state: {words}"):
        detect_drift(PROFILE, PROFILE, state=state)


def test_a_state_of_another_reference_or_format_starts_anew() -> None:
    for state in ({**STATE, "reference": "another"}, {**STATE, "format": 1}):
        report = detect_drift(PROFILE, PROFILE, state=state)
        assert report.state == STATE
    went_on = detect_drift(PROFILE, PROFILE, state=json.loads(json.dumps(STATE))).state
    assert went_on is not None
    assert went_on["batches"] == 2


CHANGED = json.loads(BODY)
CHANGED["columns"]["x"]["counts"] = CHANGED["columns"]["c"]["counts"]
FEWER = json.loads(BODY)
FEWER["columns"]["c"]["levels"] = ["a"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "this is not a stored profile: it is empty ("),
        ("baseline.json", "this is not a stored profile: it begins with 'baseline.json' ("),
        (b"\x89PNG\r\n", r"this is not a stored profile: it begins with b'\x89PNG\r\n' ("),
        (BODY[:-1], 'this is not a stored profile: it begins with b\'{"format":2'),
        (b"[1]", "this is not a stored profile: it begins with b'[1]' (expected a mapping, got a list)"),
        (b'{"a":1}', "this is not a stored profile: it begins with b'{\"a\":1}' (it has no 'format')"),
        (
            b'{"format":2}',
            "this is not a stored profile: it begins with b'{\"format\":2}' (it has no 'rows')",
        ),
        (BODY.replace(b'"format":2', b'"format":3'), "the profile has format 3, of a later Perennial: expec"),
        (BODY.replace(b'"format":2', b'"format":1'), "the profile has format 1, of another Perennial: expec"),
    ],
    ids=lambda part: str(part)[:24],
)
def test_what_is_no_stored_profile_is_shown(body: Any, words: str) -> None:
    with refused(ProfileMismatch, words):
        Profile.load(body)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (CHANGED, "expected 61 counts of a column, got 2"),
        (FEWER, "expected 1 counts of a column, got 2"),
    ],
)
def test_a_stored_profile_whose_parts_do_not_fit(document: Any, words: str) -> None:
    with pytest.raises(ProfileMismatch, match=words):
        Profile.load(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Profile.load(None), "body: expected what `Profile.save` gave, got NoneType"),  # type: ignore[arg-type]
        (lambda: Profile.load(Path("x.json")), "body: expected what `Profile.save` gave, got PosixPath"),  # type: ignore[arg-type]
        (lambda: PROFILE.merge("x"), "other: expected a Profile, got str"),  # type: ignore[arg-type]
        (lambda: PROFILE.merge(FRAME), "other: expected a Profile, got DataFrame"),  # type: ignore[arg-type]
        (lambda: Profile.merge_all([]), "profiles: expected those of one shard or more, got none"),
        (lambda: Profile.merge_all(PROFILE), "profiles: expected the profiles of some shards, got Profile"),  # type: ignore[arg-type]
        (lambda: Profile.merge_all(["x"]), "profiles: expected a Profile for every shard, got str"),  # type: ignore[list-item]
        (lambda: Profile.merge_all([PROFILE, BODY]), "profiles: expected a Profile for every shard, got byt"),  # type: ignore[list-item]
        (lambda: Profile.of(FRAME, schema=["x"]), "schema: expected a mapping of names to Columns, got list"),  # type: ignore[arg-type]
        (lambda: Profile.of(FRAME, schema={"x": "number"}), "schema of 'x': expected a Column or a mapping"),  # type: ignore[dict-item]
        (lambda: Profile.of(FRAME, schema={"x": {"type": "word"}}), "schema of 'x': type: Input should be"),
    ],
)
def test_profiles_are_asked_for_what_cannot_be(call: Callable[[], Any], words: str) -> None:
    with refused(InvalidRequest, words):
        call()


def test_a_column_that_does_not_merge_is_named() -> None:
    with refused(ProfileMismatch, "column 'x': the columns were binned differently: profile both with the"):
        PROFILE.merge(Profile.of(SHIFTED))


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        (
            [FRAME],
            InvalidRequest,
            "parts: expected a function that gives tables, to be called twice, got list",
        ),
        (lambda: None, InvalidRequest, "parts: expected a function that gives tables, it gave NoneType"),
        (lambda: FRAME, InvalidRequest, "parts: expected a function that gives tables, it gave DataFrame"),
        (lambda: {"x": [1.0]}, InvalidRequest, "parts: expected a function that gives tables, it gave dict"),
        (
            lambda: [FRAME, FRAME[["x"]]],
            MissingColumn,
            "the table has no column 'c', which the first part has",
        ),
    ],
)
def test_parts_that_are_none(parts: Any, error: type[PerennialError], words: str) -> None:
    with refused(error, words):
        Profile.of_parts(parts)


def test_parts_that_can_be_read_once_only() -> None:
    once: Iterator[Any] = iter([FRAME, FRAME])
    with refused(InvalidRequest, "parts: expected the same tables each time, got 120 rows, then 0"):
        Profile.of_parts(lambda: once)


def test_parts_without_rows_keep_their_columns() -> None:
    nothing = FRAME.iloc[:0]
    assert Profile.of_parts(lambda: [nothing, nothing]) == Profile.of(nothing)
    assert Profile.of_parts(lambda: [nothing, FRAME]) == Profile.of_parts(lambda: [FRAME])
    assert Profile.of_parts(list).columns == {}


def test_a_policy_may_be_a_mapping() -> None:
    fields = {"alpha": 0.05, "min_effect": 3.0}
    strict = detect_drift(PROFILE, SHIFTED, policy=fields)
    assert strict == detect_drift(PROFILE, SHIFTED, policy=DriftPolicy(alpha=0.05, min_effect=3.0))
    assert (strict.alpha, strict.drifted) == (0.05, False)
    assert detect_drift(PROFILE, SHIFTED, policy={}) == detect_drift(PROFILE, SHIFTED)


def test_a_reference_may_be_a_table_wherever_it_is_asked_for() -> None:
    expected = Profile.of(SHIFTED, like=PROFILE)
    for like in (FRAME, pa.Table.from_pandas(FRAME), dict(FRAME.items())):
        assert Profile.of(SHIFTED, like=like) == expected
        assert detect_drift(like, SHIFTED) == detect_drift(PROFILE, SHIFTED)


def test_a_schema_may_be_written_as_in_a_model_file() -> None:
    schema = {"x": Column(type="number"), "c": Column(type="text")}
    plain: Any = {"x": {"type": "number", "min": 0}, "c": Column(type="text")}
    assert Profile.of(FRAME, schema=plain) == Profile.of(FRAME, schema=schema)


def test_tables_that_stream_as_arrow_are_tables() -> None:
    table = pa.table({"x": [1.0, None, 3.0] * 40, "c": ["a", None, "b"] * 40})
    views = table.set_column(1, "c", table["c"].cast("string_view"))
    texts = pa.table({"x": [f"text {place}" for place in range(600)]})
    long = texts.set_column(0, "x", texts["x"].cast("string_view"))
    assert Profile.of(Streams(table)) == Profile.of(table)
    assert Profile.of(table.to_reader()) == Profile.of(table)
    assert Profile.of(Streams(views)) == Profile.of(views) == Profile.of(table)
    assert Profile.of({name: views[name] for name in ("x", "c")}) == Profile.of(table)
    assert Profile.of(Streams(long)) == Profile.of(texts)
    assert not detect_drift(Streams(views), Streams(table)).schema.breaking


def test_names_that_are_no_strings_are_told_as_they_are() -> None:
    rng = np.random.default_rng(0)
    for names in ([0, 1], pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]), [None, 2.5]):
        before, now = (pd.DataFrame(rng.normal(size=(200, 2)), columns=names) for _ in range(2))
        first, second = before.columns
        now[second] += 3
        report = detect_drift(
            before, now, label=second, columns=before.columns, importances={first: 1, second: 3}
        )
        assert list(report.columns) == [str(first), str(second)]
        assert report.drifted_columns == (str(second),)
        assert report.columns[str(second)].role == "label"
        assert detect_drift(before, now, importances={first: 1, second: 3}).columns[str(second)].weight == 1.5


def test_columns_asked_for_twice_are_compared_once() -> None:
    assert detect_drift(PROFILE, SHIFTED, columns=["x", "x"]) == detect_drift(PROFILE, SHIFTED, columns="x")


def test_importances_may_be_a_series() -> None:
    importances = {"x": 0.9, "c": 0.1}
    assert detect_drift(PROFILE, SHIFTED, importances=pd.Series(importances)) == detect_drift(
        PROFILE, SHIFTED, importances=importances
    )


def test_masked_values_are_missing() -> None:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
    assert Profile.of({"x": masked}).columns == Profile.of({"x": [1.0, None, 3.0]}).columns


@pytest.mark.parametrize(
    ("task", "current", "words"),
    [
        ("classify", ([1], [1]), "task: expected classification or regression, got 'classify'"),
        ("classification", [1, 0, 1], "current: expected labels and as many predictions, got shapes [(), ()"),
        ("classification", np.ones((2, 3)), "current: expected labels and predictions, got ndarray"),
        ("classification", (["a", "b"], ["a"]), "current: expected labels and as many predictions, got shap"),
        ("regression", ([1.0],), "current: expected labels and as many predictions, got shapes [(1,)]"),
        ("regression", (["a"], [1.0]), "current: expected numbers, got something else: could not convert"),
    ],
    ids=str,
)
def test_answers_that_cannot_be_compared(task: Any, current: Any, words: str) -> None:
    with refused(InvalidRequest, words):
        compare_performance(task, reference=([1.0, 0.0], [1.0, 1.0]), current=current)


@pytest.mark.parametrize(
    ("reference", "current", "error", "words"),
    [
        (dict(FRAME), FRAME, InvalidData, "reference: expected a pandas DataFrame, got dict"),
        (FRAME, PROFILE, InvalidData, "current: expected a pandas DataFrame, got Profile"),
        (FRAME, FRAME["x"], InvalidData, "current: expected a pandas DataFrame, got Series"),
        (FRAME, FRAME[["x"]], MissingColumn, "current has no column 'c', which reference has"),
    ],
    ids=["mapping", "profile", "series", "column"],
)
def test_samples_that_cannot_be_compared(
    reference: Any, current: Any, error: type[PerennialError], words: str
) -> None:
    with refused(error, words):
        compare_samples(reference, current, seed=0)
