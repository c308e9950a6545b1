"""Files judged while they are read: the same verdict as in memory, whatever comes, in bounded memory."""

import datetime as dt
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perennial.config import ModelConfig
from perennial.data_config import FileFormat
from perennial.dataset import csv_parts, json_parts, parquet_parts, read_table
from perennial.dataset.parquet_parts import ParquetParts
from perennial.dataset.streams import Budget, Source, whole_records
from perennial.errors import BatchTooLarge, EmptyObject, InvalidData, UnreadableFile
from perennial.profile import NumberColumn, Profile
from perennial.validation import Validation, validate, validate_files

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def model(validation: dict[str, Any] | None = None, **columns: dict[str, Any]) -> ModelConfig:
    declared = {
        "id": {"type": "text", "nullable": False},
        "size": {"type": "number", "min": 0, "max": 1000},
        "colour": {"type": "category"},
        "seen": {"type": "datetime"},
        "on": {"type": "boolean"},
        "bought": {"type": "category", "levels": ["yes", "no"]},
    }
    return ModelConfig.model_validate(
        {
            "name": "shop",
            "task": "classification",
            "label": "bought",
            "key": ["id"],
            "columns": declared | columns,
            "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
            "validation": {"min_rows": 1} | (validation or {}),
        }
    )


def sound(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "id": [f"row-{seed}-{i}" for i in range(rows)],
            "size": rng.uniform(0, 1000, rows),
            "colour": rng.choice(["red", "gr\u00fcn", 'a "b", c\nd'], rows),
            "seen": pa.array([dt.datetime(2026, 11, 21, i % 12) for i in range(rows)], pa.timestamp("us")),  # noqa: DTZ001
            "on": rng.random(rows) < 0.5,
            "bought": rng.choice(["yes", "no"], rows),
        }
    )


def as_csv(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pa_csv.write_csv(table, buffer)
    return buffer.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=500)
    return buffer.getvalue()


def as_json(table: pa.Table) -> bytes:
    return "\n".join(json.dumps(row, default=str) for row in table.to_pylist()).encode()


Judge = Callable[..., Validation]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def judge(*files: tuple[str, bytes], config: ModelConfig | None = None, **options: Any) -> Validation:
        paths = []
        for number, (name, body) in enumerate(files):
            path = tmp_path / str(number)
            path.write_bytes(body)
            paths.append((path, name))
        return validate_files(paths, config or model(), **options)

    return judge


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_parts, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(json_parts, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(json_parts, "PIECE_BYTES", 1024)
    monkeypatch.setattr("perennial.dataset.streams._CHUNK", 1000)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("name", "body"), [("a.csv", as_csv), ("a.parquet", as_parquet), ("a.jsonl", as_json)]
)
@pytest.mark.parametrize("packed", [False, True])
def test_in_parts_as_in_whole(judge: Judge, name: str, body: Any, packed: bool) -> None:
    table = sound(3000)
    reference = Profile.of(sound(500, seed=1), schema=model().columns)
    content = gzip.compress(body(table)) if packed else body(table)
    found = judge((name + ".gz" * packed, content), like=reference)
    whole = validate(table, model())
    assert found.to_dict() == whole.to_dict() | {"rows": 3000, "valid": True}
    assert found.profile is not None
    expected = Profile.of(whole.table, like=reference)
    assert found.profile.incoming == tuple(
        (column, kind)
        for column, kind in zip(
            table.column_names, ["string", "number", "string", "datetime", "boolean", "string"], strict=True
        )
    )
    assert found.profile.columns["colour"] == expected.columns["colour"]
    mine, theirs = found.profile.columns["size"], expected.columns["size"]
    assert isinstance(mine, NumberColumn)
    assert isinstance(theirs, NumberColumn)
    assert (mine.counts, mine.low, mine.high) == (theirs.counts, theirs.low, theirs.high)
    assert mine.mean == pytest.approx(theirs.mean, rel=1e-12)
    assert found.sample.num_rows == 3000


