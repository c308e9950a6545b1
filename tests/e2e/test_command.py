"""The command line on the deployed stack: what only a run that really happens can show."""

import pytest

from scenarios import iris
from tests.e2e.support import Command, Deployment


def test_run_is_followed_to_its_end(
    stack: Deployment, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", "--model", "barren", "--reason", "is there anything?") == 0

    said = capsys.readouterr().out
    assert said.index("Start Run") < said.index("Resolve Trigger") < said.index("Succeed")
    assert "skipped: there is neither data nor a champion yet" in said


def test_run_that_fails_is_a_failed_command(
    stack: Deployment, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    model = stack.model("asked")
    assert model.ended(lambda: model.upload_frame("x.csv", iris.first_season()))["outcome"] == "failed"

    assert command("run", "--model", "asked", "--reason", "once more", "--force") == 1

    said = capsys.readouterr().out
    assert "Train On EC2" in said
    assert "failed: InvalidModelFile" in said


def test_status_shows_what_is_going_on(
    stack: Deployment, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("status", "--model", "asked") == 0

    said = capsys.readouterr().out
    assert "asked: no version serves" in said
    assert said.count("failed") >= 2
