"""Wish 8: one process waits for mail in many folders of many accounts at the same time.

Where the server has NOTIFY, one connection is enough for all folders of an account; otherwise each
folder has its own with IDLE. fetchmail's manual ("works with only one account and one folder at a
given time"), getmail6#265, docker-mailserver#1728, docker-mailserver#4713, imapfilter#229.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import trio

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.apps.daemon import scheduler as scheduler_module
from mailhaul.apps.daemon.service import Service
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.channel import Channel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.servers import imap as imap_module
from mailhaul.servers.imap import CAPABILITIES, ImapService
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.apps.test_server_places import LimitedServer

USERS = {b"joe%d" % number: b"sesame" for number in range(9)}
FOLDERS = (b"INBOX", b"Lists", b"Work")


class FolderServer(LimitedServer):
    """The server of one account with three folders. ``opened`` counts the connections."""

    def __init__(self, *extensions: bytes) -> None:
        super().__init__("imap", most=10)
        self.extensions = (*CAPABILITIES, b"IDLE", *extensions)
        self.folders = {name: Mailbox() for name in FOLDERS}
        self.opened = 0

    async def _session(self, connection: socket.socket) -> None:
        self.opened += 1
        channel = Channel("client", ImapServer())
        service = ImapService(channel, Mailboxes(self.folders), USERS, self.extensions)
        engine = Engine(trio.current_time)
        engine.adopt(channel, connection)
        await on_trio.run(service.run(), engine)


def entry(number: int, server: FolderServer) -> str:
    return (
        f"poll account{number} via 127.0.0.1 port {server.port} protocol imap no dns\n"
        f'    user joe{number} password sesame sslproto "" folder INBOX Lists Work idle\n'
        f"    maildir Mail{number}\n"
    )


async def until(met: Callable[[], object]) -> None:
    """Wait, much less long than the interval of the polls is."""
    with trio.fail_after(30):
        while not met():
            await trio.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    # The servers tell what is new sooner than once a second.
    monkeypatch.setattr(imap_module, "UPDATE_INTERVAL", 0.05)
    monkeypatch.setattr(scheduler_module, "APART_SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wait_for_mail(home: Path, servers: Sequence[FolderServer]) -> list[int]:
    """Put a message into each folder while a daemon waits; return the connections of each."""
    caller = Caller("me", os.getuid(), str(home), None, str(home))
    rc = home / "rc"

    def has_arrived(count: int) -> bool:
        return len(list(home.glob("Mail*/new/*"))) == count

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for server in servers:
                await nursery.start(server.run)
            entries = "".join(entry(number, one) for number, one in enumerate(servers))
            rc.write_text(f"set daemon 3600\n{entries}")
            rc.chmod(0o600)
            arguments = ["-f", str(rc)]
            service = Service(load(arguments, caller, bytes), caller, Lines(0), arguments)
            nursery.start_soon(service.run)
            jobs = partial(getattr, service.scheduler, "jobs")
            await until(lambda: jobs() and all(job.is_watching for job in jobs()))
            for turn in (1, 2):
                for server in servers:
                    for name, folder in server.folders.items():
                        folder.append(b"From: a@x\r\nSubject: %b %d\r\n\r\nx\r\n" % (name, turn))
                await until(partial(has_arrived, turn * len(FOLDERS) * len(servers)))
            service.scheduler.stop()
            await until(lambda: not any(folder.messages for folder in servers[0].folders.values()))
            nursery.cancel_scope.cancel()

    trio.run(main)
    return [server.opened for server in servers]


def test_new_mail_in_each_folder_of_each_account_is_fetched_when_it_comes(home: Path) -> None:
    servers = [*(FolderServer(b"NOTIFY") for _ in range(3)), FolderServer()]
    opened = wait_for_mail(home, servers)
    # No connection is opened for the mail that comes. The first poll shows what a server offers.
    assert opened == [1, 1, 1, 4]
