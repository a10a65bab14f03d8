"""A message of 200 MB needs less than 40 MB of memory, with every sink."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Request
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

Session = Callable[[], tuple[Channel[Any], Coroutine[Request[Any], Any, Any]]]
HEADER = b"From: ann@example.org\r\nSubject: large\r\n\r\n"
LINE = b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx\r\n"
CHUNK = LINE * 2500
CHUNKS = 200_000_000 // len(CHUNK)
SIZE = len(HEADER) + CHUNKS * len(CHUNK)
MOST_MEMORY = 40 * 1024 * 1024


def text() -> Iterator[bytes]:
    yield HEADER
    for _ in range(CHUNKS):
        yield CHUNK


def digest(pieces: Iterable[bytes]) -> str:
    whole = sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


def listen(cleanup: ExitStack, session: Session) -> int:
    listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            channel, flow = session()
            engine = Engine(time.monotonic)
            engine.adopt(channel, connection)
            blocking.run(flow, engine)

    threading.Thread(target=accept, daemon=True).start()
    cleanup.callback(listener.shutdown, socket.SHUT_RDWR)
    return int(listener.getsockname()[1])


# What wait4 reports counts the parent's memory too, which the child had until it called exec.
REPORTING = """
import sys
from mailhaul.apps.main import main
code = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, peak.split()[1])
"""


def peak_memory(rcfile: Path, home: Path) -> tuple[int, int]:
    """Run mailhaul; return its exit code and its largest resident set in bytes."""
    argv = [sys.executable, "-c", REPORTING, "-s", "-f", str(rcfile)]
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, env=environment, capture_output=True, check=True, text=True
    )
    code, kilobytes = done.stdout.split()
    return int(code), int(kilobytes) * 1024


@pytest.mark.parametrize("sink", ["smtp", "lmtp", "mda"])
def test_a_message_of_200_mb_needs_less_than_40_mb(sink: str, tmp_path: Path) -> None:
    mailbox = Mailbox()
    mailbox.append_chunks(SIZE, text)
    received = MemorySink(keep_text=False)

    def imap() -> tuple[Channel[Any], Coroutine[Request[Any], Any, Any]]:
        channel = Channel("client", ImapServer())
        return channel, serve_imap(channel, Mailboxes({b"INBOX": mailbox}), {b"joe": b"sesame"})

    def smtp() -> tuple[Channel[Any], Coroutine[Request[Any], Any, Any]]:
        channel = Channel("client", SmtpServer(lmtp=sink == "lmtp"))
        return channel, serve_smtp(channel, received)

    with ExitStack() as cleanup:
        imap_port, smtp_port = listen(cleanup, imap), listen(cleanup, smtp)
        delivery = {
            "smtp": f"smtphost localhost/{smtp_port}",
            "lmtp": f"smtphost localhost/{smtp_port} lmtp",
            "mda": f'mda "sha256sum >{tmp_path}/sum" no stripcr',
        }[sink]
        rcfile = tmp_path / "rc"
        rcfile.write_text(
            "set invisible\n"
            f"poll localhost port {imap_port} protocol imap user joe password sesame\n"
            f"  sslproto '' no rewrite {delivery}\n"
        )
        rcfile.chmod(0o600)
        code, memory = peak_memory(rcfile, tmp_path)
    print(f"{sink}: peak {memory / 2**20:.1f} MB")
    assert code == 0
    assert mailbox.messages == []
    if sink == "mda":
        assert (tmp_path / "sum").read_text().split()[0] == digest(text())
    else:
        assert [(m.size, m.sha256) for m in received.messages] == [(SIZE, digest(text()))]
    assert memory < MOST_MEMORY, f"{memory / 2**20:.1f} MB"
