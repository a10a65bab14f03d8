"""Connects to a host: all its addresses are tried, and a slow one does not delay the others."""

from __future__ import annotations

import _thread
import errno
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from ..flows.host_names import BadHostName, ascii_host
from ..flows.requests import NameNotFound, OpenFailed, Tcp, TimedOut
from .steps import Steps, Suspend

ATTEMPT_DELAY = 0.25
"""Seconds before the next address is tried as well (RFC 8305, section 8)."""
MAX_ADDRESSES = 16
MAX_LOOKUPS = 32
"""Names that are looked up at a time."""
KEEP_ALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
"""Seconds of silence, seconds between probes, and their number: four minutes at most."""

SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Found = list[tuple[int, SocketAddress]]
"""Address families and addresses, in the resolver's order."""


def dial(
    target: Tcp, deadline: float, clock: Callable[[], float]
) -> Steps[tuple[socket.socket, str]]:
    """Return a connected, non-blocking socket and the peer's IP address.

    Addresses are tried in the resolver's order. The next one is tried when one fails, or after
    ATTEMPT_DELAY seconds. With a ``source``, only those of its family are tried. Raises
    NameNotFound, OpenFailed with every address's error, TimedOut.
    """
    started = clock()
    host, port = target.host, target.port
    source = None if target.source is None else source_address(target.source)
    found = yield from resolve(host, port, deadline, clock)
    waiting = [one for one in found if source is None or one[0] == source[0]][:MAX_ADDRESSES]
    if not waiting:
        raise OpenFailed(f"{host} has no address that can be reached from {target.source}")
    trying: list[tuple[socket.socket, str]] = []
    failures: list[str] = []
    try:
        while waiting or trying:
            if waiting:
                family, address = waiting.pop(0)
                start_connecting(family, address, source, trying, failures)
            left = deadline - clock()
            if left <= 0:
                raise TimedOut(deadline - started)
            if trying:
                pause = min(left, ATTEMPT_DELAY) if waiting else left
                yield Suspend((), tuple(sock.fileno() for sock, _ in trying), pause)
                if (winner := first_connected(trying, failures)) is not None:
                    return winner
    finally:
        for sock, _ in trying:
            sock.close()
    raise OpenFailed(f"connection to {host}:{port} failed: {', '.join(failures)}")


