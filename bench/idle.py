"""Accounts whose servers tell of new mail: ``python -m bench.idle [COUNT [dovecot]]``.

One daemon holds a TLS connection with IDLE for each account; a server in another process serves
them all, or a private Dovecot does, which bears some fifty. Printed: memory of the daemon for each
connection, its processor time while nothing comes, and the time from a message's arrival at the
server to its file in a Maildir, 50 at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import trio
import trustme

COUNT = 1000
WORD = "correct-horse"
ROUNDS = 4
AT_ONCE = 50
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
TEXT = b"From: a@example.org\r\nSubject: news\r\nMessage-ID: <%d@x>\r\n\r\nHello.\r\n"


class Client:
    """One connection to a server that says just what a watch asks for."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream], boxes: dict[bytes, list[int]]):
        self._stream = stream
        self._boxes = boxes
        self._user = b""
        self._idle = b""
        self._told = 0

    @property
    def _box(self) -> list[int]:
        return self._boxes.setdefault(self._user, [])

    async def serve(self, clients: dict[bytes, Client]) -> None:
        """Answer command after command."""
        await self._say(b"* OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] ready\r\n")
        rest = b""
        while data := await self._stream.receive_some(65536):
            *lines, rest = (rest + data).split(b"\r\n")
            for line in lines:
                await self._answer(line)
                clients[self._user] = self

    async def tell(self) -> None:
        """Tell of new mail, if somebody waits for that."""
        if self._idle:
            await self._say(b"* %d EXISTS\r\n" % len(self._box))

    async def _say(self, text: bytes) -> None:
        await self._stream.send_all(text)

    async def _answer(self, line: bytes) -> None:
        tag, _, words = line.partition(b" ")
        verb, box = words.upper(), self._box
        text = b""
        if line == b"DONE":
            tag, self._idle = self._idle, b""
        elif verb == b"CAPABILITY":
            text = b"* CAPABILITY IMAP4rev1 IDLE UIDPLUS\r\n"
        elif verb.startswith(b"LOGIN"):
            self._user = words.split()[1].strip(b'"')
        elif verb.startswith(b"SELECT"):
            text = b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" % len(box)
        elif verb.startswith(b"UID SEARCH"):
            text = b"* SEARCH%b\r\n" % b"".join(b" %d" % uid for uid in box)
        elif verb.startswith(b"UID FETCH") and b"BODY" in verb:
            uid = int(words.split()[2])
            message = TEXT % uid
            place = box.index(uid) + 1
            text = b"* %d FETCH (UID %d RFC822.SIZE %d BODY[] {%d}\r\n%b)\r\n" % (
                *(place, uid, len(message), len(message)),
                message,
            )
        elif verb.startswith(b"UID FETCH"):
            text = b"".join(
                b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (place, uid, len(TEXT % uid))
                for place, uid in enumerate(box, 1)
            )
        elif verb.startswith(b"UID EXPUNGE"):
            text = b"* 1 EXPUNGE\r\n" * len(box)
            box.clear()
        elif verb == b"IDLE":
            self._idle = tag
            await self._say(b"+ idling\r\n")
            return
        await self._say(text + tag + b" OK done\r\n")


