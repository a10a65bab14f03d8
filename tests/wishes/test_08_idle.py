"""Wish 8: one process waits for mail in many folders of many accounts at the same time.

Where the server has NOTIFY, one connection is enough for all folders of an account; otherwise each
folder has its own with IDLE. fetchmail's manual ("works with only one account and one folder at a
given time"), getmail6#265, docker-mailserver#1728, docker-mailserver#4713, imapfilter#229.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import trio

from mailhaul.apps.daemon import scheduler as scheduler_module
from mailhaul.flows.channel import Channel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.servers import imap as imap_module
from mailhaul.servers.imap import CAPABILITIES, ImapService
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.apps.daemon_here import DaemonHere

USERS = {b"joe%d" % number: b"sesame" for number in range(9)}
FOLDERS = (b"INBOX", b"Lists", b"Work")


class FolderServer:
    """The server of one account with three folders. ``opened`` counts the connections."""

    def __init__(self, listener: socket.socket, *extensions: bytes) -> None:
        self.listener = listener
        self.port = listener.getsockname()[1]
        self.extensions = (*CAPABILITIES, b"IDLE", *extensions)
        self.folders = {name: Mailbox() for name in FOLDERS}
        self.opened = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.listener.dup()))
        await trio.serve_listeners(self._serve, [listener])

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.opened += 1
        channel = Channel("client", ImapServer())
        service = ImapService(channel, Mailboxes(self.folders), USERS, self.extensions)
        engine = Engine(trio.current_time)
        async with stream:
            engine.adopt(channel, socket.fromfd(stream.socket.fileno(), socket.AF_INET, 0))
            await on_trio.run(service.run(), engine)

    def entry(self, number: int) -> str:
        return (
            f"poll account{number} via 127.0.0.1 port {self.port} protocol imap no dns\n"
            f'    user joe{number} password sesame sslproto "" folder INBOX Lists Work idle\n'
            "    maildir Mail\n"
        )


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FolderServer]]:
    """Three servers with NOTIFY, and one without."""
    # They tell what is new sooner than once a second, and the daemon reacts sooner.
    monkeypatch.setattr(imap_module, "UPDATE_INTERVAL", 0.05)
    monkeypatch.setattr(scheduler_module, "APART_SECONDS", 0.1)
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as cleanup:
        listeners = [
            cleanup.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)
        ]
        *most, last = listeners
        yield [*(FolderServer(one, b"NOTIFY") for one in most), FolderServer(last)]


def test_new_mail_in_each_folder_of_each_account_is_fetched_when_it_comes(
    servers: list[FolderServer], tmp_path: Path
) -> None:
    daemon = DaemonHere(tmp_path)
    folders = [folder for server in servers for folder in server.folders.values()]

    def is_waiting() -> bool:
        jobs = daemon.service.scheduler.jobs
        return bool(jobs) and all(job.is_watching for job in jobs)

    def is_fetched(count: int) -> bool:
        left = [folder for folder in folders if folder.messages]
        return not left and len(list(tmp_path.glob("Mail/new/*"))) == count

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(server.run)
            await daemon.until(is_waiting)
            for turn in (1, 2):
                for folder in folders:
                    folder.append(b"From: a@x\r\nSubject: hello\r\n\r\nHello.\r\n")
                await daemon.until(partial(is_fetched, turn * len(folders)))
            nursery.cancel_scope.cancel()

    entries = "".join(server.entry(number) for number, server in enumerate(servers))
    # Much later than all this would be the next poll.
    daemon.live(f"set daemon 3600\n{entries}", story)
    # No connection is opened for the mail that comes. The first poll shows what a server offers.
    assert [server.opened for server in servers] == [1, 1, 1, 4]
