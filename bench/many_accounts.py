"""Many accounts side by side: ``python -m bench.many_accounts``, seconds for all of them.

Each account has its own host name, as accounts at many providers have, two messages, and a line
with a round trip of 50 ms, once with TLS and once without. Servers are our own roles, all in one
other process; on two cores they have one of them to themselves.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import trio
import trustme

from mailhaul.apps.demo.main import imap_session, smtp_session
from mailhaul.apps.main import main as mailhaul
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Request
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink

ACCOUNTS = 200
MESSAGES = 2
ROUND_TRIP = 0.05
TEXT = b"From: a@example.org\r\nSubject: one of many\r\n\r\nHello.\r\n"
READ = 65536

Session = tuple[Channel[Any], Coroutine[Request[Any], Any, Any]]


async def late(source: trio.SocketStream, target: trio.SocketStream) -> None:
    """Carry bytes one way, each half a round trip late, in order and without a limit."""
    send, receive = trio.open_memory_channel[tuple[float, bytes]](1000)

    async def hand_on() -> None:
        async for due, data in receive:
            await trio.sleep_until(due)
            with contextlib.suppress(trio.BrokenResourceError):
                await target.send_all(data)
        with contextlib.suppress(trio.BrokenResourceError):
            await target.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand_on)
        with contextlib.suppress(trio.BrokenResourceError):
            async for data in source:
                await send.send((trio.current_time() + ROUND_TRIP / 2, bytes(data)))
        await send.aclose()


async def serve_far_away(
    session: Callable[[], Session], tls: ssl.SSLContext | None, client: trio.SocketStream
) -> None:
    """Serve one connection whose peer is far away."""
    channel, flow = session()
    engine = Engine(trio.current_time)
    async with client, trio.open_nursery() as nursery:
        near, far = pair()
        nursery.start_soon(late, client, near)
        nursery.start_soon(late, near, client)
        if tls:
            plain, behind = pair()
            secret = trio.SSLStream(far, tls, server_side=True, https_compatible=True)
            nursery.start_soon(carry, secret, plain)
            nursery.start_soon(carry, plain, secret)
            far = behind
        engine.adopt(channel, socket.socket(fileno=os.dup(far.socket.fileno())))
        await far.aclose()
        await on_trio.run(flow, engine)


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return two ends of one line."""
    one, other = (trio.socket.from_stdlib_socket(end) for end in socket.socketpair())
    return trio.SocketStream(one), trio.SocketStream(other)


async def carry(source: trio.abc.ReceiveStream, target: trio.abc.SendStream) -> None:
    """Carry bytes one way, at once."""
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in source:
            await target.send_all(data)
        await target.aclose()


def serve(ports: Connection, certificate: str | None) -> None:
    """Be all servers: each login has a mailbox of its own, which stands behind one port each."""

    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)

    async def run() -> None:
        sink = MemorySink()
        boxes = [Mailboxes({b"INBOX": Mailbox([TEXT] * MESSAGES)}) for _ in range(ACCOUNTS)]
        sessions = [partial(imap_session, box) for box in boxes]
        everything: list[Callable[[], Session]] = [*sessions, partial(smtp_session, sink)]
        async with trio.open_nursery() as nursery:
            taken: list[int] = []
            for number, session in enumerate(everything):
                listeners = await trio.open_tcp_listeners(0, host=host_of(number), backlog=500)
                handler = partial(serve_far_away, session, tls)
                if session is everything[-1]:
                    handler = partial(serve_nearby, session)
                nursery.start_soon(trio.serve_listeners, handler, listeners)
                taken.append(listeners[0].socket.getsockname()[1])
            ports.send(taken)

    trio.run(run)


def host_of(number: int) -> str:
    """Return an address of its own for each server: loopback has many."""
    return f"127.0.1.{number}"


async def serve_nearby(session: Callable[[], Session], client: trio.SocketStream) -> None:
    """Serve one connection from the same machine: the listener is where the mail is read."""
    channel, flow = session()
    engine = Engine(trio.current_time)
    far = socket.fromfd(client.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    async with client:
        engine.adopt(channel, far)
        await on_trio.run(flow, engine)


def rc_file(ports: list[int], authority: str | None) -> str:
    """Return an rc file for all accounts; each host is another loopback address."""
    *imap, smtp = ports
    security = f'ssl sslcertfile "{authority}"' if authority else "sslproto ''"
    return "".join(
        f"poll n{number} via {host_of(number)} port {port} protocol imap no dns user you"
        f" password some-pass-word {security} smtphost {host_of(len(imap))}/{smtp}\n"
        for number, port in enumerate(imap)
    )


def fdm_file(ports: list[int], authority: str | None) -> str:
    """Return the same for fdm."""
    *imap, smtp = ports
    listener = f'"{host_of(len(imap))}" port {smtp}'
    protocol = "imaps" if authority else "imap"
    accounts = "".join(
        f'account "n{number}" {protocol} server "{host_of(number)}" port {port}'
        f' user "you" pass "some-pass-word" no-cram-md5\n'
        for number, port in enumerate(imap)
    )
    action = f'action "out" smtp server {listener} to "you@localhost"\n'
    return f'{action}{accounts}match all action "out"\n'


def run_mailhaul(home: str, ports: list[int], authority: str | None, *arguments: str) -> None:
    """Poll all accounts with mailhaul, in this process."""
    os.environ.update(HOME=home, XDG_STATE_HOME=home)
    path = Path(home) / "rc"
    path.write_text(rc_file(ports, authority))
    path.chmod(0o600)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = mailhaul(["-f", str(path), "--pidfile", f"{home}/pid", *arguments])
    assert (code, said.getvalue().count(" flushed\n")) == (0, ACCOUNTS * MESSAGES)


def run_fdm(home: str, ports: list[int], authority: str | None) -> None:
    """Poll all accounts with fdm."""
    path = Path(home) / "fdm.conf"
    path.write_text(fdm_file(ports, authority))
    path.chmod(0o600)
    subprocess.run(
        ["fdm", "-f", str(path), "-m", "-l", "fetch"], check=True, env={**os.environ, "HOME": home}
    )


def measure(run: Callable[[str, list[int], str | None], None], *, tls: bool) -> float:
    """Return the seconds of one run over all accounts."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as home:
        authority, certificate = make_certificate(home) if tls else (None, None)
        servers = multiprocessing.get_context("fork").Process(
            target=serve, args=(theirs, certificate)
        )
        servers.start()
        try:
            taken = ours.recv()
            began = time.perf_counter()
            run(home, taken, authority)
            return time.perf_counter() - began
        finally:
            servers.kill()
            servers.join()


def make_certificate(home: str) -> tuple[str, str]:
    """Return the files of an authority and of a certificate for all servers."""
    authority, certificate = f"{home}/ca.pem", f"{home}/server.pem"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(authority)
    hosts = [host_of(number) for number in range(ACCOUNTS)]
    ca.issue_cert(*hosts).private_key_and_cert_chain_pem.write_to_path(certificate)
    return authority, certificate


if __name__ == "__main__":
    for tls in (True, False):
        ours = measure(run_mailhaul, tls=tls)
        what = f"{ACCOUNTS} accounts, {ROUND_TRIP * 1000:.0f} ms, {'TLS' if tls else 'no TLS'}"
        print(f"{what}: mailhaul {ours:.2f} s", flush=True)
        if shutil.which("fdm"):
            theirs = measure(run_fdm, tls=tls)
            print(f"fdm {theirs:.2f} s; mailhaul takes {ours / theirs:.2f} of that")
