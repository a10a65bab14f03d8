"""Connections through proxies and from a chosen address, on every runtime."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import (
    Close,
    NameNotFound,
    Open,
    OpenFailed,
    Tcp,
    TimedOut,
    TlsFailed,
    Trust,
    UpgradeToTls,
    Wait,
)
from mailhaul.protocols.proxy.address import Proxy, parse_proxy
from mailhaul.protocols.record import replace
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes import blocking
from mailhaul.runtimes.simulated import Simulation

from ..proxies import FakeProxy, running
from .test_contract import REAL, SOON, Notebook, hear, new_channel

NAME = "imap.internal.example"
"""A name that only the proxy can look up."""
GREETING = b"* OK ready\r\n"


@contextmanager
def greeting_server(tls: ssl.SSLContext | None = None) -> Generator[tuple[int, list[str]]]:
    """Greet each client and echo a line; yield the port, and the addresses of the clients."""
    clients: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError:
                return
            clients.append(address[0])
            try:
                with client if tls is None else tls.wrap_socket(client, server_side=True) as sock:
                    sock.sendall(GREETING)
                    sock.sendall(sock.recv(100))
            except OSError:
                client.close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1], clients
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def with_login(url: str, user: bytes = b"", password: bytes = b"") -> Proxy:
    return replace(parse_proxy(url), user=user, password=Secret(password) if password else None)


async def converse(address: Tcp, trust: Trust | None = None) -> bytes:
    """Connect, send a line after the greeting, and return all that comes."""
    channel = new_channel()
    await Open(channel, address, SOON)
    assert channel.address == ("" if address.proxy else "127.0.0.1")
    if trust:
        await UpgradeToTls(channel, trust, SOON)
    await hear(channel, len(GREETING))
    channel.machine.say(b"hello\r\n")
    heard = await hear(channel, len(GREETING) + 7)
    await Close(channel)
    return heard


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("run", REAL.values(), ids=REAL)
def test_a_server_behind_a_proxy_greets_first(run: Callable[[Any], Any], kind: str) -> None:
    proxy = FakeProxy(user=b"joe", password=b"sesame")
    with greeting_server() as (port, _), running(kind, proxy) as url:
        through = with_login(url, b"joe", b"sesame")
        assert run(converse(Tcp(NAME, port, through))) == GREETING + b"hello\r\n"
        assert proxy.targets == [(NAME, port)]
        assert proxy.logins == [b"joe:sesame" if kind == "socks5" else b"Basic am9lOnNlc2FtZQ=="]


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_tls_goes_through_the_proxy_to_the_real_name(kind: str, tmp_path: Path) -> None:
    authority, proxy = trustme.CA(), FakeProxy()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    trust = Trust(NAME, ca_file=str(tmp_path / "ca.pem"))
    with greeting_server(context) as (port, _), running(kind, proxy) as url:
        address = Tcp(NAME, port, parse_proxy(url))
        assert blocking.run(converse(address, trust)) == GREETING + b"hello\r\n"
        # The certificate is that of the server, and not of the proxy.
        with pytest.raises(TlsFailed, match="certificate"):
            blocking.run(converse(address, replace(trust, hostname="127.0.0.1")))


def test_what_a_proxy_slips_in_before_tls_is_not_taken_for_the_server(tmp_path: Path) -> None:
    """A greeting in clear after the proxy's answer must not reach the machine (RFC 8314, 4.4)."""
    channel = new_channel()
    listener = socket.create_server(("127.0.0.1", 0))

    def slip_in() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n* PREAUTH welcome\r\n")
            client.recv(1000)

    thread = threading.Thread(target=slip_in)
    thread.start()
    with listener:
        proxy = parse_proxy(f"http://127.0.0.1:{listener.getsockname()[1]}")

        async def upgrade() -> None:
            await Open(channel, Tcp(NAME, 993, proxy), SOON)
            await UpgradeToTls(channel, Trust(NAME), SOON)

        with pytest.raises(TlsFailed):
            blocking.run(upgrade())
        thread.join()
    assert channel.machine.heard == b""


