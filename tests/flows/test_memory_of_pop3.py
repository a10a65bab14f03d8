"""The ledger's records of a maildrop: when they are taken over, and what they permit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.lock import MailboxLock
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.debts import LONG_REST_SECONDS
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.commands import Command, Delete, Quit, Retrieve, Top
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Message
from mailhaul.servers.pop3 import Hangup, Maildrop, Misbehaviour, Pop3Service, Refusal
from mailhaul.servers.smtp import MemorySink, serve_smtp

POP3, SMTP = Tcp("pop3", 110), Tcp("smtp", 25)
LOGINS = Logins({b"joe": b"sesame"}, lambda: b"<1@pop3>")
Hook = Callable[["Service", Command], None]


def text(name: str, size: int = 200) -> bytes:
    head = b"Message-ID: <%b@x>\r\nDate: today\r\nFrom: a@x\r\n\r\n" % name.encode()
    return head + b"x" * (size - len(head) - 2) + b"\r\n"


@dataclass
class World:
    """A maildrop whose messages have unique ids set by the test."""

    folder: Path
    ids: dict[int, bytes] = field(default_factory=dict)
    box: Mailbox = field(default_factory=Mailbox)
    received: MemorySink = field(default_factory=MemorySink)
    events: list[Event] = field(default_factory=list)
    before: Hook = lambda service, command: None
    asked: list[Command] = field(default_factory=list)
    without: tuple[bytes, ...] = ()
    now: float = 1e9

    def put(self, name: str, uid: bytes, size: int = 200) -> Message:
        message = self.box.append(text(name, size))
        self.ids[message.uid] = uid
        return message

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(str(self.folder / "ledger.db"), lambda: self.now)

    def poll(
        self, name: str = "pop3 joe@server", sink: str = "smtp sink", **options: Any
    ) -> ExitCode:
        self.events.clear()
        self.asked.clear()
        simulation = Simulation(round_trip=0.01)
        drop = Maildrop(self.box)
        simulation.listen(POP3, Pop3Server, lambda channel: Service(channel, drop, self).run())
        simulation.listen(SMTP, SmtpServer, lambda channel: serve_smtp(channel, self.received))
        access = Access(
            "server", POP3, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        poll = Poll(
            Account(name, "joe", "server", "server", same_user="pop3 joe@", **options),
            Pop3Source(access, self.events.append, remember="keep" in options),
            sink,
            lambda: SmtpSink([Listener("sink", SMTP, False, "here")], "client", 20.0),
            self.ledger,
            lambda _: Packer(DeliveryRules("joe", "here", HeaderRules("server", "joe", None))),
            self.events.append,
            lock=lambda mailbox: MailboxLock(str(self.folder / "locks"), name, mailbox),
        )
        self.now += 600
        try:
            return simulation.run(poll.run())
        except PollFailed as failure:
            self.events.append(Remark(str(failure), error=True))
            return failure.code

    @property
    def got(self) -> list[str]:
        texts = [message.text for message in self.received.messages]
        return [one.split(b"Message-ID: <")[1].split(b"@")[0].decode() for one in texts]

    @property
    def said(self) -> Sequence[str]:
        return [event.text for event in self.events if isinstance(event, Remark)]


class Service(Pop3Service):
    """The maildrop's server."""

    def __init__(self, channel: Channel[Any], drop: Maildrop, world: World) -> None:
        misbehaviour = Misbehaviour(without=world.without)
        super().__init__(channel, drop, LOGINS, None, misbehaviour, b"<1@pop3>")
        self.world = world

    def _uid(self, message: Message) -> bytes:
        return self.world.ids[message.uid]

    async def _do(self, command: Command) -> bytes:
        self.world.asked.append(command)
        self.world.before(self, command)
        return await super()._do(command)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    for number in range(1, 6):
        world.put(f"m{number}", b"u%d" % number, 200 + number)
    return world


def hang_up_at(kind: type[Command]) -> Hook:
    def hook(service: Service, command: Command) -> None:
        if isinstance(command, kind):
            raise Hangup

    return hook


def no_answer_to_quit(service: Service, command: Command) -> None:
    """Carry out QUIT, and close the connection without a reply."""
    if isinstance(command, Quit):
        uids = {service._messages[number - 1].uid for number in service._deleted}
        service.world.box.remove(uids)
        raise Hangup


def test_another_sink_does_not_get_old_mail_again(world: World) -> None:
    assert world.poll(keep=True) is ExitCode.SUCCESS
    for sink in ("smtp elsewhere", "mda cat", "maildir /x"):
        assert world.poll(sink=sink, keep=True) is ExitCode.NOMAIL
    assert len(world.got) == 5


