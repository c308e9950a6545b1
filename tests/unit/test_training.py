"""Training: what the schema makes of columns, who may learn from which rows, and errors by name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.artifacts import digest, dump, load
from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.dataset import frame_to_csv
from perennial.errors import InvalidData, InvalidModelFile, NotEnoughLabels, NoTrainingData, TrainingFailed
from perennial.estimator_config import Estimator
from perennial.holdout import holdout_mask
from perennial.metrics import ask
from perennial.policy_config import RetrainPolicy
from perennial.preprocessing import as_text
from perennial.training import build_estimator, build_pipeline, split, train

COLUMNS = {
    "id": Column(type="text"),
    "size": Column(type="number"),
    "colour": Column(type="category"),
    "ripe": Column(type="boolean"),
    "picked": Column(type="datetime"),
    "note": Column(type="text"),
    "kind": Column(type="category", levels=("apple", "pear")),
    "weight": Column(type="number"),
}


def config(
    estimator: str = "sklearn.linear_model.LogisticRegression",
    task: str = "classification",
    label: str = "kind",
    **changes: Any,
) -> ModelConfig:
    params = changes.pop("params", {})
    return ModelConfig.model_validate(
        {
            "name": "fruit",
            "task": task,
            "label": label,
            "key": ("id",),
            "columns": COLUMNS,
            "estimator": Estimator(**{"class": estimator, "params": params}),
            **changes,
        }
    )


REGRESSION = config("sklearn.linear_model.Ridge", "regression", "weight")


def fruit(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Apples are small and red, pears large; every feature column has gaps."""
    random = np.random.default_rng(seed)
    pear = random.random(rows) < 0.5
    gap = random.random((5, rows)) < 0.1
    size = np.where(pear, 9.0, 5.0) + random.normal(size=rows)
    colour = np.where(pear, "green", random.choice(["red", "green"], rows)).astype(object)
    days = pd.Series(pd.to_datetime("2026-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D"))
    return pd.DataFrame(
        {
            "id": [f"fruit-{n}" for n in range(rows)],
            "size": np.where(gap[0], np.nan, size),
            "colour": pd.Series(colour).mask(gap[1]),
            "ripe": pd.Series(random.random(rows) < 0.5).astype("boolean").mask(gap[2]),
            "picked": days.astype("datetime64[us]").mask(gap[3]),
            "note": pd.Series(np.where(pear, "long neck", "round"), dtype=object).mask(gap[4]),
            "kind": pd.Series(np.where(pear, "pear", "apple"), dtype=object),
            "weight": size * 20 + random.normal(size=rows),
        }
    )


def test_every_type_of_column_becomes_finite_numbers() -> None:
    pipeline = build_pipeline(config())
    frame = fruit()
    matrix = pipeline[0].fit_transform(frame)
    # size, weight and the gap in size; 3 colours; 3 of ripe; 7 of the time; 64 of words
    assert matrix.shape == (200, 3 + 3 + 3 + 7 + 64)
    assert matrix.dtype == np.float64
    assert np.isfinite(matrix).all()


@pytest.mark.parametrize("made", ["new", "empty", "infinite"])
def test_values_never_seen_do_not_break_predictions(made: str) -> None:
    model = train(fruit(), config()).pipeline
    row = fruit(1)
    if made == "new":
        row = row.assign(colour="violet", note="never seen", picked=pd.Timestamp("1999-01-01"))
    elif made == "empty":
        row.loc[0, ["size", "colour", "ripe", "picked", "note", "weight"]] = None
    else:
        row["size"] = np.inf
    assert ask(model, row, config()).predicted[0] in {"apple", "pear"}


@pytest.mark.parametrize("kind", ["str", "string", "category", "object"])
def test_text_is_the_same_however_the_column_is_stored(kind: Any) -> None:
    column = pd.Series(["a", None, "b", pd.NA, "a"], dtype="object").astype(kind)
    assert as_text(column, "gone").tolist() == ["a", "gone", "b", "gone", "a"]


def test_text_of_values_of_many_kinds_is_each_ones_own() -> None:
    assert as_text(pd.Series([1, 1.0, True, None, "1"], dtype=object), "").tolist() == [
        "1",
        "1.0",
        "True",
        "",
        "1",
    ]


def test_a_column_without_any_value_is_no_obstacle() -> None:
    frame = fruit().assign(size=np.nan)
    frame.loc[:, "picked"] = None
    assert np.isfinite(build_pipeline(config())[0].fit_transform(frame)).all()


def test_it_learns_what_is_there_and_scores_it_on_rows_it_never_saw() -> None:
    trained = train(fruit(400), config())
    assert trained.metrics["accuracy"] > 0.95
    assert {"accuracy", "balanced_accuracy", "f1_macro", "log_loss"} <= set(trained.metrics)
    assert not set(trained.training["id"]) & set(trained.holdout["id"])
    assert len(trained.training) + len(trained.holdout) == 400

    regression = train(fruit(400), REGRESSION)
    assert regression.metrics["r2"] > 0.8
    assert {"r2", "mae", "rmse"} <= set(regression.metrics)


def test_the_same_rows_and_seed_give_the_same_model() -> None:
    forest = config("sklearn.ensemble.RandomForestClassifier", params={"n_estimators": 5}, seed=3)
    assert dump(train(fruit(), forest).pipeline) == dump(train(fruit(), forest).pipeline)


