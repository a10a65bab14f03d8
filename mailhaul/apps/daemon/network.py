"""Changes of the machine's own addresses, as the kernel reports them (rtnetlink(7)).

A new address means that the machine joined a network. Earlier connections are probably dead without
any sign of it, and servers that could not be reached may answer now.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator

import trio

GROUPS = 0x10 | 0x100
"""RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR."""
DONE, NEW_ADDRESS, ADDRESS_GONE, GET_ADDRESSES = 3, 20, 21, 22
DUMP = 0x301
"""NLM_F_REQUEST and NLM_F_DUMP."""
TENTATIVE = 0x40
"""IFA_F_TENTATIVE: IPv6 does not use the address yet."""
UNIVERSE = 0
"""RT_SCOPE_UNIVERSE: an address for more than this machine or this link."""
LOCAL = (2, 1)
"""IFA_LOCAL, or IFA_ADDRESS if there is none."""
HEADER = struct.Struct("=IHHII")
ADDRESS = struct.Struct("=BBBBI")
ATTRIBUTE = struct.Struct("=HH")
SETTLING = 3.0
"""Seconds within which the other addresses of a network arrive as well."""


class AddressNews:
    """Reads the kernel's messages about addresses, and knows which are new.

    The answer to ``question`` comes first: the addresses that exist already.
    """

    question = HEADER.pack(HEADER.size + ADDRESS.size, GET_ADDRESSES, DUMP, 0, 0) + bytes(
        ADDRESS.size
    )

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._complete = False

    def hear(self, data: bytes) -> bool:
        """Read one datagram; return whether it has an address that did not exist before."""
        news = False
        for kind, body in messages(data):
            if kind == DONE:
                self._complete = True
            address = address_in(body) if kind in {NEW_ADDRESS, ADDRESS_GONE} else b""
            if not address:
                continue
            if kind == ADDRESS_GONE:
                self._known.discard(address)
            elif address not in self._known:
                self._known.add(address)
                news = news or self._complete
        return news


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message in a datagram (netlink(7))."""
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        if length < HEADER.size:
            return
        yield kind, data[HEADER.size : length]
        data = data[aligned(length) :]


def address_in(body: bytes) -> bytes:
    """Return the address that a message is about; b"" for one that is not routed."""
    if len(body) < ADDRESS.size:
        return b""
    _, _, flags, scope, _ = ADDRESS.unpack_from(body)
    if scope != UNIVERSE or flags & TENTATIVE:
        return b""
    found: dict[int, bytes] = {}
    rest = body[ADDRESS.size :]
    while len(rest) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(rest)
        if length < ATTRIBUTE.size:
            break
        found[kind] = rest[ATTRIBUTE.size : length]
        rest = rest[aligned(length) :]
    return next((found[kind] for kind in LOCAL if kind in found), b"")


def aligned(length: int) -> int:
    """Return the offset of the next item."""
    return (length + 3) & ~3


def line_to_kernel() -> socket.socket:
    """Return a socket to the kernel. Raises OSError."""
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        kernel.bind((0, GROUPS))
        kernel.send(AddressNews.question)
    except OSError:
        kernel.close()
        raise
    return kernel


async def watch_network(
    changed: Callable[[], None], line: Callable[[], socket.socket] = line_to_kernel
) -> None:
    """Call ``changed`` whenever the machine gets an address, until cancelled.

    It returns if the kernel does not report addresses: then dead connections are noticed later.
    """
    try:
        kernel = line()
    except OSError:
        return
    kernel.setblocking(False)
    news = AddressNews()
    with kernel:
        while True:
            await trio.lowlevel.wait_readable(kernel)
            if heard(kernel, news):
                await trio.sleep(SETTLING)
                heard(kernel, news)
                changed()


def heard(kernel: socket.socket, news: AddressNews) -> bool:
    """Read all waiting messages of the kernel; return whether one of them has a new address."""
    something = False
    while True:
        try:
            something |= news.hear(kernel.recv(65536))
        except BlockingIOError:
            return something
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            # The buffer overflowed: messages of the kernel were lost.
            something = True
