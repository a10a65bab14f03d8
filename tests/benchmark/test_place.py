"""The benchmark's own servers and small programs do what they are for."""

from __future__ import annotations

import os
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.mail import key, message
from bench.place import Place, private_place

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with private_place() as found:
        yield found


def test_the_sink_reports_what_it_took_and_forgets_it(place: Place) -> None:
    texts = [message(number, 4096, "sink").replace(b"\n", b"\r\n") for number in (1, 2)]
    with smtplib.SMTP("127.0.0.1", place.sink().port) as client:
        for text in texts:
            client.sendmail("ann@example.org", ["bob@localhost"], text)
    assert place.sink().taken() == [key(text) for text in texts]
    assert place.sink().taken() == []


def test_the_sink_takes_chunks(place: Place) -> None:
    text = message(3, 4096, "sink").replace(b"\n", b"\r\n")
    with smtplib.SMTP("127.0.0.1", place.sink().port) as client:
        client.ehlo()
        client.mail("ann@example.org")
        client.rcpt("bob@localhost")
        client.send(b"BDAT 1000\r\n" + text[:1000])
        assert client.getreply()[0] == 250
        client.send(b"BDAT %d LAST\r\n" % len(text[1000:]) + text[1000:])
        assert client.getreply()[0] == 250
    assert place.sink().taken() == [key(text)]


def test_a_distant_line_is_late_and_loses_nothing(place: Place) -> None:
    """Two round trips from the connection to the greeting, as TCP takes, and one for a reply."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=echo, args=(server,))
        thread.start()
        port = place.port(server.getsockname()[1], 40, hosts=2)
        began = time.monotonic()
        with socket.create_connection(("127.0.1.2", port)) as client:
            assert client.recv(5) == b"hello"
            assert time.monotonic() - began >= 0.08
            asked = time.monotonic()
            sent = os.urandom(300_000)
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: client.recv(65536), b""))
            assert got == sent
            assert time.monotonic() - asked >= 0.04
        thread.join()


def echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"hello")
        while data := connection.recv(65536):
            connection.sendall(data)


def test_the_launcher_reports_time_memory_and_status(place: Place, tmp_path: Path) -> None:
    work = "import sys, time; block = b'x' * 50_000_000; time.sleep(0.05); sys.exit(3)"
    words = [str(place.built("launch")), str(tmp_path / "usage"), sys.executable, "-c", work]
    assert subprocess.run(words, check=False).returncode == 0
    wall, cpu, kilobytes, code = map(int, (tmp_path / "usage").read_text().split())
    assert wall > 50_000_000
    assert cpu > 0
    assert kilobytes > 50_000
    assert code == 3


def test_memory_is_not_that_of_whoever_starts_the_launcher(place: Place, tmp_path: Path) -> None:
    words = [str(place.built("launch")), str(tmp_path / "usage"), "true"]
    large = b"x" * 100_000_000
    subprocess.run(words, check=True)
    assert int((tmp_path / "usage").read_text().split()[2]) < 10_000 < len(large)


def test_no_delay_is_forced_on_connections(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
            "print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))"
        )
        words = [sys.executable, "-c", code, str(server.getsockname()[1])]
        preload = str(place.built("nodelay", "-shared", "-fPIC"))
        for environment, expected in (({}, b"0\n"), ({"LD_PRELOAD": preload}, b"1\n")):
            done = subprocess.run(words, env=environment, capture_output=True, check=True)
            assert done.stdout == expected


def test_the_delivery_agent_stores_what_it_reads(place: Place, tmp_path: Path) -> None:
    text = os.urandom(600_000)
    subprocess.run([place.built("mda"), tmp_path], input=text, check=True)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == text