@pytest.mark.parametrize(
    ("kind", "refusal", "words"),
    [
        ("socks5", 2, "its rules do not allow"),
        ("socks5", 4, f"it cannot reach {NAME}"),
        ("socks5", 5, f"{NAME} refuses the connection"),
        ("http", 403, f"it refuses the connection to {NAME} (HTTP status 403 no)"),
    ],
)
def test_a_refusal_names_the_proxy_and_the_reason(kind: str, refusal: int, words: str) -> None:
    proxy = FakeProxy(refusal=refusal)
    with running(kind, proxy) as url, pytest.raises(OpenFailed) as caught:
        blocking.run(converse(Tcp(NAME, 143, parse_proxy(url))))
    assert str(caught.value).startswith(f"proxy 127.0.0.1:{proxy.port}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_a_wrong_login_is_told_without_it(kind: str) -> None:
    with running(kind, FakeProxy(user=b"joe", password=b"right")) as url:
        address = Tcp(NAME, 143, parse_proxy(url))
        with pytest.raises(OpenFailed, match="wants a login"):
            blocking.run(converse(address))
    with running("socks5", FakeProxy(user=b"joe", password=b"right")) as url:
        address = Tcp(NAME, 143, with_login(url, b"joe", b"sesame"))
        with pytest.raises(OpenFailed, match="refuses user and password") as caught:
            blocking.run(converse(address))
    assert "sesame" not in str(caught.value)


def test_a_proxy_that_is_not_there_is_told_from_a_server_that_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OpenFailed, match=rf"proxy 127\.0\.0\.1:{port}: connection to"):
        blocking.run(converse(Tcp(NAME, 143, parse_proxy(f"socks5://127.0.0.1:{port}"))))
    nowhere = parse_proxy("socks5://proxy.invalid")
    with pytest.raises(NameNotFound, match=r"proxy proxy\.invalid:1080: cannot find the address"):
        blocking.run(converse(Tcp(NAME, 143, nowhere)))


def test_a_silent_proxy_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = parse_proxy(f"socks5://127.0.0.1:{listener.getsockname()[1]}")

        async def wait() -> None:
            await Open(new_channel(), Tcp(NAME, 143, proxy), 0.05)

        with pytest.raises(TimedOut):
            blocking.run(wait())


@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("run", REAL.values(), ids=REAL)
def test_connections_come_from_the_address_that_the_user_names(
    run: Callable[[Any], Any], through: bool
) -> None:
    proxy = FakeProxy()
    with greeting_server() as (port, clients), running("socks5", proxy) as url:
        way = parse_proxy(url) if through else None
        run(converse(Tcp("127.0.0.1", port, way, "127.0.0.7")))
        assert (proxy.clients if through else clients) == ["127.0.0.7"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("192.0.2.77", "cannot connect from 192.0.2.77"),
        ("::1", "no address that can be reached from ::1"),
        ("eth0", "'eth0' is no IP address"),
    ],
)
def test_an_address_that_this_host_does_not_have_is_told(source: str, words: str) -> None:
    with greeting_server() as (port, _), pytest.raises(OpenFailed, match=words):
        blocking.run(converse(Tcp("127.0.0.1", port, None, source)))


# The simulated runtime

PLACE = Tcp("p.example", 1080)


async def serve_socks(channel: Channel[Notebook]) -> None:
    await hear(channel, 3)
    channel.machine.say(b"\x05\x00")
    heard = await hear(channel, 3 + 4 + 1 + len(NAME) + 2)
    assert heard[3:] == b"\x05\x01\x00\x03" + bytes((len(NAME),)) + NAME.encode() + b"\x00\x8f"
    channel.machine.say(b"\x05\x00\x00\x01" + bytes(6) + GREETING)
    await hear(channel, len(heard) + 7)
    channel.machine.say(b"hello\r\n")
    await Wait([channel], SOON)


@pytest.mark.parametrize("seed", range(4))
def test_the_simulated_runtime_goes_through_proxies_too(seed: int) -> None:
    world = Simulation(seed=seed, cut=True, round_trip=0.01)
    world.listen(PLACE, Notebook, serve_socks)
    address = Tcp(NAME, 143, parse_proxy("socks5://p.example"))
    assert world.run(converse(address)) == GREETING + b"hello\r\n"
    with pytest.raises(NameNotFound):
        world.run(converse(replace(address, host="\u0378.example")))
