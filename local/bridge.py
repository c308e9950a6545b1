"""A way for containers to a server that listens on this machine's loopback address only.

The engine stays closed to the network; while a container runs, Docker's own bridge address, which nobody
outside this machine reaches, passes its connections on.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_PIECE = 65_536


class _Relay(socketserver.BaseRequestHandler):
    """One connection, passed on in both directions until both sides have said all."""

    server: "_Server"

    def handle(self) -> None:
        # a server that is gone is a connection that closes
        with contextlib.suppress(OSError), socket.create_connection(self.server.target) as target:
            back = threading.Thread(target=_copy, args=(target, self.request), daemon=True)
            back.start()
            _copy(self.request, target)
            back.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: str, target: tuple[str, int]) -> None:
        self.target = target
        super().__init__((address, 0), _Relay)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either side may hang up in the middle
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def reachable(url: str, gateway: str) -> Iterator[str]:
    """The URL under which containers reach `url`.

    gateway: the bridge network's address of this machine. Where Docker runs in a virtual machine of its own,
    as Docker Desktop does, it is none of ours, and Docker's name for the host takes its place.
    """
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 80)
    if host not in {"127.0.0.1", "localhost"}:
        yield url
        return
    try:
        server = _Server(gateway, (host, port))
    except OSError:
        yield f"http://host.docker.internal:{port}"
        return
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://{gateway}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
