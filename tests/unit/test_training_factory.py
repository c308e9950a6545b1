"""A user's own function, packaged with the models, and what of it reaches a Lambda."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.artifacts import dump
from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.errors import InvalidModelFile
from perennial.metrics import ask
from perennial.training import PlainRows, build_pipeline, fit

MODULE = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from . import own_helper
import numpy as np

class Sign(ClassifierMixin, BaseEstimator):
    "Says hot above zero."
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self
    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] > own_helper.BOUND, "hot", "cold")

def sign(config):
    return Sign()

def forest(config):
    return RandomForestClassifier(n_estimators=4, **config.estimator.params)

def whole(config):
    return Pipeline([("scale", StandardScaler()), ("last", LogisticRegression())])

def number(config):
    return 3

def broken(config):
    raise KeyError("depth")
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_module.py").write_text(MODULE)
    (tmp_path / "own_helper.py").write_text("BOUND = 0.0\n")
    (tmp_path / "own_typo.py").write_text("import no_such_library\n")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    for name in ("own_module", "own_helper", "own_typo"):
        monkeypatch.delitem(sys.modules, f"perennial.factories.{name}", raising=False)
    return tmp_path


def config(factory: str, **block: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "own",
            "task": "classification",
            "label": "label",
            "columns": {"x": Column(type="number"), "label": Column(type="category")},
            "estimator": {"factory": factory, **block},
            "seed": 4,
        }
    )


def rows() -> PlainRows:
    x = np.random.default_rng(0).normal(size=80)
    return PlainRows(pd.DataFrame({"x": x, "label": np.where(x > 0, "hot", "cold")}), np.ones(80))


UNPICKLE = """
import sys
from pathlib import Path
from perennial.artifacts import digest, load
import pandas as pd
body = Path(sys.argv[1]).read_bytes()
model = load(body, digest(body))
print(model.predict(pd.DataFrame({"x": [-1.0, 1.0]})).tolist(), type(model[-1]).__module__)
"""


def test_its_classes_are_found_by_another_process(models: Path) -> None:
    fitted = fit(rows(), config("own_module:sign"))
    assert fitted.estimator == "own_module:sign"
    (models / "model").write_bytes(dump(fitted.pipeline))
    done = subprocess.run(
        [sys.executable, "-c", UNPICKLE, str(models / "model")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PERENNIAL_MODELS": str(models)},
    )
    assert done.stdout.strip() == "['cold', 'hot'] perennial.factories.own_module", done.stderr


def test_an_estimator_stands_behind_the_preprocessing_and_is_seeded() -> None:
    pipeline = build_pipeline(config("own_module:forest", params={"max_depth": 2}))
    assert list(pipeline.named_steps) == ["preprocessing", "estimator"]
    assert pipeline[-1].get_params()["random_state"] == 4
    assert pipeline[-1].get_params()["max_depth"] == 2


def test_a_pipeline_does_everything_itself_and_hands_weights_on() -> None:
    whole = config("own_module:whole", class_weight={"hot": 1000.0})
    fitted = fit(rows(), whole)
    assert list(fitted.pipeline.named_steps) == ["scale", "last"]
    assert fitted.pipeline[-1].random_state == 4
    assert np.mean(ask(fitted.pipeline, rows().frame, whole).predicted == "hot") > 0.55
    calibrated = config("own_module:whole", calibration={"folds": 3})
    answers = ask(fit(rows(), calibrated).pipeline, rows().frame, calibrated)
    assert np.mean(answers.predicted == rows().frame["label"]) > 0.9


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("no_module:build", "no_module.py, expected beside the model files, cannot be imported"),
        ("own_typo:build", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("own_module:nothing", "own_module.py has no function nothing"),
        ("own_module:number", "expected to return an estimator or a Pipeline, came int"),
        ("own_module:Sign", "cannot be made|came"),
        ("own_module:broken", "KeyError: 'depth'"),
    ],
)
def test_what_cannot_be_used_is_named(factory: str, message: str) -> None:
    with pytest.raises(InvalidModelFile, match=message):
        fit(rows(), config(factory))


def test_a_factory_is_no_path() -> None:
    for wrong in ("../module:build", "module", "os.path:join", "module:build()"):
        with pytest.raises(ValueError, match="factory"):
            config(wrong)