def test_a_stored_pipeline_answers_as_before() -> None:
    model = train(fruit(), config()).pipeline
    body = dump(model)
    rows = fruit(50, seed=9)
    assert (
        ask(load(body, digest(body)), rows, config()).predicted == ask(model, rows, config()).predicted
    ).all()


def test_no_holdout_row_is_trained_on_in_any_retraining() -> None:
    frame = fruit(300)
    held = set(frame["id"][holdout_mask(frame, ["id"], 0.2)])
    for seed in range(3):
        sample = frame.sample(frac=0.7, random_state=seed)
        parts = split(sample, config())
        assert set(parts.holdout["id"]) == held & set(sample["id"])
        assert not set(parts.training["id"]) & held


def test_without_a_key_equal_features_go_to_one_side() -> None:
    keyless = config(key=(), columns={k: v for k, v in COLUMNS.items() if k != "id"})
    frame = fruit(100)
    again = frame.assign(kind="pear")  # same features, another label
    parts = split(pd.concat([frame, again], ignore_index=True), keyless)
    features = [name for name in keyless.features if name != "kind"]
    assert not set(map(str, parts.training[features].to_numpy())) & set(
        map(str, parts.holdout[features].to_numpy())
    )


def test_rows_without_a_label_and_repeated_rows_are_dropped() -> None:
    frame = fruit(120).assign(recent=False)
    twice = frame.assign(recent=True)
    unlabelled = fruit(40, seed=5).assign(id=[f"u{n}" for n in range(40)], kind=None, recent=True)
    misspelt = fruit(40, seed=6).assign(id=[f"m{n}" for n in range(40)], kind="peer", recent=True)
    parts = split(pd.concat([frame, twice, unlabelled, misspelt], ignore_index=True), config())
    assert len(parts.training) + len(parts.holdout) == 120
    assert not parts.training["recent"].any()  # the first of equal rows stays


WITHOUT_ARROW = """
import sys
from pathlib import Path
class NoArrow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NoArrow())
from perennial.artifacts import digest, load
from perennial.config import ModelConfig
from perennial.dataset import read_sample
from perennial.metrics import ask
folder = Path(sys.argv[1])
config = ModelConfig.model_validate_json((folder / "config").read_text())
body = (folder / "model").read_bytes()
answers = ask(load(body, digest(body)), read_sample((folder / "rows").read_bytes(), config), config)
print(",".join(answers.predicted))
"""


def test_a_model_trained_beside_pyarrow_answers_the_same_without_it(tmp_path: Path) -> None:
    """Evaluate Challenger has no pyarrow, with which pandas would keep strings in another type."""
    model, rows = train(fruit(), config()).pipeline, fruit(40, seed=8)
    (tmp_path / "model").write_bytes(dump(model))
    (tmp_path / "rows").write_bytes(frame_to_csv(rows))
    (tmp_path / "config").write_text(config().model_dump_json(by_alias=True))
    there = subprocess.run(
        [sys.executable, "-c", WITHOUT_ARROW, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert there.returncode == 0, there.stderr
    assert there.stdout.strip().split(",") == ask(model, rows, config()).predicted.tolist()


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (fruit(20), NotEnoughLabels, "expected at least 50 different rows with kind, came 20"),
        (fruit(100).assign(kind=None), NotEnoughLabels, "came 0"),
        (pd.concat([fruit(20)] * 5), NotEnoughLabels, "came 20"),
        (fruit(100).assign(kind="pear"), NoTrainingData, "at least 2 classes of kind .* came only 'pear'"),
    ],
)
def test_too_little_to_learn_from(frame: pd.DataFrame, error: type[InvalidData], message: str) -> None:
    with pytest.raises(error, match=message):
        train(frame, config())


def test_a_model_file_may_ask_for_fewer_rows() -> None:
    assert train(fruit(20), config(policy=RetrainPolicy(min_labelled_rows=10))).metrics


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (config("sklearn.ensemble.RandomForst"), "is no scikit-learn estimator"),
        (config("sklearn.no_such_module.Thing"), "cannot be imported"),
        (config("sklearn.metrics.accuracy_score"), "is no scikit-learn estimator"),
        (config("sklearn.preprocessing.StandardScaler"), "does no classification"),
        (config("sklearn.linear_model.Ridge"), "does no classification"),
        (config("sklearn.linear_model.LogisticRegression", "regression", "weight"), "does no regression"),
        (
            config("sklearn.linear_model.Ridge", "regression", "kind"),
            "needs a number as label, kind is a category",
        ),
        (config(params={"colour": "red"}), "cannot be made.*colour"),
        (config(params={"C": "much"}), "cannot be made.*'C'"),
        (config("sklearn.ensemble.VotingClassifier"), "cannot be made"),
    ],
)
def test_an_estimator_that_cannot_be_used(of: ModelConfig, message: str) -> None:
    with pytest.raises(InvalidModelFile, match=message):
        train(fruit(), of)


def test_the_seed_goes_where_one_is_taken_unless_the_model_file_says_otherwise() -> None:
    forest = "sklearn.ensemble.RandomForestClassifier"
    assert build_estimator(config(forest, seed=11)).random_state == 11
    assert build_estimator(config(forest, seed=11, params={"random_state": 2})).random_state == 2
    assert (
        "random_state" not in build_estimator(config("sklearn.naive_bayes.GaussianNB", seed=11)).get_params()
    )


def test_what_the_estimator_cannot_do_is_told_in_its_own_words() -> None:
    with pytest.raises(TrainingFailed, match="MultinomialNB: ValueError: Negative values"):
        train(fruit(), config("sklearn.naive_bayes.MultinomialNB"))
