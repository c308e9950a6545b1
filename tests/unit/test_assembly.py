"""The rows of a training: assembled from files in parts as they would be from one frame in memory."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perennial import assembly, row_store
from perennial.artifacts import dump
from perennial.assembly import Assembled, Source, assemble
from perennial.config import ModelConfig
from perennial.contracts.objects import StoredObject
from perennial.data_config import Column
from perennial.dataset import conform_table, to_frame
from perennial.errors import MissingColumn, NoTrainingData
from perennial.estimator_config import Estimator
from perennial.holdout import holdout_mask
from perennial.training import PlainRows, fit, split

COLUMNS = {
    "id": Column(type="text"),
    "size": Column(type="number"),
    "colour": Column(type="category"),
    "ripe": Column(type="boolean"),
    "picked": Column(type="datetime"),
    "note": Column(type="text"),
    "kind": Column(type="category", levels=("apple", "pear")),
}
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def model(**changes: Any) -> ModelConfig:
    return ModelConfig(
        **{
            "name": "fruit",
            "task": "classification",
            "label": "kind",
            "key": ("id",),
            "columns": COLUMNS,
            "estimator": Estimator(**{"class": "sklearn.linear_model.LogisticRegression"}),
            **changes,
        }
    )


def fruit(rows: int, seed: int = 0, first: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    seconds = pd.to_timedelta(rng.integers(0, 9_000_000, rows), unit="s")
    frame = pd.DataFrame(
        {
            "id": [f"fruit-{first + n}" for n in range(rows)],
            "size": rng.normal(7, 2, rows).round(3),
            "colour": rng.choice(["red", "green", "yellow"], rows).astype(object),
            "ripe": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "picked": pd.Timestamp("2025-06-01") + seconds,
            "note": rng.choice(["", "sweet one", "a bit sour", "bruised"], rows).astype(object),
            "kind": rng.choice(["apple", "pear"], rows).astype(object),
        }
    )
    for name in ("size", "colour", "ripe", "picked"):
        frame.loc[rng.random(rows) < 0.1, name] = None
    return frame


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def jsonl(frame: pd.DataFrame) -> bytes:
    return frame.to_json(orient="records", lines=True, date_format="iso").encode()


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, buffer, row_group_size=max(1, len(frame) // 3))
    return buffer.getvalue()


def zipped(body: bytes) -> bytes:
    return bytes(pa.Codec("gzip").compress(body, asbytes=True))


FORMATS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": csv,
    "jsonl": jsonl,
    "parquet": parquet,
    "csv.gz": lambda frame: zipped(csv(frame)),
}


def source(
    folder: Path, number: int, frame: pd.DataFrame, form: str = "parquet", *, recent: bool = False
) -> Source:
    path = folder / f"{number:03d}.{form}"
    path.write_bytes(FORMATS[form](frame))
    stored = StoredObject(
        key=f"accepted/fruit/dt=2026-01-01/run-{number}/{path.name}",
        version_id=f"v{number}",
        etag="e",
        size=path.stat().st_size,
        stored_at=DAY + timedelta(days=number),
    )
    return Source(path, stored, recent)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Strings as objects, the way that frames read from CSV hold them."""
    names = [name for name, column in COLUMNS.items() if column.type in {"category", "text"}]
    return frame.astype(dict.fromkeys(names, object))


