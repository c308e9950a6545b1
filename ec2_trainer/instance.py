"""The instance's metadata service (IMDSv2), and who it says this instance is.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

import http.client
import os
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

_ENDPOINT = "http://169.254.169.254"
_TAGS = "meta-data/tags/instance"
_TIMEOUT = 2.0
_ATTEMPTS = 5
_SESSION = 21600  # seconds, the longest there is


class MetadataAway(OSError):
    """The metadata service did not answer, or not as it should."""


class NoIdentity(RuntimeError):
    """The metadata service is away, or the instance bears no tag of a run."""


@dataclass(frozen=True)
class Identity:
    """The instance's id, and the attempt of a run that it was launched for."""

    instance_id: str
    run: str
    attempt: int


class Metadata:
    """The service at `AWS_EC2_METADATA_SERVICE_ENDPOINT`, or at its usual address. For one thread."""

    def __init__(self) -> None:
        self.endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _ENDPOINT
        self._session: str | None = None

    def get(self, path: str) -> str | None:
        """The text of a page below /latest/; None where there is no such page. Raises MetadataAway."""
        if self._session is None:
            seconds = {"X-aws-ec2-metadata-token-ttl-seconds": str(_SESSION)}
            self._session = self._ask("PUT", "api/token", seconds)[1]
        status, text = self._ask("GET", path, {"X-aws-ec2-metadata-token": self._session})
        if status == http.HTTPStatus.UNAUTHORIZED:  # the session is over: the next call opens another
            self._session = None
            raise MetadataAway(f"the metadata service took the session for {path} no longer")
        return text if status == http.HTTPStatus.OK else None

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        address = urlsplit(self.endpoint)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT)
        try:
            connection.request(method, f"/latest/{path}", headers=headers)
            response = connection.getresponse()
            text = response.read().decode().strip()
        except (OSError, http.client.HTTPException) as error:
            raise MetadataAway(f"the metadata service at {self.endpoint} did not answer: {error}") from error
        finally:
            connection.close()
        if response.status >= 500 or (method == "PUT" and response.status != http.HTTPStatus.OK):
            raise MetadataAway(f"the metadata service answered {response.status} when asked for {path}")
        return response.status, text


def who_am_i(metadata: Metadata) -> Identity:
    """Ask the metadata service; just after boot it may refuse for a moment, so it is asked again.

    Raises NoIdentity.
    """
    problem: Exception | None = None
    for attempt in range(_ATTEMPTS):
        time.sleep(0.2 * attempt)
        try:
            return Identity(
                instance_id=_fact(metadata, "meta-data/instance-id"),
                run=_fact(metadata, f"{_TAGS}/perennial:run"),
                attempt=int(_fact(metadata, f"{_TAGS}/perennial:attempt")),
            )
        except MetadataAway as error:
            problem = error
    raise NoIdentity(str(problem)) from problem


def _fact(metadata: Metadata, path: str) -> str:
    text = metadata.get(path)
    if not text:
        raise NoIdentity(f"the metadata service has no {path}")
    return text
