"""Rows that are the same in every column: counted exactly, and by a sample where there are many."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import ModelConfig
from perennial.duplicates import Duplicates
from perennial.validation import validate

ROWS = st.lists(
    st.tuples(st.sampled_from([None, 0.0, 1.5, -0.0]), st.sampled_from([None, "", "a", "b"]), st.booleans()),
    min_size=1,
    max_size=40,
)


def table(rows: list[tuple[object, ...]]) -> pa.Table:
    x, word, flag = zip(*rows, strict=True)
    return pa.table(
        {
            "x": pa.array(x, pa.float64()),
            "word": pa.array(word, pa.string()),
            "flag": pa.array(flag, pa.bool_()),
        }
    )


@given(ROWS, st.integers(1, 40))
def test_as_a_set_of_rows_says(rows: list[tuple[object, ...]], cut: int) -> None:
    found = Duplicates()
    for part in (table(rows).slice(0, cut), table(rows).slice(cut)):
        found.add(part)
    assert found.compared == len(rows)
    assert found.repeated == len(rows) - len(set(rows))
    assert not found.sampled


@given(ROWS)
def test_a_dictionary_is_as_good_as_its_values(rows: list[tuple[object, ...]]) -> None:
    plain = table(rows)
    coded = plain.set_column(1, "word", plain.column("word").dictionary_encode())
    found = Duplicates()
    for part in (plain, coded, coded.slice(0, 1)):  # the dictionary of one row is longer than it
        found.add(part)
    assert found.compared - found.repeated == len(set(rows))


@pytest.mark.parametrize("top", [300, 1_000, 3_000])
def test_rows_of_whole_numbers_are_not_taken_for_each_other(top: int) -> None:
    x, y = np.random.default_rng(0).integers(0, top, (2, 25_000)).astype(float)
    found = Duplicates()
    found.add(pa.table({"x": x, "y": y}))
    assert found.compared == 25_000
    assert found.compared - found.repeated == len({*zip(x, y, strict=True)})


@pytest.mark.parametrize("repeats", [0, 2_000])
def test_a_sample_of_levels_tells_the_share(repeats: int) -> None:
    generator = np.random.default_rng(3)
    levels = pa.array([f"level {level}" for level in generator.integers(0, 90, 20_000)])
    x = generator.normal(size=20_000)
    plain = pa.table({"level": levels, "x": [*x[:repeats], *x[: 20_000 - repeats]]})
    coded = plain.set_column(0, "level", levels.dictionary_encode())
    counts = []
    for table in (plain, coded):
        found = Duplicates(most=4_000)
        for start in range(0, 20_000, 3_000):
            found.add(table.slice(start, 3_000))
        assert found.sampled
        counts.append((found.compared, found.repeated))
    assert counts[0] == counts[1]  # of a dictionary the same rows are chosen and told apart


@pytest.mark.parametrize("repeats", [0, 2_000])
def test_a_sample_tells_the_share(repeats: int) -> None:
    generator = np.random.default_rng(3)
    once = pa.table({"level": generator.integers(0, 4, 20_000), "x": generator.normal(size=20_000)})
    found = Duplicates(most=4_000)
    whole = pa.concat_tables([once, once.slice(0, repeats)])
    for start in range(0, whole.num_rows, 3_000):
        found.add(whole.slice(start, 3_000))
    assert found.sampled
    assert 1_000 < found.compared <= 4_000
    assert found.repeated / found.compared == pytest.approx(repeats / whole.num_rows, abs=0.03)


@pytest.mark.parametrize(("expected", "sampled"), [(10, False), (4_000, False), (40_000, True)])
def test_what_is_expected_is_chosen_from_the_start(expected: int, sampled: bool) -> None:
    x = np.random.default_rng(3).normal(size=2_000)
    found, again = Duplicates(most=4_000), Duplicates(most=4_000)
    found.expect(expected)
    for each in (found, again):
        each.add(pa.table({"x": [*x, *x]}))
    assert found.sampled == sampled
    assert found.repeated == found.compared / 2 > 100
    assert again.repeated == again.compared / 2 == 2_000


def test_memory_is_bounded_where_all_rows_are_the_same() -> None:
    found = Duplicates(most=100)
    for _ in range(5):
        found.add(pa.table({"x": [1.0] * 1_000}))
    assert found.compared <= 100 or found.repeated == found.compared - 1


def model(**changes: object) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "m",
            "task": "classification",
            "label": "y",
            "columns": {"x": {"type": "number"}, "y": {"type": "category"}},
            "estimator": {"class": "sklearn.tree.DecisionTreeClassifier"},
            "validation": {"min_rows": 1},
        }
        | changes
    )


def test_rows_without_a_key_that_repeat_are_named() -> None:
    came = pa.table({"x": [1.0, 2.0, 1.0, 3.0], "y": ["a", "b", "a", "a"]})
    found = validate(came, model())
    assert found.valid
    told = [warning for warning in found.warnings if "the same as an earlier one" in warning]
    words = (
        "1 of 4 rows is the same as an earlier one in every column: without a key nothing tells whether that"
    )
    assert told == [f"{words} is meant"]
    keyed = came.append_column("id", pa.array(["1", "2", "3", "4"]))
    columns = {"id": {"type": "text"}, "x": {"type": "number"}, "y": {"type": "category"}}
    assert validate(keyed, model(key=["id"], columns=columns)).warnings == ()
