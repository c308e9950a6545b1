"""Containers' way to the engine, and what `make invoke` says of an engine without the stack."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from local.bridge import reachable
from local.engine import Engine
from local.invoke import InvokeError, deployed


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Be quiet."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once, as the engine does."""

    request_queue_size = 128


@pytest.fixture
def server() -> Iterator[str]:
    """A server on the loopback address only."""
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def post(url: str, body: bytes) -> bytes:
    with urlopen(url, body, timeout=5) as answer:  # noqa: S310 - an http URL of ours
        answered: bytes = answer.read()
    return answered


def test_what_is_sent_to_the_bridge_arrives_and_so_does_the_answer(server: str) -> None:
    with reachable(server, "127.0.0.2") as address:
        assert address.startswith("http://127.0.0.2:")
        for body in (b"short", bytes(range(256)) * 20_000):
            assert post(address, body) == body


def test_many_connections_at_once(server: str) -> None:
    answers: dict[int, bytes] = {}
    with reachable(server, "127.0.0.2") as address:

        def one(number: int) -> None:
            answers[number] = post(address, b"%d" % number * 1000)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: b"%d" % number * 1000 for number in range(20)}


def test_the_bridge_ends_with_the_invocation(server: str) -> None:
    with reachable(server, "127.0.0.2") as address:
        assert post(address, b"x") == b"x"
    with pytest.raises(URLError):
        post(address, b"x")


def test_a_server_that_is_gone_is_a_connection_that_closes() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with reachable(nobody, "127.0.0.2") as address, pytest.raises((URLError, ConnectionError)):
        post(address, b"x")


def test_an_engine_that_listens_beyond_the_loopback_is_reached_as_it_is() -> None:
    with reachable("http://172.17.0.1:4566", "172.17.0.1") as address:
        assert address == "http://172.17.0.1:4566"


def test_where_the_gateway_is_another_machines_docker_names_the_host() -> None:
    """As with Docker Desktop; 192.0.2.0/24 is nobody's (RFC 5737)."""
    with reachable("http://127.0.0.1:4566", "192.0.2.1") as address:
        assert address == "http://host.docker.internal:4566"


def test_without_the_stack_it_says_what_deploys_it(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine, pytest.raises(InvokeError, match="not deployed: make up"):
        deployed(engine, "Decide")
