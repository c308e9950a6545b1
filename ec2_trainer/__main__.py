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
import traceback
from collections.abc import Callable

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from ec2_trainer.heartbeat import INTERVAL, Heartbeat
from ec2_trainer.instance import NoIdentity, who_am_i
from perennial import layout
from perennial.aws.clients import naming_outages
from perennial.aws.wiring import Services, Settings
from perennial.aws.workflow import Callback
from perennial.contracts import TrainingJob, TrainingResult
from perennial.errors import CallbackExpired, InvalidRequest, PerennialError, TrainingFailed

REPORTED, FAILED, UNREPORTED, GONE = range(4)
_MESSAGE_LIMIT = 4_000
_CAUSE_LIMIT = 32_000  # Step Functions takes 32,768 characters

logger = Logger(service="perennial-trainer")


def main(
    services: Services | None = None,
    leave: Callable[[int], object] = os._exit,
    interval: float = INTERVAL,
) -> int:
    """Do the job and answer the run's callback; returns the exit code.

    `leave` ends the process from the heartbeat's thread, in the middle of whatever the estimator does.
    """
    services = services or Services(Settings.from_environment())
    try:
        me = who_am_i()
        logger.append_keys(run=me.run, instance=me.instance_id)
        body = services.artifacts.get(layout.run_key(me.run, layout.JOB))
        callback = services.callback(_token(body))
    except (NoIdentity, InvalidRequest, ClientError, BotoCoreError):
        logger.exception("there is no job")
        return UNREPORTED
    try:
        return _answer(callback, _train(body, services, callback, me.instance_id, leave, interval))
    except CallbackExpired:
        logger.warning("the run waits no longer")
        return GONE
    except (ClientError, BotoCoreError):
        logger.exception("the answer did not get through")
        return UNREPORTED


def _train(
    body: bytes,
    services: Services,
    callback: Callback,
    instance_id: str,
    leave: Callable[[int], object],
    interval: float,
) -> TrainingResult | Exception:
    """The result, or what went wrong; under a heartbeat that has ended when this returns."""
    try:
        job = TrainingJob.model_validate_json(body)
    except ValidationError as error:
        return InvalidRequest(f"{layout.JOB} is no training job: {error}")

    def gone() -> None:
        logger.warning("the run waits no longer: training stops")
        leave(GONE)

    def late() -> None:
        code = UNREPORTED
        try:
            code = _answer(callback, TrainingFailed(f"training took longer than {job.max_seconds} seconds"))
        except CallbackExpired:
            code = GONE
        finally:
            leave(code)

    heart = Heartbeat(callback, max_seconds=job.max_seconds, on_gone=gone, on_late=late, interval=interval)
    with heart:
        try:
            from ec2_trainer.job import work  # takes seconds to import, and the run waits for a first beat

            with naming_outages():
                return work(job, services, instance_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, the run is told
            return error


def _answer(callback: Callback, outcome: TrainingResult | Exception) -> int:
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


def _cause(name: str, error: Exception) -> str:
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
