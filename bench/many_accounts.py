"""Many accounts side by side: ``python -m bench.many_accounts``, seconds for all of them.

Each account has its own host name, as accounts at many providers have, two messages, and a line
with a round trip of 50 ms. Servers are our own roles, all in one other process.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import trio

from mailhaul.apps.cli.main import main as mailhaul
from mailhaul.apps.demo.main import imap_session, smtp_session
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Request
from mailhaul.flows.serve.mailboxes import Mailbox, Mailboxes
from mailhaul.flows.serve.smtp import MemorySink
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine

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


async def serve_far_away(session: Callable[[], Session], client: trio.SocketStream) -> None:
    """Serve one connection whose peer is far away."""
    near, far = socket.socketpair()
    channel, flow = session()
    engine = Engine(trio.current_time)
    engine.adopt(channel, far)
    async with client, trio.open_nursery() as nursery:
        ours = trio.SocketStream(trio.socket.from_stdlib_socket(near))
        nursery.start_soon(late, client, ours)
        nursery.start_soon(late, ours, client)
        await on_trio.run(flow, engine)


def serve(ports: Connection) -> None:
    """Be all servers: each login has a mailbox of its own, which stands behind one port each."""

    async def run() -> None:
        sink = MemorySink()
        boxes = [Mailboxes({b"INBOX": Mailbox([TEXT] * MESSAGES)}) for _ in range(ACCOUNTS)]
        sessions = [partial(imap_session, box) for box in boxes]
        everything: list[Callable[[], Session]] = [*sessions, partial(smtp_session, sink)]
        async with trio.open_nursery() as nursery:
            taken: list[int] = []
            for number, session in enumerate(everything):
                listeners = await trio.open_tcp_listeners(0, host=host_of(number), backlog=500)
                handler = partial(serve_far_away, session)
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


def rc_file(ports: list[int]) -> str:
    """Return an rc file for all accounts; each host is another loopback address."""
    *imap, smtp = ports
    return "".join(
        f"poll n{number} via {host_of(number)} port {port} protocol imap no dns user you"
        f" password some-pass-word sslproto '' smtphost {host_of(len(imap))}/{smtp}\n"
        for number, port in enumerate(imap)
    )


def fdm_file(ports: list[int]) -> str:
    """Return the same for fdm."""
    *imap, smtp = ports
    listener = f'"{host_of(len(imap))}" port {smtp}'
    accounts = "".join(
        f'account "n{number}" imap server "{host_of(number)}" port {port}'
        f' user "you" pass "some-pass-word" no-cram-md5\n'
        for number, port in enumerate(imap)
    )
    action = f'action "out" smtp server {listener} to "you@localhost"\n'
    return f'{action}{accounts}match all action "out"\n'


def run_mailhaul(home: str, ports: list[int], *arguments: str) -> None:
    """Poll all accounts with mailhaul, in this process."""
    os.environ.update(HOME=home, XDG_STATE_HOME=home)
    path = Path(home) / "rc"
    path.write_text(rc_file(ports))
    path.chmod(0o600)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = mailhaul(["-f", str(path), "--pidfile", f"{home}/pid", *arguments])
    assert (code, said.getvalue().count(" flushed\n")) == (0, ACCOUNTS * MESSAGES)


def run_fdm(home: str, ports: list[int]) -> None:
    """Poll all accounts with fdm."""
    path = Path(home) / "fdm.conf"
    path.write_text(fdm_file(ports))
    path.chmod(0o600)
    subprocess.run(
        ["fdm", "-f", str(path), "-m", "-l", "fetch"], check=True, env={**os.environ, "HOME": home}
    )


def measure(run: Callable[[str, list[int]], None]) -> float:
    """Return the seconds of one run over all accounts."""
    ours, theirs = multiprocessing.Pipe()
    servers = multiprocessing.get_context("fork").Process(target=serve, args=(theirs,))
    servers.start()
    try:
        with tempfile.TemporaryDirectory() as home:
            taken = ours.recv()
            began = time.perf_counter()
            run(home, taken)
            return time.perf_counter() - began
    finally:
        servers.kill()
        servers.join()


if __name__ == "__main__":
    ours = measure(run_mailhaul)
    print(f"{ACCOUNTS} accounts, {ROUND_TRIP * 1000:.0f} ms: mailhaul {ours:.2f} s", flush=True)
    if shutil.which("fdm"):
        theirs = measure(run_fdm)
        print(f"fdm {theirs:.2f} s; mailhaul takes {ours / theirs:.2f} of that")
