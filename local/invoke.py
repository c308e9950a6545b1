"""One function with one event, in its Lambda container, against the embedded AWS:

    make invoke FUNCTION=Decide EVENT=events/decide.json

`sam local invoke` runs the built function in a Docker container. It is given the environment that the
deployed function has, and the engine's address as containers reach it. Its exit code says nothing of the
function's own fate; this one's does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import docker  # type: ignore[import-untyped]
from botocore.exceptions import ClientError
from docker.errors import APIError, DockerException  # type: ignore[import-untyped]
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from local.bridge import reachable
from local.deploy import STACK
from local.engine import DIRECTORY, ROOT, Engine, EngineError
from local.lambda_image import BASE, invoke_image

BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
_SAM = Path(sys.executable).parent / "sam"


class InvokeError(RuntimeError):
    """The function did not answer, or its answer is an error; the message says why or what to do."""


def main() -> None:
    """Print what the function leaves; what goes wrong is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m local.invoke", description=__doc__)
    parser.add_argument("function", help="Decide, DecideFunction or decide")
    parser.add_argument("event", type=Path, help="a file of events/")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="of the engine")
    arguments = parser.parse_args()
    try:
        answer = invoke(Engine(arguments.directory), arguments.function, arguments.event)
    except (InvokeError, EngineError) as error:
        sys.exit(str(error))
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def invoke(engine: Engine, function: str, event: Path) -> Any:
    """What the function leaves for the event. Raises InvokeError, or EngineError where no engine runs."""
    read_event(event)
    name, variables = deployed(engine, function)
    template, layers = apart(yaml_parse(BUILT.read_text(encoding="utf-8")), name)
    image, gateway = docker_host([BUILT.parent / layer for layer in layers])
    with (
        reachable(engine.url, gateway) as address,
        _document({name: variables | {"AWS_ENDPOINT_URL": address}}) as environment,
        _document(template) as described,
    ):
        done = subprocess.run(
            [
                *(str(_SAM), "local", "invoke", name),
                *("--template", str(described)),
                *("--event", str(event.resolve())),
                *("--env-vars", str(environment)),
                *("--invoke-image", image, "--skip-pull-image"),
            ],
            cwd=ROOT,
            env={**engine.child_environment(), "SAM_CLI_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # the function's answer; its log goes to stderr and is shown
            text=True,
            check=False,
        )
    if done.returncode:
        raise InvokeError(f"sam local invoke {name} failed (exit code {done.returncode}), see above")
    return answer_of(name, done.stdout)


def read_event(path: Path) -> None:
    """Raises InvokeError where there is no JSON document."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvokeError(f"{path} cannot be read as an event: {error}") from error


@contextmanager
def _document(document: Any) -> Iterator[Path]:
    """A JSON file beside the built template, whose paths are relative to it."""
    with tempfile.NamedTemporaryFile("w", dir=BUILT.parent, suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        yield Path(file.name)


def apart(template: dict[str, Any], name: str) -> tuple[dict[str, Any], list[str]]:
    """A built template without the function's layers, and their folders, those that change least first."""
    resources = template["Resources"]
    globally = template["Globals"]["Function"].pop("Layers", [])
    layers = [*resources[name]["Properties"].pop("Layers", []), *reversed(globally)]
    return template, [resources[layer["Ref"]]["Properties"]["ContentUri"] for layer in layers]


def docker_host(layers: Sequence[Path] = ()) -> tuple[str, str]:
    """The image to run a function with these layers in, and the address at which it finds this machine.

    Raises InvokeError where no Docker engine answers or there is no image.
    """
    try:
        client = docker.from_env()
        try:
            image = invoke_image(client, layers)
            (config, *_) = client.networks.get("bridge").attrs["IPAM"]["Config"]
        finally:
            client.close()
    except APIError as error:
        raise InvokeError(f"the image of Lambda's Python, {BASE}, is not to be had: {error}") from error
    except DockerException as error:
        raise InvokeError(
            "sam local invoke runs functions in containers, and no Docker engine answers: start Docker, or "
            f"name one in DOCKER_HOST. The stack itself needs none: make up, make run. ({error})"
        ) from error
    # older engines leave the gateway out where it is the subnet's first address
    return image, str(config.get("Gateway") or ip_network(config["Subnet"])[1])


def deployed(engine: Engine, function: str) -> tuple[str, dict[str, str]]:
    """A function's name in the template and the environment it was deployed with. Raises InvokeError."""
    cloudformation, functions = (_client(engine, name) for name in ("cloudformation", "lambda"))
    try:
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        resources = [item for page in pages for item in page["StackResourceSummaries"]]
    except ClientError as error:
        raise InvokeError(f"the stack {STACK} is not deployed: make up ({error})") from error
    if not BUILT.exists():
        raise InvokeError(f"{BUILT} is missing: make build")
    known = {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for item in resources
        if item["ResourceType"] == "AWS::Lambda::Function"
    }
    name = logical_id(function)
    if name not in known:
        raise InvokeError(f"no function is named {function}: expected one of {', '.join(sorted(known))}")
    configuration = functions.get_function_configuration(FunctionName=known[name])
    return name, configuration["Environment"]["Variables"]


def _client(engine: Engine, service: Any) -> Any:
    given = engine.environment()
    return boto3.client(
        service,
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name=given["AWS_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
    )


def logical_id(function: str) -> str:
    """A function's name in the template, from any of its names.

    >>> [logical_id(name) for name in ("settle_batch", "SettleBatch", "SettleBatchFunction")]
    ['SettleBatchFunction', 'SettleBatchFunction', 'SettleBatchFunction']
    """
    name = "".join(part[:1].upper() + part[1:] for part in function.removesuffix("Function").split("_"))
    return f"{name}Function"


def answer_of(name: str, output: str) -> Any:
    """What a function printed as its answer. Raises InvokeError where that is an error, or nothing."""
    lines = output.strip().splitlines()
    if not lines:
        raise InvokeError(f"{name} left no answer: it ran out of time or memory, or did not start; see above")
    try:
        answer = json.loads(lines[-1])
    except ValueError as error:
        raise InvokeError(f"{name} left what is no JSON: {lines[-1]}") from error
    if isinstance(answer, dict) and "errorType" in answer:
        raise InvokeError(f"{name} failed: {answer['errorType']}: {answer.get('errorMessage', '')}")
    return answer


if __name__ == "__main__":
    main()
