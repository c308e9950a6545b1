"""Engine and stand-in EC2 host together, as `make up`, `make run` and the end-to-end tests use them."""

import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from local.engine import DIRECTORY, ROOT, Engine, EngineError
from local.process import Background

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a closed terminal
_READY_WITHIN = 60.0  # seconds


class Session:
    """An engine with its EC2 host. A context manager that stops both; or `up` and `down` from any process."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine(DIRECTORY, auth=True)
        self.host = Background("ec2_host", self.engine.directory)

    def up(self) -> Self:
        """Start both and wait until both answer.

        Raises `EngineError`, and then leaves nothing running but what ran already.
        """
        self.engine.refuse_second()
        try:
            self.engine.start()
            self.start_host()
        except BaseException:
            self.down()
            raise
        return self

    def down(self) -> None:
        """Stop both, instances included; fine if they do not run. An impatient second Ctrl-C waits for it."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
        try:
            self.host.stop()
            self.engine.stop()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def console(self, instance_id: str) -> Path:
        """Where the console log of an instance is, also after its end."""
        return self.engine.directory / "instances" / instance_id / "console.log"

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def start_host(self) -> None:
        """Start the host alone. Raises `EngineError`."""
        ready = self.engine.directory / "ec2_host.ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "local.ec2_host", str(self.engine.directory)]
        self.host.start(command, self.engine.child_environment(), ROOT)
        until = time.monotonic() + _READY_WITHIN
        while not ready.exists():
            if not self.host.alive() or time.monotonic() > until:
                raise EngineError(f"the EC2 host did not start:\n{self.host.log_tail()}")
            time.sleep(0.02)
