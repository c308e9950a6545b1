"""What the fault file has in store for one instance, done when its moment comes."""

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.faults import LASTING, SPOT_ONLY, Fault
from local.gateway import Gateway
from local.instance import CONSOLE, Instance, processes

_NOTICE = 120.0  # seconds between a spot interruption notice and the interruption
_TRAINER = b"ec2_trainer"

type Warn = Callable[[str], None]  # publishes the event of this kind of warning
type Terminate = Callable[[], None]


class Injection:
    """The faults of one instance; `step` is called again and again until its end."""

    def __init__(
        self,
        instance: Instance,
        gateway: Gateway | None,
        *,
        warn: Warn,
        terminate: Terminate,
        time_scale: float,
    ) -> None:
        self._instance, self._gateway = instance, gateway
        self._warn, self._terminate = warn, terminate
        self._notice = _NOTICE * time_scale
        self._began = time.monotonic()
        self._seen: dict[str, float] = {}
        self._struck: dict[Fault, float] = {}
        self._over: set[Fault] = set()
        self._interrupted_at: float | None = None

    def step(self, faults: Sequence[Fault]) -> None:
        """Do what is due."""
        now = time.monotonic()
        for fault in faults:
            if fault not in self._struck:
                due = self._due(fault)
                if due is None or now < due or not self._strike(fault):
                    continue
                self._struck[fault] = now
                self._instance.say(f"fault: {fault.kind} {fault.error}".rstrip())
            elif fault.kind in LASTING and fault not in self._over:
                self._hold(fault, now)
        if self._interrupted_at is not None and now >= self._interrupted_at:
            self._interrupted_at = None
            self._terminate()

    def _due(self, fault: Fault) -> float | None:
        """When, on the monotonic clock; None before the console shows the fault's text, and for ever where
        it can only befall a spot instance and this is none."""
        if fault.kind in SPOT_ONLY and self._instance.metadata.facts.life_cycle != "spot":
            return None
        if not fault.at:
            return self._began + fault.after
        if fault.at not in self._seen:
            console = self._instance.directory / CONSOLE
            with contextlib.suppress(FileNotFoundError):
                if fault.at in console.read_text(errors="replace"):
                    self._seen[fault.at] = time.monotonic()
        shown = self._seen.get(fault.at)
        return None if shown is None else shown + fault.after

    def _strike(self, fault: Fault) -> bool:
        """Whether it struck: a fault of the trainer's process waits until there is one."""
        match fault.kind:
            case "rebalance":
                self._instance.metadata.facts.rebalance = {"noticeTime": _stamp(0)}
                self._warn("rebalance")
            case "interruption":
                action = {"action": "terminate", "time": _stamp(self._notice)}
                self._instance.metadata.facts.spot_action = action
                self._interrupted_at = time.monotonic() + self._notice
                self._warn("interruption")
            case "terminate":
                self._terminate()
            case "kill":
                return _signal(self._trainers(), signal.SIGKILL)
            case "panic":
                if not _signal(self._processes(), signal.SIGKILL):
                    return False
                self._terminate()
            case "hang":
                return _signal(self._processes(), signal.SIGSTOP)
            case "disk":
                return _limit_files(self._trainers(), 0)
            case _:
                return _switch(self._gateway, fault, working=False)
        return True

    def _hold(self, fault: Fault, now: float) -> None:
        """Keep a lasting fault up, or end it when its time is over."""
        over = now >= self._struck[fault] + fault.lasts
        if fault.kind == "disk":
            _limit_files(self._trainers(), resource.RLIM_INFINITY if over else 0)
        elif over:
            _switch(self._gateway, fault, working=True)
        if over:
            self._over.add(fault)
            self._instance.say(f"fault over: {fault.kind}")

    def _processes(self) -> list[int]:
        """All living processes of the instance."""
        group = self._instance.group
        return [] if group is None else list(processes(group))

    def _trainers(self) -> list[int]:
        """Those that run `python3.13 -m ec2_trainer`."""
        found = []
        for process in self._processes():
            with contextlib.suppress(OSError):
                if _TRAINER in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0"):
                    found.append(process)
        return found


def _switch(gateway: Gateway | None, fault: Fault, *, working: bool) -> bool:
    match fault.kind:
        case "network" if gateway:
            gateway.network = working
        case "s3" if gateway:
            gateway.s3 = working
        case "callback" if gateway:
            gateway.callback = None if working else fault.error
        case _:
            return False
    return True


def _signal(processes: Sequence[int], number: signal.Signals) -> bool:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
    return bool(processes)


def _limit_files(processes: Sequence[int], limit: int) -> bool:
    """Let the processes' files grow to `limit` bytes."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            _soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
            soft = hard if limit == resource.RLIM_INFINITY else limit
            resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))
    return bool(processes)


def _stamp(seconds: float) -> str:
    """The time `seconds` from now, as the metadata service writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
