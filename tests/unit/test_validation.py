"""Rules held against a batch: what is refused, with what words, and what is merely mended."""

from typing import Any

import pyarrow as pa
import pytest

from perennial.config import ModelConfig, load_model
from perennial.validation import clean, validate

IRIS = load_model("iris")


def batch(rows: int = 120, **columns: list[Any] | None) -> pa.Table:
    """A sound batch, as strings like a CSV, with columns replaced (or dropped by None)."""
    species = ["setosa", "versicolor", "virginica"]
    sound: dict[str, Any] = {
        "flower_id": [f"flower-{i}" for i in range(rows)],
        "sepal_length": [str(5 + i / rows) for i in range(rows)],
        "sepal_width": [str(3 + i / rows) for i in range(rows)],
        "petal_length": [str(1 + 4 * i / rows) for i in range(rows)],
        "petal_width": [str(2 * i / rows) for i in range(rows)],
        "species": [species[i % 3] for i in range(rows)],
    }
    return pa.table({name: values for name, values in {**sound, **columns}.items() if values is not None})


def some(values: list[Any], wrong: Any, rows: int) -> list[Any]:
    return [wrong] * rows + values[rows:]


def column(name: str) -> list[Any]:
    return list(batch().column(name).to_pylist())


def changed(**config: Any) -> ModelConfig:
    return ModelConfig.model_validate(IRIS.model_dump(by_alias=True) | config)


def test_a_sound_batch_passes() -> None:
    result = validate(batch(), IRIS)
    assert result.valid
    assert (result.rows, result.labelled_rows, result.reasons, result.warnings, result.bad) == (
        120,
        120,
        [],
        (),
        {},
    )
    assert [str(field.type) for field in result.table.schema] == ["string", *["double"] * 4, "string"]
    assert result.to_dict() == {
        "valid": True,
        "rows": 120,
        "labelled_rows": 120,
        "reasons": [],
        "problems": [],
        "warnings": [],
        "bad": {},
    }


