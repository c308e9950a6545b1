"""Metrics: scikit-learn's numbers, without its imports."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn import metrics as reference
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import all_estimators

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile
from perennial.metrics import HIGHER_IS_BETTER, Answers, Metric, ask, contributions, metric_of, scores
from perennial.metrics.answers import LIKELIEST
from perennial.metrics.scores import on_places

RANDOM = np.random.default_rng(4)
LABELS = RANDOM.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1]).astype(object)
PREDICTED = np.where(RANDOM.random(300) < 0.7, LABELS, RANDOM.choice(["a", "b", "d"], 300)).astype(object)
PROBABILITIES = RANDOM.dirichlet([1, 1, 1], 300)
NUMBERS = RANDOM.normal(10, 3, 300)
ESTIMATES = NUMBERS + RANDOM.normal(0, 1, 300)


def _calibration_error() -> float:
    """Bin by bin, as it is defined."""
    top, said = PROBABILITIES.max(axis=1), np.array(["a", "b", "c"])[PROBABILITIES.argmax(axis=1)]
    found = 0.0
    for number in range(15):
        inside = (top > number / 15) & (top <= (number + 1) / 15)
        if inside.any():
            found += inside.mean() * abs((said == LABELS)[inside].mean() - top[inside].mean())
    return found


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_classification_metrics_are_scikit_learns() -> None:
    found = scores(LABELS, Answers(PREDICTED, PROBABILITIES, np.array(["a", "b", "c"])), "classification")
    assert found == pytest.approx(
        {
            "accuracy": reference.accuracy_score(LABELS, PREDICTED),
            "balanced_accuracy": reference.balanced_accuracy_score(LABELS, PREDICTED),
            "f1_macro": reference.f1_score(LABELS, PREDICTED, average="macro"),
            "log_loss": reference.log_loss(LABELS, PROBABILITIES),
            "roc_auc": reference.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr"),
            "brier": np.mean(
                np.sum((PROBABILITIES - (LABELS[:, None] == np.array(["a", "b", "c"]))) ** 2, axis=1)
            ),
            "calibration_error": _calibration_error(),
        }
    )


@pytest.mark.parametrize("name", ["f1_macro", "calibration_error"])
def test_a_score_prepared_for_draws_is_the_score_of_these_rows(name: str) -> None:
    answers = Answers(PREDICTED, PROBABILITIES, np.array(["a", "b", "c"]))
    prepared = on_places(name, LABELS, answers)
    assert prepared is not None
    for size in (1, 40, 300):
        places = RANDOM.integers(300, size=size)
        whole = scores(LABELS[places], answers.of(places), "classification")
        assert prepared(places) == pytest.approx(whole[name])


def test_regression_metrics_are_scikit_learns() -> None:
    assert scores(NUMBERS, Answers(ESTIMATES), "regression") == pytest.approx(
        {
            "r2": reference.r2_score(NUMBERS, ESTIMATES),
            "mae": reference.mean_absolute_error(NUMBERS, ESTIMATES),
            "rmse": reference.root_mean_squared_error(NUMBERS, ESTIMATES),
            "mape": reference.mean_absolute_percentage_error(NUMBERS, ESTIMATES),
            "pinball": reference.mean_pinball_loss(NUMBERS, ESTIMATES, alpha=0.5),
        }
    )


def test_without_probabilities_there_is_no_log_loss() -> None:
    assert "log_loss" not in scores(LABELS, Answers(PREDICTED), "classification")


def test_a_label_the_model_never_saw_costs_much_but_not_everything() -> None:
    answers = Answers(np.array(["a"]), np.array([[0.9, 0.1]]), np.array(["a", "b"]))
    assert 30 < scores(np.array(["z"]), answers, "classification")["log_loss"] < 40


def test_equal_labels_have_no_spread_to_explain() -> None:
    same = np.full(5, 2.0)
    assert scores(same, Answers(same), "regression")["r2"] == 1.0
    assert scores(same, Answers(same + 1), "regression")["r2"] == 0.0


def test_no_rows_no_metrics() -> None:
    assert scores(np.array([]), Answers(np.array([])), "regression") == {}


def test_two_classes_are_measured_by_the_second() -> None:
    labels = np.where(LABELS == "a", "no", "yes").astype(object)
    given = np.round(RANDOM.random(300), 1)  # with ties
    answers = Answers(labels, np.column_stack([1 - given, given]), np.array(["no", "yes"]))
    found = scores(labels, answers, "classification")
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(labels == "yes", given))
    assert found["brier"] == pytest.approx(reference.brier_score_loss(labels == "yes", given))


def test_one_class_has_no_roc_auc() -> None:
    answers = Answers(np.array(["a", "a"]), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array(["a", "b"]))
    assert "roc_auc" not in scores(np.array(["a", "a"]), answers, "classification")


def test_labels_of_zero_are_left_out_of_the_percentage_error() -> None:
    labels, answers = np.array([0.0, 10.0, -20.0]), Answers(np.array([5.0, 11.0, -10.0]))
    assert scores(labels, answers, "regression")["mape"] == pytest.approx((0.1 + 0.5) / 2)
    rows = contributions("mape", labels, answers)
    assert rows is not None
    assert -rows.mean() == pytest.approx(0.3)
    assert "mape" not in scores(np.zeros(2), Answers(np.ones(2)), "regression")


def test_pinball_loss_of_a_quantile() -> None:
    found = scores(NUMBERS, Answers(ESTIMATES), "regression", quantile=0.9)
    assert found["pinball"] == pytest.approx(reference.mean_pinball_loss(NUMBERS, ESTIMATES, alpha=0.9))


def model(metric: str, task: str = "classification", **policy: Any) -> ModelConfig:
    levels = {"type": "category", "levels": ["a", "b", "c"]}
    return ModelConfig.model_validate(
        {
            "name": "m",
            "task": task,
            "label": "y",
            "columns": {"x": {"type": "number"}, "y": levels if task != "regression" else {"type": "number"}},
            "estimator": {"class": "sklearn.dummy.DummyClassifier"},
            "evaluation": {"metric": metric, **policy},
        }
    )


COSTS = {"a": {"b": 1, "c": 2}, "b": {"a": 5, "c": 1}, "c": {"a": 1, "b": 1, "c": -1}}


def test_a_cost_matrix_prices_every_answer() -> None:
    metric = metric_of(model("cost", costs=COSTS))
    labels, said = np.array(list("aabbc"), object), np.array(list("abacc"), object)
    assert metric.score(labels, Answers(said)) == pytest.approx((0 + 1 + 5 + 1 - 1) / 5)
    assert not metric.higher_is_better
    assert metric.allowed(2.0, 0.1) == pytest.approx(0.2)


OWN = """
import numpy as np

