"""Netlink messages about addresses, and which of them are news."""

from __future__ import annotations

import errno
import socket
from typing import Any, cast

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.apps.daemon.network import (
    ADDRESS,
    ADDRESS_GONE,
    ATTRIBUTE,
    DONE,
    HEADER,
    LOCAL,
    NEW_ADDRESS,
    SETTLING,
    TENTATIVE,
    AddressNews,
    line_to_kernel,
    messages,
    watch_network,
)

LINK, HOST = 253, 254


def said(
    address: bytes, kind: int = NEW_ADDRESS, *, flags: int = 0, scope: int = 0, local: bool = True
) -> bytes:
    """Return the kernel's message about an address."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    # A label, as the kernel has it for IPv4, whose length is no multiple of four.
    label = ATTRIBUTE.pack(ATTRIBUTE.size + 3, 3) + b"lo\0\0"
    own = ATTRIBUTE.pack(ATTRIBUTE.size + len(address), LOCAL[0 if local else 1]) + address
    body = ADDRESS.pack(family, 24, flags, scope, 1) + label + own
    return HEADER.pack(HEADER.size + len(body), kind, 0, 0, 0) + body


END = HEADER.pack(HEADER.size + 4, DONE, 0, 0, 0) + bytes(4)
ONE, TWO = b"\xc0\0\2\1", b"\x20\1\x0d\xb8" + b"\0" * 11 + b"\1"


@pytest.fixture
def news() -> AddressNews:
    """An AddressNews that knows one address."""
    heard = AddressNews()
    assert not heard.hear(said(ONE))
    assert not heard.hear(END)
    return heard


def test_a_known_address_is_not_news(news: AddressNews) -> None:
    assert not news.hear(said(ONE) + said(ONE))


@pytest.mark.parametrize("local", [True, False])
def test_another_address_is_news_once(news: AddressNews, local: bool) -> None:
    assert news.hear(said(ONE) + said(TWO, local=local))
    assert not news.hear(said(TWO, local=local))


def test_an_address_that_was_gone_is_news_when_it_is_back(news: AddressNews) -> None:
    assert not news.hear(said(ONE, ADDRESS_GONE))
    assert news.hear(said(ONE))


@pytest.mark.parametrize("scope", [LINK, HOST])
def test_local_addresses_are_not_news(news: AddressNews, scope: int) -> None:
    assert not news.hear(said(TWO, scope=scope))


def test_an_address_is_news_when_it_is_usable(news: AddressNews) -> None:
    assert not news.hear(said(TWO, flags=TENTATIVE))
    assert news.hear(said(TWO))


@given(st.binary(max_size=100))
def test_any_data_is_survived(data: bytes) -> None:
    AddressNews().hear(data)
    AddressNews().hear(HEADER.pack(100, NEW_ADDRESS, 0, 0, 0) + data)


def test_the_kernel_answers_our_question() -> None:
    with line_to_kernel() as kernel:
        kernel.settimeout(5)
        news = AddressNews()
        said = b""
        while not any(kind == DONE for kind, _ in messages(said)):
            said = kernel.recv(65536)
            assert not news.hear(said)


class Line:
    """A stand-in for the kernel's socket, which returns what is put into ``says``."""

    def __init__(self) -> None:
        self._ours, self.says = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.lost = False
        self.says.send(END)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours, name)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self.says.close()

    def recv(self, octets: int) -> bytes:
        if self.lost:
            self.lost = False
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return self._ours.recv(octets)


def test_a_bunch_of_addresses_is_one_change() -> None:
    line, changes = Line(), list[float]()
    as_socket = cast(socket.socket, line)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                watch_network, lambda: changes.append(trio.current_time()), lambda: as_socket
            )
            await trio.sleep(10)
            assert changes == []
            begun = trio.current_time()
            line.says.send(said(ONE))
            line.says.send(said(TWO))
            await trio.sleep(10)
            assert changes == [pytest.approx(begun + SETTLING, abs=0.1)]
            line.lost = True
            line.says.send(said(ONE))
            await trio.sleep(10)
            assert len(changes) == 2
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_without_kernel_support_the_network_is_not_watched() -> None:
    def refuse() -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    trio.run(watch_network, lambda: None, refuse)
