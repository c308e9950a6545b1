"""What a training learns from, on the deployed stack: each strategy from its decision to who serves."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial import layout
from perennial.contracts.strategy import Strategy
from perennial.lineage import VersionRecord
from scenarios import iris
from tests.e2e.support import Command, Deployment, Model


@dataclass
class Lives:
    """The models of these tests, and the entry of each of their runs, in order."""

    stack: Deployment
    ended: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def go_on(self, **batches: pd.DataFrame) -> None:
        """A batch for each of some models, all at once."""
        models = [self.stack.model(name) for name in batches]
        started = [
            model.started(lambda model=model, frame=frame: model.upload_frame("batch.csv", frame))  # type: ignore[misc]
            for model, frame in zip(models, batches.values(), strict=True)
        ]
        for model, run in zip(models, started, strict=True):
            self.ended.setdefault(model.model, []).append(model.follow(run, patience=300))

    def strategy(self, model: str, run: int) -> Strategy:
        """What the decision of a model's run chose."""
        key = layout.run_key(self.ended[model][run]["run"], layout.DECISION)
        return Strategy.model_validate(self.stack.services.artifacts.get_json(key)["strategy"])

    def outcomes(self, model: str) -> list[str]:
        """How a model's runs ended."""
        return [entry["outcome"] for entry in self.ended[model]]

    def champion(self, model: str) -> VersionRecord:
        """The version that serves at last."""
        version = self.stack.model(model).champion()
        assert version
        return self.stack.services.registry.version(model, version)


@pytest.fixture(scope="module")
def lives(deployment: Deployment) -> Lives:
    """Four seasons of the models whose data changes, side by side."""
    lives = Lives(deployment)
    first = iris.first_season()
    lives.go_on(shifting=first, reversing=first, fading=first, planted=first)
    narrow = iris.season("narrow", rows=900, seed=1).nsmallest(250, "sepal_width")
    reversed_once = iris.mislabelled(iris.season("one", rows=240, seed=1))
    lives.go_on(
        shifting=narrow, reversing=reversed_once, fading=_fading(iris.season("one", rows=400, seed=1))
    )
    reversed_again = iris.mislabelled(iris.season("two", rows=240, seed=2))
    gone = iris.mislabelled(iris.season("two", rows=440, seed=2))  # enough to try again after a rejection
    lives.go_on(reversing=reversed_again, fading=gone)
    lives.go_on(reversing=iris.season("three", rows=200, seed=3))
    return lives


def _fading(flowers: pd.DataFrame) -> pd.DataFrame:
    """More and more species called by the next one's name."""
    wrong = np.random.default_rng(1).random(len(flowers)) < np.linspace(0, 1, len(flowers))
    return flowers.assign(species=iris.mislabelled(flowers)["species"].where(wrong, flowers["species"]))


def test_a_factory_of_the_users_own_is_trained_and_loaded(stack: Deployment, lives: Lives) -> None:
    record = lives.champion("planted")
    assert lives.outcomes("planted") == ["promoted"]
    assert (record.estimator, record.version) == ("garden:build", 1)
    assert record.metrics["accuracy"] > 0.8


def test_other_rows_are_weighted_and_old_ones_stay(stack: Deployment, lives: Lives) -> None:
    strategy = lives.strategy("shifting", 1)
    assert (strategy.name, strategy.weights) == ("weighted", "batch")
    trained = stack.services.registry.version("shifting", 2)
    assert trained.strategy
    assert (trained.strategy.name, trained.strategy.since) == ("weighted", None)
    assert trained.rows_trained + trained.rows_held_out == 400


def test_a_sudden_change_replaces_once_two_batches_agree(stack: Deployment, lives: Lives) -> None:
    assert lives.strategy("reversing", 1).name == "rehearsal"
    assert lives.strategy("reversing", 2).name == "replace"
    assert lives.ended["reversing"][2]["outcome"] == "promoted"
    (replaced,) = [
        record
        for record in stack.services.registry.versions("reversing")
        if record.run == lives.ended["reversing"][2]["run"]
    ]
    assert replaced.strategy
    assert replaced.strategy.name == "replace"
    assert replaced.status == "archived"  # it served until what follows


def test_what_was_true_before_is_recalled_without_an_instance(stack: Deployment, lives: Lives) -> None:
    entry = lives.ended["reversing"][3]
    assert lives.strategy("reversing", 3).name == "recall"
    assert entry["outcome"] == "promoted"
    assert lives.champion("reversing").version == 1
    assert "Train On EC2" not in stack.model("reversing").path(entry["run"])
    assert stack.services.attempts.of_run("reversing", entry["run"]) == []


def test_a_gradual_change_is_weighted_by_age_and_then_a_window(stack: Deployment, lives: Lives) -> None:
    doubted, confirmed = lives.strategy("fading", 1), lives.strategy("fading", 2)
    assert (doubted.name, doubted.weights) == ("weighted", "age")
    assert confirmed.name == "window"
    assert confirmed.since
    assert lives.ended["fading"][2]["outcome"] == "promoted"
    record = lives.champion("fading")
    assert record.run == lives.ended["fading"][2]["run"]
    assert record.strategy
    assert record.strategy.name == "window"


def test_a_search_is_approved_before_it_serves(stack: Deployment, command: Command) -> None:
    model: Model = stack.model("searching")
    run = model.started(lambda: model.upload_frame("first.csv", iris.first_season()))
    model.when_in(run, "Await Approval")
    assert model.champion() is None
    assert command("approve", run, "--reason", "the table of trials looks right") == 0
    assert model.follow(run)["outcome"] == "promoted"
    record = model.services.registry.version("searching", 1)
    assert record.status == "champion"
    assert record.strategy
    assert record.strategy.name == "search"
    assert record.search
    trials = model.services.artifacts.get_json(record.search.key)["trials"]
    assert {trial["estimator"].rpartition(".")[2] for trial in trials} == {
        "DecisionTreeClassifier",
        "KNeighborsClassifier",
    }
    assert record.chosen
