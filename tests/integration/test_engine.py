"""The engine as a process: found again, stopped whole, and clear about what is wrong."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local import engine as module
from local.engine import Engine, EngineError
from tests.integration.engine_support import Aws, eventually

pytestmark = pytest.mark.integration


def test_any_process_finds_it_and_stops_it(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine:
        command = [sys.executable, "-m", "local", "env", "--directory", str(tmp_path)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=module.ROOT).stdout
        assert f"export AWS_ENDPOINT_URL={engine.url}\n" in printed
        other = Engine(tmp_path)
        assert other.url == engine.url
        with pytest.raises(EngineError, match="already running"):
            other.start()
        other.stop()
        assert not engine.running()
        with pytest.raises(EngineError, match="make up starts it"):
            _ = engine.url


def test_state_of_a_dead_engine_is_no_hindrance(tmp_path: Path) -> None:
    first = Engine(tmp_path).start()
    assert first.process.pid is not None
    os.kill(first.process.pid, 9)
    assert eventually(lambda: not first.running())
    with Engine(tmp_path) as second:
        assert Aws(second).client("sts").get_caller_identity()["Account"] == "000000000000"


def test_stop_ends_the_workers_too(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine:
        aws = Aws(engine)
        aws.function("worker", "import os\ndef handler(event, context): return os.getpid()")
        worker = aws.call("worker")
        assert Path(f"/proc/{worker}").exists()
    assert eventually(lambda: not Path(f"/proc/{worker}").exists())


def test_functions_see_nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "yes")
    with Engine(tmp_path) as engine:
        aws = Aws(engine)
        aws.function("sees", "import os\ndef handler(event, context): return dict(os.environ)")
        seen = aws.call("sees")
        monkeypatch.setenv("AWS_PROFILE", "work")
        child = engine.child_environment()
    assert "LEAK" not in seen
    assert "AWS_PROFILE" not in child
    assert child["LEAK"] == "yes"


def test_missing_environment_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PYTHON", tmp_path / "python")
    with pytest.raises(EngineError, match="make install"):
        Engine(tmp_path).start()


def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        engine = Engine(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(EngineError, match="already in use"):
            engine.start()
    assert not engine.running()
