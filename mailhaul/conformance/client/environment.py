"""What a case for clients gets: servers to play, and a client that is started against them."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic

from ...flows.requests import Now, Tcp, Trust
from ...servers.mailboxes import Mailbox
from ..certificates import Certificates
from ..connections import Connection, Note, no_note
from ..environment import Environment, Target, User
from ..listening import Listener
from ..session import Session
from ..verdicts import SetUpFailed, Skipped
from ..wire_faults import Answer
from .delivered import Delivered
from .homes import new_home, write_private
from .messages import ONE, RECIPIENT, SENDER, id_of
from .playing import PASSWORD, USER, Played, PlayedImap, PlayedPop3, PlayedSmtp, Source
from .starting import ClientProcess, Ended, Plan, Start, wait_for
from .template import CHOICES, Template, replaced

HOST, SINK_HOST = "localhost", "127.0.0.1"
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables of our environment that a client gets."""
DELIVERIES = ("smtp", "lmtp", "program", "maildir", "stdout")
"""Where fetched mail goes if it does not matter to a case, the best first."""

Sink = PlayedSmtp | PlayedImap
"""A server that a client delivers mail to."""


@dataclass
class ClientTarget:
    """A client under test.

    ``seconds`` is how long one start may take. ``protocols`` are those to test. ``deliveries`` are
    the values of the choice ``deliver`` to use, the best first. ``start`` starts it.
    """

    template: Template
    seconds: float = 30.0
    protocols: tuple[str, ...] = CHOICES["protocol"]
    deliveries: tuple[str, ...] = DELIVERIES
    start: Start = ClientProcess
    trusted: bool = False
    """Whether it is known to work with faultless servers; else that is tried first."""
    tried: dict[frozenset[tuple[str, str]], str] = field(
        default_factory=dict[frozenset[tuple[str, str]], str]
    )
    """By choices: empty, or what is wrong with the client or its template."""

    def __post_init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._certificates: Certificates | None = None
        self._lock = Lock()

    @property
    def certificates(self) -> Certificates:
        """The certificates of the servers that are played."""
        with self._lock:
            if self._certificates is None:
                self._folder = TemporaryDirectory(prefix="mailhaul-certificates-")
                folder = Path(self._folder.name)
                # A client may fetch mail as another user, and that user has to read the authority.
                folder.chmod(0o711)
                self._certificates = Certificates(folder)
            return self._certificates

    def share_certificates(self, other: ClientTarget) -> None:
        """Use the certificates of another target."""
        self._certificates = other.certificates
        self._folder = other._folder

    def close(self) -> None:
        """Remove the certificates."""
        if self._folder:
            self._folder.cleanup()
            self._folder = self._certificates = None

    def delivery(self) -> str:
        """Return where fetched mail goes. Raises Skipped."""
        for value in self.deliveries:
            if self.template.can("deliver", value):
                return value
        raise Skipped(f"the template says no way to deliver: one of {', '.join(self.deliveries)}")


@dataclass
class Run:
    """What a start of the client came to.

    ``connections`` are those to the server of the client's own protocol, ``sink_connections``
    those of its deliveries, which a client that sends mail does not have. ``delivered`` are the
    messages that it delivered, as they arrived. ``only_first`` says that it fetches one message.
    """

    ended: Ended
    connections: list[Connection]
    sink_connections: list[Connection]
    delivered: list[bytes]
    only_first: bool = False

    @property
    def said(self) -> str:
        """How it ended, in words, with the last thing that it said."""
        status = self.ended.status
        how = "it did not end" if status is None else f"exit status {status}"
        lines = (self.ended.errors or self.ended.output).split(b"\n")
        last = next((line for line in reversed(lines) if line.strip()), b"")
        shown = last[-200:].decode("utf-8", "replace")
        return f"{how}: {shown}" if shown else how

    @property
    def delivered_ids(self) -> set[bytes]:
        """The Message-IDs of the messages that were delivered."""
        return {id_of(text) for text in self.delivered}


