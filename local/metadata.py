"""The instance metadata service of one instance, version 2 only, on a port of the loopback.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from local.loopback import Loopback, Quiet

_LONGEST_TOKEN = 21600  # seconds
_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 (a header's name)


@dataclass
class Facts:
    """What an instance is told about itself.

    tags: None where the launch template does not allow tags in the metadata.
    role, credentials: of the instance profile; without one there is no `iam`.
    spot_action: e.g. {"action": "terminate", "time": "2026-01-01T00:00:00Z"} once a notice is given.
    rebalance: e.g. {"noticeTime": "2026-01-01T00:00:00Z"} once that is recommended.
    """

    instance_id: str
    instance_type: str
    image_id: str
    life_cycle: str
    availability_zone: str
    account: str
    user_data: bytes = b""
    tags: Mapping[str, str] | None = None
    role: str | None = None
    credentials: Callable[[], Mapping[str, str]] = field(default=dict)
    spot_action: Mapping[str, str] | None = None
    rebalance: Mapping[str, str] | None = None

    @property
    def region(self) -> str:
        """The zone's region."""
        return self.availability_zone[:-1]

    def pages(self) -> dict[str, Callable[[], str]]:
        """Path below /latest/: what makes its text."""
        identity = {
            "accountId": self.account,
            "availabilityZone": self.availability_zone,
            "imageId": self.image_id,
            "instanceId": self.instance_id,
            "instanceType": self.instance_type,
            "region": self.region,
            "version": "2017-09-30",
        }
        pages: dict[str, Callable[[], str]] = {
            "meta-data/ami-id": lambda: self.image_id,
            "meta-data/instance-id": lambda: self.instance_id,
            "meta-data/instance-life-cycle": lambda: self.life_cycle,
            "meta-data/instance-type": lambda: self.instance_type,
            "meta-data/placement/availability-zone": lambda: self.availability_zone,
            "meta-data/placement/region": lambda: self.region,
            "dynamic/instance-identity/document": lambda: json.dumps(identity, indent=2),
        }
        for key, value in (self.tags or {}).items():
            pages[f"meta-data/tags/instance/{key}"] = partial(str, value)
        if self.role:
            folder = "meta-data/iam/security-credentials"
            pages[f"{folder}/{self.role}"] = lambda: json.dumps(dict(self.credentials()))
        if self.spot_action:
            pages["meta-data/spot/instance-action"] = lambda: json.dumps(self.spot_action)
        if self.rebalance:
            pages["meta-data/events/recommendations/rebalance"] = lambda: json.dumps(self.rebalance)
        if self.user_data:
            pages["user-data"] = lambda: self.user_data.decode(errors="replace")
        return pages


class MetadataService(Loopback):
    """Serves `facts`, which may be replaced, at an AWS_EC2_METADATA_SERVICE_ENDPOINT."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._tokens: dict[str, float] = {}
        super().__init__(self._handler())

    def token(self, seconds: str | None) -> str | None:
        """A session token for 1 to 21600 seconds; None for anything else."""
        if seconds is None or not seconds.isdigit() or not 1 <= int(seconds) <= _LONGEST_TOKEN:
            return None
        token = secrets.token_urlsafe(40)
        self._tokens[token] = time.monotonic() + int(seconds)
        return token

    def page(self, path: str, token: str | None) -> tuple[HTTPStatus, str]:
        """Status and text of a path below /latest/; a folder lists what is in it."""
        if self._tokens.get(token or "", 0.0) < time.monotonic():
            return HTTPStatus.UNAUTHORIZED, ""
        pages = self.facts.pages()
        if path in pages:
            return HTTPStatus.OK, pages[path]()
        folder = path.rstrip("/") + "/"
        inside = [page.removeprefix(folder) for page in pages if page.startswith(folder)]
        names = {name.partition("/")[0] + ("/" if "/" in name else "") for name in inside}
        return (HTTPStatus.OK, "\n".join(sorted(names))) if names else (HTTPStatus.NOT_FOUND, "")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                token = service.token(self.headers.get(_TTL)) if self.path == "/latest/api/token" else None
                self._answer(HTTPStatus.OK if token else HTTPStatus.BAD_REQUEST, token or "")

            def do_GET(self) -> None:
                path = self.path.partition("/latest/")[2]
                self._answer(*service.page(path, self.headers.get(_TOKEN)))

            def _answer(self, status: HTTPStatus, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
