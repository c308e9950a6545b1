"""One instance of the stand-in host: its user data, run as cloud-init would, and the commands it finds."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from pathlib import Path

from local.metadata import Facts, MetadataService

CONSOLE = "console.log"
GRACE = 60.0  # seconds between SIGTERM and SIGKILL; 90 are the default of systemd, which ends those on EC2

# Names that `dnf install` accepts, since what they bring is there.
_INSTALLED = ("python3.13", "unzip", "tar", "gzip", "curl", "curl-minimal", "awscli", "awscli-2")

_DNF = """#!/bin/sh
# Everything is installed already; nothing else can be.
for word; do
  case $word in
    install|-*) ;;
    {installed}) echo "Package $word is already installed." ;;
    *) echo "Error: Unable to find a match: $word" >&2; exit 1 ;;
  esac
done
"""

_SHUTDOWN = """#!/bin/sh
# shutdown [-h] now | +MINUTES, shutdown -c: asks the host.
when=+1
for word; do
  case $word in
    -c) when=cancel ;;
    now|+[0-9]*) when=$word ;;
    -*) ;;
    *) echo "shutdown: time not understood: $word" >&2; exit 1 ;;
  esac
done
printf %s "$when" > '{request}'.$$ && mv '{request}'.$$ '{request}'
"""

_RUN = """#!/bin/sh
exec {command} "$@"
"""


def make_python(directory: Path) -> Path:
    """An interpreter of this Python version with an empty site-packages, as a new instance has; its path."""
    python = directory / "bin" / "python3.13"
    if not python.exists():
        venv.create(directory, clear=True, symlinks=True, with_pip=False)
    return python


class Instance:
    """A running instance: a process group, its metadata service, and the moment when it shuts down."""

    def __init__(self, facts: Facts, directory: Path, python: Path, environment: Mapping[str, str]) -> None:
        self.metadata = MetadataService(facts)
        self.directory = directory
        self._python = python
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: subprocess.Popen[bytes] | None = None
        self._shutdown_at: float | None = None

    def start(self) -> None:
        """Run the user data in a session of its own, output to the console log."""
        for name in ("bin", "tmp"):
            (self.directory / name).mkdir(parents=True)
        self._write_commands()
        self.metadata.start()
        user_data = self.metadata.facts.user_data
        if not user_data.startswith(b"#!"):
            self.say("cloud-init: no script in the user data")
            return
        script = self.directory / "user-data"
        script.write_bytes(user_data)
        with (self.directory / CONSOLE).open("ab") as console:
            self._process = subprocess.Popen(
                ["/bin/bash", script],
                cwd=self.directory,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Should this host die, the pipe closes, and the process group with it.
        self._lifeline = subprocess.Popen(
            ["/bin/sh", "-c", f"read -r _; kill -KILL -{self._process.pid}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def group(self) -> int | None:
        """The process group of everything that runs on it; None before and without user data."""
        return self._process.pid if self._process else None

    def over(self) -> str | None:
        """Why the instance is to end now: `shutdown`, or `script ended` where nothing is left running."""
        request = self.directory / "shutdown"
        with contextlib.suppress(FileNotFoundError):
            when = request.read_text()
            request.unlink()
            self.say(f"shutdown: {when}")
            self._shutdown_at = _moment(when)
        if self._shutdown_at is not None and time.monotonic() >= self._shutdown_at:
            return "shutdown"
        if self._process is not None and self._process.poll() is not None and not _living(self._process.pid):
            return "script ended"
        return None

    def stop(self, grace: float = GRACE) -> None:
        """End every process of the instance and leave only its console log."""
        if self._lifeline is not None:
            self._lifeline.kill()
            self._lifeline.wait()
        if self._process is not None:
            group = self._process.pid
            until = time.monotonic() + grace
            _signal(group, signal.SIGTERM)
            while self._process.poll() is None or _living(group):
                if time.monotonic() >= until or _stand_still(group):
                    break
                time.sleep(0.05)
            _signal(group, signal.SIGKILL)
            self._process.wait()
        self.metadata.stop()
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != CONSOLE:
                path.unlink()

    def say(self, line: str) -> None:
        """Write a line of the host's own to the console log."""
        with (self.directory / CONSOLE).open("a") as console:
            console.write(f"[host] {line}\n")

    def _variables(self) -> dict[str, str]:
        """No credentials: they come from the metadata service, as on EC2."""
        return {
            "PATH": f"{self.directory / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONNOUSERSITE": "1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url,
            **self._environment,
        }

    def _write_commands(self) -> None:
        aws = f"env -u PYTHONPATH -u PYTHONHOME '{sys.executable}' -P -m awscli"
        dnf = _DNF.format(installed="|".join(_INSTALLED))
        commands = {
            "aws": _RUN.format(command=aws),
            "dnf": dnf,
            "yum": dnf,
            "python3": _RUN.format(command=f"'{self._python}'"),
            "python3.13": _RUN.format(command=f"'{self._python}'"),
            "shutdown": _SHUTDOWN.format(request=self.directory / "shutdown"),
        }
        if shutil.which("unzip") is None:
            commands["unzip"] = _UNZIP.format(python=self._python)
        for name, text in commands.items():
            path = self.directory / "bin" / name
            path.write_text(text)
            path.chmod(0o755)


_UNZIP = """#!/bin/sh
# unzip [-q] [-o] ARCHIVE [-d FOLDER]
folder=.
while [ $# -gt 0 ]; do
  case $1 in
    -d) folder=$2; shift ;;
    -*) ;;
    *) archive=$1 ;;
  esac
  shift
done
exec '{python}' -m zipfile -e "$archive" "$folder"
"""


def _moment(when: str) -> float | None:
    """The monotonic time that an argument of `shutdown` means; None for a cancelled one."""
    if when == "cancel":
        return None
    return time.monotonic() + (0.0 if when == "now" else 60.0 * int(when.removeprefix("+")))


def _living(group: int) -> bool:
    """Whether a process of the group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return bool(processes(group)) or not Path("/proc/self").exists()


def _stand_still(session: int) -> bool:
    """Whether all are stopped, and no signal but SIGKILL reaches them."""
    return set(processes(session).values()) == {"T"}


def processes(session: int) -> dict[int, str]:
    """The living processes of a session and their states, as proc(5) calls them; ended ones do not count.
    Commands that `timeout` runs are in it, and in a group of their own.
    """
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, _group, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state not in "ZX":
                found[int(stat.parent.name)] = state
    return found


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
