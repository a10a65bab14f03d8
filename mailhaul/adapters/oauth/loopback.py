"""Wait for the browser to come back from the issuer: at a loopback port, or by a pasted address.

RFC 8252, section 7.3. The browser is sent through an address of our own first, so that no program
is started with the address of the request in its arguments.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from ...protocols.http import HttpRequest
from ...protocols.oauth.code_flow import MAX_ADDRESS, CodeFlow, NotOurs
from ...protocols.oauth.results import Expired, Refused

REQUEST_SECONDS = 5.0
"""Seconds that a browser has to send its request."""
PAGE = (
    "<!doctype html><meta charset=utf-8><title>mailhaul</title>"
    "<p style='font-family: sans-serif; margin: 4em'>{}</p>"
)
DONE = "You can close this window and return to the terminal."
FAILED = "The sign-in has failed; the terminal says why."


class Loopback:
    """A listener at a free port of this machine. ``entrance`` is the secret part of its address."""

    def __init__(self, host: str, entrance: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.address = f"http://{host}:{port}/"
        """The redirect address."""
        self.start = f"{self.address}{entrance}"
        """The address to open: it leads to the issuer."""
        self._entrance: str | None = f"/{entrance}"

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def wait(
        self, flow: CodeFlow, typed: int | None, say: Callable[[str], None], seconds: float
    ) -> HttpRequest | Refused:
        """Wait for the answer to the request of ``flow``; return the next request, or a refusal.

        ``typed`` is a descriptor from which pasted addresses are read, by lines.
        """
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        if typed is not None:
            poll.register(typed, select.POLLIN)
        pasted = b""
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                found: HttpRequest | NotOurs | Refused | None = None
                if descriptor == self._listener.fileno():
                    found = self._serve(flow)
                elif typed is not None:
                    data = os.read(typed, MAX_ADDRESS)
                    if not data:
                        poll.unregister(typed)
                    pasted += data
                    line, end, rest = pasted.partition(b"\n")
                    if end or (not data and line):
                        pasted = rest
                        found = flow.receive_redirect(line.decode("utf-8", "replace"))
                if isinstance(found, NotOurs):
                    say(f"this is not the right address: {found.problem}")
                elif found is not None:
                    return found
        return Expired("no answer", f"nobody has signed in within {seconds / 60:.0f} minutes")

    def _serve(self, flow: CodeFlow) -> HttpRequest | NotOurs | Refused | None:
        """Answer one request of a browser."""
        connection, _ = self._listener.accept()
        with connection, suppress(OSError):
            connection.settimeout(REQUEST_SECONDS)
            target = read_target(connection)
            path, query, _ = target.partition("?")
            if target == self._entrance:
                # Once: other users can see this address among the arguments of the browser.
                self._entrance = None
                respond(connection, "302 Found", "", f"Location: {flow.address}\r\n")
            elif path == "/" and query:
                found = flow.receive_redirect(target)
                if isinstance(found, HttpRequest):
                    respond(connection, "200 OK", PAGE.format(DONE))
                else:
                    respond(connection, "400 Bad Request", PAGE.format(FAILED))
                return found
            else:
                respond(connection, "404 Not Found", "")
        return None


def read_target(connection: socket.socket) -> str:
    """Return the target of a GET request, "" for anything else. Raises OSError."""
    data = b""
    deadline = time.monotonic() + REQUEST_SECONDS
    while b"\r\n\r\n" not in data:
        piece = connection.recv(MAX_ADDRESS)
        data += piece
        if not piece or len(data) > 4 * MAX_ADDRESS or time.monotonic() > deadline:
            return ""
    words = data.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[0] != b"GET":
        return ""
    return words[1].decode("ascii", "replace")


def respond(connection: socket.socket, status: str, page: str, fields: str = "") -> None:
    """Send a response. Raises OSError."""
    body = page.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        f"Referrer-Policy: no-referrer\r\n{fields}Connection: close\r\n\r\n"
    )
    connection.sendall(head.encode("ascii") + body)