def resolve(
    host: str, port: int | str, deadline: float, clock: Callable[[], float]
) -> Steps[Found]:
    """Return (family, socket address) pairs. Raises NameNotFound, OpenFailed, TimedOut."""

    try:
        # As bytes, since Python would encode text by IDNA 2003.
        name = ascii_host(host).encode("ascii")
    except BadHostName as fault:
        raise NameNotFound(f"{host!r} is no host name: {fault}") from None

    def ask(flags: int = 0) -> Found:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, address) for family, _, _, _, address in found]

    found: Found = []
    # A literal address needs no name service, and so no thread.
    with suppress(OSError, UnicodeError, OverflowError):
        found = ask(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
    try:
        return found or (yield from Lookup.result_of((host, port), ask, deadline, clock))
    except socket.gaierror as error:
        if error.errno == socket.EAI_SERVICE:
            raise OpenFailed(f'unknown service "{port}"; give a port number') from None
        raise NameNotFound(f"cannot find the address of {host}: {error.strerror}") from None
    except (UnicodeError, OverflowError) as error:
        raise NameNotFound(f"{host!r} is no host name: {error}") from None
    except (OSError, RuntimeError) as error:
        # There was no descriptor or no thread for the lookup.
        raise OpenFailed(f"cannot look up the address of {host}: {error}") from None


class Lookup:
    """A call that cannot be interrupted, in a thread that is abandoned when it takes too long.

    The thread is started by ``_thread``, because ``threading`` would wait for it at the end of the
    program. It blocks all signals: one that ends the run must interrupt the thread that waits.

    While a name service hangs, each poll would leave one more thread. So there are at most
    MAX_LOOKUPS, and flows that look up the same name share one lookup.
    """

    _running: ClassVar[dict[object, Lookup]] = {}
    _lock = _thread.allocate_lock()

    def __init__(self, call: Callable[[], Found]) -> None:
        self._call = call
        self._outcome: list[Found] = []
        self._fault: Exception | None = None
        self._wakers: list[socket.socket] = []

    @classmethod
    def result_of(
        cls, key: object, call: Callable[[], Found], deadline: float, clock: Callable[[], float]
    ) -> Steps[Found]:
        """Return what the call returns, or raise what it raises; TimedOut when time is up."""
        began = clock()
        while (lookup := cls._of(key, call)) is None:
            # The limit is reached, and nothing signals the end of a lookup to others.
            left = deadline - clock()
            if left <= 0:
                raise TimedOut(deadline - began)
            yield Suspend(timeout=min(left, ATTEMPT_DELAY))
        return (yield from lookup._answer(deadline, clock))

    @classmethod
    def _of(cls, key: object, call: Callable[[], Found]) -> Lookup | None:
        """Return the running lookup of this key, or start one; None while there are too many."""
        with cls._lock:
            lookup = cls._running.get(key)
            if lookup or len(cls._running) >= MAX_LOOKUPS:
                return lookup
            lookup = cls(call)
            _thread.start_new_thread(lookup._work, (key,))
            cls._running[key] = lookup
            return lookup

    def _answer(self, deadline: float, clock: Callable[[], float]) -> Steps[Found]:
        """Wait for the answer."""
        began = clock()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with self._lock:
                self._wakers.append(theirs)
            left = deadline - began
            try:
                while not self._outcome and self._fault is None:
                    if left <= 0:
                        raise TimedOut(deadline - began)
                    yield Suspend((ours.fileno(),), (), left)
                    left = deadline - clock()
            finally:
                with self._lock:
                    self._wakers.remove(theirs)
        if self._fault:
            from copy import copy  # few names are not found

            # Each flow raises a copy of its own: a traceback grows with every raise.
            raise copy(self._fault)
        return self._outcome[0]

    def _work(self, key: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            outcome: list[Found] = [self._call()]
            fault = None
        except Exception as error:
            outcome, fault = [], error
        with self._lock:
            # The next flow starts a new lookup.
            self._running.pop(key, None)
            self._outcome, self._fault = outcome, fault
            for waker in self._wakers:
                with suppress(OSError):
                    waker.send(b"!")


def source_address(text: str) -> tuple[int, SocketAddress]:
    """Return the family and the socket address of a literal address of this host.

    Raises OpenFailed for anything else.
    """
    try:
        found = socket.getaddrinfo(text, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        family, _, _, _, address = found[0]
    except (OSError, UnicodeError):
        raise OpenFailed(f"{text!r} is no IP address to connect from") from None
    return family, address


def start_connecting(
    family: int,
    address: SocketAddress,
    source: tuple[int, SocketAddress] | None,
    trying: list[tuple[socket.socket, str]],
    failures: list[str],
) -> None:
    """Start to connect to one address."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        failures.append(f"{address[0]}: {error.strerror}")
        return
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep_alive(sock)
    if source is not None:
        try:
            sock.bind(source[1])
        except OSError as error:
            failures.append(f"cannot connect from {source[1][0]}: {error.strerror}")
            sock.close()
            return
    fault = sock.connect_ex(address)
    if fault in {0, errno.EINPROGRESS}:
        trying.append((sock, str(address[0])))
    else:
        failures.append(f"{address[0]}: {os.strerror(fault)}")
        sock.close()


def keep_alive(sock: socket.socket) -> None:
    """Let the kernel notice a peer that is gone; routers forget connections that are silent."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEP_ALIVE.items():
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def first_connected(
    trying: list[tuple[socket.socket, str]], failures: list[str]
) -> tuple[socket.socket, str] | None:
    """Return the first socket that is connected; close those that failed."""
    for attempt in list(trying):
        sock, name = attempt
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            failures.append(f"{name}: {os.strerror(error)}")
            trying.remove(attempt)
            sock.close()
        elif is_connected(sock):
            trying.remove(attempt)
            return attempt
    return None


def is_connected(sock: socket.socket) -> bool:
    """Tell whether the socket is connected."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def dial_unix(path: str, deadline: float, clock: Callable[[], float]) -> Steps[socket.socket]:
    """Return a connected, non-blocking UNIX stream socket. Raises OpenFailed, TimedOut."""
    began = clock()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        while not try_connecting(sock, path):
            # The listener's queue is full, and nothing signals when there is room again.
            left = deadline - clock()
            if left <= 0:
                raise TimedOut(deadline - began)
            yield Suspend(timeout=min(left, ATTEMPT_DELAY))
    except BaseException:
        sock.close()
        raise
    return sock


def try_connecting(sock: socket.socket, path: str) -> bool:
    """Connect to a UNIX socket; False while its listener's queue is full. Raises OpenFailed."""
    try:
        sock.connect(path)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OpenFailed(f"connection to {path} failed: {error.strerror or error}") from None
    return True
