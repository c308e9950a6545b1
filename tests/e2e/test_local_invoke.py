"""Every function and every event through `sam local invoke`, against the stack on the embedded AWS."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from local import schemas
from local.deploy import STACK, build, deploy
from local.engine import ROOT, Engine
from local.invoke import logical_id
from perennial.aws import clients
from perennial.aws.wiring import Services, Settings
from tests.sample_run import EVENTS, arrive, event, first_champion, train


def why_not() -> str:
    """Why it cannot be tried here; empty where it can. Asked in a process of its own, as it is used."""
    ask = "from local.invoke import InvokeError, docker_host\ntry: docker_host()\n"
    ask += "except InvokeError as error: raise SystemExit(str(error))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stderr.strip()


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    """Skip where there is no Docker engine or no image."""
    reason = why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The embedded AWS on the loopback address only, with the stack deployed and nobody to play EC2."""
    build()
    with Engine(tmp_path_factory.mktemp("engine")) as engine:
        deploy(engine)
        yield engine


@pytest.fixture(scope="module")
def services(engine: Engine) -> Iterator[Services]:
    """The deployed stack's adapters; an upload starts no run of its own meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment().items():
            patch.setenv(name, value)
        clients.client.cache_clear()
        rule = clients.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId="UploadRule"
        )["StackResourceDetail"]["PhysicalResourceId"]
        clients.client("events").disable_rule(Name=rule.rpartition("|")[2])
        yield Services(Settings.from_stack(STACK))
    clients.client.cache_clear()


def run(engine: Engine, function: str, path: Path) -> subprocess.CompletedProcess[str]:
    """`make invoke`, as the Makefile calls it."""
    command = [
        sys.executable,
        "-m",
        "local.invoke",
        "--directory",
        str(engine.directory),
        function,
        str(path),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def left(engine: Engine, function: str, path: Path | None = None) -> Any:
    """What a function leaves for its sample event or another; held to its schema."""
    done = run(engine, function, path or EVENTS / f"{function}.json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, schemas.schemas()[f"{function}.output.json"])
    return answer


def served(services: Services) -> int | None:
    alias = services.registry.champion("iris")
    return alias.version if alias else None


def test_every_function_answers_its_sample_event(engine: Engine, services: Services) -> None:
    first_champion(services)
    arrive(services)
    walked = {}

    def invoke(function: str) -> Any:
        walked[function] = left(engine, function)
        return walked[function]

    assert invoke("resolve_trigger")["runnable"] is True
    assert invoke("validate_data")["valid"] is True
    assert invoke("settle_batch")["objects"] == 1
    assert invoke("compute_drift")["drifted"] is True
    assert invoke("decide")["action"] == "retrain"
    assert invoke("launch_trainer")["version"] == 2
    train(services, 2, "sample-run", champion=1)
    assert invoke("evaluate_challenger")["better"] is True
    assert invoke("promote_challenger")["champion"] == 2
    assert served(services) == 2
    assert invoke("roll_back")["champion"] == 1
    assert served(services) == 1
    assert invoke("watch_instances")["told"] is False
    assert set(walked) == set(schemas.CONTRACTS)


@pytest.mark.parametrize("trigger", ["on_demand", "alarm", "schedule"])
def test_every_trigger_is_read(engine: Engine, services: Services, trigger: str, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    given = {"run": trigger, "started_at": "2026-11-21T06:00:00Z", "event": event(f"trigger_{trigger}")}
    path.write_text(json.dumps(given))
    assert left(engine, "resolve_trigger", path)["trigger"]["kind"] == trigger


def test_an_error_of_the_function_is_an_exit_code_and_a_sentence(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({**event("evaluate_challenger"), "run": "other", "model": "tulips"}))
    done = run(engine, "Decide", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "DecideFunction failed: InvalidRequest: the event is no DecideInput" in done.stderr


def test_a_function_that_does_not_exist_is_named(engine: Engine) -> None:
    done = run(engine, "Dcide", EVENTS / "decide.json")
    assert done.returncode == 1
    assert done.stderr.startswith("no function is named Dcide: expected one of ")
    assert {logical_id(function) for function in schemas.CONTRACTS} <= set(
        done.stderr.strip().partition("one of ")[2].split(", ")
    )
