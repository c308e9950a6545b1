"""The contracts, their schemas, the sample events and the workflow say the same."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from pydantic import ValidationError

from local import schemas
from perennial.contracts.base import Contract
from perennial.contracts.drift import ComputeDriftInput
from perennial.contracts.objects import StoredObject
from perennial.contracts.promotion import Promotion, RolledBack
from perennial.contracts.training import LaunchTrainerInput, TrainingResult
from perennial.contracts.trigger import Trigger
from perennial.contracts.watching import InstanceStateChange

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
OUTSIDE = {
    "watch_instances",
    "sweep_instances",
    "close_run",
    "deliver_champion",
    "watch_runs",
    "expire_versions",
}  # of the workflow: an event or a schedule calls them
TRIGGERS = {"trigger_upload", "trigger_schedule", "trigger_alarm", "trigger_on_demand"}
WORKFLOW: dict[str, Any] = json.loads((ROOT / "statemachine" / "retraining.asl.json").read_text())
INVOKES = {
    name: state["Arguments"]
    for name, state in WORKFLOW["States"].items()
    if state.get("Resource", "").startswith("arn:aws:states:::lambda:invoke")
}


def event(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return document


def function_of(arguments: dict[str, Any]) -> str:
    """`${ValidateDataFunctionArn}` names functions/validate_data."""
    match = re.fullmatch(r"\$\{(\w+)FunctionArn\}", arguments["FunctionName"])
    assert match, arguments["FunctionName"]
    return re.sub(r"(?<!^)([A-Z])", r"_\1", match[1]).lower()


def test_every_function_has_its_contracts_its_event_and_nothing_else_has() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert set(schemas.CONTRACTS) == functions
    assert {path.stem for path in EVENTS.glob("*.json")} == functions | TRIGGERS


def test_the_committed_schemas_are_the_ones_of_the_contracts() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in schemas.FOLDER.glob("*.json")}
    written = {name: schemas.text(schema) for name, schema in schemas.schemas().items()}
    assert committed == written, "run: python -m local.schemas"


@pytest.mark.parametrize("name", sorted(schemas.schemas()))
def test_every_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.schemas()[name])


@pytest.mark.parametrize("function", sorted(schemas.CONTRACTS))
def test_every_event_is_what_its_function_reads(function: str) -> None:
    schema = schemas.schemas()[f"{function}.input.json"]
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(event(function))
    schemas.CONTRACTS[function][0].model_validate(event(function))
    for field in schema["required"]:
        lacking = {name: value for name, value in event(function).items() if name != field}
        assert not validator.is_valid(lacking), f"{field} may not be missing"


@pytest.mark.parametrize("function", sorted(set(schemas.CONTRACTS) - OUTSIDE))
def test_the_events_tell_one_story(function: str) -> None:
    document = event(function)
    assert document["run"] == "sample-run"
    assert document.get("model", "iris") == "iris"


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_a_trigger_is_an_event_that_resolve_trigger_reads(name: str) -> None:
    given = {**event("resolve_trigger"), "event": event(name)}
    jsonschema.validate(given, schemas.schemas()["resolve_trigger.input.json"])


def test_resolve_trigger_is_given_the_sample_upload() -> None:
    assert event("resolve_trigger")["event"] == event("trigger_upload")


def test_every_event_is_documented_by_name() -> None:
    text = (EVENTS / "README.md").read_text()
    assert {path.name for path in EVENTS.glob("*.json")} == set(re.findall(r"^\| `(\w+\.json)`", text, re.M))


@pytest.mark.parametrize("state", sorted(INVOKES))
def test_the_workflow_gives_each_function_what_its_contract_names(state: str) -> None:
    given = INVOKES[state]
    assert set(given["Payload"]) == set(schemas.CONTRACTS[function_of(given)][0].model_fields)


@pytest.mark.parametrize("state", sorted(INVOKES))
def test_the_workflow_takes_only_what_the_function_leaves(state: str) -> None:
    left = schemas.CONTRACTS[function_of(INVOKES[state])][1]
    text = json.dumps(WORKFLOW["States"][state])
    if WORKFLOW["States"][state]["Resource"].endswith("waitForTaskToken"):
        left, taken = TrainingResult, set(re.findall(r"states\.result\.(\w+)", text))
    else:
        taken = set(re.findall(r"states\.result\.Payload\.(\w+)", text))
    assert taken <= set(left.model_fields)


def test_every_function_but_those_called_from_outside_is_in_the_workflow() -> None:
    assert {function_of(given) for given in INVOKES.values()} == set(schemas.CONTRACTS) - OUTSIDE


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="campion"):
        ComputeDriftInput.model_validate({"run": "sample-run", "model": "iris", "champion": 1, "campion": 1})


def test_a_record_cannot_be_changed() -> None:
    record = RolledBack(champion=1, summary="version 1 serves again")
    with pytest.raises(ValidationError, match="frozen"):
        record.champion = 2  # type: ignore[misc]


COUNTED: dict[str, tuple[type[Contract], dict[str, Any]]] = {
    "size": (StoredObject, {"key": "k", "version_id": None, "etag": "e", "size": 0}),
    "bake_checks": (
        Promotion,
        {"champion": 1, "previous": None, "bake_checks": 1, "bake_interval_seconds": 1},
    ),
    "attempt": (LaunchTrainerInput, event("launch_trainer")),
}


@pytest.mark.parametrize("field", sorted(COUNTED))
def test_counts_below_their_least_are_refused(field: str) -> None:
    contract, valid = COUNTED[field]
    contract.model_validate(valid)
    with pytest.raises(ValidationError, match=field):
        contract.model_validate({**valid, field: -1})


def test_a_request_survives_the_workflow() -> None:
    """What Resolve Trigger leaves is what Decide is given, times included."""
    trigger = Trigger(kind="upload", reason="came", at=datetime(2026, 11, 21, 6, tzinfo=UTC), key="k")
    passed = json.loads(json.dumps(trigger.model_dump(mode="json")))
    assert Trigger.model_validate(passed) == trigger


def test_ec2s_event_is_read_by_its_own_names() -> None:
    change = InstanceStateChange.model_validate(event("watch_instances")).detail
    assert (change.instance_id, change.state) == ("i-0123456789abcdef0", "shutting-down")
