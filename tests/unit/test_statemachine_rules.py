"""The rules that hold for every state of the workflow, read from its definition."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonata import Jsonata

from local.schemas import CONTRACTS, schemas
from perennial import errors
from perennial.config import TriggerPolicy
from perennial.contracts.words import Outcome
from perennial.summaries import LIMIT

PATH = Path(__file__).parents[2] / "statemachine" / "retraining.asl.json"
MACHINE: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
# How Step Functions begins the error names of an integration; the SDK ones spell them their own way.
ERROR_PREFIX = {
    "lambda": "Lambda",
    "dynamodb": "DynamoDB",
    "aws-sdk:dynamodb": "DynamoDb",
    "aws-sdk:cloudwatch": "CloudWatch",
    "aws-sdk:ec2": "Ec2",
    "aws-sdk:s3": "S3",
    "aws-sdk:sfn": "Sfn",
}
ANSWERED_BY_PEOPLE = {"Await Approval"}  # who send no heartbeats
RETRYABLE_STATES_ERRORS = {"States.HeartbeatTimeout"}
TERMINAL = {"Succeed", "Fail"}


def of_type(*kinds: str) -> list[str]:
    """Names of the states of these types."""
    return [name for name, state in STATES.items() if state["Type"] in kinds]


def choices(state: dict[str, Any]) -> list[str]:
    """Where a state goes when nothing fails."""
    return [
        *(choice["Next"] for choice in state.get("Choices", [])),
        *([state["Default"]] if "Default" in state else []),
        *([state["Next"]] if "Next" in state else []),
    ]


def catches(state: dict[str, Any]) -> list[str]:
    """Where a state goes when it fails."""
    return [catch["Next"] for catch in state.get("Catch", [])]


def reachable(start: str, *, without: str = "", failing: bool = True) -> set[str]:
    """All states on a way from `start` that does not pass through `without`."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen or name == without:
            continue
        seen.add(name)
        waiting += choices(STATES[name]) + (catches(STATES[name]) if failing else [])
    return seen


def strings(value: Any) -> Iterator[str]:
    """Every string in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def expressions(value: Any) -> list[str]:
    """Every JSONata expression in a document, without its brackets."""
    return [text[2:-2].strip() for text in strings(value) if text.startswith("{%")]


def integration(state: dict[str, Any]) -> str:
    """The service behind a task, such as `dynamodb` or `aws-sdk:ec2`."""
    return (
        str(state["Resource"])
        .removeprefix("arn:aws:states:::")
        .removesuffix(".waitForTaskToken")
        .rpartition(":")[0]
    )


TASKS = of_type("Task")
CALLBACKS = [name for name in TASKS if STATES[name]["Resource"].endswith(".waitForTaskToken")]
FAILURE_PATH = reachable("Handle Failure")
# the tasks behind this state only tidy up: the outcome is written already
CLOSING = reachable("Record Outcome", failing=False) - {"Record Outcome"}
FORWARD_ONLY = [name for name in TASKS if name in FAILURE_PATH | CLOSING]
CAUGHT = [name for name in TASKS if name not in FAILURE_PATH | CLOSING]


def test_the_definition_is_jsonata_and_ends_by_itself() -> None:
    assert MACHINE["QueryLanguage"] == "JSONata"
    assert MACHINE["StartAt"] in STATES
    assert MACHINE["TimeoutSeconds"] <= 8 * 86400  # a person may take seven days
    assert MACHINE["Comment"]


@pytest.mark.parametrize("name", STATES)
def test_a_state_says_what_it_does_in_a_sentence(name: str) -> None:
    comment = STATES[name].get("Comment", "")
    assert len(comment) > 10
    assert comment[-1] in ".?"
    assert name == re.sub(r"\s+", " ", name).strip()
    assert name[0].isupper()


def test_every_way_leads_somewhere_and_every_state_is_on_one() -> None:
    for state in STATES.values():
        assert set(choices(state) + catches(state)) <= set(STATES)
    assert reachable(MACHINE["StartAt"]) == set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_an_end_can_be_reached_from_everywhere(name: str) -> None:
    assert reachable(name) & set(of_type("Succeed", "Fail"))
    assert bool(choices(STATES[name])) != (STATES[name]["Type"] in TERMINAL)


@pytest.mark.parametrize("name", of_type("Choice"))
def test_a_choice_has_a_default(name: str) -> None:
    assert "Default" in STATES[name]


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ANSWERED_BY_PEOPLE])
def test_a_task_has_a_time_limit_that_is_a_number(name: str) -> None:
    assert isinstance(STATES[name]["TimeoutSeconds"], int)
    assert 0 < STATES[name]["TimeoutSeconds"] <= MACHINE["TimeoutSeconds"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_both_retry_and_catch(name: str) -> None:
    assert STATES[name]["Retry"]
    assert STATES[name]["Catch"]


@pytest.mark.parametrize("name", [name for name in TASKS if name not in CALLBACKS])
def test_nothing_is_billed_for_waiting(name: str) -> None:
    """What may take longer than a function waits for a callback, or in a Wait state."""
    assert STATES[name]["TimeoutSeconds"] <= 900


def test_every_loop_waits() -> None:
    """Without its waits the workflow only leads on: no loop uses up the 25,000 events of a history."""
    waits = {*of_type("Wait"), *ANSWERED_BY_PEOPLE}  # these wait for the next reminder at least
    for name in set(STATES) - waits:
        onward: set[str] = set()
        waiting = choices(STATES[name]) + catches(STATES[name])
        while waiting:
            following = waiting.pop()
            if following not in onward and following not in waits:
                onward.add(following)
                waiting += choices(STATES[following]) + catches(STATES[following])
        assert name not in onward


def test_the_longest_collecting_fits_the_history() -> None:
    """Wait, Task and Choice leave at most nine events a round, and a round takes a second at least."""
    (limit,) = [one.le for one in TriggerPolicy.model_fields["max_wait"].metadata if hasattr(one, "le")]
    assert 9 * limit.total_seconds() < 20_000


def test_what_is_kept_in_the_state_is_small() -> None:
    """A function's answer is cut at LIMIT; what the widest state is given stays far below 256 KiB."""
    for state in STATES.values():
        variables = set(re.findall(r"\$(\w+)", json.dumps(state.get("Arguments", {})))) - {"states"}
        assert (len(variables) + 1) * LIMIT < 256 * 1024


