"""HTTP requests on real sockets: each runtime, TLS with the platform's trust, a real proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from mailhaul.adapters.http.client import HttpClient, HttpFailed, HttpOptions, Upload, fetch
from mailhaul.protocols.http import HttpRequest, HttpResponse
from mailhaul.runtimes import asyncio as asyncio_runtime
from mailhaul.runtimes import blocking
from mailhaul.runtimes import trio as trio_runtime

CA = trustme.CA()
Run = Callable[[Any], Any]


def run_on_trio(flow: Any) -> Any:
    return trio.run(trio_runtime.run, flow)


def run_on_asyncio(flow: Any) -> Any:
    return asyncio.run(asyncio_runtime.run(flow))


RUNTIMES = [blocking.run, run_on_trio, run_on_asyncio]


def read_request(connection: Any) -> tuple[bytes, bytes]:
    """Return head and body of a request."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data, b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = [
        line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    rest = bytearray(body)
    while length and len(rest) < int(length[0]):
        rest += connection.recv(65536)
    return head, bytes(rest)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection to a port of the loopback, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    serve(connection)
                except OSError:
                    pass
                finally:
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def https(taken: list[bytes]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost").configure_cert(context)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            while True:
                head, body = read_request(tls)
                if not head:
                    return
                taken.append(head)
                answer = str(len(body)).encode()
                tls.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
                )
                if b"Connection: close" in head:
                    tls.unwrap()
                    return

    with listening(serve) as port:
        yield port


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's store has the tests' authority."""
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


DIRECT = HttpOptions(environment={})


def post(port: int, size: int = 3) -> HttpRequest:
    return HttpRequest("POST", f"https://localhost:{port}/token", (), b"x" * size)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("run", RUNTIMES)
def test_a_request_over_tls(run: Run) -> None:
    taken: list[bytes] = []
    with https(taken) as port:
        assert run(fetch(post(port, 2_000_000), DIRECT)).body == b"2000000"
        assert b"Host: localhost:%d" % port in taken[0]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("run", RUNTIMES)
def test_uploads_on_one_connection(run: Run) -> None:
    async def several() -> list[HttpResponse]:
        client = HttpClient(DIRECT)
        pieces = [b"x" * 70_000] * 20
        found = [await client.send(post(port), Upload(1_400_000, pieces)) for _ in range(3)]
        await client.close()
        return found

    with https([]) as port:
        assert [response.body for response in run(several())] == [b"1400000"] * 3


@pytest.mark.parametrize("run", RUNTIMES)
def test_a_certificate_that_nobody_trusts_is_refused(run: Run) -> None:
    taken: list[bytes] = []
    with https(taken) as port, pytest.raises(HttpFailed, match="certificate refused") as caught:
        run(fetch(post(port), DIRECT))
    assert not caught.value.sent
    assert taken == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("run", RUNTIMES)
def test_a_real_proxy(run: Run) -> None:
    taken: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        head, _ = read_request(connection)
        taken.append(head)
        with socket.create_connection(("127.0.0.1", port)) as onward:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(onward, connection))
            back.start()
            pump(connection, onward)
            back.join()

    with https([]) as port, listening(proxy) as at:
        options = HttpOptions(environment={"https_proxy": f"http://joe:word@127.0.0.1:{at}"})
        assert run(fetch(post(port), options)).body == b"3"
    assert taken[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % port)
    assert b"Proxy-Authorization: Basic am9lOndvcmQ=" in taken[0]


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
