"""Messages with thousands of recipients, or too many of them: whole polls in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.multidrop import Multidrop
from mailhaul.flows.outcome import ExitCode, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.limits import DEFAULT_LIMITS
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.message.recipients import MAX_RECIPIENTS, LocalNames
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

IMAP, SMTP = Tcp("imap", 143), Tcp("smtp", 25)


def to(number: int) -> bytes:
    names = b",\r\n ".join(b"u%d@server.example" % n for n in range(number))
    return b"From: a@example.org\r\nTo: " + names + b"\r\n\r\ntext\r\n"


def polled(
    folder: Path, texts: list[bytes], envelope: str | None = None, **extensions: bytes
) -> tuple[ExitCode, Mailbox, MemorySink, list[Handled]]:
    """Poll a multidrop mailbox once, with a listener as sink."""
    inbox, received = Mailbox(texts), MemorySink()
    boxes = Mailboxes({b"INBOX": inbox})
    offered = {**DEFAULT_EXTENSIONS, **{name.encode(): b"" for name in extensions}}
    simulation = Simulation()
    simulation.listen(IMAP, ImapServer, lambda channel: serve_imap(channel, boxes, {b"joe": b"x"}))
    simulation.listen(
        SMTP, lambda: SmtpServer(extensions=offered), lambda channel: serve_smtp(channel, received)
    )
    names = LocalNames("server.example", [], wildcard=True)
    rules = HeaderRules("server.example", "joe", None)
    events: list[Event] = []

    def packer(sink: Sink) -> Packer:
        who: dict[str, Any] = {"multidrop": Multidrop(names, envelope, 0, "boss")}
        return Packer(DeliveryRules("joe", sink.domain, rules, **who))

    account = Account("imap joe@server", "joe", "server", "server.example")
    access = Access(
        "server", IMAP, "joe", Secret(b"x"), TlsMode.NEVER, Trust("server"), timeout=20.0
    )
    poll = Poll(
        account,
        ImapSource(access, events.append),
        "smtp sink",
        lambda: SmtpSink([Listener("sink", SMTP, False, "localhost")], "client", 20.0),
        SqliteLedger(str(folder / "ledger.db")),
        packer,
        events.append,
    )
    code = simulation.run(poll.run())
    return code, inbox, received, [each for each in events if isinstance(each, Handled)]


def test_thousands_of_recipients_are_served_and_the_next_message_is_delivered(
    tmp_path: Path,
) -> None:
    many = 2 * DEFAULT_LIMITS.outstanding
    code, inbox, received, _ = polled(tmp_path, [to(many), to(1)])
    assert (code, inbox.messages) == (ExitCode.SUCCESS, [])
    assert [len(one.recipients) for one in received.messages] == [many, 1]


def test_the_same_by_chunks(tmp_path: Path) -> None:
    many = 2 * DEFAULT_LIMITS.outstanding
    code, _, received, _ = polled(tmp_path, [to(1), to(many)], CHUNKING=b"", BINARYMIME=b"")
    assert code is ExitCode.SUCCESS
    assert [len(one.recipients) for one in received.messages] == [1, many]


def test_too_many_recipients_affect_only_that_message(tmp_path: Path) -> None:
    code, inbox, received, handled = polled(tmp_path, [to(MAX_RECIPIENTS + 1), to(1)])
    assert [len(one.recipients) for one in received.messages] == [1]
    assert (code, len(inbox.messages)) == (ExitCode.SUCCESS, 1)
    assert [each.outcome.verdict for each in handled] == [Verdict.REFUSED, Verdict.ACCEPTED]
    assert handled[0].outcome.reason == f"it has more than {MAX_RECIPIENTS} local recipients"


def test_a_header_that_is_too_long_affects_only_that_message(tmp_path: Path) -> None:
    long = b"X-To: u1@server.example\r\nX: " + b"x" * DEFAULT_LIMITS.header + b"\r\n\r\n"
    short = b"X-To: u1@server.example\r\n\r\n"
    _, inbox, received, handled = polled(tmp_path, [long, short], "X-To")
    assert (len(inbox.messages), len(received.messages)) == (1, 1)
    assert handled[0].outcome.verdict is Verdict.REFUSED
    assert handled[0].outcome.reason == "its header is too long to find the recipient"