def serve(pipe: Connection, certificate: str) -> None:
    """Be the server: tell the port, then put a message into boxes when asked to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    boxes: dict[bytes, list[int]] = {}
    clients: dict[bytes, Client] = {}

    async def one(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await Client(tls, boxes).serve(clients)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def obey() -> None:
        uid = 0
        while True:
            users = await trio.to_thread.run_sync(pipe.recv, abandon_on_cancel=True)
            for user in users:
                uid += 1
                boxes.setdefault(user, []).append(uid)
            pipe.send(uid)
            for user in users:
                await clients[user].tell()

    async def main() -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=5000)
        pipe.send(listeners[0].socket.getsockname()[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, one, listeners)
            nursery.start_soon(obey)

    trio.run(main)


def resident(pid: int) -> int:
    """Return the octets of memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def processor(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def until(met: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.002)


def watching(home: str) -> int:
    """Return how many connections the daemon holds that wait for news."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(f"{home}/mailhaul/control")
        except OSError:
            return 0
        sock.sendall(b"status\n")
        answer = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    return answer.count(b'"watching"')


def rc_file(home: str, port: int, authority: Path, count: int) -> Path:
    """Write an rc file with so many accounts."""
    rc = Path(home) / "fetchmailrc"
    rc.write_text(
        "set daemon 3600\n"
        + "".join(
            f"poll n{n} via localhost port {port} protocol imap no dns user u{n} password {WORD}"
            f' is bob here ssl sslcertfile "{authority}" idle maildir "{home}/Mail"\n'
            for n in range(count)
        )
    )
    rc.chmod(0o600)
    return rc


def daemon(home: str, port: int, authority: Path, count: int) -> subprocess.Popen[bytes]:
    """Start a daemon with so many accounts."""
    rc_file(home, port, authority, count)
    return subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "-N", "-s"],
        env={**os.environ, "HOME": home, "FETCHMAILHOME": home},
    )


Deliver = Callable[[list[bytes]], object]
"""Gives a message to each of these users."""


@contextmanager
def our_server(folder: Path) -> Generator[tuple[int, Path, Deliver], None, None]:
    """Run our server; yield its port, its authority's file, and what delivers mail there."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = folder / "server.pem"
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(
        target=serve, args=(theirs, str(certificate))
    )
    server.start()

    def deliver(users: list[bytes]) -> None:
        ours.send(users)
        ours.recv()

    try:
        yield ours.recv(), folder / "ca.pem", deliver
    finally:
        server.kill()
        server.join()


@contextmanager
def dovecot(folder: Path) -> Generator[tuple[int, Path, Deliver], None, None]:
    """Run a private Dovecot, as the tests do; its processes run as another user."""
    from tests.real.servers.certificates import Certificates
    from tests.real.servers.dovecot import Dovecot

    folder.chmod(0o755)
    certificates = Certificates(folder / "tls")
    server = Dovecot(folder / "dovecot", certificates.good)
    numbers = count()

    def deliver(users: list[bytes]) -> None:
        for user in users:
            server.deliver(user.decode(), (TEXT % next(numbers)).replace(b"\r", b""))

    with server.running():
        yield server.imaps_port, certificates.authority, deliver


@dataclass(frozen=True, slots=True)
class Figures:
    """What waiting costs: octets for each connection, a share of one processor, seconds."""

    memory: float
    processor: float
    middle: float
    late: float


def measure(accounts: int, server: Callable[[Path], Any]) -> Figures:
    """Return the figures of a daemon with so many connections."""
    allow_many_files()
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (port, authority, deliver):
        process = daemon(home, port, authority, accounts)
        try:
            until(lambda: watching(home) == accounts)
            return figures(process.pid, home, deliver, accounts)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def allow_many_files() -> None:
    """Let this process and its children open as many files as they may."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def bare(connections: int) -> float:
    """Return the octets for each connection of a program that does nothing but wait."""
    allow_many_files()
    code = "import sys; from bench.floor.idle import main; main(sys.argv[1:])"
    with tempfile.TemporaryDirectory() as home, our_server(Path(home)) as (port, authority, _):
        words = [sys.executable, "-c", code, str(connections), str(port), str(authority)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            found = resident(process.pid) / connections
            process.kill()
    return found


def figures(pid: int, home: str, deliver: Deliver, count: int) -> Figures:
    """Return the figures of a daemon whose connections all wait."""
    time.sleep(2)
    memory = resident(pid) / count
    used, began = processor(pid), time.monotonic()
    time.sleep(20)
    share = (processor(pid) - used) / (time.monotonic() - began)
    new = Path(home) / "Mail" / "new"
    spans: list[float] = []
    for turn in range(ROUNDS):
        users = [b"u%d" % ((turn * AT_ONCE + n) % count) for n in range(AT_ONCE)]
        there = set(os.listdir(new)) if new.exists() else set[str]()
        began = time.monotonic()
        deliver(users)
        while len(there) < (turn + 1) * AT_ONCE:
            for name in os.listdir(new) if new.exists() else []:
                if name not in there:
                    there.add(name)
                    spans.append(time.monotonic() - began)
            time.sleep(0.005)
        time.sleep(1)
    spans.sort()
    return Figures(memory, share, spans[len(spans) // 2], spans[int(len(spans) * 0.99)])


def main(words: list[str]) -> None:
    """Print the figures."""
    count = int(words[0]) if words else COUNT
    found = measure(count, dovecot if words[1:] == ["dovecot"] else our_server)
    print(f"{count} connections: {found.memory / 1024:.1f} KiB each, all in all")
    print(f"processor while nothing comes: {found.processor:.2%}")
    print(f"from arrival to delivery: {found.middle:.3f} s, 99th percentile {found.late:.3f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
