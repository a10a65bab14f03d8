"""Whole polls with a hunt list: local names get the domain of the host that accepts the mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.fate import Policy
from mailhaul.flows.multidrop import Multidrop
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.bounce import BounceContext
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.message.recipients import LocalNames
from mailhaul.protocols.message.trace import Received
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import EndOfData, Heard, Mail, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import HangUp, MemorySink, serve_smtp

IMAP = Tcp("imap", 143)
TRACE = Received("server", "", "us", b"IMAP", b"1", b"Mon, 2 Nov 2026 10:00:00 +0000", "")
ONE = (
    b"Return-Path: <ann@sender.example>\r\nX-To: joe@server, ann@server\r\nSubject: s\r\n\r\nt\r\n"
)
OCCASION = BounceContext("here.example", b"Mon, 2 Nov 2026 10:00:00 +0000", b"1@here", b"=mailhaul")


@dataclass
class World:
    """A mailbox, and listeners that each accept mail for their own domain only."""

    folder: Path
    texts: list[bytes]
    softbounce: bool = True
    multidrop: bool = False
    down: set[str] = field(default_factory=set[str])
    inbox: Mailbox = field(init=False)
    events: list[Event] = field(default_factory=list)
    sinks: dict[str, MemorySink] = field(default_factory=dict[str, MemorySink])
    on_mail: Callable[[str, Heard], Reply | HangUp | None] = lambda host, heard: None

    def __post_init__(self) -> None:
        self.inbox = Mailbox(self.texts, uidvalidity=1)
        self.sinks = {host: MemorySink(self.policy(host)) for host in ("one", "two")}

    def policy(self, host: str) -> Callable[[Heard], Reply | HangUp | None]:
        def policy(heard: Heard) -> Reply | HangUp | None:
            if own := self.on_mail(host, heard):
                return own
            if isinstance(heard, Rcpt) and not heard.recipient.endswith(b"@" + host.encode()):
                return Reply(550, (b"5.7.1 relaying denied",))
            return None

        return policy

    def poll(self) -> ExitCode:
        simulation = Simulation()
        boxes = Mailboxes({b"INBOX": self.inbox})
        simulation.listen(IMAP, ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"}))
        for host, sink in self.sinks.items():
            if host not in self.down:
                simulation.listen(Tcp(host, 25), SmtpServer, partial(serve_smtp, sink=sink))
        access = Access(
            "server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        names = LocalNames("server", [(who, who) for who in ("joe", "ann")])

        def packer(sink: Sink) -> Packer:
            treatment = DeliveryRules(
                "joe",
                sink.domain,
                HeaderRules("server", "joe", TRACE),
                multidrop=Multidrop(names, "X-To", 0, "boss") if self.multidrop else None,
                postmaster="boss",
                bounce_context=lambda: OCCASION,
            )
            return Packer(treatment)

        poll = Poll(
            Account("a", "joe", "server", "server", policy=Policy(softbounce=self.softbounce)),
            ImapSource(access, self.events.append),
            "sink",
            lambda: SmtpSink(
                [Listener(host, Tcp(host, 25), False, host) for host in self.sinks], "us", 20.0
            ),
            SqliteLedger(str(self.folder / "ledger.db")),
            packer,
            self.events.append,
        )
        try:
            return simulation.run(poll.run())
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code

    def got(self, host: str) -> list[tuple[bytes, ...]]:
        return [message.recipients for message in self.sinks[host].messages]


@pytest.mark.parametrize("softbounce", [True, False])
def test_the_first_message_after_a_fail_over_has_the_second_hosts_domain(
    tmp_path: Path, softbounce: bool
) -> None:
    world = World(tmp_path, [ONE, ONE, ONE], softbounce, down={"one"})
    assert world.poll() is ExitCode.SUCCESS
    assert world.got("two") == [(b"joe@two",)] * 3
    assert all(b"for <joe@two>" in message.text for message in world.sinks["two"].messages)
    assert world.inbox.messages == []


@pytest.mark.parametrize("step", [Mail, Rcpt])
def test_a_fail_over_between_messages_takes_the_domain_along(tmp_path: Path, step: type) -> None:
    world = World(tmp_path, [ONE, ONE, ONE], softbounce=False)
    seen = 0

    def leave(host: str, heard: Heard) -> Reply | HangUp | None:
        nonlocal seen
        seen += host == "one" and isinstance(heard, step)
        return HangUp() if host == "one" and seen > 1 else None

    world.on_mail = leave
    assert world.poll() is ExitCode.SUCCESS
    assert world.got("one") == [(b"joe@one",)]
    assert world.got("two") == [(b"joe@two",)] * 2
    assert world.inbox.messages == []


def test_a_recipient_served_by_one_host_is_not_served_again_by_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, [ONE], multidrop=True)
    later = Reply(451, (b"4.2.0 later",))
    world.on_mail = lambda host, heard: later if heard == Rcpt(b"ann@one") else None
    world.poll()
    assert world.got("one") == [(b"joe@one",)]
    world.down.add("one")
    assert world.poll() is ExitCode.SUCCESS
    assert world.got("two") == [(b"ann@two",)]
    assert world.inbox.messages == []


def test_the_postmaster_is_one_of_the_host_in_use(tmp_path: Path) -> None:
    world = World(tmp_path, [ONE.replace(b"<ann@sender.example>", b"<>")], softbounce=False)
    world.down.add("one")
    no = Reply(554, (b"5.6.0 no",))
    sent: list[bytes] = []

    def refuse(host: str, heard: Heard) -> Reply | None:
        if isinstance(heard, Rcpt):
            sent.append(heard.recipient)
        return no if isinstance(heard, EndOfData) and sent[-1] == b"joe@two" else None

    world.on_mail = refuse
    world.poll()
    assert sent == [b"joe@two", b"boss@two"]
    assert world.inbox.messages == []
