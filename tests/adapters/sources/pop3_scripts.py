"""POP3 servers that do something wrong, and whole polls of them in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Close, Sleep, Tcp, Trust, Wait
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.smtp import MemorySink, serve_smtp
from tests.adapters.sources.raw import Raw

POP3, SMTP = Tcp("pop3", 110), Tcp("smtp", 25)
PLAIN = (b"USER", b"UIDL", b"TOP")
PIPELINED = (*PLAIN, b"PIPELINING", b"RESP-CODES")
PROXIED = (b"LAST", b"TOP", b"USER", b"PIPELINING", b"UIDL")
"""The capabilities in the example of nginx's documentation."""


def letter(number: int, body: bytes = b"hello\r\n") -> bytes:
    head = b"From: ann@example.org\r\nSubject: %d\r\nMessage-ID: <%d@example.org>\r\n\r\n"
    return head % (number, number) + body


def stuffed(text: bytes) -> bytes:
    return (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]


class HangUp(Exception):
    """The server closes the connection; the data sent before arrives."""


Answer = Callable[["Server", bytes], bytes | None]
"""Takes the place of an answer; None leaves it to the server."""


@dataclass
class Server:
    """A maildrop with scripted replies. ``heard`` are the received lines of all sessions.

    What arrived together with a command whose verb is in ``drops`` is dropped. Before the reply to
    a verb in ``slow`` some seconds pass.
    """

    messages: list[bytes]
    odd: Mapping[bytes, Answer] = field(default_factory=dict[bytes, Answer])
    capabilities: Sequence[bytes] = PLAIN
    uids: list[bytes] = field(default_factory=list[bytes])
    heard: list[bytes] = field(default_factory=list[bytes])
    sessions: int = 0
    deletes_what_is_read: bool = False
    greeting: bytes = b"+OK ready\r\n"
    closes: bool = False
    gone: set[int] = field(default_factory=set[int])
    drops: frozenset[bytes] = frozenset()
    slow: Mapping[bytes, float] = field(default_factory=dict[bytes, float])

    def __post_init__(self) -> None:
        self.uids = self.uids or [b"u%d" % n for n in range(1, len(self.messages) + 1)]

    async def serve(self, channel: Channel[Raw]) -> None:
        self.sessions += 1
        self.gone = set()
        say = channel.machine.outbox.put
        say(self.greeting)
        done = self.closes
        while not (done or channel.machine.ended):
            heard = channel.machine.heard
            while not done and (end := heard.find(b"\r\n")) >= 0:
                line = bytes(heard[:end])
                del heard[: end + 2]
                verb = line.partition(b" ")[0]
                if verb in self.drops:
                    heard.clear()
                if verb in self.slow:
                    await Sleep(self.slow[verb])
                try:
                    say(self.answer(line))
                except HangUp as last:
                    say(last.args[0])
                    done = True
                done = done or line == b"QUIT"
            if not done:
                await Wait([channel], 600.0)
        await Close(channel)

    def answer(self, line: bytes) -> bytes:
        self.heard.append(line)
        verb, _, rest = line.partition(b" ")
        odd = self.odd.get(verb)
        if odd and (said := odd(self, rest)) is not None:
            return said
        return self.right_answer(verb, rest)

    def right_answer(self, verb: bytes, rest: bytes) -> bytes:
        there = [n for n in range(1, len(self.messages) + 1) if n not in self.gone]
        sizes = {n: len(self.messages[n - 1]) for n in there}
        match verb:
            case b"CAPA":
                return lines(*self.capabilities)
            case b"USER" | b"PASS" | b"NOOP":
                return b"+OK\r\n"
            case b"STAT":
                return b"+OK %d %d\r\n" % (len(there), sum(sizes.values()))
            case b"LIST":
                return lines(*(b"%d %d" % pair for pair in sizes.items()))
            case b"UIDL":
                return lines(*(b"%d %b" % (n, self.uids[n - 1]) for n in there))
            case b"RETR" | b"TOP":
                return self.text(rest, verb == b"RETR")
            case b"DELE":
                self.gone.add(int(rest))
                return b"+OK\r\n"
            case b"QUIT":
                kept = [n - 1 for n in there]
                self.messages = [self.messages[n] for n in kept]
                self.uids = [self.uids[n] for n in kept]
                return b"+OK\r\n"
            case _:
                return b"-ERR unknown\r\n"

    def text(self, rest: bytes, retrieved: bool) -> bytes:
        number, _, count = rest.partition(b" ")
        text = self.messages[int(number) - 1]
        if retrieved and self.deletes_what_is_read:
            self.gone.add(int(number))
        if count == b"0":
            text = text[: text.index(b"\r\n\r\n") + 4]
        return b"+OK\r\n" + stuffed(text) + b".\r\n"

    def verbs(self) -> list[bytes]:
        return [line.partition(b" ")[0] for line in self.heard]


def lines(*of: bytes) -> bytes:
    return b"+OK\r\n" + b"".join(line + b"\r\n" for line in of) + b".\r\n"


@dataclass
class World:
    """A server, a listener, and a ledger that outlives the polls."""

    folder: Path
    server: Server
    received: MemorySink = field(default_factory=MemorySink)
    events: list[Event] = field(default_factory=list[Event])

    def source(self, access: dict[str, Any], **options: Any) -> Pop3Source:
        known: dict[str, Any] = {"tls": TlsMode.NEVER, "timeout": 60.0, **access}
        reached = Access("server", POP3, "joe", Secret(b"sesame"), trust=Trust("server"), **known)
        return Pop3Source(reached, self.events.append, **options)

    def simulation(self) -> Simulation:
        simulation = Simulation(round_trip=0.05)
        simulation.listen(POP3, Raw, self.server.serve)
        simulation.listen(SMTP, SmtpServer, lambda c: serve_smtp(c, self.received))
        return simulation

    def poll(
        self,
        access: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        **options: Any,
    ) -> ExitCode:
        poll = Poll(
            Account("pop3 joe@server", "joe", "server", "server", **options),
            self.source(access or {}, **{"remember": options.get("keep", False), **(source or {})}),
            "smtp",
            lambda: SmtpSink([Listener("sink", SMTP, False, "localhost")], "client", 20.0),
            SqliteLedger(str(self.folder / "ledger.db")),
            lambda sink: Packer(
                DeliveryRules("joe", sink.domain, HeaderRules("server", "joe", None))
            ),
            self.events.append,
        )
        try:
            return self.simulation().run(poll.run())
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Remark))

    def subjects(self) -> list[bytes]:
        found = [one.text.split(b"Subject: ")[1:2] for one in self.received.messages]
        return [one[0].partition(b"\r\n")[0] if one else b"" for one in found]

    def bodies(self) -> list[bytes]:
        return [one.text.partition(b"\r\n\r\n")[2] for one in self.received.messages]
