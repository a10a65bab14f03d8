"""One poll between a scripted source and a scripted sink, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event
from mailhaul.flows.requests import Request, Sleep, Tcp, Trust, Wait
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.outbox import Outbox
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

Flow = Coroutine[Request[Any], Any, Any]
Script = Callable[["Channel[Speaker]"], Flow]
TIMEOUT = 300.0
SINK_TIMEOUT = 600.0
SOURCE, SINK = Tcp("server", 143), Tcp("sink", 25)
MESSAGE = b"From: a@example.org\r\nSubject: x\r\n\r\n" + b"some line\r\n" * 20_000


class Speaker:
    """A peer's machine without a protocol: it sends given data, and records received data."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = False
        self._outbox = Outbox()

    def receive_data(self, data: bytes) -> None:
        self.heard += data

    def receive_eof(self) -> None:
        self.ended = True

    def say(self, data: bytes) -> None:
        self._outbox.put(data)

    def data_to_send(self) -> list[bytes]:
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        return self._outbox.size


async def drip(channel: Channel[Speaker], text: bytes, every: float, octets: int = 1) -> None:
    """Send a text endlessly, a few octets at a time."""
    while not channel.machine.ended:
        for at in range(0, len(text), octets):
            channel.machine.say(text[at : at + octets])
            await Sleep(every)


async def hear_line(channel: Channel[Speaker]) -> bytes:
    while b"\n" not in channel.machine.heard and not channel.machine.ended:
        await Wait([channel], 1e6)
    line, _, rest = bytes(channel.machine.heard).partition(b"\n")
    channel.machine.heard[:] = rest
    return line


def answering(greeting: bytes, known: dict[bytes, bytes], then: bytes, every: float) -> Script:
    """A server that answers some commands, and sends too slowly at the first other one."""

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(greeting)
        while not channel.machine.ended:
            tag, _, rest = (await hear_line(channel)).strip().partition(b" ")
            verb = rest.split(b" ")[0] if greeting.startswith(b"*") else tag
            if verb.upper() not in known:
                await drip(channel, then, every)
            channel.machine.say(known[verb.upper()].replace(b"TAG", tag))

    return serve


def dripping(text: bytes, every: float) -> Script:
    """A peer that sends a text endlessly, octet by octet, without being asked."""

    async def serve(channel: Channel[Speaker]) -> None:
        await drip(channel, text, every)

    return serve


def flooding(before: bytes, text: bytes) -> Script:
    """A peer that sends one text, and then another text endlessly, as fast as it can."""

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(before)
        block = text * (65536 // len(text) + 1)
        while not channel.machine.ended:
            channel.machine.say(block)
            await Wait([channel], 0.001) if channel.congested else await Sleep(0.001)

    return serve


class World:
    """A source, a sink, and one poll between them."""

    def __init__(self, folder: Path, password: bytes = b"sesame") -> None:
        self.folder = folder
        self.password = Secret(password)
        self.simulation = Simulation()
        self.events: list[Event] = []
        self.received = MemorySink()
        self.simulation.listen(SINK, SmtpServer, lambda c: serve_smtp(c, self.received))

    def serve_a_message(self, size: int = 0) -> None:
        """Make the source a normal server with one message."""
        mailboxes = Mailboxes({b"INBOX": Mailbox([MESSAGE + b"x" * size])})
        users = {b"joe": b"sesame"}
        faults = Misbehaviour()
        self.simulation.listen(
            SOURCE, ImapServer, lambda c: serve_imap(c, mailboxes, users, faults)
        )

    def poll(
        self,
        kind: type[ImapSource] | type[Pop3Source] = ImapSource,
        *,
        tls: TlsMode = TlsMode.NEVER,
        lmtp: bool = False,
        login: bool = False,
    ) -> ExitCode:
        access = Access(
            "server", SOURCE, "joe", self.password, tls, Trust("server"), timeout=TIMEOUT
        )
        rules = HeaderRules("server", "joe", None)
        held = Credentials(b"joe", self.password) if login else None
        listeners = [Listener("sink", SINK, lmtp, "localhost")]
        poll = Poll(
            Account("joe@server", "joe", "server", "server"),
            kind(access, self.events.append),
            "sink",
            lambda: SmtpSink(listeners, "client", 5.0, credentials=held),
            SqliteLedger(str(self.folder / "ledger.db")),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.events.append,
        )
        return self.simulation.run(poll.run())
