"""Proxies on loopback for tests: SOCKS5 and HTTP CONNECT, by sockets and threads.

A proxy leads every name to this host, and keeps what it was asked for.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

Negotiate = Callable[[socket.socket, "FakeProxy"], int]
"""Speaks with a client; returns the port that it wants, 0 if it gets nothing."""


class FakeProxy:
    """What a proxy has seen: the ``targets`` it was asked for, and the ``logins``."""

    def __init__(self, *, user: bytes = b"", password: bytes = b"", refusal: int = 0) -> None:
        self.user = user
        self.password = password
        self.refusal = refusal
        """A SOCKS5 reply or an HTTP status, for every request; 0 grants them."""
        self.targets: list[tuple[str, int]] = []
        self.logins: list[bytes] = []
        self.clients: list[str] = []
        self.port = 0


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise OSError("the client has gone")
        data += piece
    return data


def speak_socks5(sock: socket.socket, proxy: FakeProxy) -> int:
    """Serve one request as RFC 1928 and RFC 1929 say."""
    _, count = exactly(sock, 2)
    methods = exactly(sock, count)
    wanted = 2 if proxy.user else 0
    if wanted not in methods:
        sock.sendall(b"\x05\xff")
        return 0
    sock.sendall(bytes((5, wanted)))
    if wanted:
        user = exactly(sock, exactly(sock, 2)[1])
        password = exactly(sock, exactly(sock, 1)[0])
        proxy.logins.append(user + b":" + password)
        good = (user, password) == (proxy.user, proxy.password)
        sock.sendall(bytes((1, not good)))
        if not good:
            return 0
    _, _, _, kind = exactly(sock, 4)
    if kind == 3:
        host = exactly(sock, exactly(sock, 1)[0]).decode("ascii")
    else:
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, exactly(sock, size))
    port = int.from_bytes(exactly(sock, 2))
    proxy.targets.append((host, port))
    sock.sendall(bytes((5, proxy.refusal, 0, 1)) + bytes(6))
    return 0 if proxy.refusal else port


def speak_http(sock: socket.socket, proxy: FakeProxy) -> int:
    """Serve one CONNECT."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(sock, 1)
    host, _, port = head.split(b" ")[1].rpartition(b":")
    _, is_there, login = head.partition(b"\r\nProxy-Authorization: ")
    if is_there:
        proxy.logins.append(login.partition(b"\r\n")[0])
    if proxy.user and not is_there:
        sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        return 0
    proxy.targets.append((host.strip(b"[]").decode("ascii"), int(port)))
    status = b"%d no" % proxy.refusal if proxy.refusal else b"200 yes"
    sock.sendall(b"HTTP/1.1 %b\r\n\r\n" % status)
    return 0 if proxy.refusal else int(port)


SPEAK = {"socks5": speak_socks5, "http": speak_http}


@contextmanager
def running(kind: str, proxy: FakeProxy) -> Generator[str]:
    """Run a proxy; yield its URL without a user."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy.port = listener.getsockname()[1]
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        with client:
            try:
                port = SPEAK[kind](client, proxy)
                if port:
                    relay(client, port)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError:
                return
            proxy.clients.append(address[0])
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"{kind}://127.0.0.1:{proxy.port}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join()


def relay(client: socket.socket, port: int) -> None:
    """Pass bytes between a client and a port of this host."""
    with socket.create_connection(("127.0.0.1", port)) as onward:
        back = threading.Thread(target=pump, args=(onward, client))
        back.start()
        pump(client, onward)
        back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes in one direction, and the end."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
