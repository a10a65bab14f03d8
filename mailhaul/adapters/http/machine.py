"""HTTP/1.1 as the client sees it, without a socket: h11, with the interface that a runtime expects.

h11 does the framing. This module adds what a channel needs (``unsent``, ``expected``) and a limit
on the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import h11

from ...protocols.errors import (
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from ...protocols.http import Fields, HttpResponse
from ...protocols.outbox import Outbox

MAX_HEAD: Final = 64 * 1024
"""Octets of the status line and fields of a response."""
MAX_INTERIM: Final = 16
"""Interim responses (1xx) before the final one."""


class HttpConnection:
    """One connection. Requests follow each other on it; there is no pipelining.

    ``max_body`` limits the body of each response, in octets.
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._http = h11.Connection(h11.CLIENT, MAX_HEAD)
        self._outbox = Outbox()
        self._request: object = None
        self._interim = 0
        self._head: h11.Response | None = None
        self._body = bytearray()

    # The side of the runtime

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the server."""
        if self._http.their_state is not h11.ERROR:
            self._http.receive_data(data)

    def receive_eof(self) -> None:
        """Take note that the server will send no more."""
        if self._http.their_state is not h11.ERROR:
            self._http.receive_data(b"")

    def data_to_send(self) -> list[bytes]:
        """Return the bytes for the server; each call returns only new ones."""
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        """The number of bytes that ``data_to_send`` would return now."""
        return self._outbox.size

    @property
    def expected(self) -> object:
        """The request whose response is not complete, or None."""
        return self._request

    # The side of the flow

    def send_head(self, method: str, target: str, fields: Sequence[tuple[str, str]]) -> None:
        """Begin a request. Raises LocalProtocolError if it would not be valid HTTP."""
        try:
            encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in fields]
            event = h11.Request(method=method, target=target, headers=encoded)
        except (UnicodeEncodeError, h11.LocalProtocolError):
            # The text of h11 quotes the field, which may be a secret.
            raise LocalProtocolError("the head of the request is not valid HTTP") from None
        self._put(event)
        self._request = object()
        self._interim = 0
        self._head = None
        self._body = bytearray()

    def send_data(self, data: bytes) -> None:
        """Send some of the body. Raises LocalProtocolError for more than was announced."""
        self._put(h11.Data(data=data))

    def end(self) -> None:
        """End the request. Raises LocalProtocolError if less was sent than announced."""
        self._put(h11.EndOfMessage())

    @property
    def status(self) -> int | None:
        """The status of the response, once its head has arrived. Raises RemoteProtocolError."""
        while self._head is None:
            event = self._next()
            if event is None:
                return None
            if isinstance(event, h11.Response):
                self._head = event
        return self._head.status_code

    def response(self) -> HttpResponse | None:
        """Return the response when it is complete. Raises RemoteProtocolError."""
        if self.status is None or self._head is None:
            return None
        while not isinstance(event := self._next(), h11.EndOfMessage):
            if event is None:
                return None
            if isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._max_body:
                    raise LimitExceeded("the body of an HTTP response", self._max_body)
        self._request = None
        return response_of(self._head, bytes(self._body))

    def begin_next(self) -> bool:
        """Whether another request may follow on this connection; then it can be sent."""
        http = self._http
        if http.trailing_data != (b"", False):
            return False
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return False
        http.start_next_cycle()
        return True

    def _put(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        try:
            # A large chunk of a body is not copied.
            pieces = self._http.send_with_data_passthrough(event) or ()
        except h11.LocalProtocolError as error:
            raise LocalProtocolError(f"the request is not valid HTTP: {error}") from None
        for piece in pieces:
            self._outbox.put(piece)

    def _next(self) -> h11.Event | None:
        """Return the next event, None until more arrives. Raises RemoteProtocolError."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise self._fault(error) from None
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return None
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionLost("the server closed the connection before its response")
        if isinstance(event, h11.InformationalResponse):
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise LimitExceeded("the number of interim HTTP responses", MAX_INTERIM)
        return event if isinstance(event, h11.Event) else None

    def _fault(self, error: h11.RemoteProtocolError) -> RemoteProtocolError:
        if self._http.trailing_data[1]:
            return ConnectionLost("the connection was closed in the middle of a response")
        # The text of h11 may quote what was received.
        what = "too long a head" if error.error_status_hint == 431 else "no valid HTTP"
        return RemoteProtocolError(f"the server sent {what}")


def response_of(head: h11.Response, body: bytes) -> HttpResponse:
    """Return a response as a value."""
    fields: Fields = tuple(
        (name.decode("ascii", "replace"), value.decode("latin-1")) for name, value in head.headers
    )
    return HttpResponse(head.status_code, fields, body)
