"""Every state of the workflow by itself: each branch, each Retry, each Catch, each time limit, on an engine.

What is tried follows from the definition; what is right stands in state_cases.py.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.engine import Engine
from local.schemas import CONTRACTS
from perennial.triggers import read_trigger
from tests.integration.engine_support import Aws
from tests.integration.moto_support import NOW
from tests.integration.state_cases import AFTER_ERROR, AFTER_TIMEOUT, CASES, Case
from tests.integration.state_lab import (
    WAIT_SCALE,
    Lab,
    Seen,
    Trial,
    is_function,
    waits_for_callback,
)
from tests.unit.test_statemachine_rules import ANSWERED_BY_PEOPLE, STATES, TASKS, choices

AT_ONCE = 6  # machines; more only wait for one another
NOT_RETRIED = "SomethingUnheardOf"

BRANCHES = [(name, number) for name, cases in CASES.items() for number in range(len(cases))]
RETRIES = [
    (name, number, group)
    for name in TASKS
    for number, retry in enumerate(STATES[name]["Retry"])
    for group in itertools.batched(retry["ErrorEquals"], retry["MaxAttempts"], strict=False)
]
NAMED = [  # errors of ours with a Catch of their own; a callback's are among the cases
    (name, error, catch["Next"])
    for name in TASKS
    if not waits_for_callback(name)
    for catch in STATES[name]["Catch"]
    for error in catch["ErrorEquals"]
    if not error.startswith("States.")
]
HEARTBEATS = [name for name in TASKS if "HeartbeatSeconds" in STATES[name]]


def case_trial(name: str, case: Case) -> Trial:
    """A case as it stands in the table."""
    if case.error:
        reply: dict[str, Any] | None = {"error": case.error, "cause": "as the case says"}
    else:
        reply = dict(case.answer or {}) if waits_for_callback(name) else None
    answered = is_function(name) or waits_for_callback(name)
    return Trial(
        name,
        case.variables(),
        case.input,
        steps=({"answer": case.answer},) if answered else (),
        reply=reply,
    )


def error_trial(name: str, *errors: str) -> Trial:
    """A task that meets these errors, the last of them again and again."""
    first = CASES[name][0]
    return Trial(name, first.variables(), first.input, steps=tuple({"raise": error} for error in errors))


def limit_trial(name: str, **limits: float | None) -> Trial:
    """A task that takes longer than it may: a call that does not return, a callback that is not answered."""
    first = CASES[name][0]
    step: dict[str, Any] = {} if waits_for_callback(name) else {"sleep": 2.5}
    return Trial(name, first.variables(), first.input, steps=(step,), limits=limits)


def trials() -> Iterator[tuple[object, Trial]]:
    """Everything that is tried, by what its test asks for."""
    for name, number in BRANCHES:
        if name in STATES:
            yield ("branch", name, number), case_trial(name, CASES[name][number])
    for name, number, group in RETRIES:
        yield ("retry", name, number, group), error_trial(name, *group)
        yield ("recovery", name, number, group), recovery_trial(name, group)
    for name, error, _ in NAMED:
        yield ("caught", name, error), error_trial(name, error)
    for name in TASKS:
        yield ("error", name), error_trial(name, NOT_RETRIED)
        yield ("timeout", name), limit_trial(name, TimeoutSeconds=1, HeartbeatSeconds=None)
    for name in HEARTBEATS:
        yield ("heartbeat", name), limit_trial(name, HeartbeatSeconds=1)


def recovery_trial(name: str, group: tuple[str, ...]) -> Trial:
    """A task that succeeds after these errors; one that waits for its callback fails in another way."""
    failing = error_trial(name, *group)
    answer = next((case.answer for case in CASES[name] if case.answer), {})
    last = {"raise": NOT_RETRIED} if waits_for_callback(name) else {"answer": answer or {}}
    return Trial(name, failing.given, failing.input, steps=(*failing.steps, last))


class Results:
    """The trials, run side by side from the beginning; a test waits for its own."""

    def __init__(self, lab: Lab, pool: ThreadPoolExecutor) -> None:
        self.lab = lab
        self._found: dict[object, Future[Seen]] = {
            key: pool.submit(lab.run, trial, f"trial-{number:03d}")
            for number, (key, trial) in enumerate(trials())
        }

    def __getitem__(self, key: object) -> Seen:
        return self._found[key].result()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """An engine with what the workflow's calls need, and the trials on it."""
    directory = tmp_path_factory.mktemp("states")
    scripts = directory / "scripts"
    scripts.mkdir()
    with (
        Engine(directory / "engine", settings={"SFN_WAIT_SCALE": str(WAIT_SCALE)}) as engine,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        lab = Lab(Aws(engine), scripts)
        furnish(lab)
        yield Results(lab, pool)
        pool.shutdown(cancel_futures=True)


def furnish(lab: Lab) -> None:
    """What the cases speak of: locks, objects, an alarm."""
    assert lab.substitutions
    locks = lab.aws.client("dynamodb")
    for model, owner in (("held", "run-1"), ("held-too", "run-1"), ("wanted", "run-1"), ("taken", "run-2")):
        item: dict[str, Any] = {"pk": {"S": f"model#{model}"}, "sk": {"S": "lock"}, "owner": {"S": owner}}
        locks.put_item(
            TableName="lab", Item=item | ({"waiting": {"BOOL": True}} if model == "wanted" else {})
        )
    alias = {"pk": {"S": "model#served"}, "sk": {"S": "alias#champion"}, "version": {"N": "7"}}
    locks.put_item(TableName="lab", Item=alias)
    for key in ("incoming/waiting/", "incoming/waiting/a.csv", "incoming/waiting/b.csv"):
        lab.aws.client("s3").put_object(Bucket="lab-data", Key=key, Body=b"")
    alarms = lab.aws.client("cloudwatch")
    alarms.put_metric_alarm(
        AlarmName="lab/health/sick/errors",
        Namespace="Perennial",
        MetricName="ServingErrorRate",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.1,
        ComparisonOperator="GreaterThanThreshold",
    )
    alarms.set_alarm_state(AlarmName="lab/health/sick/errors", StateValue="ALARM", StateReason="ill")


def test_every_state_has_a_case_and_no_case_is_left_over() -> None:
    assert set(CASES) == set(STATES)
    assert set(AFTER_ERROR) <= set(TASKS)


@pytest.mark.parametrize("name", STATES)
def test_every_way_on_has_a_case(name: str) -> None:
    """The ways of a choice, its default too; where two rules lead to the same state, one for each."""
    assert not Counter(choices(STATES[name])) - Counter(case.next for case in CASES[name])


@pytest.mark.parametrize("name", [name for name in TASKS if waits_for_callback(name)])
def test_every_error_that_a_callback_may_answer_has_a_case(name: str) -> None:
    named = {error for catch in STATES[name]["Catch"] for error in catch["ErrorEquals"]}
    ours = {error for error in named if not error.startswith("States.")}
    assert ours <= {case.error for case in CASES[name]}


@pytest.mark.parametrize(("name", "number"), BRANCHES)
def test_a_state_goes_where_its_case_says(results: Results, name: str, number: int) -> None:
    case, seen = CASES[name][number], results["branch", name, number]
    assert seen.next == case.next
    expected = json.loads(
        json.dumps(case.assigned).replace("${InstanceId}", results.lab.substitutions["${InstanceId}"])
    )
    assert {variable: seen.variables.get(variable) for variable in expected} == expected
    if case.error and case.next == "Handle Failure":
        assert seen.variables["failure"]["Error"] == case.error


@pytest.mark.parametrize("name", [name for name in TASKS if is_function(name)])
def test_a_function_is_given_what_its_contract_says(results: Results, name: str) -> None:
    arguments = results["error", name].attempts[0]["arguments"]
    function = arguments["FunctionName"].removeprefix("${").removesuffix("FunctionArn}")
    payload = arguments["Payload"]
    {given.__name__: given for given, _ in CONTRACTS.values()}[f"{function}Input"].model_validate(payload)
    if waits_for_callback(name):
        assert payload["token"] == results["error", name].attempts[0]["token"]


@pytest.mark.parametrize(("name", "number", "group"), RETRIES)
def test_transient_errors_are_tried_again_and_then_handled(
    results: Results, name: str, number: int, group: tuple[str, ...]
) -> None:
    """Each of the named errors once, the last until the attempts are used up."""
    seen = results["retry", name, number, group]
    assert len(seen.attempts) == 1 + STATES[name]["Retry"][number]["MaxAttempts"]
    assert_handled(name, seen, group[-1])


@pytest.mark.parametrize(("name", "number", "group"), RETRIES)
def test_after_transient_errors_a_task_goes_on(
    results: Results, name: str, number: int, group: tuple[str, ...]
) -> None:
    seen = results["recovery", name, number, group]
    assert len(seen.attempts) == len(group) + 1
    if waits_for_callback(name):
        assert_handled(name, seen, NOT_RETRIED)
    elif is_function(name):
        assert seen.next in choices(STATES[name])


@pytest.mark.parametrize("name", TASKS)
def test_any_other_error_is_handled_at_once(results: Results, name: str) -> None:
    seen = results["error", name]
    assert len(seen.attempts) == 1
    assert_handled(name, seen, NOT_RETRIED)


@pytest.mark.parametrize(("name", "error", "target"), NAMED)
def test_an_error_with_a_way_of_its_own_takes_it_at_once(
    results: Results, name: str, error: str, target: str
) -> None:
    seen = results["caught", name, error]
    assert (seen.next, len(seen.attempts)) == (target, 1)
    assert seen.variables["failure"] == CASES[name][0].variables()["failure"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_takes_too_long_is_ended(results: Results, name: str) -> None:
    seen = results["timeout", name]
    assert len(seen.attempts) <= 1  # a call may end before the stand-in has begun
    if name in ANSWERED_BY_PEOPLE:
        assert (seen.next, seen.variables["failure"]) == (
            AFTER_TIMEOUT[name],
            CASES[name][0].variables()["failure"],
        )
    else:
        assert_handled(name, seen, "States.Timeout")


@pytest.mark.parametrize("name", HEARTBEATS)
def test_a_task_without_heartbeat_is_tried_again_and_then_handled(results: Results, name: str) -> None:
    seen = results["heartbeat", name]
    (retry,) = [one for one in STATES[name]["Retry"] if "States.HeartbeatTimeout" in one["ErrorEquals"]]
    assert len({attempt["token"] for attempt in seen.attempts}) == 1 + retry["MaxAttempts"]
    assert_handled(name, seen, "States.HeartbeatTimeout")


def test_a_retry_counts_its_attempts(results: Results) -> None:
    """The trainer is told which attempt it is: names and tags of instances follow from it."""
    seen = results["retry", "Train On EC2", 0, ("SpotInterrupted",)]
    assert [one["arguments"]["Payload"]["attempt"] for one in seen.attempts] == [0, 1, 2, 3, 4]


def assert_handled(name: str, seen: Seen, error: str) -> None:
    """The error came to Handle Failure under its name, or past a task that only tidies up."""
    assert seen.next == AFTER_ERROR.get(name, "Handle Failure")
    if seen.next == "Handle Failure":
        assert seen.variables["failure"]["Error"] == error


def test_what_a_run_records(results: Results) -> None:
    """Promoted and failed, and that there is no champion yet."""
    arguments = results["error", "Record Outcome"].attempts[0]["arguments"]
    values = arguments["ExpressionAttributeValues"]
    assert arguments["Key"] == {"pk": {"S": "run#run-1"}, "sk": {"S": "run"}}
    assert (values[":outcome"], values[":champion"]) == ({"S": "promoted"}, {"N": "1"})
    failed = results["error", "Record Failure"].attempts[0]["arguments"]["ExpressionAttributeValues"]
    assert failed[":outcome"] == {"S": "failed"}
    assert failed[":reason"] == {"S": "TrainingFailed: no rows"}
    assert failed[":error"] == {"S": "TrainingFailed"}


def test_when_the_training_answered_is_known_from_then_on(results: Results) -> None:
    answered = results["branch", "Evaluate Challenger", 0].variables["answeredAt"]
    assert timedelta() < datetime.now(UTC) - datetime.fromisoformat(answered) < timedelta(hours=1)


def test_what_had_to_be_ended_is_counted(results: Results) -> None:
    (metric,) = results["error", "Count Orphan"].attempts[0]["arguments"]["MetricData"]
    assert (metric["MetricName"], metric["Value"]) == ("InstancesOrphaned", 1)


@pytest.mark.parametrize("name", ["Start Next Run", "Start Next Run After Failure"])
def test_the_next_run_is_started_for_what_was_uploaded(results: Results, name: str) -> None:
    """Not for what was accepted before: a second training on the same rows would follow."""
    given = json.loads(results["error", name].attempts[0]["arguments"]["Input"])
    model, trigger = read_trigger(given, NOW)
    assert (model, trigger.kind, trigger.reason) == ("iris", "upload", "a batch arrived during run run-1")


def test_a_run_that_failed_ends_as_such_by_its_own_name(results: Results) -> None:
    seen = results["branch", "Fail", 0]
    assert seen.variables == {"Error": "TrainingFailed", "Cause": "TrainingFailed: no rows"}