def test_another_name_of_the_account_takes_over_what_was_seen(world: World) -> None:
    world.poll("pop3 joe@old", keep=True)
    world.put("m6", b"u6")
    assert world.poll("pop3 joe@new", keep=True) is ExitCode.SUCCESS
    assert world.got == ["m1", "m2", "m3", "m4", "m5", "m6"]
    assert [line for line in world.said if "pop3 joe@old" in line] == [
        "server: 5 message(s) are known from 'pop3 joe@old', the earlier name of this account"
    ]
    assert world.poll("pop3 joe@new", keep=True) is ExitCode.NOMAIL
    assert world.said == []


def test_another_name_takes_over_pending_deletions_even_if_most_messages_are_gone(
    world: World,
) -> None:
    world.before = hang_up_at(Quit)
    world.poll("pop3 joe@old")
    world.before = lambda service, command: None
    world.box.remove({message.uid for message in world.box.messages[:4]})
    for number in range(6, 12):
        world.put(f"m{number}", b"u%d" % number, 200 + number)
    assert world.poll("pop3 joe@new") is ExitCode.SUCCESS
    assert world.got == [f"m{number}" for number in range(1, 12)]
    assert world.box.messages == []


def test_many_pending_deletions_are_done_in_one_poll_of_several_sessions(
    world: World,
) -> None:
    for number in range(6, 500):
        world.put(f"m{number}", b"u%d" % number, 200 + number)
    world.before = hang_up_at(Quit)
    world.poll()
    world.before = lambda service, command: None
    assert world.poll() is ExitCode.NOMAIL
    assert (len(world.got), world.box.messages) == (499, [])
    assert len([command for command in world.asked if isinstance(command, Quit)]) == 3


def refuse_texts(service: Service, command: Command) -> None:
    if isinstance(command, Top | Retrieve):
        raise Refusal(b"not now")


def test_an_account_is_known_again_at_the_first_poll_that_can_compare(world: World) -> None:
    world.before = hang_up_at(Quit)
    world.poll("pop3 joe@old")
    world.before = refuse_texts
    assert world.poll("pop3 joe@new") is ExitCode.ERROR
    assert "the next poll tries again" in world.said[0]
    world.before = lambda service, command: None
    assert world.poll("pop3 joe@new") is ExitCode.NOMAIL
    assert world.got == ["m1", "m2", "m3", "m4", "m5"]
    assert world.box.messages == []


def test_a_server_without_headers_does_not_keep_a_new_name_from_its_mail(world: World) -> None:
    world.without = (b"TOP",)
    world.poll("pop3 joe@old", keep=True)
    assert world.poll("pop3 joe@new", keep=True) is ExitCode.ERROR
    assert world.poll("pop3 joe@new", keep=True) is ExitCode.SUCCESS
    assert len(world.got) == 10
    assert world.poll("pop3 joe@new", keep=True) is ExitCode.NOMAIL
    assert world.said == []


def test_another_users_memory_is_not_taken_over(world: World) -> None:
    world.poll("pop3 ann@server", keep=True)
    world.poll("pop3 joe@example.org@server", keep=True)
    assert len(world.got) == 10


@pytest.mark.parametrize("how", ["sizes", "headers"])
def test_a_differing_mailbox_is_not_taken_over_and_the_command_for_it_is_shown(
    world: World, how: str
) -> None:
    world.poll("pop3 joe@old", keep=True)
    world.box.remove({message.uid for message in world.box.messages})
    for number in range(1, 6):
        size = 200 + number + 7 * (how == "sizes")
        world.put(f"n{number}", b"u%d" % number, size)
    assert world.poll("pop3 joe@new", keep=True) is ExitCode.SUCCESS
    assert world.got[5:] == ["n1", "n2", "n3", "n4", "n5"]
    (line,) = world.said
    assert "mailhaul ledger rename 'pop3 joe@old' 'pop3 joe@new'" in line


def test_a_mailbox_with_other_uids_is_fetched_without_a_message(world: World) -> None:
    world.poll("pop3 joe@old", keep=True)
    world.ids = {uid: b"other " + name for uid, name in world.ids.items()}
    world.poll("pop3 joe@new", keep=True)
    assert (len(world.got), world.said) == (10, [])


def test_new_mail_under_an_old_id_is_fetched_under_keep(world: World) -> None:
    world.poll(keep=True)
    first = world.box.messages[0]
    world.box.remove({first.uid})
    world.put("new", b"u1", 201 + 50)
    assert world.poll(keep=True) is ExitCode.SUCCESS
    assert world.got[5:] == ["new"]
    assert world.poll(keep=True) is ExitCode.NOMAIL


