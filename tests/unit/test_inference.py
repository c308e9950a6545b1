"""A first model file from data: types, levels, ranges, key and label guessed, and accepted as it stands."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from typer.testing import CliRunner

from perennial import cli
from perennial.config import ModelConfig, load_model
from perennial.dataset import read_table
from perennial.errors import InvalidData, InvalidModelFile, MissingColumn
from perennial.inference import infer_model, model_name
from perennial.validation import validate

ROWS = 120
SHOP = pa.table(
    {
        "order_id": [f"o{i}" for i in range(ROWS)],
        "size": [str(i / 10) for i in range(ROWS)],
        "change": [str(i - 60) for i in range(ROWS)],
        "colour": ["red", "blue", "no"] * (ROWS // 3),
        "town": [f"town {i % 50}" for i in range(ROWS)],
        "note": [f"note {i % 100}" for i in range(ROWS)],
        "member": ["yes", "No"] * (ROWS // 2),
        "seen": [f"2026-11-{1 + i % 28:02d} 10:00:00" for i in range(ROWS)],
        "spotty": ["", "1", "2", "3"] * (ROWS // 4),
        "same": ["1"] * ROWS,
        "bought": ["0", "1"] * (ROWS // 2),
    }
)


def inferred(table: pa.Table, **options: Any) -> ModelConfig:
    return ModelConfig.model_validate(yaml.safe_load(infer_model(table, "shop", **options)))


def test_what_each_column_seems_to_be() -> None:
    config = inferred(SHOP)
    assert {name: column.type for name, column in config.columns.items()} == {
        "order_id": "text",
        "size": "number",
        "change": "number",
        "colour": "category",
        "town": "category",
        "note": "text",
        "member": "boolean",
        "seen": "datetime",
        "spotty": "number",
        "same": "number",
        "bought": "category",
    }
    assert (config.key, config.label, config.task) == (("order_id",), "bought", "classification")
    assert not config.columns["order_id"].nullable
    assert config.columns["colour"].levels == ("blue", "no", "red")
    assert config.columns["bought"].levels == ("0", "1")
    assert config.columns["town"].levels is None
    assert (config.columns["size"].min, config.columns["size"].max) == (0, 18)
    assert (config.columns["change"].min, config.columns["change"].max) == (-120, 120)
    assert config.validation.max_null_share == pytest.approx(0.4)
    assert validate(SHOP, config).reasons == []


def test_what_is_told_is_not_guessed() -> None:
    config = inferred(SHOP, label="size")
    assert (config.label, config.task) == ("size", "regression")
    assert inferred(SHOP, label="same", task="classification").columns["same"].type == "category"
    with pytest.raises(MissingColumn, match="'weight'"):
        infer_model(SHOP, "shop", label="weight")
    with pytest.raises(InvalidModelFile, match="name"):
        infer_model(SHOP, "No Name")
    with pytest.raises(InvalidData, match="too few columns"):
        infer_model(SHOP.select(["bought"]), "shop")


@pytest.mark.parametrize(
    ("load", "task", "features"),
    [
        (datasets.load_breast_cancer, "classification", 30),
        (datasets.load_wine, "classification", 13),
        (datasets.load_iris, "classification", 4),
        (datasets.load_diabetes, "regression", 10),
    ],
)
def test_real_data(load: Any, task: str, features: int, tmp_path: Path) -> None:
    frame = load(as_frame=True).frame
    frame.to_csv(tmp_path / "data.csv", index=False)
    table = read_table(tmp_path / "data.csv", "data.csv")
    config = inferred(table)
    assert (config.label, config.task, len(config.features)) == ("target", task, features)
    assert validate(table, config).reasons == []


def test_typed_columns_and_a_rare_class() -> None:
    table = pa.table(
        {
            "at": pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 100),
            "on": [True, None] * 50,
            "x": [float(i) for i in range(100)],
            "fraud": [1] * 7 + [0] * 93,
        }
    )
    config = inferred(table)
    assert [column.type for column in config.columns.values()] == [
        "datetime",
        "boolean",
        "number",
        "category",
    ]
    assert config.metric == "balanced_accuracy"
    assert config.key == ()
    assert config.columns["fraud"].levels == ("0", "1")


def test_names_of_models() -> None:
    assert model_name("/data/2026 Sales.parquet") == "sales"
    assert model_name("...") == "model"


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
cells = st.none() | st.sampled_from(
    ["", "1", "2.5", "yes", "no", "2026-01-01", "a: b", "{x}", "\u00fc'\"", "null"]
)


@settings(max_examples=60)
@given(st.dictionaries(names, st.lists(cells, min_size=6, max_size=6), min_size=3, max_size=5))
def test_whatever_the_columns_the_file_is_accepted(columns: dict[str, list[str | None]]) -> None:
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    try:
        config = inferred(table)
    except InvalidData:
        return
    assert list(config.columns) == list(columns)


def test_the_command_prints_or_writes_but_never_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    pa_csv.write_csv(SHOP, buffer)
    source = tmp_path / "My Shop.csv"
    source.write_bytes(buffer.getvalue())
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    runner = CliRunner()
    shown = runner.invoke(cli.app, ["init", "--from", str(source)])
    assert shown.exit_code == 0
    assert yaml.safe_load(shown.stdout)["name"] == "my-shop"
    assert not (tmp_path / "my-shop.yaml").exists()
    assert runner.invoke(cli.app, ["init", "--from", str(source), "--write"]).exit_code == 0
    assert load_model("my-shop", tmp_path).label == "bought"
    again = runner.invoke(cli.app, ["init", "--from", str(source), "--write", "--label", "size"])
    assert isinstance(again.exception, InvalidModelFile)
    assert load_model("my-shop", tmp_path).label == "bought"
    assert runner.invoke(cli.app, ["init", "--from", str(source), "--task", "magic"]).exit_code == 2
