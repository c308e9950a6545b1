"""Markers by folder: `pytest -m unit` runs tests/unit and the doctests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
