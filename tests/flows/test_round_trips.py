"""How many round trips a poll takes at its source: upper bounds, exact in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.machine import Tap
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, Misbehaviour, serve_pop3
from tests.apps.toy_sink import ToySink

SERVER = Tcp("server", 143)
LOGINS = {b"joe": b"sesame"}
TEXT = b"From: a@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"
IMAP = frozenset({b"IMAP4REV1", b"UIDPLUS"})
PIPELINING = (b"PIPELINING",)


class Commands(Tap):
    """Records what the client sends."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, direction: str, line: bytes) -> None:
        if direction == ">":
            self.lines.append(line.decode())


def round_trips(
    folder: Path, source: Callable[[Access, Callable[[Event], None]], Any], serve: Any, machine: Any
) -> tuple[float, ExitCode, list[str]]:
    """Poll once; return the round trips, the exit code and the client's commands.

    The sink takes no time.
    """
    commands = Commands()
    access = Access(
        "server", SERVER, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), tap=commands
    )
    rules = HeaderRules("server", "joe", None)
    events: list[Event] = []
    poll = Poll(
        Account("joe@server", "joe", "server", "server"),
        source(access, events.append),
        "toy sink",
        lambda: ToySink("hello"),
        SqliteLedger(str(folder / "ledger.db")),
        lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
        events.append,
    )
    simulation = Simulation(round_trip=1.0)
    simulation.listen(SERVER, machine, serve)
    code = simulation.run(poll.run())
    return simulation.now, code, commands.lines


def by_imap(
    folder: Path, box: Mailbox, capabilities: frozenset[bytes]
) -> tuple[float, ExitCode, list[str]]:
    def serve(channel: Channel[Any]) -> Any:
        return serve_imap(channel, Mailboxes({b"INBOX": box}), LOGINS, None, capabilities)

    return round_trips(folder, ImapSource, serve, ImapServer)


def by_pop3(
    folder: Path, box: Mailbox, without: Sequence[bytes]
) -> tuple[float, ExitCode, list[str]]:
    def serve(channel: Channel[Any]) -> Any:
        return serve_pop3(
            channel, Maildrop(box), Logins(LOGINS), Misbehaviour(without=tuple(without))
        )

    return round_trips(folder, Pop3Source, serve, Pop3Server)


@pytest.mark.parametrize(("messages", "most"), [(0, 4), (1, 7)])
def test_an_imap_poll(tmp_path: Path, messages: int, most: int) -> None:
    """Connection and greeting, LOGIN, SELECT with SEARCH, sizes, text, deletion, LOGOUT."""
    taken, code, said = by_imap(tmp_path, Mailbox([TEXT] * messages), IMAP)
    assert taken <= most
    assert code is (ExitCode.SUCCESS if messages else ExitCode.NOMAIL)
    # The server announces its capabilities in the greeting and in the reply to LOGIN.
    assert not any("CAPABILITY" in line for line in said)


@pytest.mark.parametrize(
    ("messages", "without", "most"),
    [(0, (), 5), (1, (), 6), (0, PIPELINING, 6), (1, PIPELINING, 10)],
)
def test_a_pop3_poll(tmp_path: Path, messages: int, without: Any, most: int) -> None:
    """Connection and greeting, CAPA, USER and PASS, listing, text, deletion and QUIT."""
    taken, code, said = by_pop3(tmp_path, Mailbox([TEXT] * messages), without)
    assert taken <= most
    assert code is (ExitCode.SUCCESS if messages else ExitCode.NOMAIL)
    assert said.count("CAPA") == 1
