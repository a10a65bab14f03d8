"""HTTP as the small server sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.http.server_machine import MAX_BODY, HttpRequest, HttpServerConnection
from mailhaul.protocols.errors import ConnectionLost, RemoteProtocolError

GET = b"GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n"


def test_a_request_is_there_once_it_is_complete() -> None:
    connection = HttpServerConnection()
    for octet in GET[:-1]:
        connection.receive_data(bytes([octet]))
        assert connection.request() is None
    connection.receive_data(GET[-1:])
    request = connection.request()
    assert request == HttpRequest(
        "GET", "/metrics", [("host", "localhost"), ("accept", "text/plain")]
    )
    assert (request.field("accept"), request.field("other")) == ("text/plain", "")
    answer = connection.response(200, [("Content-Type", "text/plain")], b"words")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nwords")
    assert b"connection: close" in answer.lower()


def test_the_answer_to_head_has_no_body_but_its_length() -> None:
    connection = HttpServerConnection()
    connection.receive_data(GET.replace(b"GET", b"HEAD"))
    assert connection.request()
    answer = connection.response(200, [], b"words")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 5\r\n" in answer.lower()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 20_000,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1)
        + b"x" * (MAX_BODY + 1),
    ],
)
def test_what_is_no_request_or_too_large_is_a_fault(sent: bytes) -> None:
    connection = HttpServerConnection()
    connection.receive_data(sent)
    with pytest.raises(RemoteProtocolError):
        connection.request()
    # It can be answered all the same.
    assert b" 400 " in connection.response(400, [], b"")


def test_a_client_that_goes_away_is_no_fault_of_its_request() -> None:
    connection = HttpServerConnection()
    connection.receive_data(b"")
    with pytest.raises(ConnectionLost):
        connection.request()


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_octets_are_a_request_or_a_fault(pieces: list[bytes]) -> None:
    connection = HttpServerConnection()
    try:
        for piece in [*pieces, b""]:
            connection.receive_data(piece)
            if connection.request():
                break
    except RemoteProtocolError:
        pass
