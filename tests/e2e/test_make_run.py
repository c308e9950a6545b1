"""What `make run`, `make up` and `make down` start, and that stopping leaves nothing of it behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from local.engine import Engine
from tests.e2e.support import Deployment, until

SLOW = 150.0  # seconds to build and deploy on a busy machine


@pytest.fixture
def tree(deployment: Deployment) -> Iterator[Path]:
    """A repository whose engine is not running, before the test and after it."""
    assert processes(deployment.tree) == []
    yield deployment.tree
    local(deployment.tree, "local", "down")


def local(tree: Path, *module: str) -> subprocess.CompletedProcess[str]:
    """`python -m` one of the modules that the Makefile calls, to its end."""
    return subprocess.run(
        [sys.executable, "-m", *module],
        cwd=tree,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def _environment() -> dict[str, str]:
    """What a person's shell has: nothing of the engine that the other tests use."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PERENNIAL_"))}


def processes(tree: Path) -> list[str]:
    """The commands of all processes that belong to the tree's engine, by their environment or arguments."""
    mark = str(tree / ".perennial" / "engine").encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            command = (process / "cmdline").read_bytes()
            if command and (mark in command or mark in (process / "environ").read_bytes()):
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_ctrl_c_stops_everything_that_was_started(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("w") as stream:
        story = subprocess.Popen(
            [sys.executable, "-m", "local.story"],
            cwd=tree,
            env=_environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def training() -> bool:
        assert story.poll() is None, output.read_text()
        return any("ec2_trainer" in command for command in processes(tree))

    until(training, "an instance that trains", SLOW)
    started = processes(tree)
    os.killpg(story.pid, signal.SIGINT)

    assert story.wait(30) == 130
    assert processes(tree) == []
    assert len(started) > 4  # engine, its workers, the EC2 host, the instance
    assert "stopped; nothing is left running" in output.read_text()
    assert "Traceback" not in output.read_text()


def test_up_stays_until_down(tree: Path) -> None:
    up = local(tree, "local", "up")
    assert up.returncode == 0, up.stderr
    engine = Engine(tree / ".perennial" / "engine")
    assert engine.url in up.stdout
    shell = local(tree, "local", "env").stdout
    assert f"export AWS_ENDPOINT_URL={engine.url}\n" in shell

    second = local(tree, "local.story")
    assert second.returncode == 1
    assert "an engine is already running in" in second.stdout
    assert "make down stops it" in second.stdout
    assert engine.running()

    assert local(tree, "local", "down").returncode == 0
    assert processes(tree) == []
    assert not engine.running()
    assert local(tree, "local", "down").returncode == 0  # nothing to stop is no error
    nothing = local(tree, "local", "env")
    assert nothing.returncode == 1
    assert "make up starts it" in nothing.stderr
