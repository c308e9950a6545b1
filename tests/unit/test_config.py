"""What a user may write into models/<name>.yaml, and how what he may not is named."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from perennial.config import ModelConfig, load_model, model_names, models_dir
from perennial.config_fields import Duration, parse_duration
from perennial.errors import InvalidModelFile, UnknownModel

LEAST: dict[str, Any] = {
    "name": "small",
    "task": "regression",
    "label": "y",
    "columns": {"x": {"type": "number"}, "y": {"type": "number"}},
    "estimator": {"class": "sklearn.linear_model.Ridge"},
}


def write(folder: Path, document: Any, name: str = "small") -> Path:
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1.5h", timedelta(minutes=90)),
        (" 7d ", timedelta(days=7)),
        ("PT4S", timedelta(seconds=4)),
        (60, timedelta(minutes=1)),
    ],
)
def test_durations_are_read(text: str | int, duration: timedelta) -> None:
    assert TypeAdapter(Duration).validate_python(text) == duration


@pytest.mark.parametrize("text", ["soon", "5 weeks", "s", "-5m", "1h30m", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


@given(st.integers(0, 10**6), st.sampled_from("smhd"))
def test_a_duration_survives_json(number: int, unit: str) -> None:
    duration = TypeAdapter(Duration)
    value = duration.validate_python(f"{number}{unit}")
    assert duration.validate_json(duration.dump_json(value)) == value
    assert parse_duration(value) is value


def test_the_least_file_gets_the_defaults(tmp_path: Path) -> None:
    config = load_model("small", write(tmp_path, LEAST))
    assert config.features == ["x"]
    assert config.metric == "r2"
    assert config.policy.cooldown == timedelta(hours=24)
    assert (config.holdout, config.seed, config.key) == (0.2, 0, ())
    assert config.training.market == "spot"


def test_features_keep_the_order_of_the_file_without_label_and_key(tmp_path: Path) -> None:
    columns = {name: {"type": "number"} for name in ("z", "id", "y", "a")}
    document = yaml.safe_dump({**LEAST, "columns": columns, "key": ["id"]}, sort_keys=False)
    assert load_model("small", write(tmp_path, document)).features == ["z", "a"]


def test_the_metric_is_the_tasks_own_unless_named(tmp_path: Path) -> None:
    named = {**LEAST, "evaluation": {"metric": "mae"}}
    assert load_model("small", write(tmp_path, named)).metric == "mae"
    labels = {**LEAST, "task": "classification"}
    assert load_model("small", write(tmp_path, labels)).metric == "accuracy"


def test_the_demonstration_model_is_what_the_readme_says() -> None:
    iris = load_model("iris")
    assert iris.label == "species"
    assert iris.features == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert iris.columns["species"].levels == ("setosa", "versicolor", "virginica")
    assert iris.bake.duration == timedelta(seconds=4)


@pytest.mark.parametrize("name", model_names())
def test_every_model_file_of_the_repository_is_valid_and_survives_json(name: str) -> None:
    config = load_model(name)
    assert ModelConfig.model_validate_json(config.model_dump_json(by_alias=True)) == config


@pytest.mark.parametrize("name", ["none", "", "../iris", "iris.yaml", "Iris", "iris\n", "a" * 41, "*"])
def test_a_name_without_a_file_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModel, match=r"expected one of .*iris"):
        load_model(name)


def test_where_there_are_no_models_it_says_so(tmp_path: Path) -> None:
    assert model_names(tmp_path) == []
    with pytest.raises(UnknownModel, match="expected one of none"):
        load_model("iris", tmp_path)


def test_a_path_that_leaves_the_folder_is_unknown_even_if_it_exists(tmp_path: Path) -> None:
    write(tmp_path, LEAST)
    (tmp_path / "inner").mkdir()
    with pytest.raises(UnknownModel):
        load_model("../small", tmp_path / "inner")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "z"}, "not found: z"),
        ({"key": ["id"]}, "not found: id"),
        ({"columns": {"y": {"type": "number"}}}, "no feature is left"),
        ({"key": ["x"]}, "no feature is left"),
        ({"task": "clustering"}, "task"),
        ({"colums": {}}, "colums"),
        ({"policy": {"cooldown": "soon"}}, "policy.cooldown"),
        ({"policy": {"cooldwon": "1h"}}, "cooldwon"),
        ({"holdout": 0}, "holdout"),
        ({"holdout": 0.95}, "holdout"),
        ({"drift": {"alpha": 2}}, "drift.alpha"),
        ({"validation": {"min_rows": 0}}, "validation.min_rows"),
        ({"columns": {"x": {"type": "integer"}, "y": {"type": "number"}}}, "columns.x.type"),
        ({"evaluation": {"metric": "roc_auc"}}, "evaluation: roc_auc is no metric of this regression"),
        ({"estimator": {"class": "os.system"}}, "estimator.class"),
        ({"estimator": {"class": "sklearn"}}, "estimator.class"),
        ({"estimator": {"class": "sklearn_evil.Model"}}, "estimator.class"),
        ({"training": {"market": "reserved"}}, "training.market"),
        ({"training": {"max_dollars": 0}}, "training.max_dollars"),
        ({"training": {"max_duration": "4h"}}, "training.max_duration"),
        ({"training": {"max_duration": "0s"}}, "training.max_duration"),
        ({"policy": {"cooldown": -60}}, "policy.cooldown"),
        ({"key": ["y"]}, "the label y cannot be part of the key"),
        ({"name": "Small"}, "name"),
        ({"name": "other"}, "is named 'other': expected 'small'"),
    ],
    ids=str,
)
def test_a_file_that_says_what_it_may_not_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    load_model("small", write(tmp_path, LEAST))
    with pytest.raises(InvalidModelFile) as refused:
        load_model("small", write(tmp_path, {**LEAST, **change}))
    assert str(refused.value).startswith("small.yaml ")
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list", "a: [1", "a: 1\na: {", "\t"])
def test_what_is_no_model_file_at_all_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidModelFile):
        load_model("small", write(tmp_path, text))


@given(st.binary() | st.text().map(str.encode))
def test_whatever_a_file_holds_the_error_has_a_name(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    folder = tmp_path_factory.mktemp("models")
    (folder / "small.yaml").write_bytes(body)
    with pytest.raises(InvalidModelFile):
        load_model("small", folder)


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelFile):
        load_model("small", write(tmp_path, "!!python/object/apply:os.system ['true']"))


def test_models_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, LEAST)
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    assert models_dir() == tmp_path
    assert model_names() == ["small"]
    assert load_model("small").task == "regression"
