"""The ledger's records of IMAP mailboxes: sizes from the listing, pending actions, and flush."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.quarantine import stuck
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account, OnRetrieveError
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.source import Listed
from mailhaul.protocols.imap.commands import Command, UidExpunge, UidFetch, UidStore
from mailhaul.protocols.imap.events import Completed, Condition
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import Heard, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import Hangup, ImapService
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

IMAP, SMTP = Tcp("imap", 143), Tcp("smtp", 25)


def text(name: str) -> bytes:
    return b"Message-ID: <%b@x>\r\nFrom: a@x\r\n\r\nhello\r\n" % name.encode()


class Service(ImapService):
    """The server; a test may change its behaviour."""

    def __init__(self, channel: Channel[Any], world: World) -> None:
        boxes = Mailboxes({b"INBOX": world.box})
        super().__init__(channel, boxes, {b"joe": b"sesame"}, (b"UIDPLUS",))
        self.world = world
        if world.size_lie:
            machine = channel.machine
            send = machine.data_to_send
            machine.data_to_send = lambda: [larger(data, world.size_lie) for data in send()]

    async def _answer(self, command: Command) -> None:
        self.world.asked.append(command)
        if not self.world.before(self, command):
            await super()._answer(command)

    def refuse(self, command: Command) -> bool:
        self._machine.send(Completed(command, Condition.NO, None, b"not now"))
        return True


def larger(data: bytes, octets: int) -> bytes:
    """Announce more octets than a text has, as some servers do."""
    return re.sub(
        rb"RFC822\.SIZE (\d+)", lambda found: b"RFC822.SIZE %d" % (int(found[1]) + octets), data
    )


Hook = Callable[[Service, Command], bool]


@dataclass
class World:
    """A mailbox, a listener and a ledger."""

    folder: Path
    box: Mailbox = field(default_factory=lambda: Mailbox(uidvalidity=7))
    received: MemorySink = field(default_factory=MemorySink)
    events: list[Event] = field(default_factory=list)
    before: Hook = lambda service, command: False
    asked: list[Command] = field(default_factory=list)
    now: float = 1e9
    size_lie: int = 0
    recipients: tuple[str, ...] = ("joe",)

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(str(self.folder / "ledger.db"), lambda: self.now)

    def poll(self, **options: Any) -> ExitCode:
        self.events.clear()
        self.asked.clear()
        simulation = Simulation(round_trip=0.01)
        simulation.listen(IMAP, ImapServer, lambda channel: Service(channel, self).run())
        simulation.listen(SMTP, SmtpServer, lambda channel: serve_smtp(channel, self.received))
        access = Access(
            "server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        poll = Poll(
            Account("imap joe@server", "joe", "server", "server", **options),
            ImapSource(access, self.events.append),
            "smtp sink",
            lambda: SmtpSink([Listener("sink", SMTP, False, "here")], "client", 20.0),
            self.ledger,
            lambda _: self.packer(),
            self.events.append,
        )
        self.now += 3600
        try:
            return simulation.run(poll.run())
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code

    def packer(self) -> Packer:
        from mailhaul.flows.multidrop import Multidrop
        from mailhaul.protocols.message.recipients import LocalNames

        rules = HeaderRules("server", "joe", None)
        multidrop = None
        if len(self.recipients) > 1:
            names = [(name, name) for name in self.recipients]
            multidrop = Multidrop(LocalNames("server", names), "X-To", 0, "")
        return Packer(DeliveryRules("joe", "here", rules, multidrop=multidrop))

    @property
    def got(self) -> list[tuple[str, tuple[bytes, ...]]]:
        return [
            (one.text.split(b"Message-ID: <")[1].split(b"@")[0].decode(), tuple(one.recipients))
            for one in self.received.messages
        ]

    @property
    def said(self) -> Sequence[str]:
        return [event.text for event in self.events if isinstance(event, Remark)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    for number in range(1, 4):
        world.box.append(text(f"m{number}"))
    return world


def test_flush_deletes_what_was_read_before_this_poll_and_nothing_else(world: World) -> None:
    world.box.messages[0].flags.add(rb"\Seen")
    assert world.poll(keep=True, flush=True) is ExitCode.SUCCESS
    assert [name for name, _ in world.got] == ["m2", "m3"]
    assert [message.uid for message in world.box.messages] == [2, 3]
    world.poll(keep=True, flush=True)
    assert world.box.messages == []


def test_flush_deletes_nothing_that_this_poll_could_not_read(world: World) -> None:
    def refuse_the_second(service: Service, command: Command) -> bool:
        is_text = (
            isinstance(command, UidFetch) and command.uids == b"2" and b"BODY" in command.items
        )
        return is_text and service.refuse(command)

    world.before = refuse_the_second
    options = {"flush": True, "keep": True, "retrieve_error": OnRetrieveError.MARKSEEN}
    world.poll(**options)
    assert [message.uid for message in world.box.messages] == [1, 2, 3]


def test_pending_actions_follow_the_new_mail_and_only_for_the_same_message(
    world: World,
) -> None:
    def hang_up(service: Service, command: Command) -> bool:
        if isinstance(command, UidStore):
            raise Hangup
        return False

    world.before = hang_up
    assert world.poll() is ExitCode.SOCKET
    assert len(world.box.messages) == 3
    world.before = lambda service, command: False
    world.box.append(text("m4"))
    # Another message with the same UID and size, which RFC 3501 does not allow.
    replaced = world.box.messages[0]
    replaced.chunks = lambda: iter([text("n1")])
    assert world.poll() is ExitCode.SUCCESS
    texts = [c for c in world.asked if isinstance(c, UidFetch) and b"BODY.PEEK[]" in c.items]
    stores = [world.asked.index(c) for c in world.asked if isinstance(c, UidExpunge)]
    assert world.asked.index(texts[0]) < min(stores)
    assert [name for name, _ in world.got] == ["m1", "m2", "m3", "m4", "n1"]
    assert world.box.messages == []


def test_a_message_that_ends_each_session_comes_last_and_is_set_aside(world: World) -> None:
    def die_at_the_first(service: Service, command: Command) -> bool:
        if isinstance(command, UidFetch) and command.uids == b"1" and b"BODY" in command.items:
            raise Hangup
        return False

    world.before = die_at_the_first
    assert world.poll() is ExitCode.SOCKET
    assert [name for name, _ in world.got] == ["m2", "m3"]
    for number in range(4, 40):
        world.box.append(text(f"m{number}"))
        world.poll()
    assert [message.uid for message in world.box.messages] == [1]
    (message,) = stuck(world.ledger)
    assert message.uid == 1
    assert world.poll() is ExitCode.NOMAIL


def test_served_recipients_are_known_despite_wrong_sizes(world: World) -> None:
    """On some servers RFC822.SIZE differs from the text, but is the same in every listing."""
    world.recipients = ("joe", "ann")
    world.size_lie = 7
    world.box.messages = []
    world.box.append(b"Message-ID: <m1@x>\r\nX-To: joe@server, ann@server\r\n\r\nhello\r\n")

    def look(heard: Heard) -> Reply | None:
        return Reply(451, (b"later",)) if heard == Rcpt(b"ann@here") else None

    world.received.policy = look
    for _ in range(4):
        world.poll()
    assert world.got == [("m1", (b"joe@here",))]
    world.received.policy = None
    assert world.poll() is ExitCode.SUCCESS
    assert world.got == [("m1", (b"joe@here",)), ("m1", (b"ann@here",))]
    assert world.box.messages == []


def test_a_pending_message_is_recognised_after_its_size_has_changed(world: World) -> None:
    """If an estimated size becomes exact, the header shows that the message is the same."""
    world.size_lie = 7

    def hang_up(service: Service, command: Command) -> bool:
        if isinstance(command, UidStore):
            raise Hangup
        return False

    world.before = hang_up
    world.poll()
    world.size_lie = 0
    world.before = lambda service, command: False
    assert world.poll() is ExitCode.NOMAIL
    assert len(world.got) == 3
    assert world.box.messages == []


@pytest.mark.parametrize("under_way", [True, False])
def test_numbers_and_sizes_alone_do_not_make_two_mailboxes_the_same(
    world: World, under_way: bool
) -> None:
    """Another account of the user, with messages of the same sizes; of none a header is known."""
    other = world.ledger.page("imap joe@elsewhere", "smtp sink", "INBOX", 7)
    for message in world.box.messages:
        if under_way:
            other.offer(message.uid, message.size)
        else:
            other.mark_seen([Listed(message.uid, message.size)])
    assert world.poll(same_user="imap joe@", keep=True, by_ledger=True) is ExitCode.SUCCESS
    assert [name for name, _ in world.got] == ["m1", "m2", "m3"]
    assert world.ledger.knows("imap joe@elsewhere")
    assert ["although 'imap joe@elsewhere' has 3" in line for line in world.said] == [True]


@pytest.mark.parametrize("keep", [True, False])
def test_mail_read_by_another_client_is_fetched_if_the_ledger_decides(
    world: World, keep: bool
) -> None:
    seen = {rb"\Seen"}
    world.box.messages[0].flags |= seen
    # At the first poll, messages that the server calls read count as seen.
    assert world.poll(by_ledger=True, keep=keep) is ExitCode.SUCCESS
    assert [name for name, _ in world.got] == ["m2", "m3"]
    world.box.append(text("m4")).flags |= seen
    world.box.append(text("m5"))
    assert world.poll(by_ledger=True, keep=keep) is ExitCode.SUCCESS
    assert [name for name, _ in world.got] == ["m2", "m3", "m4", "m5"]
    # A message marked as unread later was still read by mailhaul.
    for message in world.box.messages:
        message.flags -= seen
    assert world.poll(by_ledger=True, keep=keep) is ExitCode.NOMAIL
    assert [m.uid for m in world.box.messages] == ([1, 2, 3, 4, 5] if keep else [1])


def test_a_message_that_cannot_be_read_is_no_lack_of_mail(world: World) -> None:
    del world.box.messages[1:]

    def refuse(service: Service, command: Command) -> bool:
        is_text = isinstance(command, UidFetch) and b"BODY" in command.items
        return is_text and service.refuse(command)

    world.before = refuse
    assert world.poll() is ExitCode.ERROR
