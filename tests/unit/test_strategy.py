"""Which strategy is chosen: what holds for all findings, then each kind of drift."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import ModelConfig
from perennial.contracts.batch import DataSummary
from perennial.contracts.decision import Decision
from perennial.contracts.drift import ConceptChange, DriftSummary
from perennial.strategy import Known, choose

NOW, CHANGED = datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
KNOWN = Known(champion=3, rows=5_000, trained_at=datetime(2026, 11, 1, tzinfo=UTC))
DATA = DataSummary(valid=True, rows=300, labelled_rows=300, reasons=())


def config(
    name: str = "auto", *, estimator: str = "sklearn.linear_model.SGDClassifier", **policy: Any
) -> Any:
    return ModelConfig.model_validate(
        {
            "name": "m",
            "task": "classification",
            "label": "y",
            "columns": {"x": {"type": "number"}, "y": {"type": "category"}},
            "estimator": {"class": estimator},
            "strategy": {"name": name, **policy},
        }
    )


def change(kind: Any = "sudden", *, batches: int = 2, rows: int = 600) -> ConceptChange:
    return ConceptChange(kind=kind, since=CHANGED, batches=batches, rows=rows)


def drift(*kinds: Any, concept: ConceptChange | None = None) -> DriftSummary:
    return DriftSummary(
        compared=True,
        drifted=bool(kinds),
        kinds=kinds,
        columns=(),
        score=0.1,
        summary="drift",
        concept=concept,
    )


changes = st.none() | st.builds(
    change,
    st.sampled_from(["sudden", "gradual", "recurring"]),
    batches=st.integers(1, 5),
    rows=st.integers(0, 900),
)
found = st.builds(
    lambda kinds, concept: drift(*kinds, concept=concept),
    st.sets(st.sampled_from(["data", "label", "prediction", "concept", "schema"])),
    changes,
)
pasts = st.builds(
    Known,
    champion=st.just(3),
    rows=st.integers(0, 10**7),
    trained_at=st.just(NOW),
    since=st.none() | st.just(CHANGED),
    archived=st.integers(0, 4),
)


@given(found, pasts, st.integers(0, 500))
def test_every_choice_says_why_and_what_it_refused_to_do(
    drift: DriftSummary, known: Known, labelled: int
) -> None:
    data = DATA.model_copy(update={"labelled_rows": labelled})
    choice = choose(drift, data, known, config())
    strategy = choice.strategy
    assert strategy.reason
    assert (strategy.name == "recall") == (strategy.fallback is not None)
    assert (strategy.name == "weighted") == (strategy.weights is not None)
    trained = strategy.fallback or strategy
    assert trained.name != "recall"
    if trained.since not in (None, known.since):
        assert trained.name in {"replace", "window"}
        assert trained.since == CHANGED
    if drift.concept is None:
        assert trained.name not in {"replace", "window", "rehearsal"}


@given(found, pasts)
def test_without_a_champion_everything_is_learnt(drift: DriftSummary, known: Known) -> None:
    assert choose(drift, DATA, replace(known, champion=None), config()).strategy.name == "full"


@pytest.mark.parametrize(
    ("concept", "name", "weights", "since"),
    [
        (change("sudden"), "replace", None, CHANGED),
        (change("recurring"), "replace", None, CHANGED),
        (change("gradual"), "window", None, CHANGED),
        (change("sudden", batches=1), "rehearsal", None, None),
        (change("gradual", batches=1), "weighted", "age", None),
    ],
)
def test_a_changed_relation(concept: ConceptChange, name: str, weights: Any, since: Any) -> None:
    strategy = choose(drift("concept", concept=concept), DATA, KNOWN, config()).strategy
    assert (strategy.name, strategy.weights, strategy.since) == (name, weights, since)
    assert strategy.seen_until == KNOWN.trained_at


def test_too_few_rows_since_a_change_keep_the_old_ones() -> None:
    few = DATA.model_copy(update={"labelled_rows": 60})
    choice = choose(drift("concept", concept=change(rows=120)), few, KNOWN, config())
    assert choice.strategy.name == "rehearsal"
    assert any("120 labelled rows are since then" in refused for refused in choice.refused)


def test_archived_versions_are_tried_before_any_training() -> None:
    strategy = choose(drift("concept", concept=change()), DATA, replace(KNOWN, archived=2), config()).strategy
    assert (strategy.name, strategy.since) == ("recall", CHANGED)
    assert strategy.fallback
    assert strategy.fallback.name == "replace"
    assert "2 archived versions" in strategy.reason


def test_a_model_file_may_rule_out_recalling() -> None:
    known = replace(KNOWN, archived=2)
    chosen = choose(drift("concept", concept=change()), DATA, known, config(recall_versions=0))
    assert chosen.strategy.name == "replace"


@pytest.mark.parametrize(
    ("kinds", "name", "weights"),
    [
        (("data",), "weighted", "batch"),
        (("data", "concept"), "weighted", "batch"),
        (("label",), "weighted", "labels"),
        (("prediction",), "full", None),
        ((), "full", None),
    ],
)
def test_rows_that_come_otherwise_keep_the_old_ones(kinds: Any, name: str, weights: Any) -> None:
    strategy = choose(drift(*kinds), DATA, KNOWN, config()).strategy
    assert (strategy.name, strategy.weights, strategy.since) == (name, weights, None)


def test_a_concept_given_up_once_stays_given_up() -> None:
    strategy = choose(drift("data"), DATA, replace(KNOWN, since=CHANGED), config()).strategy
    assert strategy.since == CHANGED


@pytest.mark.parametrize(
    ("policy", "estimator", "name"),
    [
        ({"incremental_rows": 5_000}, "sklearn.linear_model.SGDClassifier", "incremental"),
        ({"incremental_rows": 5_001}, "sklearn.linear_model.SGDClassifier", "full"),
        ({"incremental_rows": 5_000}, "sklearn.tree.DecisionTreeClassifier", "full"),
        ({}, "sklearn.linear_model.SGDClassifier", "full"),
    ],
)
def test_very_many_rows_are_gone_on_from(policy: Any, estimator: str, name: str) -> None:
    assert choose(drift(), DATA, KNOWN, config(estimator=estimator, **policy)).strategy.name == name


@pytest.mark.parametrize(
    "name", ["full", "weighted", "incremental", "rehearsal", "replace", "recall", "search"]
)
def test_the_model_file_has_the_last_word(name: str) -> None:
    assert choose(drift("data"), DATA, KNOWN, config(name)).strategy.name == name


def test_what_was_refused_stands_among_the_alternatives() -> None:
    decision = Decision(action="retrain", summary="s", reasons=("s",), alternatives=("skip: no",))
    choice = choose(drift("data"), DATA, KNOWN, config())
    told = choice.told_in(decision)
    assert told.strategy == choice.strategy
    assert told.alternatives == ("skip: no", *choice.refused)
    assert any(refused.startswith("replace: ") for refused in choice.refused)
