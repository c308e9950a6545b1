"""Metrics: scikit-learn's numbers, without its imports."""

import numpy as np
import pytest
from sklearn import metrics as reference

from perennial.metrics import HIGHER_IS_BETTER, Answers, contributions, scores

RANDOM = np.random.default_rng(4)
LABELS = RANDOM.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1]).astype(object)
PREDICTED = np.where(RANDOM.random(300) < 0.7, LABELS, RANDOM.choice(["a", "b", "d"], 300)).astype(object)
PROBABILITIES = RANDOM.dirichlet([1, 1, 1], 300)
NUMBERS = RANDOM.normal(10, 3, 300)
ESTIMATES = NUMBERS + RANDOM.normal(0, 1, 300)


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_classification_metrics_are_scikit_learns() -> None:
    found = scores(LABELS, Answers(PREDICTED, PROBABILITIES, np.array(["a", "b", "c"])), "classification")
    assert found == pytest.approx(
        {
            "accuracy": reference.accuracy_score(LABELS, PREDICTED),
            "balanced_accuracy": reference.balanced_accuracy_score(LABELS, PREDICTED),
            "f1_macro": reference.f1_score(LABELS, PREDICTED, average="macro"),
            "log_loss": reference.log_loss(LABELS, PROBABILITIES),
        }
    )


def test_regression_metrics_are_scikit_learns() -> None:
    assert scores(NUMBERS, Answers(ESTIMATES), "regression") == pytest.approx(
        {
            "r2": reference.r2_score(NUMBERS, ESTIMATES),
            "mae": reference.mean_absolute_error(NUMBERS, ESTIMATES),
            "rmse": reference.root_mean_squared_error(NUMBERS, ESTIMATES),
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
    mean = float(np.mean(contributions(metric, labels, one) - contributions(metric, labels, other)))
    assert np.sign(mean) == np.sign(apart if HIGHER_IS_BETTER[metric] else -apart) != 0
    if metric in {"accuracy", "balanced_accuracy", "mae"}:
        assert mean == pytest.approx(apart if HIGHER_IS_BETTER[metric] else -apart)
