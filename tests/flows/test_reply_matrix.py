"""What a listener's reply means for a message: each code, at each step, under each option."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from mailhaul.flows.report import Event, Handled, Remark, Returned
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.bounce import BounceContext
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.message.recipients import LocalNames
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import Data, EndOfData, Heard, Mail, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, Received, serve_smtp

IMAP, SMTP = Tcp("imap", 143), Tcp("smtp", 25)
SENDER = b"ann@sender.example"
SPAM = 571
ENVELOPE = b"X-To: joe@server, ann@server, tom@server\r\n"
OCCASION = BounceContext("here.example", b"Mon, 2 Nov 2026 10:00:00 +0000", b"1@here", b"=mailhaul")


def message(header: bytes = b"", sender: bytes = SENDER) -> bytes:
    return b"Return-Path: <%b>\r\nFrom: x\r\n%bSubject: s\r\n\r\ntext\r\n" % (sender, header)


@dataclass
class World:
    """A mailbox, a listener with refusals set by the test, and the events of a poll."""

    folder: Path
    texts: Sequence[bytes]
    policy: Policy
    lmtp: bool = False
    pipelining: bool = True
    multidrop: bool = False
    postmaster: str = "boss"
    clock: Callable[[], float] = time.time
    inbox: Mailbox = field(init=False)
    sink: MemorySink = field(default_factory=MemorySink)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = Mailbox(self.texts, uidvalidity=1)

    def poll(self, **options: Any) -> ExitCode:
        simulation = Simulation()
        boxes = Mailboxes({b"INBOX": self.inbox})
        simulation.listen(
            IMAP, ImapServer, lambda channel: serve_imap(channel, boxes, {b"joe": b"sesame"})
        )
        extensions = dict(DEFAULT_EXTENSIONS)
        if not self.pipelining:
            del extensions[b"PIPELINING"]
        simulation.listen(
            SMTP,
            lambda: SmtpServer(lmtp=self.lmtp, extensions=extensions),
            lambda channel: serve_smtp(channel, self.sink),
        )
        access = Access(
            "server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        account = Account(
            "imap joe@server", "joe", "server", "server", policy=self.policy, **options
        )
        names = LocalNames("server", [(who, who) for who in ("joe", "ann", "tom")])
        treatment = DeliveryRules(
            "joe",
            "here",
            HeaderRules("server", "joe", None),
            multidrop=Multidrop(names, "X-To", 0, self.postmaster) if self.multidrop else None,
            postmaster=self.postmaster,
            bounce_context=lambda: OCCASION,
        )
        poll = Poll(
            account,
            ImapSource(access, self.events.append),
            "sink",
            lambda: SmtpSink([Listener("sink", SMTP, self.lmtp, "here")], "client", 20.0),
            SqliteLedger(str(self.folder / "ledger.db"), self.clock),
            lambda _: Packer(treatment),
            self.events.append,
        )
        try:
            return simulation.run(poll.run())
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code

    @property
    def bounces(self) -> list[Received]:
        return [one for one in self.sink.messages if not one.sender]

    @property
    def delivered(self) -> list[tuple[bytes, ...]]:
        return [one.recipients for one in self.sink.messages if one.sender]

    def refuse(self, step: type, reply: Reply) -> None:
        """Send this reply at this step of every message that is not a bounce."""
        sender = b""

        def policy(heard: Heard) -> Reply | None:
            nonlocal sender
            if isinstance(heard, Mail):
                sender = heard.sender
            return reply if sender and isinstance(heard, step) else None

        self.sink.policy = policy


STEPS = {"MAIL": Mail, "RCPT": Rcpt, "DATA": Data, "dot": EndOfData}
KEPT, GONE = ("kept", None), ("gone", None)
TO_SENDER, TO_BOSS = ("gone", SENDER), ("gone", b"boss@here")

FATES = {
    # code: with bouncemail, without it, as a code of antispam, the same with spambounce
    451: (KEPT, KEPT, KEPT, KEPT),
    452: (KEPT, KEPT, KEPT, KEPT),
    530: (KEPT, KEPT, KEPT, KEPT),
    550: (TO_SENDER, TO_BOSS, GONE, TO_SENDER),
    552: (TO_SENDER, TO_BOSS, GONE, TO_SENDER),
    553: (TO_BOSS, TO_BOSS, GONE, TO_BOSS),
    554: (TO_SENDER, TO_BOSS, GONE, TO_SENDER),
    571: (TO_SENDER, TO_BOSS, GONE, TO_SENDER),
}
"""What happens to a message with ``no softbounce``, and who gets the bounce."""


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", FATES)
def test_without_softbounce_a_refused_message_is_deleted_after_its_bounce(
    tmp_path: Path, code: int, step: str, column: int, pipelining: bool
) -> None:
    policy = Policy(
        softbounce=False,
        bouncemail=column != 1,
        spambounce=column == 3,
        antispam=frozenset({code} if column > 1 else ()),
    )
    world = World(tmp_path, [message()], policy, pipelining=pipelining)
    world.refuse(STEPS[step], Reply(code, (b"no such luck",)))
    world.poll()
    fate, told = FATES[code][column]
    assert ("gone" if not world.inbox.messages else "kept") == fate
    assert world.delivered == []
    assert [one.recipients for one in world.bounces] == ([(told,)] if told else [])
    for bounce in world.bounces:
        assert b"    %d no such luck\r\n" % code in bounce.text
        assert b"Final-Recipient: rfc822; joe@here\r\n" in bounce.text


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", FATES)
@pytest.mark.parametrize("antispam", [True, False])
def test_softbounce_keeps_refused_messages_and_sends_no_bounce(
    tmp_path: Path, code: int, step: str, antispam: bool
) -> None:
    spam = frozenset({code} if antispam else ())
    world = World(tmp_path, [message()], Policy(antispam=spam, spambounce=True))
    world.refuse(STEPS[step], Reply(code, (b"no",)))
    assert world.poll() is ExitCode.SMTP
    assert len(world.inbox.messages) == 1
    assert world.sink.messages == []


@pytest.mark.parametrize("sender", [b"", b"MAILER-DAEMON@sender.example"])
def test_a_sender_that_must_not_get_bounces_is_replaced_by_the_postmaster(
    tmp_path: Path, sender: bytes
) -> None:
    world = World(tmp_path, [message(sender=sender)], Policy(softbounce=False))
    world.sink.policy = lambda heard: Reply(550, (b"no",)) if heard == Rcpt(b"joe@here") else None
    world.poll()
    assert [one.recipients for one in world.bounces] == [(b"boss@here",)]
    assert world.inbox.messages == []


def test_without_a_recipient_for_the_bounce_the_message_stays(tmp_path: Path) -> None:
    world = World(tmp_path, [message(sender=b"")], Policy(softbounce=False), postmaster="")
    world.sink.policy = lambda heard: Reply(550, (b"no",)) if isinstance(heard, Rcpt) else None
    world.poll()
    assert len(world.inbox.messages) == 1
    assert "a bounce cannot be sent: no address to send it to" in str(world.events)


def test_a_bounce_that_is_refused_keeps_the_message(tmp_path: Path) -> None:
    world = World(tmp_path, [message()], Policy(softbounce=False))
    world.sink.policy = lambda heard: Reply(550, (b"no",)) if isinstance(heard, Rcpt) else None
    world.poll()
    assert len(world.inbox.messages) == 1
    assert "stays on the server: a bounce cannot be sent: RCPT TO:<ann@sender" in str(world.events)
    assert "; RCPT TO:<boss@here>: 550 no" in str(world.events)
    assert not any(isinstance(event, Returned) for event in world.events)
    assert fates(world) == [("return", False)]
    # At the next poll it is tried again.
    world.sink.policy = None
    assert world.poll() is ExitCode.SUCCESS
    assert world.inbox.messages == []


def test_many_refused_messages_do_not_delay_the_others(tmp_path: Path) -> None:
    texts = [message(sender=b"n%d@x.example" % number) for number in range(25)]
    world = World(tmp_path, [*texts, message()], Policy(softbounce=False))
    sender = b""

    def policy(heard: Heard) -> Reply | None:
        nonlocal sender
        if isinstance(heard, Mail):
            sender = heard.sender
        refused = isinstance(heard, EndOfData) and sender.startswith(b"n")
        return Reply(550, (b"no",)) if refused else None

    world.sink.policy = policy
    assert world.poll() is ExitCode.SUCCESS
    assert len(world.bounces) == 25
    assert world.delivered == [(b"joe@here",)]
    assert world.inbox.messages == []


def test_with_keep_a_returned_message_stays_and_bounces_once(tmp_path: Path) -> None:
    world = World(tmp_path, [message()], Policy(softbounce=False))
    world.refuse(EndOfData, Reply(550, (b"no",)))
    world.poll(keep=True)
    assert len(world.inbox.messages) == len(world.bounces) == 1
    world.poll(keep=True)
    assert len(world.bounces) == 1


def fates(world: World) -> list[tuple[str, bool]]:
    return [(e.fate.value, e.flushed) for e in world.events if isinstance(e, Handled)]


@pytest.mark.parametrize("softbounce", [True, False])
@pytest.mark.parametrize("pipelining", [True, False])
def test_for_one_refused_recipient_of_several_the_sender_gets_a_bounce(
    tmp_path: Path, softbounce: bool, pipelining: bool
) -> None:
    world = World(
        tmp_path,
        [message(ENVELOPE)],
        Policy(softbounce=softbounce),
        multidrop=True,
        pipelining=pipelining,
    )
    world.sink.policy = lambda heard: Reply(550, (b"gone",)) if heard == Rcpt(b"ann@here") else None
    assert world.poll() is ExitCode.SUCCESS
    assert world.delivered == [(b"joe@here", b"tom@here")]
    assert [one.recipients for one in world.bounces] == [(SENDER,)]
    assert world.inbox.messages == []
    assert fates(world) == [("return", False)]
    [returned] = [event for event in world.events if isinstance(event, Returned)]
    assert (returned.recipients, returned.in_place, returned.flushed) == ((SENDER,), False, True)


def only_people_here(heard: Heard) -> Reply | None:
    """Refuse recipients that are not local, as an LMTP listener does."""
    ours = {b"joe@here", b"tom@here", b"boss@here"}
    stranger = isinstance(heard, Rcpt) and heard.recipient not in ours
    return Reply(550, (b"5.1.1 no such user",)) if stranger else None


@pytest.mark.parametrize("lmtp", [True, False])
@pytest.mark.parametrize("softbounce", [True, False])
def test_if_the_bounce_is_refused_the_postmaster_gets_it(
    tmp_path: Path, lmtp: bool, softbounce: bool
) -> None:
    policy = Policy(softbounce=softbounce)
    world = World(tmp_path, [message(ENVELOPE)], policy, lmtp=lmtp, multidrop=True)
    world.sink.policy = only_people_here
    assert world.poll() is ExitCode.SUCCESS
    assert world.delivered == [(b"joe@here", b"tom@here")]
    assert [one.recipients for one in world.bounces] == [(b"boss@here",)]
    assert world.inbox.messages == []
    [returned] = [event for event in world.events if isinstance(event, Returned)]
    assert (returned.in_place, returned.flushed) == (True, True)
    assert not any(isinstance(event, Remark) and event.error for event in world.events)


def test_a_postponed_bounce_is_tried_again_in_the_next_poll(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, [message(ENVELOPE)], Policy(), multidrop=True, lmtp=True)

    def busy(heard: Heard) -> Reply | None:
        if isinstance(heard, Mail) and not heard.sender:
            return Reply(451, (b"4.3.2 later",))
        return only_people_here(heard)

    world.sink.policy = busy
    world.poll()
    assert (len(world.inbox.messages), world.bounces) == (1, [])
    world.sink.policy = only_people_here
    world.poll()
    assert world.delivered == [(b"joe@here", b"tom@here")]
    assert [one.recipients for one in world.bounces] == [(b"boss@here",)]
    assert world.inbox.messages == []


def test_if_the_postmaster_is_refused_too_the_message_comes_last_and_is_set_aside(
    tmp_path: Path,
) -> None:
    now = [1_000_000.0]
    world = World(
        tmp_path, [message(ENVELOPE)], Policy(), multidrop=True, lmtp=True, clock=lambda: now[0]
    )
    for _ in range(12):
        world.sink.policy = lambda heard: (
            only_people_here(heard) if heard != Rcpt(b"boss@here") else Reply(550, (b"no",))
        )
        other = message(ENVELOPE.replace(b", ann@server", b""), b"n@x.example")
        world.inbox.append(other)
        world.poll()
        now[0] += 8 * 3600
    assert len(world.inbox.messages) == 1
    assert "is set aside after 10 refusals" in str(world.events)
    assert "1 message(s) in quarantine" in str(world.events)
    assert world.delivered.count((b"joe@here", b"tom@here")) == 13


def test_one_postponed_recipient_of_several_is_retried_alone(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, [message(ENVELOPE)], Policy(), multidrop=True)
    world.sink.policy = lambda heard: (
        Reply(450, (b"later",)) if heard == Rcpt(b"ann@here") else None
    )
    world.poll()
    world.poll()
    assert world.delivered == [(b"joe@here", b"tom@here")]
    assert len(world.inbox.messages) == 1
    world.sink.policy = None
    assert world.poll() is ExitCode.SUCCESS
    assert world.delivered[1:] == [(b"ann@here",)]
    assert world.inbox.messages == []


@pytest.mark.parametrize(
    ("verdict", "told", "stays"),
    [
        (Reply(550, (b"full for good",)), [(SENDER,)], False),
        (Reply(452, (b"full",)), [], True),
    ],
)
def test_lmtp_has_a_verdict_for_each_recipient_and_sends_no_second_copy(
    tmp_path: Path, verdict: Reply, told: list[tuple[bytes, ...]], stays: bool
) -> None:
    world = World(tmp_path, [message(ENVELOPE)], Policy(), multidrop=True, lmtp=True)
    taken = Reply(250, (b"taken",))
    world.sink.verdict = lambda recipient: verdict if recipient == b"tom@here" else taken
    world.poll()
    assert [one.recipients for one in world.bounces] == told
    assert bool(world.inbox.messages) == stays
    world.poll()
    assert len([who for who in world.delivered if b"joe@here" in who]) == 1