def in_memory(frame: pd.DataFrame, config: ModelConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same by pandas: what a small table would be split into."""
    table, _ = conform_table(pa.Table.from_pandas(frame, preserve_index=False), config)
    rows = split(to_frame(table, config), config)
    return rows.training, rows.holdout


def assert_same(found: Assembled, training: pd.DataFrame, holdout: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(plain(found.training), training)
    pd.testing.assert_frame_equal(plain(found.holdout), holdout)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("key", [("id",), (), ("size", "picked"), ("ripe", "colour")])
def test_files_give_the_rows_that_one_frame_in_memory_gives(
    tmp_path: Path, form: str, key: tuple[str, ...]
) -> None:
    config = model(key=key, holdout=0.4)
    one, other = fruit(90, 1), fruit(70, 2, first=60)
    again = pd.concat([one.head(30), other.head(20)], ignore_index=True)
    frames = [one, other, again]
    if key != ("id",) and key:  # then rows of one file repeat a key, which cleaning leaves out
        config = model(key=key, holdout=0.4, validation={"repeated": "warn"})
    found = assemble([source(tmp_path, n, frame, form) for n, frame in enumerate(frames)], config)
    assert_same(found, *in_memory(pd.concat(frames, ignore_index=True), config))
    assert len(found.holdout)
    assert [item.rows_read for item in found.objects] == [90, 70, 50]
    assert [item.rows_used for item in found.objects] == [90, 70, 0]


def test_a_pipeline_fitted_on_them_is_byte_for_byte_that_of_the_frame_in_memory(tmp_path: Path) -> None:
    frame = fruit(300)
    found = assemble([source(tmp_path, 0, frame)], model())
    training, _ = in_memory(frame, model())
    assert dump(fit(PlainRows(found.training), model()).pipeline) == dump(
        fit(PlainRows(training), model()).pipeline
    )


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    frame = fruit(100)
    frame.loc[:39, "kind"] = None
    frame.loc[40:49, "kind"] = "peer"
    found = assemble([source(tmp_path, 0, frame, "csv")], model())
    assert len(found) == 50
    assert found.objects[0].rows_read == 100


def test_of_equal_rows_the_one_known_before_stays(tmp_path: Path) -> None:
    frame = fruit(60)
    known = source(tmp_path, 0, frame)
    batch = source(tmp_path, 1, pd.concat([frame, fruit(40, 3, first=500)]), "csv", recent=True)
    found = assemble([known, batch], model())
    assert found.recent.sum() + found.held_recent.sum() == 40
    assert [item.rows_used for item in found.objects] == [60, 40]
    assert set(found.times[~found.recent]) == {np.datetime64(DAY.replace(tzinfo=None), "us")}
    assert set(found.times[found.recent]) == {np.datetime64("2026-01-02T00:00:00", "us")}


def test_rows_have_their_own_time_where_the_model_file_names_it(tmp_path: Path) -> None:
    frame = fruit(80)
    frame["picked"] = frame["picked"].astype("datetime64[us]")
    found = assemble([source(tmp_path, 5, frame)], model(time="picked"))
    assert "picked" not in model(time="picked").features
    own = found.training["picked"].to_numpy()
    arrived = np.datetime64("2026-01-06T00:00:00", "us")
    assert np.isnat(own).any()
    np.testing.assert_array_equal(found.times, np.where(np.isnat(own), arrived, own))
    assert len(found.held_times) == len(found.holdout)


def test_files_of_one_batch_are_cleaned_together(tmp_path: Path) -> None:
    """Validation left the second row of a key out, in whichever file of the batch it came."""
    frame = fruit(40)
    changed = frame.assign(size=1.0)
    one, other = source(tmp_path, 0, frame), source(tmp_path, 1, changed)
    together = Source(other.path, one.stored.model_copy(update={"key": one.stored.key + ".parquet"}), False)
    assert len(assemble([one, together], model())) == 40
    assert len(assemble([one, other], model())) == 80


def test_a_file_that_lacks_a_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingColumn, match=r"run-0/000.jsonl has no column 'note'"):
        assemble([source(tmp_path, 0, fruit(10).drop(columns="note"), "jsonl")], model())


def test_without_objects_there_is_nothing_to_train_on() -> None:
    with pytest.raises(NoTrainingData, match="came none; the champion serves on"):
        assemble([], model())


def test_rows_are_told_apart_when_their_hashes_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "row_hashes", lambda _encoders, _cells, keys, _key: np.zeros_like(keys))
    frame = pd.concat([fruit(60), fruit(60)], ignore_index=True)
    config = model(validation={"repeated": "warn"})
    assert_same(assemble([source(tmp_path, 0, frame)], config), *in_memory(frame, config))


def test_repeated_rows_are_dropped_while_reading_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory follows what is kept, not what is read."""
    monkeypatch.setattr(row_store, "_FEW", 50)
    frames = [fruit(60)] * 8 + [fruit(90, 4, first=1000)]
    found = assemble([source(tmp_path, n, frame) for n, frame in enumerate(frames)], model())
    assert_same(found, *in_memory(pd.concat(frames, ignore_index=True), model()))


def test_many_levels_are_kept_apart(tmp_path: Path) -> None:
    frame = fruit(1000).assign(colour=[f"colour {n}" for n in range(1000)])
    frames = [frame.head(100), frame.tail(900)]  # numbers of levels outgrow a byte in the second
    found = assemble([source(tmp_path, n, part) for n, part in enumerate(frames)], model())
    assert_same(found, *in_memory(frame, model()))


Batches = Sequence[tuple[str, list[int]]]
BATCHES = st.lists(
    st.tuples(st.sampled_from(sorted(FORMATS)), st.lists(st.integers(0, 60), min_size=1, max_size=25)),
    min_size=1,
    max_size=6,
)
POOL = fruit(61, 11)


@given(BATCHES, st.booleans())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_version_ever_saw_a_holdout_row(tmp_path: Path, batches: Batches, keyed: bool) -> None:
    """Retrained after every batch, on data that grows, overlaps and repeats itself in every format: the rows
    that any version was judged by are rows that no version, before or after, was trained on."""
    config = model(key=("id",) if keyed else (), holdout=0.3)
    identity = [*(config.key or config.features)]
    held_for_ever = set(POOL["id"][holdout_mask(POOL[identity], config.key, 0.3)])
    sources = [source(tmp_path, n, POOL.iloc[rows], form) for n, (form, rows) in enumerate(batches)]
    trained: set[str] = set()
    judged: set[str] = set()
    for version in range(1, len(sources) + 1):
        found = assemble(sources[:version], config)
        trained |= set(found.training["id"])
        judged |= set(found.holdout["id"])
        came = {POOL["id"][row] for _, rows in batches[:version] for row in rows}
        assert set(found.training["id"]) | set(found.holdout["id"]) == came
    assert not trained & judged
    assert judged == came & held_for_ever
