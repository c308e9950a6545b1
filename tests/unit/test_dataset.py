"""Files in, declared types out: every format, every way a file can lie."""

import datetime as dt
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from perennial.config import ModelConfig
from perennial.dataset import (
    combine_tables,
    conform_table,
    frame_to_csv,
    read_sample,
    read_table,
    to_frame,
    write_sample,
)
from perennial.errors import EmptyObject, MissingColumn, UnreadableFile

CONFIG = ModelConfig.model_validate(
    {
        "name": "shop",
        "task": "classification",
        "label": "bought",
        "columns": {
            "price": {"type": "number"},
            "colour": {"type": "category"},
            "note": {"type": "text"},
            "member": {"type": "boolean"},
            "seen": {"type": "datetime"},
            "bought": {"type": "category"},
        },
        "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
    }
)
MIDNIGHT = dt.datetime(2026, 1, 2)  # noqa: DTZ001 - columns hold UTC without a zone
ROWS: list[dict[str, Any]] = [
    {"price": 1.5, "colour": "red", "note": "a, b", "member": True, "seen": "2026-01-02", "bought": "yes"},
    {
        "price": 0.1,
        "colour": "bl\u00fce",
        "note": 'say "x"\ny',
        "member": False,
        "seen": None,
        "bought": None,
    },
    {
        "price": None,
        "colour": None,
        "note": None,
        "member": None,
        "seen": "2026-01-02 03:04:05",
        "bought": "no",
    },
]
CSV = (
    "price,colour,note,member,seen,bought\n"
    '1.5,red,"a, b",true,2026-01-02,yes\n'
    '0.1,bl\u00fce,"say ""x""\ny",false,,\n'
    ",,,,2026-01-02 03:04:05,no\n"
).encode()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))


def same(body: bytes) -> bytes:
    return body


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes, str], pa.Table]:
    def read(body: bytes, name: str) -> pa.Table:
        path = tmp_path / "object"
        path.write_bytes(body)
        return read_table(path, f"incoming/shop/{name}")

    return read


@pytest.mark.parametrize(("suffix", "pack"), [("", same), (".gz", gzip.compress), (".zst", zstd)])
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", CSV),
        ("A.CSV", b"\xef\xbb\xbf" + CSV),
        ("crlf.csv", CSV.replace(b"\n", b"\r\n").replace(b"\r\ny", b"\ny")),
        ("a.parquet", parquet(ROWS)),
        ("a.jsonl", json_lines(ROWS)),
        ("bom.ndjson", b"\xef\xbb\xbf" + json_lines(ROWS) + b"\n\n"),
    ],
)
def test_every_format_gives_the_same_table(
    read: Callable[[bytes, str], pa.Table],
    name: str,
    body: bytes,
    suffix: str,
    pack: Callable[[bytes], bytes],
) -> None:
    table, bad = conform_table(read(pack(body), name + suffix), CONFIG)
    assert not bad
    assert table.column_names == list(CONFIG.columns)
    expected = [
        {**row, "seen": seen}
        for row, seen in zip(
            ROWS, [MIDNIGHT, None, MIDNIGHT + dt.timedelta(hours=3, minutes=4, seconds=5)], strict=True
        )
    ]
    assert table.to_pylist() == expected


