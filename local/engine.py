"""The embedded AWS: MiniStack with our corrections, in a process and a virtual environment of its own."""

import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from local.faults import FILE
from local.process import Background

ROOT = Path(__file__).resolve().parents[1]
DIRECTORY = ROOT / ".perennial" / "engine"
UNPACKED = ROOT / ".perennial" / "cache" / "unpacked"  # layers by their digest, for every engine alike
REGION = "us-east-1"
_PYTHON = ROOT / ".engine" / "bin" / "python"
_READY_WITHIN = 30.0  # seconds


class EngineError(RuntimeError):
    """The engine did not start; the message says what to do or shows the end of its log."""


class Engine:
    """The engine in a directory. At most one runs in each; any process finds it there.

    directory: its files, log and port.
    port: None takes a free one.
    bind: the address it listens on; containers reach only one that is not the loopback's.
    auth: check IAM policies.
    without: corrections to leave out, see `local.corrections`.
    settings: further environment variables for the engine.
    """

    def __init__(
        self,
        directory: Path = DIRECTORY,
        *,
        port: int | None = None,
        bind: str = "127.0.0.1",
        auth: bool = False,
        without: Collection[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.bind = bind
        self.auth = auth
        self.process = Background("engine", self.directory)
        self._port = port
        self._without = without
        self._settings = settings or {}
        self._state = self.directory / "engine.json"

    @property
    def url(self) -> str:
        """Where it answers. Raises `EngineError` if it does not run."""
        if not self.process.alive() or not self._state.exists():
            raise EngineError(f"no engine is running in {self.directory}: make up starts it")
        return str(json.loads(self._state.read_text())["url"])

    @property
    def faults(self) -> Path:
        """What goes wrong on demand, see `local.faults`; there need not be such a file."""
        return self.directory / FILE

    def running(self) -> bool:
        """Whether it runs, whoever started it."""
        return self.process.alive()

    def refuse_second(self) -> None:
        """Raise `EngineError` if one runs in this directory already."""
        if self.running():
            raise EngineError(f"an engine is already running in {self.directory}: make down stops it")

    def start(self) -> Self:
        """Start it and wait until it answers. Raises `EngineError`."""
        if not _PYTHON.exists():
            raise EngineError(f"{_PYTHON} is missing: run make install")
        self.refuse_second()
        port = self._port or _free_port(self.bind)
        host = "127.0.0.1" if self.bind == "0.0.0.0" else self.bind  # noqa: S104 (compared, not bound)
        url = f"http://{host}:{port}"
        self.faults.unlink(missing_ok=True)
        for name in ("tmp", "state", "s3"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
            (self.directory / name).mkdir(parents=True)
        self._state.write_text(json.dumps({"url": url, "port": port, "auth": self.auth}))
        self.process.start([str(_PYTHON), "-m", "local.serve"], self._engine_environment(url, port), ROOT)
        try:
            self._wait_until_ready(host, port)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop it and everything it started; fine if it does not run."""
        self.process.stop()
        self._state.unlink(missing_ok=True)

    def reset(self) -> None:
        """Forget every resource, as a new engine would. Raises `EngineError`."""
        address = urlsplit(self.url)
        if not _answers(str(address.hostname), int(address.port or 0), "POST", "/_ministack/reset"):
            raise EngineError(f"the engine at {self.url} did not reset:\n{self.process.log_tail()}")

    def environment(self) -> dict[str, str]:
        """The variables with which any AWS SDK or tool talks to the engine."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def child_environment(self) -> dict[str, str]:
        """This process's environment for a child, with the engine's AWS settings in the place of its own."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return ours | self.environment()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _engine_environment(self, url: str, port: int) -> dict[str, str]:
        """Nothing of this machine's: what leaks in here would hide what a function lacks on AWS."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.directory / "tmp"),
            "STATE_DIR": str(self.directory / "state"),
            "S3_DATA_DIR": str(self.directory / "s3"),
            "GATEWAY_PORT": str(port),
            "BIND_HOST": self.bind,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AUTH": str(self.auth).lower(),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "DOCKER_HOST": "unix:///nonexistent",
            "PERENNIAL_URL": url,
            "PERENNIAL_FAULTS": str(self.faults),
            "PERENNIAL_UNPACKED": str(UNPACKED),
            "PERENNIAL_WITHOUT": ",".join(self._without),
            **self._settings,
        }

    def _wait_until_ready(self, host: str, port: int) -> None:
        until = time.monotonic() + _READY_WITHIN
        while time.monotonic() < until:
            if not self.process.alive():
                raise EngineError(f"the engine ended while it started:\n{self.process.log_tail()}")
            if _answers(host, port):
                return
            time.sleep(0.05)
        raise EngineError(f"no answer within {_READY_WITHIN:.0f} s:\n{self.process.log_tail()}")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _answers(host: str, port: int, method: str = "GET", path: str = "/_ministack/ready") -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request(method, path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
