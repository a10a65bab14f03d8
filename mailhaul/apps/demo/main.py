"""Starts a small IMAP and a small SMTP server, writes an rc file, and runs mailhaul on it.

Both servers are mailhaul's own server roles, each connection served by the same kind of flow
that a poll is, on the same blocking runtime, in a thread of its own.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ...flows.channel import Channel, Endpoint
from ...flows.requests import Flow
from ...protocols.imap.server import ImapServer
from ...protocols.smtp.server import SmtpServer
from ...runtimes import blocking
from ...runtimes.engine import Engine
from ...servers.imap import serve_imap
from ...servers.mailboxes import Mailbox, Mailboxes
from ...servers.smtp import MemorySink, serve_smtp
from ..main import main as mailhaul
from .messages import INBOX, TICKETS

Serve = Callable[[], tuple[Channel[Endpoint], Flow[None]]]
USERS = {b"you": b"some-pass-word"}


def main() -> int:
    """Run the demo; return 0 if every message arrived."""
    mailboxes = Mailboxes({b"INBOX": Mailbox(INBOX), b"Tickets": Mailbox(TICKETS)})
    total = len(INBOX) + len(TICKETS)
    received = MemorySink()
    with ExitStack() as cleanup:
        home = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="mailhaul-demo-")))
        imap = listen(cleanup, lambda: imap_session(mailboxes))
        smtp = listen(cleanup, lambda: smtp_session(received))
        rc = write_rcfile(home, imap, smtp)
        environment = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
        os.environ.update(environment)
        print("An IMAP server with two folders is up, and an SMTP server to deliver to.\n")
        print(f"$ cat {rc}\n{rc.read_text()}")
        print(f"$ mailhaul -f {rc}")
        first = mailhaul(["-f", str(rc)])
        print(f"(exit code {first})\n\nOnce more: everything was delivered and deleted.\n")
        print(f"$ mailhaul -f {rc}")
        second = mailhaul(["-f", str(rc)])
        print(f"(exit code {second}: no mail)\n")
        folder = store(received)
    left = sum(len(mailbox.messages) for mailbox in mailboxes.values())
    print(f"The SMTP server took {len(received.messages)} of {total} messages:")
    for number, message in enumerate(received.messages, 1):
        whom = b", ".join(message.recipients).decode()
        print(f"  {folder}/{number}.eml  {message.size:>7} octets for {whom}")
    print(f"{left} messages are left on the IMAP server.")
    good = len(received.messages) == total and not left and (first, second) == (0, 1)
    return 0 if good else 1


def imap_session(mailboxes: Mailboxes) -> tuple[Channel[Endpoint], Flow[None]]:
    """Return a new session with the IMAP server."""
    channel = Channel("client", ImapServer())
    return channel, serve_imap(channel, mailboxes, USERS)


def smtp_session(sink: MemorySink) -> tuple[Channel[Endpoint], Flow[None]]:
    """Return a new session with the SMTP server."""
    channel = Channel("client", SmtpServer())
    return channel, serve_smtp(channel, sink)


def listen(cleanup: ExitStack, serve: Serve) -> int:
    """Serve every connection to a new loopback port until ``cleanup`` closes it."""
    listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=session, args=(connection,), daemon=True).start()

    def session(connection: socket.socket) -> None:
        channel, flow = serve()
        engine = Engine(time.monotonic)
        engine.adopt(channel, connection)
        blocking.run(flow, engine)

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def write_rcfile(home: Path, imap: int, smtp: int) -> Path:
    """Write an rc file for the two servers, readable by nobody else."""
    path = home / "fetchmailrc"
    text = (
        f"poll localhost port {imap} protocol IMAP no dns:\n"
        f'    user you password "{USERS[b"you"].decode()}" folder INBOX Tickets\n'
        f"    sslproto ''                      # loopback: no TLS\n"
        f"    smtphost localhost/{smtp}\n"
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
    return path


def store(received: MemorySink) -> Path:
    """Write what was received to a folder that stays."""
    folder = Path(tempfile.mkdtemp(prefix="mailhaul-mail-"))
    for number, message in enumerate(received.messages, 1):
        (folder / f"{number}.eml").write_bytes(message.text)
    return folder
