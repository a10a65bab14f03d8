"""HTTP/1.1 as a small server sees it, without a socket: h11, one request for each connection.

Only GET and HEAD are known. A request is answered once it is complete; its body is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import h11

from ...protocols.errors import ConnectionLost, RemoteProtocolError
from ...protocols.record import Record

MAX_HEAD = 16 * 1024
"""Octets of a request line and its fields."""
MAX_BODY = 64 * 1024
"""Octets of a body, which nobody has a reason to send."""


class HttpRequest(Record):
    """One request. ``target`` is a path, without the query; names of fields are in lower case."""

    method: str
    target: str
    fields: Sequence[tuple[str, str]]

    def field(self, name: str) -> str:
        """Return the value of a field, "" if there is none."""
        return next((value for known, value in self.fields if known == name), "")


class HttpServerConnection:
    """One connection of a client: feed it with ``receive_data``, then ask for the ``request``."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, MAX_HEAD)
        self._head: h11.Request | None = None
        self._body = 0
        self._ended = False

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client; none mean that it sends no more."""
        if self._ended or self._http.their_state is h11.ERROR:
            return
        self._ended = not data
        self._http.receive_data(data)

    def request(self) -> HttpRequest | None:
        """Return the request when it is complete.

        Raises RemoteProtocolError; ConnectionLost if there is nobody to answer.
        """
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                # The text of h11 may quote what was received.
                raise RemoteProtocolError(f"no valid request ({error.error_status_hint})") from None
            match event:
                case h11.Request():
                    self._head = event
                case h11.Data():
                    self._body += len(event.data)
                    if self._body > MAX_BODY:
                        raise RemoteProtocolError("the body of the request is too large")
                case h11.EndOfMessage():
                    return None if self._head is None else request_of(self._head)
                case h11.ConnectionClosed():
                    raise ConnectionLost("the client closed the connection")
                case _:
                    return None

    def response(self, status: int, fields: Sequence[tuple[str, str]], body: bytes) -> bytes:
        """Return the bytes of a response, after which the connection is closed."""
        head = self._head
        headers = [
            *fields,
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        sent = self._http.send(h11.Response(status_code=status, headers=headers)) or b""
        if head is None or head.method != b"HEAD":
            sent += self._http.send(h11.Data(data=body)) or b""
        return sent + (self._http.send(h11.EndOfMessage()) or b"")


def request_of(head: h11.Request) -> HttpRequest:
    """Return a request as a value."""
    fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
    target = head.target.decode("ascii", "replace").partition("?")[0]
    return HttpRequest(head.method.decode("ascii"), target, fields)
