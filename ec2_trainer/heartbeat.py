"""A thread that tells the run that work goes on, and notices when it is in vain or takes too long."""

import time
from collections.abc import Callable

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from ec2_trainer.watching import Watch
from perennial.aws.workflow import Callback
from perennial.errors import CallbackExpired

INTERVAL = 20.0  # seconds; the state machine waits for 300

logger = Logger(service="perennial-trainer", child=True)


class Heartbeat(Watch):
    """Beats at once and then every `interval` seconds, until left, or until one of these is called once:

    `on_gone` when the run waits for this callback no longer, `on_late` when `max_seconds` have passed.
    A beat that AWS could not take is no reason to stop: the next one may get through. `tell` is called after
    each beat that did, and may fail as calls of AWS do.
    """

    def __init__(
        self,
        callback: Callback,
        *,
        max_seconds: float,
        on_gone: Callable[[], None],
        on_late: Callable[[], None],
        tell: Callable[[], None] = lambda: None,
        interval: float = INTERVAL,
    ) -> None:
        self._callback, self._interval = callback, interval
        self._on_gone, self._on_late, self._tell = on_gone, on_late, tell
        self._ends = time.monotonic() + max_seconds
        super().__init__("heartbeat", self._beat)

    def _beat(self) -> float | None:
        """Beat once; seconds until the next."""
        if time.monotonic() >= self._ends:
            self._on_late()
            return None
        try:
            self._callback.heartbeat()
            self._tell()
        except CallbackExpired:
            self._on_gone()
            return None
        except (BotoCoreError, ClientError) as error:
            logger.warning("a heartbeat did not get through", extra={"error": str(error)})
        return min(self._interval, max(0.0, self._ends - time.monotonic()))