WHOLE = gzip.compress(CSV * 1000)
MALFORMED = [
    ("none.csv", b"", EmptyObject, "no bytes"),
    ("none.csv.gz", gzip.compress(b"", mtime=0), EmptyObject, "no header"),
    ("blank.csv", b"\n\n", EmptyObject, "no header"),
    ("header.csv", b"a,b\n", EmptyObject, "no rows"),
    ("none.jsonl", b"\n \n", EmptyObject, "no rows"),
    ("empty.parquet", parquet(ROWS)[:0], EmptyObject, "no bytes"),
    ("ragged.csv", b"a,b\n1,2\n3\n", UnreadableFile, "Row #3: Expected 2 columns, got 1"),
    ("long.csv", b"a,b\n1,2\n3,4,5\n", UnreadableFile, "Row #3: Expected 2 columns, got 3"),
    ("twice.csv", b"a,b,a\n1,2,3\n", UnreadableFile, "'a' more than once"),
    ("twice.jsonl", b'{"a": 1, "a": 2}\n', UnreadableFile, "'a' more than once"),
    ("latin.csv", "a,b\n\u00e9,1\n".encode("latin-1"), UnreadableFile, "UTF-8"),
    ("latin-header.csv", "\u00e9,b\n1,1\n".encode("latin-1"), UnreadableFile, "UTF-8"),
    ("really.parquet.csv", parquet(ROWS), UnreadableFile, "CSV"),
    ("zip.csv", b"PK\x03\x04\x00\x00\nabc\n", UnreadableFile, "zip archive"),
    ("really-csv.parquet", CSV, UnreadableFile, "Parquet"),
    ("cut.parquet", parquet(ROWS)[:-20], UnreadableFile, "Parquet"),
    ("lie.csv.gz", CSV, UnreadableFile, "CSV"),
    ("cut.csv.gz", WHOLE[: len(WHOLE) // 2], UnreadableFile, "CSV"),
    ("cut.jsonl.gz", gzip.compress(json_lines(ROWS), mtime=0)[:-12], UnreadableFile, "JSON Lines"),
    ("lie.csv.zst", CSV, UnreadableFile, "CSV"),
    ("broken.jsonl", b'{"a": 1}\n{"a": \n', UnreadableFile, "line 2"),
    ("list.jsonl", b"[1, 2]\n", UnreadableFile, "holds a list"),
    ("array.json", b"[1, 2]\n", UnreadableFile, "holds a list"),
    ("a.xlsx", CSV, UnreadableFile, "no known format"),
    ("noformat", CSV, UnreadableFile, "no known format"),
    ("only.gz", CSV, UnreadableFile, "no known format"),
]


@pytest.mark.parametrize(
    ("name", "body", "error", "words"), MALFORMED, ids=[f"{case[0]}-{case[3]}" for case in MALFORMED]
)
def test_a_file_that_lies_is_named(
    read: Callable[[bytes, str], pa.Table], name: str, body: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        read(body, name)
    assert name in str(caught.value)


def test_wrong_values_become_null_and_are_counted() -> None:
    table = pa.table(
        {
            "price": ["1", " 2.5 ", "n/a", "NA", "1e3", "1_000", "inf", "nan"],
            "member": ["yes", "0", "F", "maybe", "", "1.0", None, "2"],
            "seen": [
                "2026-01-02T00:00:00Z",
                "2026-01-02T01:00+01:00",
                "soon",
                None,
                "20260102",
                "",
                "1",
                "-",
            ],
            "colour": pa.array([1, 2, None, 4, 5, 6, 7, 8]),
        }
    )
    done, bad = conform_table(table, CONFIG)
    assert done.column("price").to_pylist() == [1.0, 2.5, None, None, 1000.0, None, None, None]
    assert (bad["price"].rows, bad["price"].first) == (3, "'n/a'")
    assert done.column("member").to_pylist() == [True, False, False, None, None, True, None, None]
    assert (bad["member"].rows, bad["member"].first) == (2, "'maybe'")
    assert done.column("seen").to_pylist() == [MIDNIGHT, MIDNIGHT, None, None, MIDNIGHT, None, None, None]
    assert (bad["seen"].rows, bad["seen"].first) == (3, "'soon'")
    assert done.column("colour").to_pylist() == ["1", "2", None, "4", "5", "6", "7", "8"]
    assert "colour" not in bad


@pytest.mark.parametrize(
    ("values", "kind", "expected", "bad"),
    [
        (pa.array([True, None]), "number", [None, None], 1),
        (pa.array([1, 2**60]), "number", [1.0, float(2**60)], 0),
        (pa.array([1.0, float("inf"), float("nan")]), "number", [1.0, None, None], 1),
        (pa.array([dt.date(2026, 1, 2)]), "number", [None], 1),
        (pa.array([[1], None]), "number", [None, None], 1),
        (pa.array([None, None]), "number", [None, None], 0),
        (pa.array([1.0, None, 2.5]), "category", ["1", None, "2.5"], 0),
        (pa.array(["a", "", "b"]).dictionary_encode(), "category", ["a", None, "b"], 0),
        (pa.array([True, False]), "category", ["true", "false"], 0),
        (pa.array([b"ok", b"\xff"]), "text", ["ok", None], 1),
        (pa.array([1, 0, 3]), "boolean", [True, False, None], 1),
        (pa.array([1.0, None, 0.0]), "boolean", [True, None, False], 0),
        (pa.array([20260102]), "datetime", [None], 1),
        (pa.array([dt.date(2026, 1, 2)]), "datetime", [MIDNIGHT], 0),
        (
            pa.array([dt.datetime(2026, 1, 2, tzinfo=dt.UTC)], pa.timestamp("ms", "Europe/Paris")),
            "datetime",
            [MIDNIGHT],
            0,
        ),
    ],
)
def test_typed_columns_are_cast_or_counted(
    values: pa.Array, kind: str, expected: list[Any], bad: int
) -> None:
    name = {"number": "price", "category": "colour", "text": "note", "boolean": "member", "datetime": "seen"}[
        kind
    ]
    table, wrong = conform_table(pa.table({name: values}), CONFIG)
    assert table.column(name).to_pylist() == expected
    assert (wrong[name].rows if name in wrong else 0) == bad


def test_a_mixed_json_column_is_kept_as_it_came(read: Callable[[bytes, str], pa.Table]) -> None:
    table = read(b'{"price": 1}\n{"price": "free"}\n{"price": {"a": 1}}\n{"note": "x"}\n', "a.jsonl")
    done, bad = conform_table(table, CONFIG)
    assert done.column("price").to_pylist() == [1.0, None, None, None]
    assert (bad["price"].rows, bad["price"].first) == (2, "'free'")


def test_undeclared_columns_go_and_missing_ones_stay_missing() -> None:
    table, _ = conform_table(pa.table({"extra": [1], "note": ["x"], "price": [1]}), CONFIG)
    assert table.column_names == ["price", "note"]


def test_files_of_a_batch_are_joined_on_what_they_share() -> None:
    first = pa.table({"price": ["1", "x"], "colour": ["red", None], "more": [1, 2]})
    second = pa.table({"colour": ["blue"], "price": [2.5]})
    table, bad = conform_table(combine_tables([first, second]), CONFIG)
    assert table.to_pydict() == {"price": [1.0, None, 2.5], "colour": ["red", None, "blue"]}
    assert bad["price"].rows == 1
    with pytest.raises(EmptyObject):
        combine_tables([])


def conformed() -> pa.Table:
    table, bad = conform_table(pa.Table.from_pylist(ROWS * 20), CONFIG)
    assert not bad
    return table


def test_frame_and_samples_agree_in_values_and_types() -> None:
    frame = to_frame(conformed(), CONFIG)
    assert [str(of) for of in frame.dtypes] == [
        "float64",
        "object",
        "object",
        "boolean",
        "datetime64[us]",
        "object",
    ]
    pd.testing.assert_frame_equal(read_sample(write_sample(conformed(), 7, 100), CONFIG), frame)
    pd.testing.assert_frame_equal(read_sample(frame_to_csv(frame), CONFIG), frame)
    assert list(read_sample(frame_to_csv(frame.assign(extra=True)), CONFIG).columns)[-1] == "extra"


def test_columns_of_nothing_keep_their_types() -> None:
    empty = to_frame(conform_table(pa.table(dict.fromkeys(CONFIG.columns, pa.nulls(3))), CONFIG)[0], CONFIG)
    pd.testing.assert_frame_equal(read_sample(frame_to_csv(empty), CONFIG), empty)


def test_a_sample_is_bounded_and_repeatable() -> None:
    table = pa.table(
        {name: pa.nulls(1000) for name in CONFIG.columns if name != "price"} | {"price": range(1000)}
    )
    table, _ = conform_table(table, CONFIG)
    body = write_sample(table, 7, 50)
    prices = read_sample(body, CONFIG)["price"]
    assert len(prices) == 50
    assert prices.is_monotonic_increasing
    assert prices.is_unique
    assert body == write_sample(table, 7, 50)
    assert body != write_sample(table, 8, 50)


def test_a_frame_needs_every_declared_column() -> None:
    table = conformed().drop_columns(["note"])
    with pytest.raises(MissingColumn, match="'note'"):
        to_frame(table, CONFIG)
    with pytest.raises(MissingColumn, match="'note'"):
        read_sample(write_sample(table, 7, 100), CONFIG)


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_survive_to_the_last_bit(numbers: list[float]) -> None:
    columns = {name: pa.nulls(len(numbers)) for name in CONFIG.columns} | {"price": pa.array(numbers)}
    table, _ = conform_table(pa.table(columns), CONFIG)
    for body in (write_sample(table, 0, 1000), frame_to_csv(to_frame(table, CONFIG))):
        assert read_sample(body, CONFIG)["price"].to_numpy().tobytes() == np.array(numbers).tobytes()


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=60)
@given(st.lists(st.none() | words, min_size=1, max_size=10))
def test_strings_survive_as_they_are(strings: list[str | None]) -> None:
    columns = {name: pa.nulls(len(strings)) for name in CONFIG.columns} | {
        "note": pa.array(strings, pa.string())
    }
    table, _ = conform_table(pa.table(columns), CONFIG)
    for body in (write_sample(table, 0, 1000), frame_to_csv(to_frame(table, CONFIG))):
        found = read_sample(body, CONFIG)["note"]
        assert [value if isinstance(value, str) else None for value in found] == strings


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None  # as in the Lambdas that learn: pandas alone
from pathlib import Path
from perennial.config import ModelConfig
from perennial.dataset import read_sample
config = ModelConfig.model_validate_json(Path(sys.argv[1]).read_text())
frame = read_sample(Path(sys.argv[2]).read_bytes(), config)
frame.to_pickle(sys.argv[3])
"""


def test_frames_are_the_same_without_pyarrow(tmp_path: Path) -> None:
    body = write_sample(conformed(), 7, 100)
    (tmp_path / "config.json").write_text(CONFIG.model_dump_json(by_alias=True))
    (tmp_path / "sample").write_bytes(body)
    names = [str(tmp_path / name) for name in ("config.json", "sample", "frame")]
    subprocess.run([sys.executable, "-c", WITHOUT_PYARROW, *names], check=True)
    alone = pd.read_pickle(tmp_path / "frame")  # noqa: S301 - written a line above
    together = read_sample(body, CONFIG)
    pd.testing.assert_frame_equal(alone, together, check_column_type=False)
    pipeline = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["price", "member"]),
            (
                "levels",
                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)),
                ["colour"],
            ),
        ]
    )
    np.testing.assert_array_equal(pipeline.fit(together).transform(alone), pipeline.transform(together))
