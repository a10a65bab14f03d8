"""A listener on the loopback interface with a thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

HANG_UP = b"\0hang up"
"""In place of an answer: close the connection."""
SILENCE = b"\0silence"
"""In place of an answer: say nothing, and go on listening."""
NASTY = b"not today \x1b[2J\x07\x9bK\xe2\x80\xae"
"""Words that would do something to a terminal."""


class Peer:
    """Accepts connections until the block ends, and ``serve``s each in its own thread."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.visits = 0

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        for connection in self._connections:
            hang_up(connection)
        for thread in self._threads:
            thread.join(10)
        for connection in [self._listener, *self._connections]:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            thread = threading.Thread(target=self._visit, args=[connection])
            self._threads.append(thread)
            thread.start()

    def _visit(self, connection: socket.socket) -> None:
        # Where the client has gone, a peer's thread has nobody to tell.
        with contextlib.suppress(OSError):
            self.serve(connection)
        hang_up(connection)

    def start_tls(self, connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
        """Do the TLS handshake; return the encrypted connection."""
        encrypted = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.append(encrypted)
        encrypted.do_handshake()
        return encrypted

    def serve(self, connection: socket.socket) -> None:
        """Serve one client, until OSError."""
        raise NotImplementedError


def hang_up(connection: socket.socket) -> None:
    """End a connection, even if a thread is reading from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
