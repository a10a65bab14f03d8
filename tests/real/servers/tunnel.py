"""An HTTP proxy on loopback: every CONNECT leads to one port, and may stop in the middle.

So a program under test reaches a stand-in by the name of the service it stands for.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress


class Tunnel:
    """The proxy. ``targets`` are the hosts that were asked for.

    After ``hold_after`` octets from the client it passes on nothing, and ``held`` is set.
    """

    def __init__(self, port: int) -> None:
        self.targets: list[str] = []
        self.port = 0
        self.held = threading.Event()
        self.hold_after: int | None = None
        self._onward = port
        self._passed = 0

    @contextmanager
    def running(self) -> Generator[None]:
        """Listen until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
            accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            accepting.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                accepting.join(5)

    def hold(self, octets: int) -> None:
        """Stop after so many octets from now on."""
        self._passed, self.hold_after = 0, octets
        self.held.clear()

    def go_on(self) -> None:
        """Pass everything on again, on new connections."""
        self.hold_after = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.targets.append(head.split(b" ", 2)[1].decode())
            with socket.create_connection(("127.0.0.1", self._onward)) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                self._forward(client, server)
                back.join(5)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(4096):
            if self.hold_after is not None:
                kept = data[: max(0, self.hold_after - self._passed)]
                self._passed += len(kept)
                if len(kept) < len(data):
                    server.sendall(kept)
                    self.held.set()
                    # What is read after that is lost with the client.
                    while client.recv(65536):
                        pass
                    break
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass octets on until the source ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
