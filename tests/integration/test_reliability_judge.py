"""The judge of the fault campaign finds what a run left behind."""

from typing import Any, cast

import pytest

from bench.reliability import KINDS, draw
from bench.reliability_judge import PROMISES, judge
from perennial.artifacts import digest
from perennial.aws.wiring import Services
from scenarios.stack import DeployedStack
from tests.integration import moto_support

pytestmark = pytest.mark.integration

RUN, BATCH = "run-1", b"a,b\n1,2\n"


class Seen:
    """What the judge asks of a stack."""

    model = "iris"

    def __init__(self, services: Services) -> None:
        self.services = services


def ended(services: Services, outcome: str | None = "promoted") -> None:
    """A run that kept every promise."""
    services.data.put(f"accepted/iris/dt=2026-01-01/{RUN}/batch.csv", BATCH)
    stored = services.artifacts.put_artifact("models/iris/000001/model.joblib", BATCH, digest(BATCH))
    files: dict[str, Any] = dict.fromkeys(("artifact", "baseline", "holdout", "reference"), stored)
    services.registry.register(moto_support.record(1, run=RUN, **files))
    moto_support.serve(services, 1)
    facts: dict[str, Any] = {"challenger": 1} | ({"outcome": outcome} if outcome else {})
    services.ledger.note(RUN, **facts)


def broken(services: Services, left: tuple[str, ...] = ()) -> set[str]:
    """The promises that the judge finds broken."""
    stack = cast("DeployedStack", Seen(services))
    return {promise for promise, _ in judge(stack, RUN, BATCH, {"kind": "kill"}, 1.0, (), (), left).broken}


def test_kept_promises(services: Services) -> None:
    ended(services)
    assert broken(services) == set()


def test_broken_promises(services: Services) -> None:
    ended(services, outcome=None)
    assert broken(services, left=("i-1",)) == {"no outcome", "instance left", "champion is not the run's"}


def test_lost_and_doubled_batches(services: Services) -> None:
    ended(services)
    services.data.put("incoming/iris/batch.csv", BATCH)
    assert broken(services) == {"batch lost or doubled"}


def test_half_written_version(services: Services) -> None:
    ended(services)
    services.registry.register(moto_support.record(2, run=RUN))
    assert broken(services) == {"half-written version visible"}


def test_lock_that_was_left(services: Services) -> None:
    ended(services)
    services.lock.acquire("iris", RUN, moto_support.NOW)
    assert broken(services) == {"lock left"}


def test_every_promise_is_told_and_every_fault_drawn_again_for_the_same_seed() -> None:
    drawn = [draw(number, seed=1) for number in range(220)]
    assert drawn == [draw(number, seed=1) for number in range(220)]
    assert drawn != [draw(number, seed=2) for number in range(220)]
    assert {draw(number, seed=2)["kind"] for number in range(500)} == set(KINDS)
    assert len(set(PROMISES)) == 6
