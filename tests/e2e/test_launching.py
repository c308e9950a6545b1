"""Markets that are short, budgets that are spent: which instance a run gets, and what is paid for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from perennial.aws.clients import client
from scenarios import iris
from tests.e2e.support import Deployment, Model, living_instances, until


@contextmanager
def faults(stack: Deployment, *wanted: dict[str, Any]) -> Iterator[None]:
    """EC2 with these faults."""
    file = stack.session.engine.faults
    file.write_text(json.dumps({"faults": list(wanted)}), encoding="utf-8")
    try:
        yield
    finally:
        file.unlink()


def paid(model: Model, run: str) -> list[Any]:
    """A run's attempts, once all of them are paid for."""
    attempts = model.services.attempts
    return (
        until(
            lambda: (
                found
                if (found := attempts.of_run(model.model, run)) and all(item.ended_at for item in found)
                else None
            ),
            f"the costs of {run}",
        )
        or []
    )


def test_where_spot_is_short_the_run_is_on_demand_at_once(stack: Deployment) -> None:
    model = stack.model("demanding")
    with faults(stack, {"kind": "capacity", "market": "spot", "calls": 1, "model": "demanding"}):
        entry = model.ended(lambda: model.upload_frame("flowers.csv", iris.first_season()))
    assert entry["outcome"] == "promoted"
    (attempt,) = paid(model, entry["run"])
    assert (attempt.market, attempt.price_note) == ("on-demand", "on demand")
    assert attempt.instance_type in attempt.types
    assert attempt.dollars == round(attempt.price * attempt.minutes / 60, 6) > 0
    known = model.services.ledger.run(entry["run"]) or {}
    assert float(known["training_dollars"]) == attempt.dollars
    assert known["instance"] == f"{attempt.instance_type} on-demand"
    assert "of accepted data may take 1.5 GiB" in known["instance_reason"]


def test_where_both_markets_are_short_the_run_tries_again_and_stays_with_spot(stack: Deployment) -> None:
    model = stack.model("patient")
    with faults(stack, {"kind": "capacity", "calls": 1, "model": "patient"}):
        entry = model.ended(lambda: model.upload_frame("flowers.csv", iris.first_season()))
    assert entry["outcome"] == "promoted"
    first, second = paid(model, entry["run"])
    assert (first.instance_id, first.dollars) == (None, 0)
    assert second.market == "spot"


def test_a_month_that_is_spent_trains_no_more(stack: Deployment) -> None:
    model = stack.model("thrifty")
    first = model.ended(lambda: model.upload_frame("flowers.csv", iris.first_season()))
    assert first["outcome"] == "promoted"
    paid(model, first["run"])
    rain = iris.season("rain", rows=200, seed=23, scale=2.0)
    second = model.ended(lambda: model.upload_frame("rain.csv", rain))
    assert second["outcome"] == "skipped"
    assert "the budget forbids it: it may cost $0.042" in second["reason"]
    assert "Train On EC2" not in model.path(second["run"])


def test_an_attempt_that_its_run_cannot_afford_is_not_started(stack: Deployment) -> None:
    model = stack.model("strained")
    run = model.started(lambda: model.upload_frame("flowers.csv", iris.first_season()))
    client("ec2").terminate_instances(InstanceIds=[model.trainer(run)])
    entry = model.follow(run)
    assert (entry["outcome"], entry["error"]) == ("failed", "BudgetExceeded")
    assert "the training was not started: it may cost $0.042" in entry["reason"]
    assert "of the run's $0.043 are taken or reserved" in entry["reason"]
    assert [one for one in living_instances() if one["InstanceId"] == run] == []
    (lost,) = paid(model, run)
    assert lost.minutes >= 1
    until(stack.at_rest, "nothing is left")
