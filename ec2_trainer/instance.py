"""Who this instance is, from its metadata service (IMDSv2).

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

import http.client
import os
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

_ENDPOINT = "http://169.254.169.254"
_RUN_TAG = "perennial:run"
_TIMEOUT = 2.0
_ATTEMPTS = 5


@dataclass(frozen=True)
class Identity:
    """The instance's id, and the run that it was launched for."""

    instance_id: str
    run: str


class NoIdentity(RuntimeError):
    """The metadata service is away, or the instance bears no tag of a run."""


def who_am_i() -> Identity:
    """Ask the metadata service at `AWS_EC2_METADATA_SERVICE_ENDPOINT`, or at its usual address.

    Just after boot it may refuse for a moment, so it is asked again. Raises NoIdentity.
    """
    endpoint = urlsplit(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _ENDPOINT)
    problem: Exception | None = None
    for attempt in range(_ATTEMPTS):
        time.sleep(0.2 * attempt)
        connection = http.client.HTTPConnection(endpoint.hostname or "", endpoint.port, timeout=_TIMEOUT)
        try:
            return _ask(connection)
        except (OSError, http.client.HTTPException) as error:
            problem = error
        finally:
            connection.close()
    raise NoIdentity(f"the metadata service at {endpoint.geturl()} did not answer: {problem}") from problem


def _ask(connection: http.client.HTTPConnection) -> Identity:
    connection.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"})
    token = _body(connection, "a session token")
    headers = {"X-aws-ec2-metadata-token": token}
    connection.request("GET", "/latest/meta-data/instance-id", headers=headers)
    instance_id = _body(connection, "an instance id")
    connection.request("GET", f"/latest/meta-data/tags/instance/{_RUN_TAG}", headers=headers)
    return Identity(instance_id, run=_body(connection, f"the tag {_RUN_TAG}"))


def _body(connection: http.client.HTTPConnection, what: str) -> str:
    response = connection.getresponse()
    body = response.read().decode().strip()
    if response.status >= 500:
        raise http.client.HTTPException(f"{response.status} when asked for {what}")
    if response.status != http.HTTPStatus.OK or not body:
        raise NoIdentity(f"the metadata service has not {what}: it answered {response.status}")
    return body
