"""A source, Gmail and a ledger in the simulated runtime, with cuts at any octet.

Gmail is the service of the stand-in in ``tests/real/servers``, which follows Google's reference.
h11 reads the requests and writes the answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import h11

from mailhaul.adapters.http.client import HttpOptions
from mailhaul.adapters.ledger.names import sink_name
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.ledger.uploads import Uploads
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.gmail import GmailSink, Target
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Close, Tcp, Trust, Wait
from mailhaul.protocols.gmail.requests import Importer
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from tests.real.servers.gmail import Fault, Request, Service
from tests.real.servers.gmail_uploads import Answer, Refused

IMAP, POP3, GMAIL = Tcp("imap", 143), Tcp("pop3", 110), Tcp("gmail.googleapis.com", 443)
USERS = {b"joe": b"sesame"}
USER = "ann@example.org"
TOKEN, OTHER = Secret(b"token-of-ann"), Secret(b"another-token")
SINK = f"gmail {USER}"


def text(number: int, body: bytes = b"hello\r\n") -> bytes:
    return b"Message-ID: <%d@example.org>\r\nFrom: a@x\r\nSubject: %d\r\n\r\n%b" % (
        number,
        number,
        body,
    )


class HttpServer:
    """One connection to Gmail. It ends when the world's budget of octets is used up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._http = h11.Connection(h11.SERVER)
        self._out: list[bytes] = []
        self.request: h11.Request | None = None
        self.body = bytearray()
        self.ended = False

    def receive_data(self, data: bytes) -> None:
        kept = self._world.spend("cut_in", data)
        if kept:
            self._http.receive_data(kept)
        self.ended = self.ended or len(kept) < len(data)

    def receive_eof(self) -> None:
        self.ended = True

    def data_to_send(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    @property
    def unsent(self) -> int:
        return sum(map(len, self._out))

    def read(self) -> bool:
        """Take what has arrived of a request; return whether it is complete."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self.request, self.body = event, bytearray()
            elif isinstance(event, h11.Data):
                self.body += event.data
                self._answer_too_soon()
            else:
                return isinstance(event, h11.EndOfMessage)

    def _answer_too_soon(self) -> None:
        """Send a success as soon as some of a text has come, once, and close the connection."""
        after = self._world.answers_after
        assert self.request
        if after is None or self.request.method != b"PUT" or len(self.body) < after:
            return
        self._world.answers_after = None
        self._out.append(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"id": "early"}')
        self.ended = True

    def say(self, answer: Answer) -> None:
        """Send an answer, or the beginning of it."""
        fields = {**answer.headers, "Content-Length": str(len(answer.body))}
        head = h11.Response(
            status_code=answer.status,
            headers=list(fields.items()),
            reason=answer.phrase.encode(),
        )
        data = b"".join(
            self._http.send(one) or b""
            for one in (head, h11.Data(data=answer.body), h11.EndOfMessage())
        )
        kept = self._world.spend("cut_out", data)
        if kept:
            self._out.append(kept)
        if len(kept) < len(data):
            self.ended = True
        else:
            self._http.start_next_cycle()
            self.request = None


class Tokens:
    """Gives out tokens; ``others`` are those that come after a refused one."""

    def __init__(self, *others: Secret) -> None:
        self.now = TOKEN
        self.others = list(others)
        self.said: list[str] = []

    async def token(self) -> Secret:
        return self.now

    async def replacement(self, refused: Secret) -> Secret | None:
        assert refused.reveal() == self.now.reveal()
        self.said.append("replaced")
        if not self.others:
            return None
        self.now = self.others.pop(0)
        return self.now

    async def accepted(self) -> None:
        self.said.append("accepted")

    async def refused(self, words: str) -> str:
        self.said.append(words)
        return "some advice"


@dataclass
class World:
    """Source, Gmail and ledger, which exist longer than one poll.

    ``cut_in`` and ``cut_out`` are the octets that Gmail takes and sends before it closes a
    connection, once; 0 means never. It answers the first text after ``answers_after`` octets.
    """

    folder: Path
    inbox: Mailbox
    gmail: Service = field(default_factory=Service)
    tokens: Tokens = field(default_factory=Tokens)
    target: Target = field(default_factory=lambda: Target(Importer(USER)))
    pop3: bool = False
    cut_in: int = 0
    cut_out: int = 0
    answers_after: int | None = None
    time: float = 1_000_000.0
    connections: int = 0
    octets_in: int = 0
    octets_out: int = 0
    events: list[Event] = field(default_factory=list[Event])
    failure: str = ""

    def __post_init__(self) -> None:
        self.gmail.allow(TOKEN.reveal().decode(), USER)

    def spend(self, budget: str, data: bytes) -> bytes:
        """Return the part of data that is within a budget, which is spent."""
        if budget == "cut_in":
            self.octets_in += len(data)
        else:
            self.octets_out += len(data)
        left = getattr(self, budget)
        if not left:
            return data
        setattr(self, budget, max(0, left - len(data)))
        return data[:left] if len(data) >= left else data

    # Gmail

    async def serve(self, channel: Channel[HttpServer]) -> None:
        machine = channel.machine
        self.connections += 1
        try:
            while await self._next(channel) and self._answer(machine) and not machine.ended:
                pass
        finally:
            # Also if the client was killed.
            self._keep_beginning(machine)
        await Close(channel)

    async def _next(self, channel: Channel[HttpServer]) -> bool:
        while not channel.machine.read():
            if channel.machine.ended:
                return False
            await Wait([channel], 10_000.0)
        return True

    def _request(self, machine: HttpServer) -> tuple[Request, str]:
        assert machine.request
        target = machine.request.target.decode()
        parts = urlsplit(target)
        headers = {name.decode(): value.decode() for name, value in machine.request.headers}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(machine.request.method.decode(), parts.path, query, headers), target

    def _answer(self, machine: HttpServer) -> bool:
        """Answer a request; return False if the connection ends without an answer."""
        request, target = self._request(machine)
        fault: Fault = self.gmail.take_fault(request)
        try:
            if fault.refused:
                raise fault.refused
            answer = self.gmail.answer(request, target, iter([bytes(machine.body)]))
        except Refused as refused:
            answer = refused.answer()
        if fault.lost:
            machine.request = None
            return False
        machine.say(answer)
        return True

    def _keep_beginning(self, machine: HttpServer) -> None:
        """Keep what has arrived of a text although the connection has ended."""
        if machine.request is None or machine.request.method != b"PUT" or not machine.body:
            return
        request, target = self._request(machine)
        machine.request = None
        try:
            self.gmail.answer(request, target, iter([bytes(machine.body)]))
        except Refused:
            return

    # The poll

    def sink(self) -> GmailSink:
        ledger = SqliteLedger(str(self.folder / "ledger.db"), lambda: self.time)
        return GmailSink(
            self.target,
            self.tokens,
            Uploads(ledger, sink_name(SINK)),
            str(self.folder),
            HttpOptions(timeout=300.0, environment={}),
        )

    def source(self) -> ImapSource | Pop3Source:
        here = POP3 if self.pop3 else IMAP
        access = Access("server", here, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"))
        if self.pop3:
            return Pop3Source(access, self.events.append)
        return ImapSource(access, self.events.append, with_marks=True)

    def poll(self, **options: object) -> Poll:
        rules = HeaderRules("server", "joe", None, rewrite=False, keep_return_path=True)
        return Poll(
            Account("joe@server", "joe", "server", "server", **options),  # type: ignore[arg-type]
            self.source(),
            sink_name(SINK),
            self.sink,
            SqliteLedger(str(self.folder / "ledger.db"), lambda: self.time),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.events.append,
        )

    def run(self, simulation: Simulation | None = None, **options: object) -> ExitCode:
        simulation = simulation or Simulation(round_trip=0.05)
        boxes, drop = Mailboxes({b"INBOX": self.inbox}), Maildrop(self.inbox)
        simulation.listen(IMAP, ImapServer, lambda c: serve_imap(c, boxes, USERS))
        logins = Logins(USERS, lambda: b"<1@pop3>")
        simulation.listen(POP3, Pop3Server, lambda c: serve_pop3(c, drop, logins))
        simulation.listen(GMAIL, lambda: HttpServer(self), self.serve)
        self.failure = ""
        try:
            return simulation.run(self.poll(**options).run())
        except PollFailed as failure:
            self.failure = str(failure)
            return failure.code

    @property
    def stored(self) -> list[bytes]:
        return [message.octets for message in self.gmail.messages]

    @property
    def asked(self) -> list[str]:
        """What was asked of Gmail: method and the range or the last part of the path."""
        return [
            f"{one.method} {one.headers.get('content-range', one.path.rpartition('/')[2])}"
            for one in self.gmail.requests
        ]

    @property
    def outcomes(self) -> list[tuple[Verdict, str]]:
        handled = (event.outcome for event in self.events if isinstance(event, Handled))
        return [(outcome.verdict, outcome.reason) for outcome in handled]

    @property
    def warnings(self) -> list[str]:
        handled = (event.outcome for event in self.events if isinstance(event, Handled))
        return [outcome.warning for outcome in handled if outcome.warning]


def make(folder: Path, *texts: bytes, **options: object) -> World:
    messages = texts or tuple(text(n) for n in range(1, 4))
    return World(folder, Mailbox(messages, 5), **options)  # type: ignore[arg-type]
