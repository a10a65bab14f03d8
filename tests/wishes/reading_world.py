"""A small world for polls in virtual time: mailboxes, a listener, a ledger, and a calendar."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailhaul.adapters.ledger.schema import prepare
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Reading, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.protocols.imap.commands import Command, UidFetch
from mailhaul.protocols.imap.events import Code, Fetched
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.imap.values import Atom, Value
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import ImapService
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes, Message
from mailhaul.servers.pop3 import Maildrop, Misbehaviour, Pop3Service
from mailhaul.servers.smtp import MemorySink, serve_smtp

IMAP, POP3, SMTP = Tcp("imap", 143), Tcp("pop3", 110), Tcp("smtp", 25)
USERS = {b"joe": b"sesame"}
LOGINS = Logins(USERS, lambda: b"<1@pop3>")
DAY = 86400.0
TODAY = 1_790_000_000.0
SUBJECT = re.compile(rb"(?m)^Subject: (.*?)\r?$")
CONTENT_ITEMS = {b"(UID EMAILID)": b"EMAILID", b"(UID X-GM-MSGID)": b"X-GM-MSGID"}


def text(number: int, *fields: bytes) -> bytes:
    """Return a message; ``fields`` are further lines of its header."""
    lines = [
        b"Message-ID: <%d@example.org>" % number,
        b"Date: Mon, 2 Nov 2026 10:%02d:00 +0000" % (number % 60),
        b"From: ann%d@example.org" % number,
        b"Subject: %d" % number,
        *fields,
        b"",
        b"x" * number,
        b"",
    ]
    return b"\r\n".join(lines)


def subject(message: bytes) -> bytes:
    """Return the subject of a message, its number."""
    found = SUBJECT.search(message)
    return found[1] if found else b""


class StoppedAt(Simulation):
    """A simulation that is killed before one step."""

    def __init__(self, step: int, **options: Any) -> None:
        super().__init__(**options)
        self._last = step

    def _step(self) -> None:
        if self.steps + 1 == self._last:
            raise Killed
        super()._step()


class MemoryLedger(SqliteLedger):
    """A ledger without a file. A kill leaves it as it is: what was committed is there."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(":memory:", clock)

    def _open(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(self.path)
        prepare(self._connection)
        return self._connection


class NamingService(ImapService):
    """A server that names the contents of its messages, as the world says."""

    contents: Callable[[Message], bytes]

    async def _do(self, command: Command) -> Code | None:
        item = CONTENT_ITEMS.get(command.items) if isinstance(command, UidFetch) else None
        if not (item and isinstance(command, UidFetch) and self._open):
            return await super()._do(command)
        for number, message in self._open.view.with_uids(command.uids):
            name = Atom(self.contents(message))
            value: Value = [name] if item == b"EMAILID" else name
            self._machine.send(Fetched(number, message.uid, others=((item, value),)))
        return None


class NumberedDrop(Pop3Service):
    """A maildrop whose unique ids have a prefix that may change."""

    prefix = b""

    def _uid(self, message: Message) -> bytes:
        return b"%b%d" % (self.prefix, message.uid)


@dataclass
class World:
    """Everything that outlives a poll. ``boxes`` are the mailboxes; POP3 has the INBOX only."""

    boxes: dict[bytes, Mailbox]
    protocol: str = "imap"
    capabilities: tuple[bytes, ...] = (b"UIDPLUS",)
    uid_prefix: bytes = b""
    without_top: bool = False
    contents: Callable[[Message], bytes] = lambda message: b"10%b" % subject(message.text)
    sink: Callable[[], Sink] | None = None
    received: MemorySink = field(default_factory=MemorySink)
    events: list[Event] = field(default_factory=list[Event])
    now: float = TODAY
    tap: Any = None
    ledger: MemoryLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(lambda: self.now)

    @property
    def inbox(self) -> Mailbox:
        return self.boxes[b"INBOX"]

    def _serve_imap(self, channel: Channel[Any]) -> Any:
        service = NamingService(channel, Mailboxes(self.boxes), USERS, self.capabilities)
        service.contents = self.contents
        return service.run()

    def _serve_pop3(self, channel: Channel[Any]) -> Any:
        # To derive a key for SCRAM would take as long as the rest of a poll.
        wrong = Misbehaviour(without=(b"SASL", *([b"TOP"] if self.without_top else [])))
        service = NumberedDrop(channel, Maildrop(self.inbox), LOGINS, None, wrong)
        service.prefix = self.uid_prefix
        return service.run()

    def poll(
        self,
        *,
        simulation: Simulation | None = None,
        leaves_unread: bool = False,
        tree: Callable[[tuple[bytes, ...]], Sink] | None = None,
        **options: Any,
    ) -> ExitCode | None:
        """Poll once; return None if the process was killed."""
        self.events.clear()
        simulation = simulation or Simulation()
        simulation.listen(IMAP, ImapServer, self._serve_imap)
        simulation.listen(POP3, Pop3Server, self._serve_pop3)
        simulation.listen(SMTP, SmtpServer, lambda channel: serve_smtp(channel, self.received))
        poll = Poll(
            Account(f"{self.protocol} joe@server", "joe", "server", "server", **options),
            self._source(options, leaves_unread=leaves_unread),
            "sink",
            self.sink or (lambda: SmtpSink([Listener("sink", SMTP, False, "here")], "us", 20.0)),
            self.ledger,
            lambda _: Packer(DeliveryRules("joe", "here", HeaderRules("server", "joe", None))),
            self.events.append,
            tree=tree,
        )
        story = poll.run()
        try:
            return simulation.run(story)
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code
        except Killed:
            story.close()
            return None

    def _source(
        self, options: Mapping[str, Any], *, leaves_unread: bool
    ) -> ImapSource | Pop3Source:
        address = IMAP if self.protocol == "imap" else POP3
        access = Access(
            *("server", address, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server")),
            timeout=20.0,
            tap=self.tap,
        )
        keep = bool(options.get("keep"))
        if self.protocol == "pop3":
            return Pop3Source(access, self.events.append, remember=keep)
        everything = bool(options.get("by_ledger") or options.get("fetchall"))
        source = ImapSource(access, self.events.append, keeps=keep, everything=everything)
        source.leaves_unread = leaves_unread
        return source

    def poll_for(self, days: int, **options: Any) -> None:
        """Poll every few days, and on the last one."""
        for day in range(1, days + 1):
            self.pass_days(1)
            if day == days or day % 6 == 0:
                self.poll(**options)

    def pass_days(self, days: float) -> None:
        """Let time pass."""
        self.now += days * DAY

    @property
    def got(self) -> list[int]:
        """The subjects of all messages that the listener has received."""
        return [int(subject(one.text)) for one in self.received.messages]

    @property
    def left(self) -> list[int]:
        """The UIDs of the messages in the INBOX."""
        return [message.uid for message in self.inbox.messages]

    @property
    def read(self) -> int:
        """How many messages the last poll has read."""
        return sum(isinstance(event, Reading) for event in self.events)

    @property
    def said(self) -> str:
        """What the last poll has reported in words."""
        return "\n".join(event.text for event in self.events if isinstance(event, Remark))

    @property
    def errors(self) -> list[str]:
        """The errors among them."""
        return [event.text for event in self.events if isinstance(event, Remark) and event.error]


def world(count: int, protocol: str = "imap", **options: Any) -> World:
    """Return a world with so many messages in the INBOX."""
    box = Mailbox([text(number) for number in range(1, count + 1)])
    return World({b"INBOX": box}, protocol, **options)
