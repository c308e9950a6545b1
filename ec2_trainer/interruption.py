"""Whoever notices that this attempt must end early says so here: spot notice, rebalance, SIGTERM.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
"""

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Self

from aws_lambda_powertools import Logger

from ec2_trainer.instance import Metadata, MetadataAway
from ec2_trainer.watching import Watch
from perennial.errors import PerennialError, SpotInterrupted, TrainerLost

LOOK_EVERY = 5.0  # seconds, as EC2's guide recommends
_OURS = 0.75  # of the time until EC2 acts; the rest is for the log's way to CloudWatch and the shutdown
_SHUTDOWN = 10.0  # seconds that a system which shuts down leaves a process

logger = Logger(service="perennial-trainer", child=True)


class Interruption:
    """Whether and why this attempt must end early; a context manager around the work.

    The work asks `asked` between two steps, keeps what it has and ends. Where it must end by a certain time
    and has not, `give_up` is called with the error, from another thread.
    """

    def __init__(self, give_up: Callable[[PerennialError], None]) -> None:
        self._give_up = give_up
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False
        self.error: PerennialError | None = None

    def asked(self) -> bool:
        """Whether the work should end at its next step."""
        return self._asked.is_set()

    def ask(self, error: PerennialError, seconds: float | None = None) -> None:
        """Ask the work to end; within `seconds` it must, and the error says why. The first reason stays."""
        with self._lock:
            self.error = self.error or error
            self._asked.set()
            if seconds is not None and self._timer is None and not self._closed:
                logger.warning("this attempt must end", extra={"reason": str(error), "seconds": seconds})
                self._timer = threading.Timer(max(0.0, seconds), self._give_up, [error])
                self._timer.daemon = True
                self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The work is over: nobody need give it up."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()


class SpotWatcher(Watch):
    """A thread that looks for the two notices of a spot instance, at once and then every `interval` seconds.

    A rebalance recommendation asks the work to end at its next step: there is a checkpoint then, and nothing
    is lost. Work without steps goes on, since most recommendations are followed by no interruption within
    its time. An interruption notice ends it in any case, before EC2 does.
    """

    def __init__(self, metadata: Metadata, interruption: Interruption, interval: float = LOOK_EVERY) -> None:
        self._metadata, self._interruption, self._interval = metadata, interruption, interval
        super().__init__("spot watcher", self._look_once)

    def _look_once(self) -> float | None:
        """Seconds until the next look; None where there is nothing more to look for."""
        try:
            action = self._metadata.get("meta-data/spot/instance-action")
            advice = self._metadata.get("meta-data/events/recommendations/rebalance")
        except MetadataAway as away:
            logger.warning("no look at the metadata", extra={"error": str(away)})
            return self._interval
        if advice and not self._interruption.asked():
            logger.warning("EC2 recommends to rebalance", extra={"notice": advice})
            self._interruption.ask(SpotInterrupted("EC2 expects to take the spot instance back"))
        if not action:
            return self._interval
        seconds = _seconds_until(action)
        error = SpotInterrupted(f"EC2 takes the spot instance back in {seconds:.0f} seconds")
        self._interruption.ask(error, _OURS * seconds)
        return None


def _seconds_until(action: str) -> float:
    """Of {"action": "terminate", "time": "2026-01-01T00:00:00Z"}; two minutes where no time is said."""
    try:
        when = datetime.fromisoformat(json.loads(action)["time"])
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, LookupError, TypeError):
        return 120.0


class Terminations:
    """Turns SIGTERM, which a system that shuts down sends, into an interruption; for the main thread.

    The handler of a signal runs between two steps of the interpreter, which a long call of an estimator may
    put off for hours. So the signal wakes a thread.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._thread = threading.Thread(target=self._wait, name="terminations", daemon=True)

    def __enter__(self) -> Self:
        self._handler = signal.signal(signal.SIGTERM, _nothing)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._before)
        signal.signal(signal.SIGTERM, self._handler)
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def _wait(self) -> None:
        while received := os.read(self._reader, 64):
            if signal.SIGTERM in received:
                self._interruption.ask(TrainerLost("the training instance is shutting down"), _SHUTDOWN / 2)


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler of Python's, without which the signal would end the process and wake nobody."""
