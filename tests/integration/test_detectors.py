"""What detectors carry from run to run: never counted twice, never overwritten."""

from collections.abc import Callable
from typing import Any

import boto3
import numpy as np
import pytest

from perennial.aws.detectors import Detectors, States
from perennial.aws.wiring import Services
from perennial.errors import ServiceUnavailable


def adding(value: int) -> Callable[[States], tuple[States, int]]:
    """Feeds one number to a running sum, and tells the sum."""

    def feed(states: States) -> tuple[States, int]:
        total = states.get("sum", 0) + value
        return {"sum": total}, total

    return feed


def test_states_go_from_run_to_run(services: Services) -> None:
    detectors = services.detectors
    assert detectors.read("iris") == {}
    assert [detectors.update("iris", f"run-{value}", adding(value)) for value in (1, 2, 3)] == [1, 3, 6]
    assert detectors.read("iris") == {"sum": 6}
    assert detectors.read("housing") == {}


def test_a_run_that_is_tried_again_feeds_once_and_answers_the_same(services: Services) -> None:
    detectors = services.detectors
    detectors.update("iris", "run-1", adding(1))
    assert [detectors.update("iris", "run-2", adding(5)) for _ in range(3)] == [6, 6, 6]
    assert detectors.read("iris") == {"sum": 6}


def test_an_earlier_run_that_comes_again_stores_nothing(services: Services) -> None:
    detectors = services.detectors
    for value in (1, 2):
        detectors.update("iris", f"run-{value}", adding(value))
    detectors.update("iris", "run-1", adding(1))
    assert detectors.read("iris") == {"sum": 3}


def test_two_runs_at_once_are_both_counted(services: Services) -> None:
    detectors, other = services.detectors, Detectors(services.table, services.artifacts)
    interrupted = [False]

    def slow(states: States) -> tuple[States, int]:
        if not interrupted[0]:
            interrupted[0] = True
            other.update("iris", "run-2", adding(10))
        return adding(1)(states)

    assert detectors.update("iris", "run-1", slow) == 11
    assert detectors.read("iris") == {"sum": 11}


def test_one_who_always_comes_second_gives_up(services: Services) -> None:
    other = Detectors(services.table, services.artifacts)
    runs = iter(range(100))

    def never(states: States) -> tuple[States, Any]:
        other.update("iris", f"quick-{next(runs)}", adding(1))
        return states, None

    with pytest.raises(ServiceUnavailable, match="iris"):
        services.detectors.update("iris", "slow", never)
    assert services.detectors.read("iris") == {"sum": 5}


def many(value: int) -> Callable[[States], tuple[States, int]]:
    """Feeds as `adding` does, with more beside it than an item of DynamoDB holds."""

    def feed(states: States) -> tuple[States, int]:
        total = states.get("sum", 0) + value
        noise = np.random.default_rng(value).random(60_000).tolist()
        return {"sum": total, "more": noise}, total

    return feed


def test_states_of_thousands_of_columns_lie_beside_the_item(services: Services) -> None:
    detectors = services.detectors
    assert detectors.update("iris", "run-1", many(1)) == 1
    assert [detectors.update("iris", "run-2", many(2)) for _ in range(2)] == [3, 3]  # the second is a retry
    assert detectors.read("iris")["sum"] == 3
    item = services.table.get_item(Key={"pk": "model#iris", "sk": "detector"})["Item"]
    assert item["kept"] == "runs/run-2/detectors.json.gz"
    assert "states" not in item
    assert detectors.update("iris", "run-3", adding(4)) == 7  # small again
    assert detectors.read("iris") == {"sum": 7}


def test_states_that_have_expired_begin_anew(services: Services) -> None:
    detectors = services.detectors
    detectors.update("iris", "run-1", many(1))
    boto3.client("s3").delete_object(Bucket=services.artifacts.name, Key="runs/run-1/detectors.json.gz")
    assert detectors.read("iris") == {}
    assert detectors.update("iris", "run-2", adding(4)) == 4
