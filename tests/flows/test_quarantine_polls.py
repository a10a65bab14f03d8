"""Mail that no sink accepts is counted, comes last, and is set aside; other mail is delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.quarantine import drop, retry, stuck
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.fate import STUCK_SECONDS, STUCK_TRIES
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Reading, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.verdicts import MAX_POSTPONED_IN_A_ROW
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import Heard, Mail
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

IMAP, SMTP = Tcp("imap", 143), Tcp("smtp", 25)
NO, LATER = Reply(550, (b"5.6.0 not this one",)), Reply(451, (b"4.7.1 greylisted",))


@dataclass
class World:
    """A mailbox, a listener whose reply to MAIL depends on the sender, and a clock for days."""

    folder: Path
    senders: Sequence[bytes]
    answers: dict[bytes, Reply] = field(default_factory=dict)
    inbox: Mailbox = field(init=False)
    memory: MemorySink = field(init=False)
    events: list[Event] = field(default_factory=list)
    now: float = 1e9

    def __post_init__(self) -> None:
        texts = [b"From: %b\r\n\r\nhi\r\n" % sender for sender in self.senders]
        self.inbox = Mailbox(texts, uidvalidity=1)
        self.memory = MemorySink(self.look)

    def look(self, heard: Heard) -> Reply | None:
        return self.answers.get(heard.sender) if isinstance(heard, Mail) else None

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(str(self.folder / "ledger.db"), lambda: self.now)

    def poll(self, **options: Any) -> ExitCode:
        self.events.clear()
        simulation = Simulation()
        boxes = Mailboxes({b"INBOX": self.inbox})
        simulation.listen(
            IMAP, ImapServer, lambda channel: serve_imap(channel, boxes, {b"joe": b"sesame"})
        )
        simulation.listen(SMTP, SmtpServer, lambda channel: serve_smtp(channel, self.memory))
        access = Access(
            "server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        poll = Poll(
            Account("imap joe@server", "joe", "server", "server", **options),
            ImapSource(access, self.events.append),
            "sink",
            lambda: SmtpSink([Listener("sink", SMTP, False, "here")], "client", 20.0),
            self.ledger,
            lambda _: Packer(DeliveryRules("joe", "here", HeaderRules("server", "joe", None))),
            self.events.append,
        )
        try:
            return simulation.run(poll.run())
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code

    def until(self, met: Callable[[], bool], hours: float = 1.0, fresh: bytes = b"") -> int:
        """Poll every so often until something is met; return how often that was.

        Before each poll comes a message of this sender, if there is one.
        """
        polls = 0
        while not met():
            assert polls < 200
            if fresh:
                self.inbox.append(b"From: %b\r\n\r\nhi\r\n" % fresh)
            self.poll()
            self.now += hours * 3600
            polls += 1
        return polls

    @property
    def got(self) -> list[bytes]:
        return [message.sender for message in self.memory.messages]

    @property
    def read(self) -> list[int]:
        return [event.number for event in self.events if isinstance(event, Reading)]

    @property
    def errors(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Remark) and event.error]


def test_a_message_that_is_refused_for_a_day_is_set_aside_once_and_stays(tmp_path: Path) -> None:
    world = World(tmp_path, [b"bad@x", b"good@x"], {b"bad@x": NO})
    polls = world.until(lambda: bool(stuck(world.ledger)), fresh=b"good@x")
    assert polls >= STUCK_TRIES
    assert (polls - 1) * 3600 >= STUCK_SECONDS
    assert set(world.got) == {b"good@x"}
    (said,) = world.errors
    assert "message 1 is set aside after" in said
    assert world.poll() is ExitCode.NOMAIL
    assert (world.read, world.errors) == ([], [])
    assert len(world.inbox.messages) == 1
    (message,) = stuck(world.ledger)
    assert message.reason == "MAIL FROM: 550 5.6.0 not this one"


@pytest.mark.parametrize(("minutes", "fresh"), [(1, b"good@x"), (60, b"")])
def test_nothing_is_set_aside_in_an_hour_or_where_nothing_at_all_is_accepted(
    tmp_path: Path, minutes: int, fresh: bytes
) -> None:
    world = World(tmp_path, [b"bad@x"], {b"bad@x": NO})
    for _ in range(60):
        if fresh:
            world.inbox.append(b"From: %b\r\n\r\nhi\r\n" % fresh)
        world.poll()
        world.now += 60 * minutes
    assert stuck(world.ledger) == []
    world.answers.clear()
    world.poll()
    assert b"bad@x" in world.got


def test_a_postponed_message_is_never_set_aside(tmp_path: Path) -> None:
    world = World(tmp_path, [b"slow@x"], {b"slow@x": LATER})
    for _ in range(40):
        world.poll()
        world.now += 3600
    assert stuck(world.ledger) == []


def test_a_retry_brings_it_back_and_a_drop_deletes_it(tmp_path: Path) -> None:
    world = World(tmp_path, [b"one@x", b"two@x"], {b"one@x": NO, b"two@x": NO})
    world.until(lambda: len(stuck(world.ledger)) == 2, fresh=b"good@x")
    one, two = stuck(world.ledger)
    retry(world.ledger, [one.key])
    drop(world.ledger, [two.key])
    world.answers.clear()
    assert world.poll() is ExitCode.SUCCESS
    assert set(world.got) == {b"good@x", b"one@x"}
    assert world.inbox.messages == []
    assert stuck(world.ledger) == []


def test_what_is_gone_from_the_server_is_gone_from_quarantine(tmp_path: Path) -> None:
    world = World(tmp_path, [b"bad@x", b"good@x"], {b"bad@x": NO})
    world.until(lambda: bool(stuck(world.ledger)), fresh=b"good@x")
    del world.inbox.messages[0]
    world.inbox.append(b"From: new@x\r\n\r\nhi\r\n")
    world.poll()
    assert stuck(world.ledger) == []
    assert set(world.got) == {b"good@x", b"new@x"}


def test_a_check_forgets_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, [b"bad@x", b"good@x"], {b"bad@x": NO})
    world.until(lambda: bool(stuck(world.ledger)), fresh=b"good@x")
    before = stuck(world.ledger)
    assert world.poll(check_only=True) is ExitCode.NOMAIL
    assert stuck(world.ledger) == before


def test_messages_that_failed_twice_do_not_delay_others(tmp_path: Path) -> None:
    world = World(tmp_path, [b"slow@x", b"a@x", b"b@x"], {b"slow@x": LATER})
    for _ in range(2):
        world.poll(fetchlimit=1)
        world.now += 60
    assert world.got == []
    world.poll(fetchlimit=2)
    assert world.got == [b"a@x", b"b@x"]


def test_a_sink_that_postpones_everything_is_not_used_until_the_next_poll(tmp_path: Path) -> None:
    senders = [b"%d@x" % number for number in range(MAX_POSTPONED_IN_A_ROW * 2)]
    world = World(tmp_path, senders, dict.fromkeys(senders, LATER))
    assert world.poll() is ExitCode.SMTP
    assert len(world.read) in (MAX_POSTPONED_IN_A_ROW, MAX_POSTPONED_IN_A_ROW + 1)
    assert world.errors == [
        f"{MAX_POSTPONED_IN_A_ROW} messages in a row were postponed: "
        "MAIL FROM: 451 4.7.1 greylisted"
    ]
    assert len(world.inbox.messages) == len(senders)


def test_postponed_messages_are_retried_in_turn(tmp_path: Path) -> None:
    senders = [b"%d@x" % number for number in range(MAX_POSTPONED_IN_A_ROW * 3)]
    world = World(tmp_path, senders, dict.fromkeys(senders[: MAX_POSTPONED_IN_A_ROW * 2], LATER))
    polls = world.until(lambda: len(world.got) == MAX_POSTPONED_IN_A_ROW, hours=0.1)
    assert polls <= 6
    assert world.got == senders[MAX_POSTPONED_IN_A_ROW * 2 :]


def test_a_sink_that_accepts_some_messages_is_used_further(tmp_path: Path) -> None:
    senders = [b"%d@x" % number for number in range(MAX_POSTPONED_IN_A_ROW * 2)]
    world = World(tmp_path, senders, dict.fromkeys(senders[1::2], LATER))
    assert world.poll() is ExitCode.SUCCESS
    assert world.got == senders[::2]