@pytest.mark.parametrize("name", [name for name in TASKS if ":lambda:invoke" in STATES[name]["Resource"]])
def test_only_what_a_function_answers_is_read(name: str) -> None:
    function = re.sub(
        r"(?<!^)(?=[A-Z])",
        "_",
        STATES[name]["Arguments"]["FunctionName"].removeprefix("${").removesuffix("FunctionArn}"),
    ).lower()
    kind, path = ("callback", r"result\.") if name in CALLBACKS else ("output", r"result\.Payload\.")
    answered = schemas()[f"{function}.{kind}.json"]["properties"]
    text = json.dumps([STATES[name].get("Assign", {}), STATES[name].get("Output", "")])
    assert set(re.findall(rf"\$states\.{path}(\w+)", text)) <= set(answered)


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_is_given_its_token(name: str) -> None:
    assert "{% $states.context.Task.Token %}" in strings(STATES[name]["Arguments"])


@pytest.mark.parametrize("name", [name for name in CALLBACKS if name not in ANSWERED_BY_PEOPLE])
def test_a_callback_has_a_heartbeat_below_its_time_limit(name: str) -> None:
    assert 0 < STATES[name]["HeartbeatSeconds"] < STATES[name]["TimeoutSeconds"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_retries_transient_errors_only_with_full_jitter(name: str) -> None:
    for retry in STATES[name]["Retry"]:
        assert retry["JitterStrategy"] == "FULL"
        assert 1 <= retry["MaxAttempts"] <= 5
        assert retry["BackoffRate"] > 1
        assert retry["MaxDelaySeconds"] >= retry["IntervalSeconds"]
        for error in retry["ErrorEquals"]:
            if error.startswith("States."):
                assert error in RETRYABLE_STATES_ERRORS
            elif "." in error:
                assert error.split(".")[0] == ERROR_PREFIX[integration(STATES[name])]
            else:
                assert issubclass(getattr(errors, error), errors.Retryable), error


@pytest.mark.parametrize("name", TASKS)
def test_errors_that_are_caught_by_name_exist(name: str) -> None:
    for catch in STATES[name]["Catch"]:
        for error in catch["ErrorEquals"]:
            assert error.startswith("States.") or "." in error or hasattr(errors, error), error


@pytest.mark.parametrize("name", CAUGHT)
def test_any_error_before_the_outcome_is_handled(name: str) -> None:
    last = STATES[name]["Catch"][-1]
    assert last["ErrorEquals"] == ["States.ALL"]
    assert last["Next"] == "Handle Failure"
    assert last["Assign"] == {"failure": "{% $states.errorOutput %}"}


@pytest.mark.parametrize("name", FORWARD_ONLY)
def test_an_error_while_tidying_up_goes_on_and_never_back(name: str) -> None:
    last = STATES[name]["Catch"][-1]
    assert last["ErrorEquals"] == ["States.ALL"]
    (following,) = choices(STATES[name])
    assert last["Next"] in reachable(following, failing=False)
    assert name not in reachable(last["Next"])


def test_the_failure_path_ends_in_fail_only() -> None:
    assert FAILURE_PATH & set(of_type("Succeed", "Fail")) == {"Fail"}
    assert "Fail" not in reachable(MACHINE["StartAt"], without="Handle Failure")


@pytest.mark.parametrize(
    ("end", "gate"),
    [
        ("Succeed", "Record Outcome"),
        ("Succeed", "Release Lock"),
        ("Fail", "Find Trainer"),
        ("Fail", "Record Failure"),
        ("Fail", "Release Lock After Failure"),
    ],
)
def test_no_path_ends_unrecorded_locked_or_with_an_instance(end: str, gate: str) -> None:
    assert end in reachable(MACHINE["StartAt"])
    assert end not in reachable(MACHINE["StartAt"], without=gate)


def test_a_run_that_trained_looks_for_its_instance_before_it_ends() -> None:
    """Trained? knows that it did by the time of the answer; one that did not has no instance."""
    assert "Record Outcome" not in reachable("Train On EC2", without="Evaluate Challenger", failing=False)
    assert "answeredAt" in STATES["Evaluate Challenger"]["Assign"]
    assert "Skip" not in reachable("Train On EC2")  # the only outcome that ends without Trained?
    assert "Succeed" not in reachable("Notify", without="Trained?")
    assert "Trained?" not in reachable("Skip", without="Notify")


def test_bad_data_never_trains() -> None:
    assert "Train On EC2" not in reachable("Quarantine")
    assert "Train On EC2" not in reachable("Skip")


def test_every_outcome_of_the_contract_is_reached_and_no_other() -> None:
    assigned = {
        document["outcome"]
        for state in STATES.values()
        for document in (state.get("Assign", {}), *(c.get("Assign", {}) for c in state.get("Choices", [])))
        if "outcome" in document
    }
    recorded = STATES["Record Failure"]["Arguments"]["ExpressionAttributeValues"][":outcome"]["S"]
    assert assigned | {recorded} == set(get_args(Outcome))


def test_every_outcome_has_a_metric() -> None:
    text = json.dumps(STATES["Count Outcome"]["Arguments"])
    for outcome in set(get_args(Outcome)) - {"failed"}:
        assert f"'{outcome}'" in text
    assert "RunsFailed" in json.dumps(STATES["Count Failure"]["Arguments"])


@pytest.mark.parametrize("name", STATES)
def test_expressions_are_jsonata(name: str) -> None:
    for text in strings(STATES[name]):
        assert text.startswith("{%") == text.endswith("%}"), text
    for expression in expressions(STATES[name]):
        # substituted at deployment by an ARN or a name
        Jsonata(re.sub(r"\$\{\w+\}", "substituted", expression))


def assignments() -> Iterator[tuple[str, str, set[str]]]:
    """Every transition with the variables that it assigns: a caught error skips the state's own."""
    for name, state in STATES.items():
        own = set(state.get("Assign", {}))
        for rule in state.get("Choices", []):
            yield name, rule["Next"], set(rule.get("Assign", {}))
        for following in (state.get("Default"), state.get("Next")):
            if following:
                yield name, following, own
        for catch in state.get("Catch", []):
            yield name, catch["Next"], set(catch.get("Assign", {}))


def surely_assigned() -> dict[str, set[str]]:
    """For each state, the variables that are assigned on every way to it."""
    transitions = list(assignments())
    everything = {variable for _, _, assigned in transitions for variable in assigned}
    known = {name: set() if name == MACHINE["StartAt"] else set(everything) for name in STATES}
    for _ in STATES:
        for source, target, assigned in transitions:
            known[target] &= known[source] | assigned
    return known


@pytest.mark.parametrize("name", STATES)
def test_a_variable_is_read_only_where_every_way_assigns_it(name: str) -> None:
    known = surely_assigned()[name]
    for expression in expressions(STATES[name]):
        local = set(re.findall(r"\$(\w+)\s*:=", expression))
        read = set(re.findall(r"\$([A-Za-z_]\w*)(?!\w*\s*(?:\(|:=))", expression)) - {"states"} - local
        assert read <= known, expression


@pytest.mark.parametrize("name", [name for name in TASKS if ":lambda:invoke" in STATES[name]["Resource"]])
def test_a_function_is_given_exactly_its_contract(name: str) -> None:
    arguments = STATES[name]["Arguments"]
    function = re.fullmatch(r"\$\{(\w+)FunctionArn\}", arguments["FunctionName"])
    assert function
    contract = {given.__name__: given for given, _ in CONTRACTS.values()}[f"{function[1]}Input"]
    required = {field for field, info in contract.model_fields.items() if info.is_required()}
    assert required <= set(arguments["Payload"]) <= set(contract.model_fields)


def test_the_embedded_awss_gaps_are_kept_clear_of() -> None:
    for name in of_type("Succeed"):
        assert "Output" not in STATES[name]  # ignored there
    assert not of_type("Parallel")  # callbacks race in it
    for name in TASKS:
        assert not re.search(
            r"aws-sdk:(s3:(get|put)Object|lambda:|http:|scheduler:)", STATES[name]["Resource"]
        )


def test_state_names_are_those_that_a_person_can_read_in_the_console() -> None:
    for name in STATES:
        assert len(name) <= 40
        assert all(word[0].isupper() for word in name.split())
        assert (STATES[name]["Type"] == "Choice") == name.endswith("?"), name