class ClientEnvironment(Environment[Session]):
    """The environment of one case: a home for the client, and the servers that it talks to."""

    session_type = Session

    def __init__(self, client: ClientTarget) -> None:
        name = client.template.name
        target = Target(name, Tcp(HOST, 0), User(USER, PASSWORD), Trust(HOST))
        super().__init__(target)
        self.client = client
        self.transcript.hide(secrets())
        self._home = new_home()
        self._started = monotonic()

    async def begin(self) -> None:
        """Start the clock of the transcript."""
        await super().begin()
        self._started = monotonic()

    async def close(self) -> None:
        """Remove the home of the client."""
        self._home.cleanup()
        await Now()

    # What a case asks first

    def require(self, **choices: str) -> None:
        """Raise Skipped unless the client can do all this and should be tested for it."""
        client = self.client
        for choice, value in choices.items():
            if not client.template.can(choice, value):
                raise Skipped(f"the template has no words for {choice} {value!r}")
        protocol = choices.get("protocol", "")
        if protocol and protocol not in client.protocols:
            raise Skipped(f"{protocol} is not tested")

    @property
    def sends(self) -> bool:
        """Whether this is a client that sends mail."""
        return self.client.template.sends

    # Starting the client

    async def fetch(
        self,
        source: Source,
        sink: Sink | None = None,
        *,
        deliver: str = "",
        again: bool = False,
        refuse_after: int | None = None,
        until: Callable[[], bool] | None = None,
        seconds: float | None = None,
        **choices: str,
    ) -> Run:
        """Let the client fetch the mail of a source, to a sink or wherever it can.

        The client has a new home, or with ``again`` the one of the last start, and all that it
        remembers there. ``refuse_after`` lets the delivery of all messages after so many fail for
        now. ``until`` and ``seconds`` say when a client is ended that does not end by itself.
        Raises Skipped and SetUpFailed.
        """
        if self.sends:
            raise Skipped("this client fetches no mail")
        if not deliver:
            deliver = delivery_to(sink) if sink else self.client.delivery()
        if sink is None and deliver in {"smtp", "lmtp"}:
            sink = clean_sink(deliver)
            if refuse_after is not None:
                sink.rules = [Answer(rb"MAIL .*", b"451 4.3.0 not now\r\n", after=refuse_after)]
        if sink:
            choices["sink_tls"] = sink.tls
        if isinstance(sink, PlayedSmtp) and sink.login:
            choices["login"] = "password"
        if "keep" not in choices and not self.client.template.can("keep", "no"):
            choices["keep"] = "yes"
        choices |= {"protocol": source.protocol, "tls": source.tls, "deliver": deliver}
        self.require(**choices)
        await self._try_first(choices, source)
        if not again:
            self._move()
        return await self._run(choices, source, sink, refuse_after, until, seconds)

    async def send(self, server: PlayedSmtp, text: bytes) -> Run:
        """Let the client send a message. Raises Skipped and SetUpFailed."""
        if not self.sends:
            raise Skipped("this client sends no mail of its own")
        choices = {"protocol": server.protocol, "tls": server.tls}
        choices["login"] = "password" if server.login else "none"
        self.require(**choices)
        await self._try_first(choices, server)
        self._move()
        return await self._run(choices, server, None, message=text)

    async def deliver(self, sink: PlayedSmtp, *texts: bytes) -> Run:
        """Let the client bring messages to a sink: fetched from a source, or sent."""
        if self.sends:
            return await self.send(sink, texts[0])
        return await self.fetch(self.clean_source(*texts), sink)

    def clean_source(self, *texts: bytes) -> Source:
        """Return a source without a fault, of a protocol that the client fetches by."""
        for protocol in ("pop3", "imap"):
            if self.client.template.can("protocol", protocol):
                return clean_source(protocol, *texts)
        raise Skipped("the template has no words for a protocol to fetch mail by")

    def _move(self) -> None:
        """Give the client a new home: it has never run before."""
        self._home.cleanup()
        self._home = new_home()

    async def _try_first(self, choices: Mapping[str, str], like: Played) -> None:
        """See once that the client works with servers without a fault. Raises SetUpFailed."""
        wanted = {name: value for name, value in choices.items() if name != "idle"}
        if self.client.trusted:
            return
        key = frozenset(wanted.items())
        if key not in self.client.tried:
            run = await self._try(wanted, like)
            if id_of(ONE) not in run.delivered_ids and run.ended.status is not None:
                # Some clients fail now and then.
                run = await self._try(wanted, like)
            works = id_of(ONE) in run.delivered_ids
            shown = " ".join(f"{name}={value}" for name, value in sorted(wanted.items()))
            problem = f"the client does not work with faultless servers ({shown}): {run.said}"
            self.client.tried[key] = "" if works else problem
        if problem := self.client.tried[key]:
            raise SetUpFailed(problem)

    async def _try(self, choices: Mapping[str, str], like: Played) -> Run:
        """Start the client against servers without a fault."""
        environment = type(self)(self.client)
        server: Played
        if isinstance(like, PlayedSmtp):
            server = clean_sink(like.protocol, tls=like.tls, login=like.login)
        else:
            server = replace(clean_source(like.protocol, ONE), tls=like.tls)
        deliver = choices.get("deliver")
        sink: Sink | None = None
        if deliver in {"smtp", "lmtp"}:
            login = choices.get("login") == "password"
            sink = clean_sink(deliver, tls=choices["sink_tls"], login=login)
        elif deliver == "append":
            sink = PlayedImap(tls=choices["sink_tls"])
        run = await environment._run(choices, server, sink, message=ONE, note=no_note)
        await environment.close()
        return run

    async def _run(
        self,
        choices: Mapping[str, str],
        server: Played,
        sink: Sink | None,
        refuse_after: int | None = None,
        until: Callable[[], bool] | None = None,
        seconds: float | None = None,
        *,
        message: bytes = b"",
        note: Note | None = None,
    ) -> Run:
        home = Path(self._home.name)
        delivered = Delivered(home, choices.get("deliver", ""), refuse_after)
        receiver = sink or server
        if isinstance(receiver, PlayedSmtp):
            received = receiver.received
            delivered.follow(lambda: [message.text for message in received.messages])
        elif isinstance(sink, PlayedImap):
            mailbox = sink.mailbox
            delivered.follow(lambda: [message.text for message in mailbox.messages])
        with ExitStack() as cleanup:
            port = self._play(cleanup, server, note)
            sink_port = self._play(cleanup, sink, note) if sink else 0
            plan = self._plan(choices, port, sink_port, delivered, message, server.users)
            running = self.client.start(plan)
            ended = await wait_for(running, seconds or self.client.seconds, until)
        for connection in (*server.connections, *(sink.connections if sink else ())):
            connection.note_input()
            if connection.fault:
                raise SetUpFailed(f"internal error in a server that was played: {connection.fault}")
        sink_connections = sink.connections if sink else []
        arrived = delivered.take(ended.output)
        only_first = self.client.template.only_first
        return Run(ended, server.connections, sink_connections, arrived, only_first)

    def _play(self, cleanup: ExitStack, played: Played, note: Note | None) -> int:
        context = None
        if played.tls != "clear":
            context = self.client.certificates.context(played.certificate)
        listener: Listener = played.start(self._numbers, note or self._note, context)
        cleanup.callback(listener.close)
        return listener.port

    def _note(self, number: int, who: str, octets: bytes) -> None:
        self.transcript.add(monotonic() - self._started, number, who, octets)

    def _plan(
        self,
        choices: Mapping[str, str],
        port: int,
        sink_port: int,
        delivered: Delivered,
        message: bytes,
        users: Mapping[bytes, bytes],
    ) -> Plan:
        """Write the client's files; return how it is started."""
        template, home = self.client.template, Path(self._home.name)
        encrypted = {choices.get("tls", "clear"), choices.get("sink_tls", "clear")} != {"clear"}
        ((user, password),) = users.items()
        text = message.replace(b"\r\n", b"\n")
        (home / "message.eml").write_bytes(text)
        places = {
            "host": HOST,
            "port": str(port),
            "sink_host": SINK_HOST,
            "sink_port": str(sink_port),
            "user": user.decode(),
            "password": password.decode(),
            "maildir": str(delivered.maildir),
            "program": str(delivered.program),
            "home": str(home),
            "python": sys.executable,
            "message": str(home / "message.eml"),
            "sender": SENDER.decode(),
            "recipient": RECIPIENT.decode(),
            "authority": str(self.client.certificates.authority) if encrypted else "",
            **{name: str(home / name) for name in template.files},
        }
        values = template.values(choices, places)
        for folder in template.folders:
            Path(replaced(folder, values)).mkdir(parents=True, exist_ok=True)
        for name, content in template.files.items():
            write_private(home / name, replaced(content, values))
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"HOME": str(home), "LC_ALL": "C", "USER": "joe", "LOGNAME": "joe"}
        environment |= {name: replaced(text, values) for name, text in template.environment.items()}
        command = tuple(replaced(word, values) for word in template.command)
        given = text if template.reads_message else b""
        return Plan(command, values, choices, home, environment, given)


def delivery_to(sink: Sink) -> str:
    """Return how the client delivers to a sink: a value of the choice ``deliver``."""
    if isinstance(sink, PlayedImap):
        return "append"
    return "lmtp" if sink.lmtp else "smtp"


def clean_source(protocol: str, *texts: bytes) -> Source:
    """Return a source without a fault."""
    mailbox = Mailbox(texts)
    return PlayedPop3(mailbox=mailbox) if protocol == "pop3" else PlayedImap(mailbox=mailbox)


def clean_sink(protocol: str, *, tls: str = "clear", login: bool = False) -> PlayedSmtp:
    """Return a sink without a fault."""
    sink = PlayedSmtp(lmtp=protocol == "lmtp", tls=tls, login=login, challenges=login)
    if sink.lmtp:
        sink.extensions = {**sink.extensions, b"PIPELINING": b""}
    return sink


def secrets() -> Sequence[bytes]:
    """Return what a transcript must not show."""
    plain = b"\0%b\0%b" % (USER, PASSWORD)
    return [PASSWORD, b64encode(plain), b64encode(USER + plain), b64encode(PASSWORD)]
