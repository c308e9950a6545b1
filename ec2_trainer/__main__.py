"""`python3.13 -m ec2_trainer`: one training for the run that launched this instance.

Exit codes (user data shuts the instance down after any of them):

    0  the result was reported
    1  a failure was reported, by its name
    2  nothing could be reported: no metadata, no job with a token, or no way to AWS; the run notices that the
       instance is gone
    3  the run waits no longer; the result, if there was one, was not used
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from ec2_trainer.heartbeat import INTERVAL, Heartbeat
from ec2_trainer.instance import Identity, Metadata, NoIdentity, who_am_i
from ec2_trainer.interruption import LOOK_EVERY, Interruption, SpotWatcher, Terminations
from ec2_trainer.tracker import Tracker
from perennial import layout
from perennial.aws.clients import naming_outages
from perennial.aws.wiring import Services, Settings
from perennial.aws.workflow import Callback
from perennial.contracts.training import TrainingJob, TrainingProgress, TrainingResult
from perennial.errors import (
    CallbackExpired,
    InvalidRequest,
    PerennialError,
    ServiceUnavailable,
    SpotInterrupted,
    TrainingFailed,
)

REPORTED, FAILED, UNREPORTED, GONE = range(4)
_MESSAGE_LIMIT = 4_000
_CAUSE_LIMIT = 32_000  # Step Functions takes 32,768 characters

logger = Logger(service="perennial-trainer")


@dataclass(frozen=True)
class Patience:
    """Seconds between heartbeats, between looks for a spot notice, and between tries to answer.

    All tries take less than the state machine waits for a heartbeat.
    """

    heartbeat: float = INTERVAL
    spot: float = LOOK_EVERY
    answer: float = 10.0
    answers: int = 12


def main(
    services: Services | None = None,
    leave: Callable[[int], object] = os._exit,
    patience: Patience | None = None,
) -> int:
    """Do the job and answer the run's callback; returns the exit code. For the main thread.

    `leave` ends the process from another thread, in the middle of whatever the estimator does.
    """
    services, patience = services or Services(Settings.from_environment()), patience or Patience()
    try:
        me = who_am_i(Metadata())
        logger.append_keys(run=me.run, attempt=me.attempt, instance=me.instance_id)
        body = services.artifacts.get(layout.run_key(me.run, layout.JOB))
        callback = services.callback(_token(body))
        if _attempt(body, me) != me.attempt:
            raise CallbackExpired("a later attempt has taken over")  # its token is not this instance's to use
    except CallbackExpired as error:
        logger.warning("this attempt is not wanted any more", extra={"reason": str(error)})
        return GONE
    except (NoIdentity, InvalidRequest, ClientError, BotoCoreError):
        logger.exception("there is no job")
        return UNREPORTED
    return _answer(callback, _train(body, services, callback, me, leave, patience), patience)


def _train(
    body: bytes,
    services: Services,
    callback: Callback,
    me: Identity,
    leave: Callable[[int], object],
    patience: Patience,
) -> TrainingResult | BaseException:
    """The result, or what went wrong; nothing watches any more when this returns."""
    try:
        job = TrainingJob.model_validate_json(body)
    except ValidationError as error:
        return InvalidRequest(f"{layout.JOB} is no training job: {error}")
    tracker = Tracker()

    def gone() -> None:
        logger.warning("the run waits no longer: training stops")
        leave(GONE)

    def give_up(error: PerennialError) -> None:
        code = UNREPORTED
        try:
            code = _answer(callback, error, patience)
        finally:
            leave(code)

    def late() -> None:
        give_up(TrainingFailed(f"training took longer than {job.max_seconds} seconds"))

    def tell() -> None:
        services.progress.tell(job.run, _progress(tracker, me))

    interruption = Interruption(give_up)
    with ExitStack() as watching:
        watching.enter_context(Terminations(interruption))
        watching.enter_context(interruption)
        watching.enter_context(SpotWatcher(Metadata(), interruption, patience.spot))
        watching.enter_context(
            Heartbeat(
                callback,
                max_seconds=job.max_seconds,
                on_gone=gone,
                on_late=late,
                tell=tell,
                interval=patience.heartbeat,
            )
        )
        try:
            from ec2_trainer.job import work  # takes seconds to import, and the run waits for a first beat

            with naming_outages():
                return work(job, services, me.instance_id, interrupted=interruption.asked, progress=tracker)
        except SpotInterrupted as error:  # what makes a training in steps end: the watcher knows why
            return interruption.error or error
        except BaseException as error:  # noqa: BLE001 - whatever it was, the run is told
            return error


def _progress(tracker: Tracker, me: Identity) -> TrainingProgress:
    now, position = datetime.now(UTC), tracker.position()
    left = position.seconds_left
    return TrainingProgress(
        attempt=me.attempt,
        instance_id=me.instance_id,
        phase=position.phase,
        share=position.share,
        at=now,
        ends_at=None if left is None else now + timedelta(seconds=left),
    )


def _answer(callback: Callback, outcome: TrainingResult | BaseException, patience: Patience) -> int:
    """Report, again and again while AWS is away for a moment: hours of training may hang on it."""
    for last in [False] * (patience.answers - 1) + [True]:
        try:
            with naming_outages():
                return _report(callback, outcome)
        except CallbackExpired:
            logger.warning("the run waits no longer")
            return GONE
        except ServiceUnavailable as error:
            logger.warning("the answer did not get through", extra={"error": str(error), "last": last})
            if not last:
                time.sleep(patience.answer)
        except (PerennialError, BotoCoreError):
            logger.exception("the answer was refused")
            return UNREPORTED
    return UNREPORTED


def _report(callback: Callback, outcome: TrainingResult | BaseException) -> int:
    if isinstance(outcome, TrainingResult):
        callback.succeed(outcome.model_dump_json())
        logger.info("reported", extra={"version": outcome.version})
        return REPORTED
    name = type(outcome).__name__ if isinstance(outcome, PerennialError) else TrainingFailed.__name__
    logger.error("training failed", exc_info=outcome)
    callback.fail(name, _cause(name, outcome))
    return FAILED


def _token(body: bytes) -> str:
    """The token, wherever a job holds one: even a job that makes no sense can then be refused by name."""
    try:
        token = json.loads(body)["token"]
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidRequest(f"{layout.JOB} holds no token") from error
    return str(token)


def _attempt(body: bytes, me: Identity) -> int:
    """The attempt that the job is for; this one where it says none, so that it can be refused by name."""
    attempt = json.loads(body).get("attempt")
    return attempt if isinstance(attempt, int) else me.attempt


def _cause(name: str, error: BaseException) -> str:
    """What Lambda reports of an exception, so that the state machine reads both alike."""
    message = str(error) if isinstance(error, PerennialError) else f"{type(error).__name__}: {error}"
    trace = traceback.format_tb(error.__traceback__)
    while True:
        cause = json.dumps(
            {"errorMessage": message[:_MESSAGE_LIMIT], "errorType": name, "stackTrace": trace},
            ensure_ascii=False,
        )
        if len(cause) <= _CAUSE_LIMIT or not trace:
            return cause
        trace = trace[1:]


if __name__ == "__main__":
    sys.exit(main())
