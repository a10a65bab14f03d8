"""Metrics and health over HTTP."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
import trio

from mailhaul.adapters.config.metrics_sanity import ListenAddress, read_address
from mailhaul.apps.daemon.view import View
from mailhaul.apps.polls.health import health

h11 = pytest.importorskip("h11")

from mailhaul.adapters.http.server_machine import HttpRequest  # noqa: E402  it needs h11
from mailhaul.apps.daemon.exposition import Exposition  # noqa: E402


class StandIn:
    """A view of a daemon that is well or not."""

    def __init__(self) -> None:
        self.late: Sequence[str] = ()

    async def metrics(self, *, openmetrics: bool = True) -> str:
        return "newer\n" if openmetrics else "older\n"

    def health(self) -> dict[str, Any]:
        return health(2, self.late, stopping=False)


def served(story: Callable[[Exposition, StandIn], Awaitable[None]]) -> list[str]:
    """Run a story with a server on a free port; return what it has said."""
    said: list[str] = []
    view = StandIn()

    async def main() -> None:
        exposition = Exposition(cast(View, view), said.append)
        exposition.use("127.0.0.1:0")
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exposition.run)
                while not exposition.listening.is_set():
                    await trio.lowlevel.checkpoint()
                await story(exposition, view)
                nursery.cancel_scope.cancel()

    trio.run(main)
    return said


async def ask(port: int, request: str) -> tuple[int, str]:
    """Return the status and the whole answer."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(request.replace("\n", "\r\n").encode())
        answer = b"".join([some async for some in stream]).decode()
    return int(answer.split()[1]), answer


GET = "GET {0} HTTP/1.1\nHost: localhost\n\n"


def test_metrics_and_health_are_read_over_loopback() -> None:
    async def story(exposition: Exposition, view: StandIn) -> None:
        status, text = await ask(exposition.port, GET.format("/metrics"))
        assert (status, text.split("\r\n\r\n")[1]) == (200, "older\n")
        assert "text/plain; version=0.0.4" in text
        accept = "GET /metrics HTTP/1.1\nHost: localhost\nAccept: application/openmetrics-text\n\n"
        status, text = await ask(exposition.port, accept)
        assert (status, text.split("\r\n\r\n")[1]) == (200, "newer\n")
        status, text = await ask(exposition.port, GET.format("/healthz"))
        assert status == 200
        assert json.loads(text.split("\r\n\r\n")[1])["ok"]
        view.late = ["joe@server"]
        status, text = await ask(exposition.port, GET.format("/healthz"))
        assert status == 503
        assert json.loads(text.split("\r\n\r\n")[1])["late"] == ["joe@server"]

    (line,) = served(story)
    assert line.startswith("metrics at http://127.0.0.1:")


def test_nothing_else_is_answered() -> None:
    async def story(exposition: Exposition, view: StandIn) -> None:
        for request, expected in {
            "GET /secrets HTTP/1.1\nHost: localhost\n\n": 404,
            "POST /metrics HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n": 405,
            "DELETE /healthz HTTP/1.1\nHost: 127.0.0.1\n\n": 405,
            "GET /metrics HTTP/1.1\nHost: evil.example\n\n": 421,
            "nonsense\n\n": 400,
        }.items():
            status, _ = await ask(exposition.port, request)
            assert status == expected, request

    served(story)


def test_another_address_is_used_at_once_and_none_closes_the_port() -> None:
    async def story(exposition: Exposition, view: StandIn) -> None:
        first = exposition.port
        exposition.use("[::1]:0")
        exposition.use("localhost:0")
        while not (exposition.listening.is_set() and exposition.port != first):
            await trio.lowlevel.checkpoint()
        assert (await ask(exposition.port, GET.format("/")))[0] == 200
        with pytest.raises(OSError, match="connect"):
            await ask(first, GET.format("/"))
        exposition.use(None)
        while exposition.listening.is_set():
            await trio.lowlevel.checkpoint()
        with pytest.raises(OSError, match="connect"):
            await ask(exposition.port, GET.format("/"))

    served(story)


@pytest.mark.parametrize("host", ["", "localhost:9100", "127.0.0.1", "[::1]:9100", "LOCALHOST"])
def test_the_names_of_this_host_are_known(host: str) -> None:
    async def story() -> None:
        exposition = Exposition(cast(View, StandIn()), print)
        exposition.use("127.0.0.1:9100")
        answer = await exposition.page(HttpRequest("GET", "/metrics", [("host", host)]))
        assert answer[0] == 200

    trio.run(story)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9100", "127.0.0.1", 9100),
        ("9100", "127.0.0.1", 9100),
        ("[::1]:0", "::1", 0),
        ("LocalHost:1", "localhost", 1),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    assert read_address(text) == ListenAddress(host, port)
    assert read_address(text).is_loopback


@pytest.mark.parametrize(
    "text",
    ["", ":9100", "::1:9100", "127.0.0.1:", "127.0.0.1:65536", "example.org:1", "x", "1.2:3"],
)
def test_other_texts_are_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|host|brackets"):
        read_address(text)