def half(labels, predicted, probabilities):
    return np.where(labels == predicted, 1.0, 0.5)

def whole(labels, predicted, probabilities):
    return float(np.mean(labels == predicted))

def shapeless(labels, predicted, probabilities):
    return [1.0, 2.0]

def broken(labels, predicted, probabilities):
    raise KeyError("no")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "own_metrics_of_test.py").write_text(OWN, encoding="utf-8")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))

    def of(function: str) -> Metric:
        spec = {"function": f"own_metrics_of_test:{function}", "higher_is_better": True}
        return metric_of(model("mine", metrics={"mine": spec}))

    return of


def test_a_metric_of_ones_own_is_a_number_or_one_of_each_row(own: Any) -> None:
    labels, answers = np.array(list("aab"), object), Answers(np.array(list("aba"), object))
    assert own("half").score(labels, answers) == pytest.approx(2 / 3)
    assert own("half").rows(labels, answers).tolist() == [1.0, 0.5, 0.5]
    assert own("whole").score(labels, answers) == pytest.approx(1 / 3)
    assert own("whole").rows(labels, answers) is None
    for function, said in (
        ("shapeless", "3; came shape"),
        ("broken", "KeyError"),
        ("none", "no function none"),
    ):
        with pytest.raises(InvalidModelFile, match=said):
            own(function).score(labels, answers)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metric": "mae"}, "mae is no metric of this classification: expected one of accuracy"),
        ({"metric": "cost"}, "cost is no metric"),
        ({"guardrails": {"speed": 1}}, "speed is no metric"),
        ({"costs": {"a": {"b": 1}}}, "costs lack a: c"),
        ({"costs": {"a": {"z": 1}}}, "z are no levels"),
        ({"slices": ["z"]}, "slices: z is none of the columns"),
        ({"slices": ["x"]}, "numbers have edges"),
        ({"slices": [{"column": "x", "edges": [2, 1]}]}, "must rise"),
        ({"metrics": {"mae": {"function": "m:f", "higher_is_better": True}}}, "other names than mae"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        model(**{"metric": "accuracy", **changes})


@pytest.mark.parametrize("metric", ["accuracy", "brier", "log_loss", "mae", "r2", "rmse", "mape", "pinball"])
def test_the_mean_difference_is_the_gain(metric: str) -> None:
    classes = np.array(["a", "b", "c"])
    if metric in {"accuracy", "brier", "log_loss"}:
        labels, one = LABELS, Answers(PREDICTED, PROBABILITIES, classes)
        other, of = Answers(np.roll(PREDICTED, 1), np.roll(PROBABILITIES, 1, axis=0), classes), model(metric)
    else:
        labels, one, other = NUMBERS, Answers(ESTIMATES), Answers(NUMBERS + 2)
        of = model(metric, "regression")
    found = metric_of(of)
    differences = found.differences(labels, one, other)
    assert differences is not None
    gain = found.gain(found.score(labels, one), found.score(labels, other))
    assert differences.mean() == pytest.approx(gain)
    assert gain != 0


@pytest.mark.parametrize("levels", [["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("path", sorted(LIKELIEST - {"perennial.training.calibration.Calibrated"}))
def test_a_model_asked_once_answers_as_when_asked_twice(path: str, levels: list[str]) -> None:
    """On a coarse grid with coin flips for labels: there are many ties."""
    name = path.rpartition(".")[2]
    fitted = next(kind for found, kind in all_estimators("classifier") if found == name)()
    assert f"{type(fitted).__module__}.{name}" == path
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.integers(0, 6, 400), "y": np.repeat(levels, 400)[:: len(levels)]})
    of = model("accuracy")
    fitted.fit(frame[["x"]].to_numpy(), frame["y"])
    behind = make_pipeline(FunctionTransformer(np.asarray), fitted)
    answers = ask(behind, frame, of)
    assert answers.predicted.tolist() == behind.predict(frame[["x"]]).tolist()


def test_trees_are_asked_once_and_thresholds_respected() -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "y": ["a"] * 30 + ["b"] * 10})
    of = model("accuracy")
    forest = RandomForestClassifier(5, random_state=0)
    cautious = FixedThresholdClassifier(LogisticRegression(), threshold=0.01)
    behind = make_pipeline(StandardScaler(), clone(cautious))
    for model_ in (forest, cautious, behind):
        fitted = model_.fit(frame[["x"]], frame["y"])
        answers = ask(fitted, frame, of)
        assert answers.predicted.tolist() == fitted.predict(frame[["x"]]).tolist()
        assert answers.probabilities == pytest.approx(fitted.predict_proba(frame[["x"]]))


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "mae", "r2", "rmse"])
def test_means_of_contributions_rank_models_as_the_metric_does(metric: str) -> None:
    if metric.endswith("accuracy"):
        labels, one, other, task = (
            LABELS,
            Answers(PREDICTED),
            Answers(np.roll(PREDICTED, 1)),
            "classification",
        )
    else:
        labels, one, other, task = NUMBERS, Answers(ESTIMATES), Answers(NUMBERS + 2), "regression"
    apart = scores(labels, one, task)[metric] - scores(labels, other, task)[metric]
    first, second = contributions(metric, labels, one), contributions(metric, labels, other)
    assert first is not None
    assert second is not None
    mean = float(np.mean(first - second))
    assert np.sign(mean) == np.sign(apart if HIGHER_IS_BETTER[metric] else -apart) != 0
    if metric in {"accuracy", "balanced_accuracy", "mae"}:
        assert mean == pytest.approx(apart if HIGHER_IS_BETTER[metric] else -apart)
