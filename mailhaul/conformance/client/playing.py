"""The servers that are played for a client: POP3, IMAP, SMTP and LMTP on a loopback port."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from time import gmtime
from typing import Any

from ...flows.channel import Channel
from ...protocols.imap.server import ImapServer
from ...protocols.pop3.server import Pop3Server
from ...protocols.smtp.server import SmtpServer
from ...servers.imap import CAPABILITIES, ImapService
from ...servers.logins import Logins
from ...servers.mailboxes import Mailbox, Mailboxes
from ...servers.pop3 import Maildrop, Misbehaviour, Pop3Service
from ...servers.smtp import MemorySink, SmtpService
from ..certificates import RIGHT
from ..connections import Connection, Note, no_note
from ..listening import Flow, Listener, Session, secure
from ..wire_faults import FaultyMachine, Rule

USER, PASSWORD = b"joe", b"open-sesame-4711"
HOLD = 0.1
"""Seconds that an answer is held back, to see whether the client waits for it."""
IMAP_CAPABILITIES = (
    *CAPABILITIES,
    *(b"SASL-IR", b"ID", b"ENABLE", b"NAMESPACE", b"CHILDREN", b"UNSELECT", b"MOVE"),
)
IDLE_CAPABILITIES = (*IMAP_CAPABILITIES, b"IDLE")


@dataclass
class Played(ABC):
    """A server that is played. It may be started several times; its mail stays.

    ``rules`` are the faults on the wire. ``hold`` is for how many seconds each output is held
    back, ``slices`` how many octets each segment has (0: any). ``tls`` is how TLS is offered:
    "clear" (not at all), "starttls" or "implicit", with a ``certificate`` of this kind.
    """

    rules: Sequence[Rule] = ()
    hold: float = 0.0
    slices: int = 0
    tls: str = "clear"
    certificate: str = RIGHT
    users: Mapping[bytes, bytes] = field(default_factory=lambda: {USER: PASSWORD})
    address: tuple[str, int] = ("127.0.0.1", 0)
    connections: list[Connection] = field(default_factory=list[Connection], init=False)

    protocol = ""

    def start(
        self,
        numbers: count[int],
        note: Note = no_note,
        context: ssl.SSLContext | None = None,
    ) -> Listener:
        """Listen; forget the connections of the last time."""
        self.connections = []

        def open_session() -> Session:
            connection = Connection(next(numbers), self.protocol, note)
            self.connections.append(connection)
            machine = FaultyMachine(self.machine(), self.rules, connection)
            machine.slices = self.slices
            return self.session(machine, context)

        return Listener(open_session, self.address)

    def session(self, machine: FaultyMachine, context: ssl.SSLContext | None) -> Session:
        """Return what serves a new connection."""
        channel = Channel[Any]("client", machine)
        wrapped = self.tls == "implicit"

        async def start_tls() -> None:
            await secure(channel)

        flow = self.flow(channel, start_tls if self.tls == "starttls" else None)
        return Session(channel, flow, self.hold, context, wrapped)

    @abstractmethod
    def machine(self) -> Any:
        """Return the machine of a new connection."""

    @abstractmethod
    def flow(self, channel: Channel[Any], start_tls: Callable[[], Awaitable[None]] | None) -> Flow:
        """Return what serves a new connection."""

    @property
    def nonces(self) -> Callable[[], bytes]:
        """Nonces for challenges."""
        numbers = count(1)
        return lambda: b"nonce%d" % next(numbers)


@dataclass
class Source(Played):
    """A server with mail to fetch. ``mailbox`` holds what is left."""

    mailbox: Mailbox = field(default_factory=Mailbox)

    @property
    def left(self) -> list[bytes]:
        """The messages that are there and not marked as deleted."""
        return [m.text for m in self.mailbox.messages if rb"\Deleted" not in m.flags]


@dataclass
class PlayedPop3(Source):
    """A POP3 server. ``challenges`` says that it announces more mechanisms than PLAIN and LOGIN."""

    without: tuple[bytes, ...] = (b"PIPELINING",)
    challenges: bool = False
    timestamp: bytes | None = None

    protocol = "pop3"

    def machine(self) -> Any:
        """Return the machine of a new connection."""
        return Pop3Server()

    def flow(self, channel: Channel[Any], start_tls: Callable[[], Awaitable[None]] | None) -> Flow:
        """Return what serves a new connection."""
        logins = Logins(self.users, self.nonces if self.challenges else None)
        wrong = Misbehaviour(without=self.without)
        drop = Maildrop(self.mailbox)
        return Pop3Service(channel, drop, logins, start_tls, wrong, self.timestamp).run()


@dataclass
class PlayedImap(Source):
    """An IMAP server with one mailbox, INBOX, or all of ``others``.

    ``preauth`` says that it wants no login.
    """

    capabilities: tuple[bytes, ...] = IMAP_CAPABILITIES
    preauth: bool = False
    others: Mailboxes | None = None

    protocol = "imap"

    def machine(self) -> Any:
        """Return the machine of a new connection."""
        return ImapServer()

    def flow(self, channel: Channel[Any], start_tls: Callable[[], Awaitable[None]] | None) -> Flow:
        """Return what serves a new connection."""
        mailboxes = self.others or Mailboxes({b"INBOX": self.mailbox})
        users = None if self.preauth else self.users
        return ImapService(
            channel, mailboxes, users, self.capabilities, start_tls, clock=gmtime
        ).run()


@dataclass
class PlayedSmtp(Played):
    """An SMTP server, or with ``lmtp`` an LMTP server.

    ``extensions`` are announced; ``login`` says that AUTH is, too, and ``challenges`` that it has
    more mechanisms than PLAIN and LOGIN.
    """

    extensions: Mapping[bytes, bytes] = field(
        default_factory=lambda: {b"8BITMIME": b"", b"SIZE": b"", b"ENHANCEDSTATUSCODES": b""}
    )
    lmtp: bool = False
    login: bool = False
    challenges: bool = False
    received: MemorySink = field(default_factory=MemorySink)

    @property
    def protocol(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """The protocol that is spoken."""
        return "lmtp" if self.lmtp else "smtp"

    def machine(self) -> Any:
        """Return the machine of a new connection."""
        return SmtpServer(lmtp=self.lmtp, extensions=self.extensions)

    def flow(self, channel: Channel[Any], start_tls: Callable[[], Awaitable[None]] | None) -> Flow:
        """Return what serves a new connection."""
        logins = None
        if self.login:
            logins = Logins(self.users, self.nonces if self.challenges else None)
        return SmtpService(channel, self.received, logins, start_tls).run()
