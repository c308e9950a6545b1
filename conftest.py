"""Markers by folder: `pytest -m unit` runs tests/unit and the doctests. Which tests share a process, where
they run in several.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

# How long an example takes is a matter of what else the machine does.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

# The command line's console, when it is made, takes this for good, and none that a test sets afterwards.
os.environ.pop("COLUMNS", None)

TESTS = Path(__file__).parent / "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is what its folder says; a doctest is a unit test."""
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else "unit"
        item.add_marker(kind)


class _StackLast(LoadFileScheduling):  # type: ignore[misc] # published without types
    """The tests of a file in one process, and so all on the deployed stack, when the others have run: what
    they wait for takes every core.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "tests/e2e" if file.startswith("tests/e2e/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _StackLast:
    """Files in the order of `testpaths`, and not the longest ones first."""
    config.option.loadscopereorder = False
    return _StackLast(config, log)
