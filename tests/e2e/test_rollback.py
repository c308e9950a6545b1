"""A person takes a promotion back while it bakes, on the deployed stack: the person wins."""

import json
from typing import Any

from perennial.aws.clients import client
from perennial.aws.explanation import facts_of
from perennial.explaining import tell
from scenarios import iris
from tests.e2e.support import Command, Deployment, Model, until

NAME = "taken-back"
PATIENCE = 300.0  # seconds, for a whole run on a busy machine


def baking(model: Model, run: str, version: int) -> None:
    """Wait until a run has promoted its challenger."""
    until(lambda: model.champion() == version, f"version {version} by {run}", PATIENCE)
    assert model.services.workflow.alive(run)


def moves(model: Model) -> list[tuple[int | None, int | None, bool]]:
    """Every change of the champion: from, to, by hand."""
    audit = model.services.registry.audit(model.model)
    return [(move["from"], move["version"], move["run"].startswith("by-hand-")) for move in audit]


def statuses(model: Model) -> dict[int, str]:
    return {record.version: record.status for record in model.services.registry.versions(model.model)}


def told(model: Model, run: str) -> str:
    """What `perennial explain` says of who served."""
    parts = {part.title: part.lines for part in tell(facts_of(model.services, run))}
    return "\n".join(parts["Who served"])


def ends(model: Model, stack: Deployment, run: str, serving: int) -> dict[str, Any]:
    """The run finds that it was overruled, says so, and leaves who was chosen and no lock."""
    entry = model.follow(run, patience=PATIENCE)
    assert entry["outcome"] == "rolled_back"
    assert "was taken back by hand while it baked" in entry["reason"]
    assert entry["reason"].endswith(f"version {serving} serves")
    assert (entry["champion_after"], model.champion()) == (serving, serving)
    assert model.services.lock.holder(NAME) is None
    mirror = client("ssm").get_parameter(Name=f"/perennial/{stack.stack}/{NAME}/champion")
    assert json.loads(mirror["Parameter"]["Value"])["version"] == serving
    assert f"Champion now: version {serving}" in stack.notification(run, "rolled back")["Message"]
    return entry


def test_a_rollback_by_hand_while_a_promotion_bakes_wins(stack: Deployment, command: Command) -> None:
    model = stack.model(NAME)
    first = model.started(lambda: model.upload_frame("first.csv", iris.first_season()))
    assert model.follow(first, patience=PATIENCE)["outcome"] == "promoted"

    # No alarm goes off: the run finds it out at the end of the bake.
    rain = iris.season("rain", rows=200, seed=23, scale=2.0)
    run = model.started(lambda: model.upload_frame("rain.csv", rain))
    baking(model, run, 2)
    assert command("rollback", "--model", NAME, "--reason", "the till stood still") == 0
    assert model.champion() == 1
    ends(model, stack, run, serving=1)
    assert "Roll Back" not in model.path(run)
    assert moves(model) == [(None, 1, False), (1, 2, False), (2, 1, True)]
    assert statuses(model) == {1: "champion", 2: "rolled_back"}
    assert "version 1 serves, before version 2: the till stood still" in told(model, run)

    # The cooldown after a rollback holds, as after one by an alarm.
    more = iris.season("more-rain", rows=200, seed=24, scale=2.0)
    entry = model.ended(lambda: model.upload_frame("more.csv", more))
    assert entry["outcome"] == "skipped"
    assert "after the last rollback" in entry["reason"]

    # An alarm goes off as well: the run wants to go back to version 1, a person has chosen version 2.
    run = model.started(model.force)
    baking(model, run, 3)
    assert command("rollback", "--model", NAME, "--to", "2", "--reason", "that one was right") == 0
    alarm(model, stack)
    ends(model, stack, run, serving=2)
    path = model.path(run)
    assert path.count("Roll Back") == 1
    assert path[path.index("Roll Back") + 1] == "Check Champion"
    assert moves(model)[3:] == [(1, 3, False), (3, 2, True)]
    assert statuses(model) == {1: "archived", 2: "champion", 3: "rolled_back"}
    assert "version 2 serves, before version 3: that one was right" in told(model, run)


def alarm(model: Model, stack: Deployment) -> None:
    """One of the model's health alarms goes off."""
    watch = client("cloudwatch")
    prefix = f"{stack.stack}/health/{model.model}/"
    name = watch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"][0]["AlarmName"]
    watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="the test says so")
