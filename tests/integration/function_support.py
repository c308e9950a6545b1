"""Calling the functions' handlers as Lambda does."""

import json
from importlib import import_module
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from local import schemas
from perennial.aws.wiring import Services
from tests.sample_run import Context, event


def invoke(function: str, given: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Give a handler its sample event, or another, and hold what it leaves to its schema."""
    handler = import_module(f"functions.{function}.app").handler
    payload = json.loads(json.dumps((event(function) if given is None else given) | changes))
    answer: dict[str, Any] = json.loads(json.dumps(handler(payload, Context(function))))
    jsonschema.validate(answer, schemas.schemas()[f"{function}.output.json"])
    return answer


def keys(services: Services, prefix: str = "") -> list[str]:
    """What lies in the data bucket."""
    return [item.key for item in services.data.list(prefix)]


def document(services: Services, name: str, run: str = "sample-run") -> Any:
    """One of the run's documents."""
    return services.artifacts.get_json(f"runs/{run}/{name}")