def test_values_of_several_lines_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_parts, "PIECE_BYTES", 4096)
    rng = np.random.default_rng(0)
    values = [
        "\n".join("x" * size for size in rng.integers(0, 60, lines)) for lines in rng.integers(1, 40, 300)
    ]
    body = "".join(f'{row},"{value}"\n' for row, value in enumerate(values)).encode()
    parser = csv_parts.Parser(",", FileFormat())
    table = parser.parse(memoryview(body), ["row", "value"], {"row": True, "value": False})
    assert table.column("value").to_pylist() == values
    assert table.column("row").to_pylist() == list(range(300))


@pytest.mark.parametrize("most", ["_BATCH_BYTES", "_BATCH_VALUES", "_BATCH_ROWS"])
def test_parts_of_a_parquet_file_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    long = {"x": [f"{row:099}" for row in range(1_000)], "y.z": list(range(1_000))}
    table = pa.table(long | {"unread": long["x"]})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0)
    size = sum(group.column(place).total_uncompressed_size for place in range(2))
    bounds = {"_BATCH_BYTES": size, "_BATCH_VALUES": 2_000, "_BATCH_ROWS": 1_000}
    monkeypatch.setattr(parquet_parts, most, -(-bounds[most] // 10))
    source = Source(tmp_path / "a.parquet", "Parquet", None, FileFormat(), Budget(1 << 30))
    assert [part.num_rows for part in ParquetParts(source, list(long), ())] == [100] * 10


@pytest.mark.parametrize(("rows", "parts"), [(0, []), (100, [100]), (101, [51, 50]), (450, [75] * 6)])
def test_two_cores_get_as_many_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, parts: list[int]
) -> None:
    pq.write_table(pa.table({"x": list(range(rows))}), tmp_path / "a.parquet")
    monkeypatch.setattr(parquet_parts, "_BATCH_ROWS", 100)
    source = Source(tmp_path / "a.parquet", "Parquet", None, FileFormat(), Budget(1 << 30))
    assert [part.num_rows for part in ParquetParts(source, ["x"], ())] == parts


@pytest.mark.usefixtures("small_blocks")
def test_wrong_values_are_counted_over_all_parts(judge: Judge) -> None:
    table = sound(2000)
    sizes = [str(value) for value in table.column("size").to_pylist()]
    for row in (3, 700, 1900):
        sizes[row] = "?"
    sizes[5], sizes[1500] = "-1", "1e4"
    table = table.set_column(1, "size", pa.array(sizes)).append_column("extra", pa.array(["x"] * 2000))
    found = judge(("a.csv", as_csv(table)))
    assert found.valid
    assert found.bad == {"size": 5}
    assert found.warnings == (
        "column extra is not in the model file: it was left out",
        "column size: 3 of 2000 values are not numbers (first: '?'); they count as missing",
        "column size: 2 of 2000 values are outside 0 to 1000 (first: -1.0); they count as missing",
    )
    assert found.to_dict() == validate(table, model()).to_dict() | {"warnings": list(found.warnings)}


@pytest.mark.usefixtures("small_blocks")
def test_keys_are_compared_over_all_parts_and_files(judge: Judge) -> None:
    table = sound(900)
    twice = pa.concat_tables([table, table.slice(10, 5)])
    found = judge(("a.csv", as_csv(twice)), ("b.parquet", as_parquet(table.slice(0, 20))))
    assert found.rows == 900
    assert found.warnings == ("25 rows repeat the key of an earlier row: they were left out",)
    stay = judge(("a.csv", as_csv(twice)), config=model({"repeated": "warn"}))
    assert stay.rows == 905
    assert stay.warnings == ("5 rows repeat the key of an earlier row: they stay",)
    refused = judge(("a.csv", as_csv(table)), ("b.csv", as_csv(table)))
    assert [problem.rule for problem in refused.problems] == ["unique"]
    assert judge(("a.csv", as_csv(table)), ("b.csv", as_csv(table)), config=model({"repeated": "drop"})).valid


@pytest.mark.parametrize(
    ("action", "valid", "rows", "words"),
    [
        ("reject", False, 100, "60 of 100 values are not numbers (first: '?'); at most 5 % may be"),
        ("warn", True, 100, "60 of 100 values are not numbers (first: '?'); they count as missing"),
        ("drop", True, 40, "60 of 100 values are not numbers (first: '?'); their rows were left out"),
    ],
)
def test_actions(judge: Judge, action: str, valid: bool, rows: int, words: str) -> None:
    sizes = ["?"] * 60 + ["1"] * 40
    table = sound(100).set_column(1, "size", pa.array(sizes))
    for config in (model({"action": action}), model(size={"type": "number", "action": action})):
        found = judge(("a.csv", as_csv(table)), config=config)
        assert (found.valid, found.rows) == (valid, rows)
        assert (*found.reasons, *found.warnings) == (f"column size: {words}",)
        assert found.sample.column("size").null_count == (0 if action == "drop" else 60)


def test_rows_that_lack_what_may_not_be_missing_can_be_dropped(judge: Judge) -> None:
    table = sound(50).set_column(1, "size", pa.array([None] * 7 + [1.0] * 43))
    size = {"type": "number", "nullable": False}
    assert judge(("a.csv", as_csv(table)), config=model(size=size)).reasons == [
        "column size: 7 of 50 values are missing; none may be"
    ]
    found = judge(("a.csv", as_csv(table)), config=model(size=size | {"action": "drop"}))
    assert (found.valid, found.rows) == (True, 43)
    few = judge(("a.csv", as_csv(table)), config=model({"min_rows": 44}, size=size | {"action": "drop"}))
    assert few.reasons == ["the batch has 43 rows left of 50; at least 44 are needed"]


def test_old_data_and_missing_labels(judge: Judge) -> None:
    body = as_csv(sound(40))
    config = model(seen={"type": "datetime", "max_age": "2h"})
    assert judge(("a.csv", body), config=config, now=NOON).valid
    late = judge(("a.csv", body), config=config, now=NOON + dt.timedelta(hours=3))
    assert late.reasons == [
        "column seen: the newest value is 2026-11-21 11:00:00, 4 hours old; at most 2 hours may it be"
    ]
    assert late.problems[0].rule == "freshness"
    warned = judge(
        ("a.csv", body),
        config=model({"stale": "warn"}, seen=config.columns["seen"].model_dump()),
        now=NOON + dt.timedelta(hours=3),
    )
    assert warned.valid
    assert warned.warnings == tuple(late.reasons)
    table = sound(40).set_column(5, "bought", pa.array([None] * 39 + ["yes"]))
    unlabelled = judge(("a.csv", as_csv(table)), config=model({"min_label_share": 0.5}))
    assert unlabelled.reasons == ["label bought: 1 of 40 rows have one; at least 50 % must"]


def test_a_column_may_have_to_be_unique(judge: Judge) -> None:
    table = sound(30).set_column(1, "size", pa.array([5.0, 5.0, *range(28)]))
    found = judge(
        ("a.csv", as_csv(table)), config=model({"max_bad_share": 0}, size={"type": "number", "unique": True})
    )
    assert found.reasons == [
        "column size: 2 of 30 values are the same as an earlier one (first: 5.0); at most 0 % may be"
    ]


def test_columns_that_one_file_lacks_are_missing(judge: Judge) -> None:
    table = sound(30)
    found = judge(("a.csv", as_csv(table)), ("b.jsonl", as_json(sound(5, seed=2).drop_columns(["size"]))))
    assert [(problem.rule, problem.column) for problem in found.problems] == [("missing", "size")]
    assert found.profile is None


@pytest.mark.usefixtures("small_blocks")
def test_a_json_column_may_begin_late(judge: Judge) -> None:
    rows = sound(600).to_pylist()
    for row in rows[:40]:
        del row["size"]
    body = "\n".join(json.dumps(row, default=str) for row in rows).encode()
    found = judge(("a.jsonl", body))
    assert found.valid
    assert found.sample.column("size").null_count == 40


@pytest.mark.usefixtures("small_blocks")
def test_a_json_line_may_be_longer_than_a_piece(judge: Judge) -> None:
    rows = sound(60).to_pylist()
    rows[30]["id"] = long = "row" * 1000
    found = judge(("a.jsonl", "\n".join(json.dumps(row, default=str) for row in rows).encode()))
    assert found.valid
    assert found.sample.column("id").to_pylist() == [row["id"] for row in rows]
    assert found.sample.column("id")[30].as_py() == long


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_delimiters_and_encodings_are_found(judge: Judge, delimiter: str, encoding: str) -> None:
    text = as_csv(sound(20)).decode().replace(",", delimiter)
    mark = "\ufeff" if encoding.endswith("bom") else ""
    body = (mark + text).encode(encoding.removesuffix("-bom"))
    found = judge(("a.csv", body))
    assert found.valid, found.reasons
    assert "gr\u00fcn" in found.sample.column("colour").to_pylist()


def test_other_encodings_and_quotes_are_declared(judge: Judge) -> None:
    body = b"id;size;colour;seen;on;bought\n'a;b';1;gr\xfcn;;yes;no\n"
    with pytest.raises(UnreadableFile, match=r"a.csv is not UTF-8 text.*format.encoding"):
        judge(("a.csv", body.replace(b"'a;b'", b"a")))
    declared = model().model_dump(by_alias=True) | {"format": {"encoding": "latin-1", "quote": "'"}}
    found = judge(("a.csv", body), config=ModelConfig.model_validate(declared))
    assert found.sample.to_pylist()[0] == {
        "id": "a;b",
        "size": 1.0,
        "colour": "gr\u00fcn",
        "seen": None,
        "on": True,
        "bought": "no",
    }


HEADER = b"id,size,colour,seen,on,bought\n"


@pytest.mark.usefixtures("small_blocks")
def test_the_ragged_row_is_named_by_its_number(judge: Judge) -> None:
    body = HEADER + b"a,1,red,,yes,no\n" * 1000 + b"a,1\n" + b"a,1,red,,yes,no\n" * 1000
    with pytest.raises(
        UnreadableFile, match=r"a.csv cannot be read as CSV: Row #1002: Expected 6 columns, got 2"
    ):
        judge(("a.csv", body))


@pytest.mark.parametrize(
    ("name", "body", "error", "words"),
    [
        ("a.csv", HEADER, EmptyObject, "a header but no rows"),
        ("a.csv", HEADER + b"\n\n\n", EmptyObject, "a header but no rows"),
        ("a.csv", b"id,id,size\n1,2,3\n", UnreadableFile, "'id' more than once"),
        ("a.parquet", as_parquet(sound(0)), EmptyObject, "no rows"),
        ("a.csv.gz", gzip.compress(HEADER * 9000, mtime=0)[:-40], UnreadableFile, "a.csv.gz"),
        ("a.csv.gz", HEADER, UnreadableFile, "a.csv.gz"),
        ("a.csv", gzip.compress(HEADER, mtime=0), UnreadableFile, "a.csv"),
    ],
)
def test_files_that_lie(judge: Judge, name: str, body: bytes, error: type[InvalidData], words: str) -> None:
    with pytest.raises(error, match=words):
        judge((name, body))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.parquet.gz"])
def test_a_bomb_is_not_unpacked(judge: Judge, name: str) -> None:
    bomb = gzip.compress(HEADER + bytes(40_000_000))
    with pytest.raises(BatchTooLarge, match=r"hold more than 5,000,000 bytes when decompressed"):
        judge((name, bomb), config=model({"max_bytes": 5_000_000}))


def test_a_record_without_an_end_is_refused(judge: Judge, small_blocks: None) -> None:
    with pytest.raises(UnreadableFile, match="a record is longer than"):
        judge(("a.csv", HEADER + b'a,"' + b"x" * 100_000))


def test_reading_stops_at_the_largest_number_of_rows(judge: Judge, small_blocks: None) -> None:
    found = judge(("a.csv", as_csv(sound(5000))), config=model({"max_rows": 100}))
    assert found.reasons == ["the batch has more than 100 rows; at most 100 may be"]
    assert found.rows < 1000


def test_thousands_of_columns(judge: Judge) -> None:
    names = [f"c{i}" for i in range(5000)]
    body = (
        ",".join(["id", *names, "bought"])
        + "\n"
        + "\n".join(",".join([f"k{r}", *["1.5"] * 5000, "yes"]) for r in range(30))
    ).encode()
    columns = {name: {"type": "number"} for name in names}
    config = ModelConfig.model_validate(
        {
            "name": "wide",
            "task": "classification",
            "label": "bought",
            "key": ["id"],
            "columns": {"id": {"type": "text"}, **columns, "bought": {"type": "category"}},
            "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
        }
    )
    found = judge(("a.csv", body), config=config)
    assert found.valid
    assert found.profile is not None
    assert len(found.profile.columns) == 5001  # all but the key


def test_non_finite_numbers_are_no_numbers(judge: Judge) -> None:
    table = sound(20).set_column(1, "size", pa.array(["inf", "-Infinity", "nan", "NaN", *["1"] * 16]))
    found = judge(("a.csv", as_csv(table)))
    assert found.bad == {"size": 2}
    assert found.sample.column("size").null_count == 4


@pytest.mark.parametrize("odd", [{}, {700: np.nan}, {700: np.inf, 701: np.nan}, {3: 2e3}, {2_999: -np.inf}])
@pytest.mark.parametrize("action", ["warn", "drop"])
def test_numbers_that_were_scanned_before_they_were_checked(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, odd: dict[int, float], action: str
) -> None:
    monkeypatch.setattr(parquet_parts, "_BATCH_ROWS", 256)
    table = sound(3000)
    values = table.column("size").to_numpy().copy()
    values[list(odd)] = list(odd.values())
    table = table.set_column(1, "size", pa.array(values)).append_column("other", pa.array(values[::-1]))
    config = model({"action": action}, other={"type": "number"})
    reference = Profile.of(table.slice(0, 500), schema=config.columns)
    found = judge(("a.parquet", as_parquet(table)), config=config, like=reference)
    whole = validate(table, config)
    assert sorted(found.warnings) == sorted(whole.warnings)
    assert (found.valid, found.rows, found.bad) == (whole.valid, whole.rows, whole.bad)
    assert found.profile is not None
    expected = Profile.of(whole.table, like=reference)
    for name in ("size", "other"):
        mine, theirs = found.profile.columns[name], expected.columns[name]
        assert isinstance(mine, NumberColumn)
        assert isinstance(theirs, NumberColumn)
        assert (mine.counts, mine.nulls, mine.infinite) == (theirs.counts, theirs.nulls, 0)
        assert mine.mean == pytest.approx(theirs.mean)
    assert found.profile.products is not None
    assert expected.products is not None
    np.testing.assert_array_equal(found.profile.products.rows, expected.products.rows)
    np.testing.assert_allclose(found.profile.products.products, expected.products.products)
    sampled = found.sample.column("size").to_numpy()
    assert not np.isinf(sampled).any()
    assert (
        found.sample.column("size").null_count
        == np.isnan(sampled).sum()
        == whole.table.column("size").null_count
    )


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["csv", "csv.gz", "jsonl", "parquet", "jsonl.zst"]),
    st.binary(max_size=300)
    | st.text(alphabet='abid,size"\n\r{}[]:;\t\0 \u00fc1.', max_size=200).map(str.encode),
    st.sampled_from(
        [b"", HEADER, b'{"id": 1}\n', b"PAR1", b"\x1f\x8b\x08\x00", b"\xff\xfe", b"\xef\xbb\xbf"]
    ),
)
def test_whatever_comes_only_named_errors(tmp_path: Path, suffix: str, body: bytes, head: bytes) -> None:
    path = tmp_path / "object"
    path.write_bytes(head + body)
    for read in (
        lambda: validate_files([(path, f"x.{suffix}")], model()),
        lambda: read_table(path, f"x.{suffix}"),
    ):
        try:
            read()
        except InvalidData as error:
            assert "x." in str(error)  # noqa: PT017 - most of what is tried raises nothing


@settings(max_examples=80)
@given(
    st.lists(st.text(alphabet='ab",\n\r;', max_size=12), min_size=1, max_size=40),
    st.integers(1, 60),
    st.integers(1, 30),
)
def test_blocks_end_where_records_end(fields: list[str], size: int, cut: int) -> None:
    quoted = ['"' + field.replace('"', '""') + '"' for field in fields]
    text = "".join(f"{field},1\n" for field in quoted).encode()
    stream = io.BytesIO(text[cut:])

    def fill(view: memoryview) -> int:
        return stream.readinto(view[: 1 + cut // 2])

    try:
        blocks = [bytes(block) for block in whole_records(fill, text[:cut], size, b'"')]
    except UnreadableFile:
        assert max(map(len, quoted)) + 3 > size
        return
    assert b"".join(blocks) == text
    assert all(block.count(b'"') % 2 == 0 for block in blocks)