@pytest.mark.parametrize(
    ("columns", "rule", "rows", "reason"),
    [
        (
            {"petal_width": some(column("petal_width"), "n/a", 61)},
            "type",
            61,
            "column petal_width: 61 of 120 values are not numbers (first: 'n/a'); at most 5 % may be",
        ),
        (
            {"petal_width": some(column("petal_width"), "31", 7)},
            "range",
            7,
            "column petal_width: 7 of 120 values are outside 0 to 30 (first: 31.0); at most 5 % may be",
        ),
        (
            {"petal_width": ["?"] * 4 + ["-1"] * 4 + column("petal_width")[8:]},
            "type+range",
            8,
            (
                "column petal_width: 4 of 120 values are not numbers (first: '?') "
                "and 4 of 120 values are outside 0 to 30 (first: -1.0); at most 5 % may be"
            ),
        ),
        (
            {"species": some(column("species"), "tulip", 7)},
            "levels",
            7,
            (
                "column species: 7 of 120 values are none of the levels setosa, versicolor, virginica "
                "(first: 'tulip'); at most 5 % may be"
            ),
        ),
        (
            {"sepal_width": some(column("sepal_width"), None, 60)},
            "nulls",
            60,
            "column sepal_width: 60 of 120 values are missing; at most 10 % may be",
        ),
        (
            {"flower_id": some(column("flower_id"), None, 1)},
            "nulls",
            1,
            "column flower_id: 1 of 120 values is missing; none may be",
        ),
        (
            {"flower_id": some(column("flower_id"), "flower-119", 7)},
            "unique",
            7,
            "key flower_id: 7 of 120 rows repeat the key of an earlier row; at most 5 % may",
        ),
        (
            {"species": None},
            "missing",
            120,
            (
                "MissingColumn: column species is missing: the label's column was expected, found flower_id, "
                "sepal_length, sepal_width, petal_length, petal_width"
            ),
        ),
        (
            {"petal_width": None},
            "missing",
            120,
            (
                "MissingColumn: column petal_width is missing: it was expected, found flower_id, "
                "sepal_length, sepal_width, petal_length, species"
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_broken_batch_is_refused_with_its_reason(
    columns: dict[str, Any], rule: str, rows: int, reason: str
) -> None:
    result = validate(batch(**columns), IRIS)
    assert not result.valid
    assert result.reasons == [reason]
    assert [(problem.rule, problem.rows) for problem in result.problems] == [(rule, rows)]
    assert result.to_dict()["problems"][0]["message"] == reason


def test_every_reason_is_named_at_once() -> None:
    columns: dict[str, Any] = {"petal_width": ["x"] * 120, "sepal_width": [None] * 120, "species": None}
    assert [problem.column for problem in validate(batch(**columns), IRIS).problems] == [
        "sepal_width",
        "petal_width",
        "species",
    ]


@pytest.mark.parametrize(
    ("rows", "limits", "reason"),
    [
        (19, {"min_rows": 20}, "the batch has 19 rows; at least 20 are needed"),
        (21, {"max_rows": 20}, "the batch has 21 rows; at most 20 may be"),
    ],
)
def test_the_number_of_rows_has_bounds(rows: int, limits: dict[str, int], reason: str) -> None:
    config = changed(validation={"min_rows": 1, **limits})
    assert validate(batch(rows), config).reasons == [reason]
    assert validate(batch(20), config).valid


def test_a_few_wrong_values_are_nulled_and_their_rows_kept() -> None:
    result = validate(
        batch(
            petal_width=["n/a", "99", *column("petal_width")[2:]],
            species=some(column("species"), "tulip", 3),
            extra=["?"] * 120,
        ),
        IRIS,
    )
    assert result.valid
    assert (result.rows, result.labelled_rows) == (120, 117)
    assert result.table.column("petal_width").null_count == 2
    assert result.table.column("species").to_pylist()[:4] == [None, None, None, "setosa"]
    assert result.bad == {"petal_width": 2, "species": 3}
    assert "extra" not in result.table.column_names
    assert result.warnings == (
        "column extra is not in the model file: it was left out",
        "column petal_width: 1 of 120 values is not a number (first: 'n/a'); they count as missing",
        "column petal_width: 1 of 120 values is outside 0 to 30 (first: 99.0); they count as missing",
        (
            "column species: 3 of 120 values are none of the levels setosa, versicolor, virginica "
            "(first: 'tulip'); they count as missing"
        ),
    )


def test_the_share_allowed_is_inclusive() -> None:
    values = column("petal_width")
    assert validate(batch(petal_width=some(values, "?", 6)), IRIS).valid
    assert not validate(batch(petal_width=some(values, "?", 7)), IRIS).valid
    assert validate(batch(petal_width=some(values, None, 12)), IRIS).valid
    assert not validate(batch(petal_width=some(values, None, 13)), IRIS).valid


def test_where_nothing_may_be_missing_nothing_may_be_wrong() -> None:
    columns = {name: entry.model_dump() for name, entry in IRIS.columns.items()}
    columns["petal_width"]["nullable"] = False
    result = validate(batch(petal_width=some(column("petal_width"), "?", 1)), changed(columns=columns))
    assert result.reasons == [
        "column petal_width: 1 of 120 values is not a number (first: '?'); none may be",
    ]


def test_labels_may_come_later_but_not_their_column() -> None:
    result = validate(batch(species=[None] * 120), IRIS)
    assert result.valid
    assert (result.rows, result.labelled_rows) == (120, 0)
    assert result.warnings == ("no row has a value of the label species",)


def test_the_first_row_of_a_repeated_key_stays() -> None:
    ids = column("flower_id")
    ids[5], ids[7] = ids[2], ids[2]
    cleaned = clean(batch(flower_id=ids), IRIS)
    assert (cleaned.table.num_rows, cleaned.repeated, cleaned.rows_before) == (118, 2, 120)
    kept = cleaned.table.column("flower_id").to_pylist()
    assert kept == [value for place, value in enumerate(column("flower_id")) if place not in {5, 7}]
    result = validate(batch(flower_id=ids), IRIS)
    assert result.valid
    assert result.warnings == ("2 rows repeat the key of an earlier row: they were left out",)


def test_a_key_of_several_columns_repeats_only_whole() -> None:
    config = changed(key=["flower_id", "petal_width"])
    ids = ["a"] * 3 + [None, None] + column("flower_id")[5:]
    widths = ["0.5", "1", "0.50", "1", "1", *column("petal_width")[5:]]
    assert clean(batch(flower_id=ids, petal_width=widths), config).repeated == 1


def test_typed_tables_need_no_strings() -> None:
    typed, _ = clean(batch(), IRIS).table, None
    assert validate(typed, IRIS).table == typed
