"""Servers that note what they hear, and a home folder, for the commands that only look."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mailhaul import imap, pop3, smtp
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.apps.cli.check import check
from mailhaul.apps.cli.checks import files
from mailhaul.apps.cli.dry_run import dry_run
from mailhaul.apps.cli.explain import explain
from mailhaul.apps.demo.main import listen
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Flow
from mailhaul.servers.imap import ALL_CAPABILITIES, serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .schema_checker import faults_of

PASSWORD = "sesame-7Kq-opens"
USERS = {b"joe": PASSWORD.encode()}


def mail(number: int, *more: str, octets: int = 0) -> bytes:
    """Return a message."""
    lines = [f"From: Anna <a{number}@example.org>", f"Subject: letter {number}", *more, "", ""]
    return "\r\n".join(lines).encode() + b"x" * octets + b"\r\n"


class Heard(imap.Tap):
    """Notes what a server hears."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    def returned(self, event: object) -> None:
        self.commands.append(event)

    @property
    def kinds(self) -> set[type]:
        return {type(command) for command in self.commands}


class World:
    """A home folder, servers on loopback, and what they heard."""

    def __init__(self, home: Path, cleanup: ExitStack) -> None:
        self.home = home
        self.cleanup = cleanup
        self.heard = Heard()
        self.inbox = Mailbox()
        self.mailboxes = Mailboxes({b"INBOX": self.inbox, b"Sent": Mailbox([mail(9)])})
        self.maildrop = Maildrop(Mailbox())
        self.received = MemorySink()
        self.listened = Heard()

    def imap_port(self) -> int:
        def serve() -> tuple[Channel[Endpoint], Flow[None]]:
            channel = Channel("client", imap.Server(tap=self.heard))
            return channel, serve_imap(channel, self.mailboxes, USERS, None, ALL_CAPABILITIES)

        return listen(self.cleanup, serve)

    def pop3_port(self) -> int:
        def serve() -> tuple[Channel[Endpoint], Flow[None]]:
            channel = Channel("client", pop3.Server(tap=self.heard))
            return channel, serve_pop3(channel, self.maildrop, Logins(USERS))

        return listen(self.cleanup, serve)

    def smtp_port(self) -> int:
        def serve() -> tuple[Channel[Endpoint], Flow[None]]:
            channel = Channel("client", smtp.Server(tap=self.listened))
            return channel, serve_smtp(channel, self.received)

        return listen(self.cleanup, serve)

    def write_rc(self, text: str, mode: int = 0o600) -> Path:
        path = self.home / "rc"
        path.write_text(text)
        path.chmod(mode)
        return path

    def account(self, protocol: str, port: int, more: str = "") -> str:
        return (
            f"poll localhost protocol {protocol} port {port} no dns\n"
            f"  user joe password {PASSWORD} is joe here sslmode none {more}\n"
        )

    @property
    def caller(self) -> Caller:
        return Caller("joe", self.home.stat().st_uid, str(self.home), None, str(self.home))

    def files(self) -> Mapping[str, bytes]:
        """Return every file of the home folder, with its contents."""
        return {
            str(path.relative_to(self.home)): path.read_bytes() if path.is_file() else b""
            for path in self.home.rglob("*")
        }

    def dry_run(self, *words: str) -> int:
        words = ("-f", str(self.home / "rc"), "--dry-run", *words)
        configuration = load(words, self.caller, bytes)
        return int(dry_run(configuration, self.caller, Lines(1)))

    def check(self, *words: str) -> int:
        return int(check(["-f", str(self.home / "rc"), *words], self.caller, Lines(1)))

    def explain(self, *words: str) -> int:
        return int(explain(["-f", str(self.home / "rc"), *words], self.caller, Lines(1)))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world that ends with the test; signals stay with pytest."""
    for name in ("XDG_STATE_HOME", "FETCHMAILHOME", "CREDENTIALS_DIRECTORY", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    # The disk of this machine may be full.
    monkeypatch.setattr(files, "FEW_OCTETS", 0)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    with ExitStack() as cleanup:
        yield World(tmp_path, cleanup)


def read_json(text: str, schema: Mapping[str, Any]) -> Any:
    """Return a document that a command has printed, which must be as its schema says."""
    document = json.loads(text)
    assert faults_of(document, schema) == []
    return document


def columns_of(text: str) -> Sequence[str]:
    """Return the lines of a screen; fail if one is too long for a terminal of 80 columns.

    The path of a test's folder is not broken: it may need to be copied.
    """
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 80 and "/pytest-" not in line] == []
    return lines
