"""Processes that outlive the command that starts them, and are found again by the next one."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Background:
    """One background process of a name, in a directory that holds its log, pid and lock.

    The process inherits a locked file, so that it counts as alive exactly as long as it lives: neither a
    crash nor a process id that was given away again can mislead.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._pid = directory / f"{name}.pid"
        self._lock = directory / f"{name}.lock"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        """Start in a session of its own, output to the log. Raises `RuntimeError` where it already runs."""
        if self.alive():
            raise RuntimeError(f"{self.name} is already running in {self._lock.parent}")
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock, self.log.open("w") as log:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._child = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
            self._pid.write_text(str(self._child.pid))

    @property
    def pid(self) -> int | None:
        """The process id while it is alive."""
        return int(self._pid.read_text()) if self.alive() else None

    def alive(self) -> bool:
        """Whether it runs, whoever started it."""
        try:
            with self._lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        if self._child is not None:
            self._child.wait()
            self._child = None
        return False

    def stop(self, patience: float = 5.0) -> None:
        """SIGTERM, after `patience` seconds SIGKILL, also to what it left behind. Fine if it does not run."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + patience
            while self.alive() and time.monotonic() < until:
                time.sleep(0.02)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            while self.alive():
                time.sleep(0.02)
        self._pid.unlink(missing_ok=True)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
        )
