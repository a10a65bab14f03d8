"""HTTP requests in the simulated runtime: whole, cut at any octet, through proxies, in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mailhaul.adapters.http.client import (
    MISSING,
    HttpClient,
    HttpFailed,
    HttpOptions,
    Upload,
    fetch,
)
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import PollFailed
from mailhaul.flows.requests import Close, Sleep, Tcp, Wait
from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import HttpRequest, HttpResponse

from .peer import Peer, Server, next_request, simulation, until_closed

REQUEST = HttpRequest(
    "POST", "https://issuer.example/token?x=1", (("Accept", "application/json"),), b"a=b"
)
DIRECT = HttpOptions(environment={})
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n"
    b"Set-Cookie: a\r\nSet-Cookie: b\r\n\r\n"
    b'{"a": 1}'
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'3\r\n{"a\r\n5;x=y\r\n": 1}\r\n0\r\nTrailer: x\r\n\r\n'
)
UNTIL_CLOSE = b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}'
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER


def test_a_request_is_sent_and_its_response_returned() -> None:
    server = Server(ANSWER)
    response = simulation(server.serve).run(fetch(REQUEST, DIRECT))
    assert (response.status, response.body) == (200, b'{"a": 1}')
    assert response.field("content-type") == "application/json"
    assert [value for name, value in response.fields if name == "set-cookie"] == ["a", "b"]
    [taken] = server.taken
    assert (taken.method, taken.target, taken.body) == ("POST", "/token?x=1", b"a=b")
    assert taken.field("host") == "issuer.example"
    assert taken.field("content-length") == "3"
    assert taken.field("connection") == "close"
    assert taken.field("accept") == "application/json"
    assert str(taken.field("user-agent")).startswith("mailhaul/")


def test_a_get_has_no_body_and_a_post_has_always_one() -> None:
    for method, length in (("GET", None), ("POST", "0"), ("DELETE", None)):
        server = Server(ANSWER)
        request = HttpRequest(method, "https://issuer.example")
        simulation(server.serve).run(fetch(request, DIRECT))
        assert (server.taken[0].target, server.taken[0].field("content-length")) == ("/", length)


@pytest.mark.parametrize("answer", [ANSWER, CHUNKED, UNTIL_CLOSE, INTERIM])
def test_a_response_may_arrive_in_any_pieces(answer: bytes) -> None:
    for cut in range(1, len(answer)):

        async def serve(channel: Channel[Peer], cut: int = cut) -> None:
            await next_request(channel)
            channel.machine.say(answer[:cut])
            await Sleep(0.1)
            channel.machine.say(answer[cut:])
            await Close(channel)

        response = simulation(serve, round_trip=0.01).run(fetch(REQUEST, DIRECT))
        assert (response.status, response.body) == (200, b'{"a": 1}')


@pytest.mark.parametrize("seed", range(20))
def test_both_directions_may_be_cut_at_random(seed: int) -> None:
    server = Server(CHUNKED)
    body = b"x" * 20_000
    request = HttpRequest("POST", REQUEST.url, (), body)
    response = simulation(server.serve, cut=True, seed=seed).run(fetch(request, DIRECT))
    assert response.body == b'{"a": 1}'
    assert server.taken[0].body == body


@pytest.mark.parametrize("answer", [ANSWER, CHUNKED])
def test_a_response_that_ends_early_is_none(answer: bytes) -> None:
    for cut in range(len(answer)):
        with pytest.raises(HttpFailed, match=r"issuer\.example: .*closed") as caught:
            simulation(Server(answer[:cut]).serve).run(fetch(REQUEST, DIRECT))
        assert caught.value.sent


def test_a_server_that_cannot_be_reached_has_seen_nothing() -> None:
    request = HttpRequest("POST", "https://elsewhere.example/", (), b"a")
    with pytest.raises(HttpFailed, match=r"elsewhere\.example: .*refused") as caught:
        simulation(Server().serve).run(fetch(request, DIRECT))
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"* OK IMAP4rev1 ready\r\n\r\n", "no valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "too long a head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", "limit of 8"),
        (b"HTTP/1.1 200 OK\r\n\r\n123456789", "limit of 8"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + ANSWER, "interim"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1", "no valid HTTP"),
    ],
)
def test_what_is_no_response_is_refused(answer: bytes, words: str) -> None:
    options = HttpOptions(environment={}, max_body=8)
    with pytest.raises(HttpFailed, match=words):
        simulation(Server(answer).serve).run(fetch(REQUEST, options))


def test_a_redirect_is_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n"
    server = Server(answer)
    response = simulation(server.serve).run(fetch(REQUEST, DIRECT))
    assert (response.status, server.connections) == (302, 1)


def test_a_silent_server_times_out() -> None:
    world = simulation(until_closed)
    with pytest.raises(HttpFailed, match="timeout after 30 seconds"):
        world.run(fetch(REQUEST, DIRECT))
    assert world.now < 35


def test_a_server_that_only_drips_times_out_too() -> None:
    async def serve(channel: Channel[Peer]) -> None:
        await next_request(channel)
        channel.machine.say(b"HTTP/1.1 200 OK\r\nX: ")
        while not channel.machine.ended:
            channel.machine.say(b"y")
            await Sleep(20.0)

    world = simulation(serve)
    with pytest.raises(HttpFailed, match="too slow"):
        world.run(fetch(REQUEST, DIRECT))
    assert world.now < 150


@pytest.mark.parametrize(
    "fields", [(("X", "a\r\nb: c"),), (("X y", "a"),), (("X", "Bearer \u20ac"),)]
)
def test_a_request_that_would_not_be_http_is_not_sent(fields: Any) -> None:
    server = Server(ANSWER)
    with pytest.raises(LocalProtocolError) as caught:
        simulation(server.serve).run(fetch(HttpRequest("GET", REQUEST.url, fields), DIRECT))
    assert "Bearer" not in str(caught.value)
    assert server.taken == []


def test_the_address_of_a_request_is_checked() -> None:
    with pytest.raises(LocalProtocolError, match="https"):
        simulation(Server().serve).run(fetch(HttpRequest("GET", "http://issuer.example"), DIRECT))


def test_plain_http_is_for_this_machine() -> None:
    server = Server(ANSWER)
    world = simulation(server.serve, address=Tcp("127.0.0.1", 3000))
    options = HttpOptions(environment={"https_proxy": "http://proxy.example:3128"})
    assert world.run(fetch(HttpRequest("GET", "http://127.0.0.1:3000/x"), options)).status == 200
    assert server.taken[0].field("host") == "127.0.0.1:3000"


# One connection for several requests


async def several(count: int, pause: float = 0.0) -> list[HttpResponse]:
    client = HttpClient(DIRECT)
    found: list[HttpResponse] = []
    for _ in range(count):
        found.append(await client.send(REQUEST))
        await Sleep(pause)
    await client.close()
    return found


def test_a_connection_is_kept() -> None:
    server = Server(*[ANSWER] * 3, keep=True)
    assert len(simulation(server.serve).run(several(3))) == 3
    assert server.connections == 1
    assert server.taken[0].field("connection") is None


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_a_connection_that_the_server_has_closed_is_opened_again(pause: float) -> None:
    closing = ANSWER.replace(b"Set-Cookie: a", b"Connection: close")
    for answer in (ANSWER, closing) if pause else (closing,):
        server = Server(*[answer] * 3)
        assert len(simulation(server.serve, round_trip=0.01).run(several(3, pause))) == 3
        assert server.connections == 3


def test_a_response_to_nothing_is_never_taken_for_the_next_one() -> None:
    server = Server(ANSWER + ANSWER.replace(b'"a"', b'"b"'), ANSWER, keep=True)
    found = simulation(server.serve).run(several(2))
    assert [response.body for response in found] == [b'{"a": 1}'] * 2
    assert server.connections == 2


def test_another_server_needs_another_connection() -> None:
    async def two() -> None:
        client = HttpClient(DIRECT)
        await client.send(REQUEST)
        await client.send(HttpRequest("GET", "https://other.example:8443/"))
        await client.close()

    first, second = Server(ANSWER, keep=True), Server(ANSWER, keep=True)
    world = simulation(first.serve)
    world.listen(Tcp("other.example", 8443), Peer, second.serve)
    world.run(two())
    assert second.taken[0].field("host") == "other.example:8443"


# Uploads


def upload(request: HttpRequest, body: Upload) -> Any:
    async def send() -> HttpResponse:
        client = HttpClient(DIRECT)
        try:
            return await client.send(request, body)
        finally:
            await client.close()

    return send()


PUT = HttpRequest("PUT", REQUEST.url, (("Content-Range", "bytes 5-20000004/20000005"),))


def pieces(count: int, size: int = 100_000) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size


async def slow_pieces(count: int) -> AsyncIterator[bytes]:
    for piece in pieces(count):
        await Sleep(0.01)
        yield piece


@pytest.mark.parametrize("kind", [pieces, slow_pieces])
def test_a_large_body_is_sent_while_it_is_read(kind: Any) -> None:
    server = Server(ANSWER)
    response = simulation(server.serve, round_trip=0.01).run(
        upload(PUT, Upload(20_000_000, kind(200)))
    )
    assert response.status == 200
    [taken] = server.taken
    assert taken.field("content-length") == "20000000"
    assert taken.field("content-range") == "bytes 5-20000004/20000005"
    assert taken.body == b"".join(pieces(200))


def test_an_upload_waits_for_a_slow_server() -> None:
    read = 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for piece in pieces(200):
            read += len(piece)
            yield piece

    async def serve(channel: Channel[Peer]) -> None:
        await Sleep(10.0)
        # The window of the simulated link, and what counts as congested.
        assert read < 3_000_000
        await next_request(channel)
        channel.machine.say(ANSWER)
        await Close(channel)

    assert simulation(serve).run(upload(PUT, Upload(20_000_000, counted()))).status == 200


def test_a_server_may_answer_before_the_whole_upload_was_sent() -> None:
    async def serve(channel: Channel[Peer]) -> None:
        while channel.machine.received < 1_000_000:
            await Wait([channel], 100.0)
        channel.machine.say(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await until_closed(channel)

    sent: list[int] = []

    def counted() -> Iterator[bytes]:
        for piece in pieces(200):
            sent.append(len(piece))
            yield piece

    response = simulation(serve).run(upload(PUT, Upload(20_000_000, counted())))
    assert response.status == 401
    assert len(sent) < 100


@pytest.mark.parametrize("count", [3, 5])
def test_a_body_of_another_length_than_announced_is_an_error(count: int) -> None:
    server = Server(ANSWER)
    with pytest.raises(LocalProtocolError):
        simulation(server.serve).run(upload(PUT, Upload(400_000, pieces(count))))
    assert server.taken == []


def test_a_body_that_cannot_be_read_ends_the_request() -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 10
        raise OSError("no such disk")

    server = Server(ANSWER)
    with pytest.raises(OSError, match="no such disk"):
        simulation(server.serve).run(upload(PUT, Upload(400_000, broken())))
    assert server.taken == []


# Proxies

PROXY = Tcp("proxy.example", 3128)
PROXIED = HttpOptions(environment={"HTTPS_PROXY": "http://joe:p%40ss@proxy.example:3128"})
GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


async def tunnel(channel: Channel[Peer]) -> None:
    taken = await next_request(channel)
    assert taken
    assert (taken.method, taken.target) == ("CONNECT", "issuer.example:443")
    assert taken.field("host") == "issuer.example:443"
    assert taken.field("proxy-authorization") == "Basic am9lOnBAc3M="
    channel.machine.say(GRANTED)
    inner = await next_request(channel)
    assert inner
    assert inner.field("proxy-authorization") is None
    assert inner.field("host") == "issuer.example"
    channel.machine.say(ANSWER)
    await Close(channel)


@pytest.mark.parametrize("seed", range(5))
def test_a_request_goes_through_a_proxy(seed: int) -> None:
    world = simulation(tunnel, address=PROXY, seed=seed, cut=True, round_trip=0.01)
    assert world.run(fetch(REQUEST, PROXIED)).body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 100\r\n\r\n",
            r"issuer\.example: proxy proxy\.example:3128: it refuses user and password .*407",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", r"refuses the connection to issuer.* status 403\)"),
        (b"", "closed"),
        (b"SOCKS\r\n\r\n", "does not speak HTTP"),
    ],
)
def test_a_proxy_may_refuse(answer: bytes, words: str) -> None:
    world = simulation(Server(answer).serve, address=PROXY)
    with pytest.raises(HttpFailed, match=words) as caught:
        world.run(fetch(REQUEST, PROXIED))
    assert not caught.value.sent
    assert "p@ss" not in str(caught.value)


def test_a_proxy_of_another_kind_is_refused_in_words() -> None:
    options = HttpOptions(environment={"https_proxy": "socks4://joe:secret@proxy.example"})
    with pytest.raises(HttpFailed, match="socks4:// is not supported") as caught:
        simulation(Server().serve).run(fetch(REQUEST, options))
    assert "secret" not in str(caught.value)


def test_without_h11_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mailhaul.adapters.http.machine", None)
    with pytest.raises(PollFailed, match=r"install mailhaul\[oauth\]") as caught:
        simulation(Server().serve).run(fetch(REQUEST, DIRECT))
    assert str(caught.value) == MISSING
