"""The AWS clients: one configuration for all of them, one reading of their errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from perennial.errors import ServiceRefused, ServiceUnavailable

_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
    "TooManyRequestsException",
    "SlowDown",
    "RequestTimeout",
    "ServiceUnavailable",
    "InternalError",
    "InternalServerError",
    "InternalFailure",
    "TransactionInProgressException",
    "TransactionConflictException",
}
_CANCELLED = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


@cache
def client(service: str) -> Any:
    """A client with the SDK's standard retries, made once per process."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        config=Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=60),
    )


def error_code(error: ClientError) -> str:
    """The service's own name of an error, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def naming_outages() -> Iterator[None]:
    """Give every refusal of AWS a name of ours; any other error passes.

    Raises ServiceUnavailable, which the state machine retries, for throttling, a transaction in another's
    way, 5xx answers and broken connections, and ServiceRefused for whatever would fail again.
    """
    try:
        yield
    except ClientError as error:
        if _passes(error):
            raise ServiceUnavailable(f"AWS could not answer for a moment: {error}") from error
        raise ServiceRefused(f"AWS refused a call: {error}") from error
    except (AwsConnectionError, HTTPClientError) as error:
        raise ServiceUnavailable(f"AWS could not be reached: {error}") from error


def _passes(error: ClientError) -> bool:
    """May the same call succeed a little later?"""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
    return status >= 500 or error_code(error) in _THROTTLED or bool(reasons & _CANCELLED)
