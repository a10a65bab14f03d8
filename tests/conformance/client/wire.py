"""A blocking connection of a client that is written out by hand, so that it can have any fault."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

TIMEOUT = 5.0


class GaveUp(Exception):
    """The client cannot go on."""


class Wire:
    """Lines out, lines and octets in.

    ``hasty`` is a fault: what comes in one segment is taken for a whole line."""

    def __init__(
        self, host: str, port: int, opened: Callable[[Wire], None], *, hasty: bool = False
    ) -> None:
        self._hasty = hasty
        self._broken = threading.Event()
        self._socket = socket.create_connection((host, port), TIMEOUT)
        self._received = bytearray()
        opened(self)

    def start_tls(self, authority: str, host: str, *, check: bool, keep: bool = False) -> None:
        """Shake hands; with ``keep`` what came before is used afterwards, which is a fault."""
        context = ssl.create_default_context(cafile=authority)
        if not check:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if not keep and self._received:
            raise GaveUp("text injected before the handshake")
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except (ssl.SSLError, OSError) as fault:
            self._socket.close()
            raise GaveUp(f"handshake: {fault}") from None

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def line(self) -> bytes:
        """Return a line with its end."""
        while (end := self._received.find(b"\n")) < 0:
            self._read()
            if self._hasty and b"\n" not in self._received:
                return self._take(len(self._received))
        return self._take(end + 1)

    def octets(self, count: int) -> bytes:
        while len(self._received) < count:
            self._read()
        return self._take(count)

    def break_off(self) -> None:
        """End the connection from another thread."""
        self._broken.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def wait_for_break(self) -> None:
        """Do nothing until another thread ends the connection."""
        self._broken.wait()

    def close(self) -> None:
        self._socket.close()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise GaveUp("the server has closed")
        self._received += data
