"""Watch Runs: what it measures of the runs that hold a model."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial.aws.approvals import Answer, Question
from perennial.aws.wiring import Services
from perennial.contracts.trigger import Trigger
from tests.integration.function_support import invoke
from tests.integration.moto_support import Executions

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def held(services: Services, executions: Executions) -> str:
    """A run of iris took its model at noon and goes on."""
    executions.start("run-1")
    services.ledger.open("run-1", "iris", Trigger(kind="upload", reason="came", at=NOON), 1)
    services.lock.acquire("iris", "run-1", NOON)
    return "run-1"


def watch(at: datetime, capfd: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], dict[str, float]]:
    """What the function answers, and what it measured of iris."""
    capfd.readouterr()
    answer = invoke("watch_runs", {"time": at.isoformat()})
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if '"_aws"' in line]
    return answer, {
        metric["Name"]: line[metric["Name"]][0]
        for line in lines
        if line["Model"] == "iris"
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }


def test_nothing_is_said_where_no_run_holds_a_model(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    assert watch(NOON, capfd) == ({"at_work": [], "overdue": []}, {})


def test_a_run_is_stuck_once_its_model_file_explains_it_no_more(
    held: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert watch(NOON + HOUR / 4, capfd) == (
        {"at_work": [held], "overdue": []},
        {"RunAge": 900, "RunOverdue": 0},
    )
    answer, measured = watch(NOON + 12 * HOUR, capfd)
    assert answer["overdue"] == [held]
    assert measured["RunAge"] == 12 * 3600
    assert 0 < measured["RunOverdue"] < measured["RunAge"]


def test_to_wait_for_a_person_is_not_to_be_stuck(
    held: str, services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    question = Question(asked_at=NOON + HOUR / 2, expires_at=NOON + 48 * HOUR, because=("always",))
    services.ledger.note(held, approval=question.model_dump(mode="json"))
    assert watch(NOON + 24 * HOUR, capfd)[1] == {"RunAge": 1800, "RunOverdue": 0}
    answer = Answer(verdict="approved", by="anna", reason="good", at=NOON + 24 * HOUR)
    services.approvals.decide(held, answer)
    assert watch(NOON + 25 * HOUR, capfd)[1]["RunAge"] == 1800 + 3600


def test_a_lock_left_by_a_run_that_ended_is_nobodys(
    held: str, executions: Executions, capfd: pytest.CaptureFixture[str]
) -> None:
    executions.end(held)
    assert watch(NOON + 12 * HOUR, capfd) == ({"at_work": [], "overdue": []}, {})
