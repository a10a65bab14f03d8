"""HTTP CONNECT: the request, each kind of answer, and what is never read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import ConnectionLost, LimitExceeded, RemoteProtocolError
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.proxy.address import HTTP, Proxy
from mailhaul.protocols.proxy.http_connect import MAX_HEAD, HttpTunnelClient
from mailhaul.protocols.proxy.tunnel import Connected, NotConnected, Target
from mailhaul.protocols.secret import Secret

from .asking import ask, carefully

OPEN = Proxy(HTTP, "p.example", 3128)
LOGIN = Proxy(HTTP, "p.example", 3128, b"joe", Secret(b"p@ss"))
TARGET = Target("mail.example.org", 993)


def test_the_request_names_host_and_port() -> None:
    answer, sent = ask(HttpTunnelClient(OPEN, TARGET), [b"HTTP/1.1 200 OK\r\n\r\n"])
    assert answer == Connected()
    assert sent == (
        b"CONNECT mail.example.org:993 HTTP/1.1\r\nHost: mail.example.org:993\r\n"
        b"User-Agent: mailhaul\r\n\r\n"
    )
    _, sent = ask(HttpTunnelClient(OPEN, Target("2001:db8::1", 143)), [])
    assert sent.startswith(b"CONNECT [2001:db8::1]:143 HTTP/1.1\r\n")


def test_the_login_is_sent_at_once() -> None:
    _, sent = ask(HttpTunnelClient(LOGIN, TARGET), [])
    assert b"\r\nProxy-Authorization: Basic am9lOnBAc3M=\r\n" in sent


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 Connection established\n\n",
        b"HTTP/1.1 200\r\nVia: x\r\nX: y\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 fine\r\n\r\n",
    ],
)
def test_any_2xx_opens_the_tunnel_and_nothing_is_read_beyond(answer: bytes) -> None:
    greeting = b"\r\n* OK ready\r\n"
    *_, left = carefully(machine := HttpTunnelClient(OPEN, TARGET), answer + greeting)
    assert left == -len(greeting)
    assert machine.answer == Connected()


@pytest.mark.parametrize(
    ("proxy", "head", "reason"),
    [
        (OPEN, b"HTTP/1.1 407 Who\r\n\r\n", "it wants a login (HTTP status 407): give its user"),
        (LOGIN, b"HTTP/1.1 407 p@ss\r\n\r\n", "it refuses user and password (HTTP status 407)"),
        (
            OPEN,
            b"HTTP/1.1 403 Not\x1b here\r\n\r\n",
            "it refuses the connection to mail.example.org (HTTP status 403 Not? here)",
        ),
        (
            LOGIN,
            b"HTTP/1.1 502 am9lOnBAc3M=\r\n\r\n",
            "it refuses the connection to mail.example.org (HTTP status 502)",
        ),
        (OPEN, b"HTTP/1.1 302 \r\nLocation: x\r\n\r\n", "(HTTP status 302)"),
    ],
)
def test_each_refusal_is_told_in_words_without_the_login(
    proxy: Proxy, head: bytes, reason: str
) -> None:
    answer, _ = ask(HttpTunnelClient(proxy, TARGET), [head])
    assert isinstance(answer, NotConnected)
    assert reason in answer.reason
    assert "p@ss" not in answer.reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x05\x00", "does not speak HTTP"),
        (b"* OK IMAP", "does not speak HTTP"),
        (b"HTTP/2 200\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "not valid HTTP"),
    ],
)
def test_what_is_not_http_is_an_error(answer: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        ask(HttpTunnelClient(OPEN, TARGET), [answer])


def test_heads_and_interim_answers_have_limits() -> None:
    with pytest.raises(LimitExceeded, match="head"):
        ask(HttpTunnelClient(OPEN, TARGET), [b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD])
    with pytest.raises(LimitExceeded, match="interim"):
        ask(HttpTunnelClient(OPEN, TARGET), [b"HTTP/1.1 100 Go\r\n\r\n" * 20])


def test_an_end_before_the_answer_is_an_error() -> None:
    machine = HttpTunnelClient(OPEN, TARGET)
    machine.receive_data(b"HTTP/1.1 200 OK\r\n")
    machine.receive_eof()
    with pytest.raises(ConnectionLost):
        machine.next_event()


@given(st.lists(st.sampled_from([b"HTTP/1.1 ", b"200 ", b"407", b"\r\n", b"\n", b"x"]), max_size=8))
def test_any_bytes_are_an_answer_or_an_error(pieces: list[bytes]) -> None:
    machine = HttpTunnelClient(LOGIN, TARGET)
    try:
        for piece in pieces:
            machine.receive_data(piece)
            assert isinstance(machine.next_event(), NeedData | Connected | NotConnected)
    except RemoteProtocolError:
        assert machine.failed
