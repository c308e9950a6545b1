"""An instance's own way to AWS, which can be made to fail: no answer at all, of S3, or to callbacks."""

import http.client
import json
import re
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from local.loopback import Loopback, Quiet

_SERVICE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
_TIMEOUT = 120.0  # seconds
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"


class Gateway(Loopback):
    """Forwards everything to `target` until told otherwise by its three switches."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._host, self._port = str(address.hostname), int(address.port or 80)
        self.network = True
        self.s3 = True
        self.callback: str | None = None  # the error that SendTask* get
        super().__init__(self._handler())

    def refusal(self, headers: Message) -> tuple[HTTPStatus, str, bytes] | None:
        """Status, content type and body of the answer to a call that is to fail; None for one that is not."""
        service = _SERVICE.search(headers.get("Authorization", ""))
        if not self.s3 and service and service[1] == "s3":
            return HTTPStatus.SERVICE_UNAVAILABLE, "application/xml", _SLOW_DOWN
        if self.callback and ".SendTask" in headers.get("X-Amz-Target", ""):
            body = {"__type": self.callback, "message": "refused on demand"}
            return HTTPStatus.BAD_REQUEST, "application/x-amz-json-1.0", json.dumps(body).encode()
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if not gateway.network:
                    self.close_connection = True  # without an answer, as a cut line leaves it
                    return
                refusal = gateway.refusal(self.headers)
                if refusal:
                    status, kind, text = refusal
                    self._answer(status, {"Content-Type": kind}, text)
                    return
                way = http.client.HTTPConnection(gateway._host, gateway._port, timeout=_TIMEOUT)
                try:
                    way.request(self.command, self.path, body, _end_to_end(self.headers))
                    answer = way.getresponse()
                    text = answer.read()
                    length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else None
                    self._answer(answer.status, _end_to_end(answer.headers), text, length)
                except OSError:
                    self.close_connection = True
                finally:
                    way.close()

            def _answer(
                self, status: int, headers: dict[str, str], body: bytes, length: str | None = None
            ) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", length or str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
            setattr(Handler, f"do_{method}", Handler._pass_on)
        return Handler


def _end_to_end(headers: Message) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