def test_a_message_that_has_only_changed_its_size_is_not_fetched_again(world: World) -> None:
    """Some servers add header fields to messages that were read."""
    world.poll(keep=True)
    for message in world.box.messages:
        longer = b"Status: RO\r\n" + message.text
        message.chunks = partial(iter, [longer])
        message.size = len(longer)
    assert world.poll(keep=True) is ExitCode.NOMAIL
    assert len(world.got) == 5
    # The new size is recorded.
    assert world.poll(keep=True) is ExitCode.NOMAIL
    assert not any("Top" in type(command).__name__ for command in world.asked)


def test_mail_under_the_id_and_size_of_mail_that_was_deleted_is_not_deleted_unread(
    world: World,
) -> None:
    world.before = no_answer_to_quit
    assert world.poll() is ExitCode.SUCCESS
    assert world.box.messages == []
    world.before = lambda service, command: None
    world.put("new", b"u2", 202)
    world.poll()
    world.poll()
    assert world.got[5:] == ["new"]
    assert world.box.messages == []


def test_pending_actions_are_done_after_the_new_mail(world: World) -> None:
    world.before = hang_up_at(Quit)
    world.poll()
    assert len(world.box.messages) == 5
    world.before = lambda service, command: None
    world.put("m6", b"u6")
    assert world.poll() is ExitCode.SUCCESS
    assert world.got == ["m1", "m2", "m3", "m4", "m5", "m6"]
    kinds = [type(command).__name__ for command in world.asked]
    assert kinds.index("Retrieve" if "Retrieve" in kinds else "Top") < kinds.index("Delete")
    assert world.box.messages == []


def test_a_session_that_breaks_at_a_pending_action_delays_no_mail_and_the_action_rests(
    world: World,
) -> None:
    def die_at_the_third(service: Service, command: Command) -> None:
        if not isinstance(command, Delete):
            return
        if service.world.ids[service._messages[command.number - 1].uid] == b"u3":
            raise Hangup

    world.before = die_at_the_third
    for number in range(10, 40):
        world.put(f"m{number}", b"u%d" % number)
        world.poll()
    assert sorted(world.got) == sorted({*world.got})
    assert len(world.got) == 35
    # At last it is requested alone, and less and less often.
    assert [world.ids[m.uid] for m in world.box.messages] == [b"u3"]
    assert world.poll() is ExitCode.NOMAIL
    for _ in range(3):
        world.now += LONG_REST_SECONDS
        assert world.poll() is ExitCode.SOCKET
        assert world.poll() is ExitCode.NOMAIL
    world.before = lambda service, command: None
    world.now += LONG_REST_SECONDS
    world.poll()
    assert world.box.messages == []


def test_flush_deletes_no_new_mail_that_has_id_and_size_of_mail_that_was_read(
    world: World,
) -> None:
    world.poll(keep=True)
    world.box.remove({world.box.messages[0].uid})
    world.put("new", b"u1", 201)
    world.put("m6", b"u6", 206)
    assert world.poll(keep=True, flush=True) is ExitCode.SUCCESS
    # Neither is deleted by the second session of the poll that has read it.
    assert [m.text for m in world.box.messages] == [text("new", 201), text("m6", 206)]
    assert world.got[5:] == ["m6", "new"]


def test_flush_leaves_and_reports_messages_that_cannot_be_compared(world: World) -> None:
    world.poll(keep=True)
    world.box.remove({world.box.messages[0].uid})
    world.put("new", b"u1", 201)
    world.without = (b"TOP",)
    assert world.poll(keep=True, flush=True) is ExitCode.NOMAIL
    assert len(world.box.messages) == 5
    assert [words.split(":")[1] for words in world.said] == [" 5 message(s) are not flushed"]


@pytest.mark.parametrize("has_top", [True, False])
def test_a_size_that_is_reported_later_is_recorded_and_the_header_compared(
    world: World, has_top: bool
) -> None:
    world.poll(keep=True)
    ledger = world.ledger
    ledger.write(lambda db: db.execute("UPDATE seen SET size = 0 WHERE uid IN (x'7531', x'7532')"))
    world.box.remove({world.box.messages[0].uid})
    world.put("new", b"u1", 300)
    world.without = () if has_top else (b"TOP",)
    assert world.poll(keep=True) is (ExitCode.SUCCESS if has_top else ExitCode.NOMAIL)
    assert world.got[5:] == ["new"] * has_top
    assert world.poll(keep=True) is ExitCode.NOMAIL
    assert not any(isinstance(command, Top) for command in world.asked)
