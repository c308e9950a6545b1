"""The AWS clients: one configuration for all of them, one reading of their errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from perennial.errors import ServiceUnavailable

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
}


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
    """Give what AWS could not do *just now* the one name that the state machine retries.

    Raises ServiceUnavailable for throttling, 5xx answers and broken connections; lets any other error pass.
    """
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or error_code(error) in _THROTTLED:
            raise ServiceUnavailable(f"AWS could not answer for a moment: {error}") from error
        raise
    except (AwsConnectionError, HTTPClientError) as error:
        raise ServiceUnavailable(f"AWS could not be reached: {error}") from error
