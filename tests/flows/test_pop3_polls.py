"""Whole polls of a POP3 maildrop in virtual time: what is read, deleted, remembered, and killed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.adapters.sources.pop3_listing import disambiguated
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.commands import (
    Command,
    Delete,
    Envelope,
    List,
    Quit,
    Retrieve,
    Top,
    Uidl,
)
from mailhaul.protocols.pop3.events import Line
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import EndOfData
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Message
from mailhaul.servers.pop3 import Maildrop, Misbehaviour, Pop3Service, Refusal, serve_pop3
from mailhaul.servers.smtp import HangUp, MemorySink, serve_smtp

POP3, SMTP = Tcp("pop3", 110), Tcp("smtp", 25)
LOGINS = Logins({b"joe": b"sesame"}, lambda: b"<1@pop3>")
STAMP = b"<1896.697170952@pop3>"


def text(number: int, size: int = 40) -> bytes:
    head = b"From: a%d@example.org\r\nSubject: %d\r\n\r\n.dot\r\n" % (number, number)
    return head + b"x" * max(0, size - len(head) - 2) + b"\r\n"


@dataclass
class World:
    """The server, the listener and the ledger, which outlive a poll."""

    folder: Path
    maildrop: Maildrop
    received: MemorySink = field(default_factory=MemorySink)
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)
    events: list[Event] = field(default_factory=list)
    heard: list[type] = field(default_factory=list)
    uids: list[bytes] | None = None
    batch_limit: int = 0

    @property
    def mailbox(self) -> Mailbox:
        return self.maildrop.mailbox

    def poll(self, source: dict[str, Any], access: dict[str, Any], **options: Any) -> Poll:
        account = Account("pop3 joe@server", "joe", "server", "server.example.org", **options)
        known: dict[str, Any] = {"tls": TlsMode.NEVER, "timeout": 20.0, **access}
        tls = known.pop("tls")
        reached = Access("server", POP3, "joe", Secret(b"sesame"), tls, Trust("server"), **known)
        rules = HeaderRules("server.example.org", "joe", None)

        def sink() -> Sink:
            listeners = [Listener("sink", SMTP, False, "localhost")]
            return SmtpSink(listeners, "client", 20.0, batch_limit=self.batch_limit)

        collected = Pop3Source(reached, self.events.append, **source)

        def packer(sink: Sink) -> Packer:
            return Packer(
                DeliveryRules("joe", sink.domain, rules, sender=collected.envelope_sender)
            )

        return Poll(
            account,
            collected,
            "smtp sink",
            sink,
            SqliteLedger(str(self.folder / "ledger.db")),
            packer,
            self.events.append,
        )

    def serve(self, channel: Channel[Any]) -> Any:
        if self.uids is not None:
            return ServiceWithUids(self, channel).run()
        return serve_pop3(channel, self.maildrop, LOGINS, self.misbehaviour, None, STAMP)


class ServiceWithUids(Pop3Service):
    """A server whose unique ids are set by the test, by the UIDs in the mailbox."""

    def __init__(self, world: World, channel: Channel[Any]) -> None:
        super().__init__(channel, world.maildrop, LOGINS, None, world.misbehaviour, STAMP)
        self._names = world.uids or []

    def _uid(self, message: Message) -> bytes:
        return self._names[message.uid - 1]


def make(folder: Path, count: int = 3, **options: Any) -> World:
    box = Mailbox([text(number) for number in range(1, count + 1)], uidvalidity=5)
    return World(folder, Maildrop(box), **options)


def run(
    world: World,
    simulation: Simulation | None = None,
    source: dict[str, Any] | None = None,
    access: dict[str, Any] | None = None,
    **options: Any,
) -> ExitCode:
    simulation = simulation or Simulation(round_trip=0.05)
    simulation.listen(POP3, Pop3Server, world.serve)
    simulation.listen(SMTP, SmtpServer, lambda channel: serve_smtp(channel, world.received))
    world.maildrop.busy = False
    poll = world.poll(source or {}, access or {}, **options)
    try:
        return simulation.run(poll.run())
    except PollFailed as failure:
        world.events.append(Remark(str(failure), error=True))
        return failure.code


def subjects(world: World) -> list[bytes]:
    return [one.text.split(b"Subject: ")[1].split(b"\r\n")[0] for one in world.received.messages]


def said(world: World) -> str:
    return "\n".join(event.text for event in world.events if isinstance(event, Remark))


def left(world: World) -> list[int]:
    return [message.uid for message in world.mailbox.messages]


def test_all_mail_is_fetched_and_deleted(tmp_path: Path) -> None:
    world = make(tmp_path)
    assert run(world) is ExitCode.SUCCESS
    assert [one.text.partition(b"\r\n\r\n")[2] for one in world.received.messages] == [
        text(number).partition(b"\r\n\r\n")[2] for number in range(1, 4)
    ]
    assert left(world) == []
    assert run(world) is ExitCode.NOMAIL


def test_kept_mail_is_read_once(tmp_path: Path) -> None:
    world = make(tmp_path)
    assert run(world, keep=True) is ExitCode.SUCCESS
    assert run(world, keep=True) is ExitCode.NOMAIL
    world.mailbox.append(text(4))
    assert run(world, keep=True) is ExitCode.SUCCESS
    assert subjects(world) == [b"1", b"2", b"3", b"4"]
    assert left(world) == [1, 2, 3, 4]
    assert run(world, keep=True, fetchall=True) is ExitCode.SUCCESS
    assert len(world.received.messages) == 8


def test_flush_deletes_mail_read_before(tmp_path: Path) -> None:
    world = make(tmp_path)
    run(world, keep=True)
    world.mailbox.append(text(4))
    assert run(world, flush=True) is ExitCode.SUCCESS
    assert subjects(world) == [b"1", b"2", b"3", b"4"]
    assert left(world) == []


def test_expunge_ends_the_session_after_so_many_deletions(tmp_path: Path) -> None:
    world = make(tmp_path, 5)
    heard = listened(world)
    assert run(world, expunge=2) is ExitCode.SUCCESS
    assert (subjects(world), left(world)) == ([b"1", b"2", b"3", b"4", b"5"], [])
    assert [command for command in heard if command in {Top, Quit}] == [
        *(Top, Top, Quit),
        *(Top, Top, Quit),
        *(Top, Quit),
    ]


def test_what_cannot_be_read_or_delivered_is_tried_once_however_many_sessions(
    tmp_path: Path,
) -> None:
    world = make(tmp_path, 4)
    world.misbehaviour.refuse = (1,)
    refusals = iter([Reply(550, (b"no",))])
    world.received.policy = lambda heard: (
        next(refusals, None) if isinstance(heard, EndOfData) else None
    )
    assert run(world, expunge=1) is ExitCode.SUCCESS
    assert (subjects(world), left(world)) == ([b"3", b"4"], [1, 2])


def test_there_is_one_session_without_deletions_or_without_unique_ids(tmp_path: Path) -> None:
    kept, nameless = make(tmp_path / "a", 3), make(tmp_path / "b", 3)
    for world in (kept, nameless):
        world.folder.mkdir()
    nameless.misbehaviour.without = (b"UIDL",)
    for world in (kept, nameless):
        heard = listened(world)
        assert run(world, expunge=1, keep=world is kept) is ExitCode.SUCCESS
        assert heard.count(Quit) == 1
        assert subjects(world) == [b"1", b"2", b"3"]


def test_an_old_name_on_a_message_of_another_size_is_not_flushed(tmp_path: Path) -> None:
    world = make(tmp_path, 2, uids=[b"a", b"b", b"a"])
    assert run(world, keep=True) is ExitCode.SUCCESS
    world.mailbox.remove({1})
    world.mailbox.append(text(3, 500))
    run(world, keep=True, flush=True)
    assert left(world) == [3]


@pytest.mark.parametrize(
    ("argument", "wanted", "sessions"),
    [(b"900", 900.0, 1), (b"60 USER", 60.0, 1), (b"0", 0.0, 3), (b"soon", 0.0, 3), (None, 0.0, 3)],
)
def test_the_login_delay_of_a_server_is_respected(
    tmp_path: Path, argument: bytes | None, wanted: float, sessions: int
) -> None:
    world = make(tmp_path)
    heard = listened(world, *([] if argument is None else [(b"LOGIN-DELAY", argument)]))
    told: list[float] = []
    assert run(world, source={"login_delay": told.append}, expunge=1) is ExitCode.SUCCESS
    assert (told, left(world)) == ([wanted] * sessions, [])
    assert heard.count(Quit) == sessions


def test_a_batch_limit_means_a_new_connection_to_the_listener(tmp_path: Path) -> None:
    world = make(tmp_path, 5)
    world.batch_limit = 2
    connections: list[int] = []
    simulation = Simulation(round_trip=0.05)
    simulation.listen(POP3, Pop3Server, world.serve)

    def serve(channel: Channel[Any]) -> Any:
        connections.append(len(world.received.messages))
        return serve_smtp(channel, world.received)

    simulation.listen(SMTP, SmtpServer, serve)
    assert simulation.run(world.poll({}, {}).run()) is ExitCode.SUCCESS
    assert connections == [0, 2, 4]
    assert (subjects(world), left(world)) == ([b"1", b"2", b"3", b"4", b"5"], [])


def test_looking_only_reads_and_remembers_nothing(tmp_path: Path) -> None:
    world = make(tmp_path)
    assert run(world, check_only=True) is ExitCode.SUCCESS
    assert (subjects(world), left(world)) == ([], [1, 2, 3])
    run(world, keep=True)
    assert run(world, check_only=True) is ExitCode.NOMAIL


def test_an_oversized_message_stays_or_goes_as_the_user_says(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.mailbox.append(text(4, 3000))
    assert run(world, limit=1000) is ExitCode.SUCCESS
    assert left(world) == [4]
    run(world, limit=1000, limitflush=True)
    assert left(world) == []
    assert subjects(world) == [b"1", b"2", b"3"]


def test_a_message_that_was_deleted_unread_does_not_count_as_read(tmp_path: Path) -> None:
    world = make(tmp_path, 0, uids=[b"x", b"x"])
    world.mailbox.append(text(1, 3000))
    run(world, keep=True, limit=1000, limitflush=True)
    assert left(world) == []
    # A server may give its unique id to another message.
    world.mailbox.append(text(2, 3000))
    run(world, keep=True)
    assert subjects(world) == [b"2"]


def test_a_message_that_the_sink_refuses_stays(tmp_path: Path) -> None:
    world = make(tmp_path)
    refusals = iter([None, Reply(550, (b"no",)), None])
    world.received.policy = lambda heard: (
        next(refusals, None) if isinstance(heard, EndOfData) else None
    )
    assert run(world) is ExitCode.SUCCESS
    assert left(world) == [2]
    world.received.policy = None
    run(world)
    assert subjects(world) == [b"1", b"3", b"2"]


def test_an_unreadable_message_does_not_stop_the_others(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.misbehaviour.refuse = (2,)
    assert run(world) is ExitCode.SUCCESS
    assert left(world) == [2]
    assert "cannot be read" in said(world)


def test_after_a_cut_inside_a_message_the_poll_reconnects_for_the_others(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.misbehaviour.cut = {2: 30}
    assert run(world) is ExitCode.SOCKET
    assert left(world) == [2] or left(world) == [1, 2]
    world.misbehaviour.cut = {}
    run(world)
    assert left(world) == []
    assert sorted(subjects(world)) == [b"1", b"2", b"3"]


def test_without_the_answer_to_quit_nothing_counts_as_deleted(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.misbehaviour.hang_up = (Quit,)
    assert run(world) is ExitCode.SUCCESS
    assert left(world) == [1, 2, 3]
    world.misbehaviour.hang_up = ()
    assert run(world) is ExitCode.NOMAIL
    assert (left(world), subjects(world)) == ([], [b"1", b"2", b"3"])


def test_retrievals_are_pipelined_if_the_server_supports_it(tmp_path: Path) -> None:
    serial, ahead = make(tmp_path / "a", 50), make(tmp_path / "b", 50)
    for world in (serial, ahead):
        world.folder.mkdir()
    serial.misbehaviour.without = (b"PIPELINING",)
    slow, quick = Simulation(round_trip=0.05), Simulation(round_trip=0.05)
    assert run(serial, slow) is run(ahead, quick) is ExitCode.SUCCESS
    assert left(serial) == left(ahead) == []
    assert quick.now < 3.5 < 4.5 < slow.now


def listened(world: World, *more: tuple[bytes, bytes]) -> list[type]:
    """Return the commands that the server received, from a service that records them.

    ``more`` is announced too.
    """

    class Noting(Pop3Service):
        def _announced(self) -> tuple[tuple[bytes, bytes], ...]:
            return (*super()._announced(), *more)

        async def _answer(self, command: Any) -> None:
            world.heard.append(type(command))
            await super()._answer(command)

    def serve(channel: Channel[Any]) -> Any:
        return Noting(channel, world.maildrop, LOGINS, None, world.misbehaviour, STAMP).run()

    world.serve = serve  # type: ignore[method-assign]  # this one world has a talkative server
    return world.heard


@pytest.mark.parametrize(
    ("source", "without", "command"),
    [
        ({}, (), Top),
        ({"retrieve": True}, (), Retrieve),
        ({}, (b"TOP",), Retrieve),
    ],
)
def test_messages_are_read_without_being_marked_unless_that_does_not_matter(
    tmp_path: Path, source: dict[str, Any], without: tuple[bytes, ...], command: type
) -> None:
    world = make(tmp_path, misbehaviour=Misbehaviour(without=without))
    heard = listened(world)
    assert run(world, source=source) is ExitCode.SUCCESS
    assert heard.count(command) == 3
    assert heard.count(Top) + heard.count(Retrieve) == 3


def test_retr_is_not_used_if_it_deletes(tmp_path: Path) -> None:
    world = make(tmp_path)
    heard = listened(world, (b"EXPIRE", b"0"))
    assert run(world, source={"retrieve": True}, fetchall=True) is ExitCode.SUCCESS
    assert (heard.count(Top), heard.count(Retrieve)) == (3, 0)


def test_a_server_that_refuses_top_is_asked_again_by_retr(tmp_path: Path) -> None:
    world = make(tmp_path, misbehaviour=Misbehaviour(without=(b"PIPELINING",)))
    heard = listened(world)

    class Liar(Pop3Service):
        async def _answer(self, command: Any) -> None:
            heard.append(type(command))
            if isinstance(command, Top):
                self._misbehaviour.without = (b"TOP",)
            await super()._answer(command)

    world.serve = lambda channel: Liar(  # type: ignore[method-assign]
        channel, world.maildrop, LOGINS, None, world.misbehaviour, STAMP
    ).run()
    assert run(world) is ExitCode.SUCCESS
    assert (heard.count(Top), heard.count(Retrieve)) == (1, 3)
    assert left(world) == []


@pytest.mark.parametrize("pipelined", [True, False])
def test_the_envelope_reported_by_the_server_is_used(tmp_path: Path, pipelined: bool) -> None:
    without = () if pipelined else (b"PIPELINING",)
    world = make(tmp_path, misbehaviour=Misbehaviour(without=without))
    answers = {1: b"ann@sender.example", 2: b"", 3: None}

    class Demon(Pop3Service):
        async def _do_in_maildrop(self, command: Any) -> None:
            if not isinstance(command, Envelope):
                await super()._do_in_maildrop(command)
                return
            sender = answers[command.number]
            if sender is None:
                raise Refusal(b"no envelope today")
            for line in (b"1", b"x", b"y", sender, b"joe@here.example"):
                self._machine.send(Line(line))

    world.serve = lambda channel: Demon(  # type: ignore[method-assign]
        channel, world.maildrop, LOGINS, None, world.misbehaviour, STAMP
    ).run()
    assert run(world, source={"sdps": True}) is ExitCode.SUCCESS
    assert "*ENV: no envelope today" in said(world)
    assert left(world) == [3]
    assert [one.sender for one in world.received.messages] == [b"ann@sender.example", b""]


# Unique ids


def test_without_unique_ids_nothing_can_be_kept(tmp_path: Path) -> None:
    world = make(tmp_path, misbehaviour=Misbehaviour(without=(b"UIDL",)))
    assert run(world, source={"remember": True}, keep=True) is ExitCode.PROTOCOL
    assert "no keep" in said(world)
    assert run(world) is ExitCode.SUCCESS
    assert left(world) == []


def test_a_server_that_refuses_uidl_now_is_asked_again_in_the_next_poll(tmp_path: Path) -> None:
    world = make(tmp_path, misbehaviour=Misbehaviour(hang_up=(Quit,)))
    run(world)
    world.misbehaviour.hang_up = ()

    class Forgetful(Pop3Service):
        async def _do_in_maildrop(self, command: Any) -> None:
            if isinstance(command, Uidl):
                raise Refusal(b"the index is being made")
            await super()._do_in_maildrop(command)

    world.serve = lambda channel: Forgetful(  # type: ignore[method-assign]
        channel, world.maildrop, LOGINS, None, world.misbehaviour, STAMP
    ).run()
    assert run(world) is ExitCode.PROTOCOL
    assert "UIDL failed: the index is being made" in said(world)
    del world.serve
    assert run(world) is ExitCode.NOMAIL
    assert (subjects(world), left(world)) == ([b"1", b"2", b"3"], [])


def test_without_unique_ids_a_new_message_is_never_mistaken_for_a_read_one(
    tmp_path: Path,
) -> None:
    world = make(tmp_path, misbehaviour=Misbehaviour(without=(b"UIDL",), hang_up=(Quit,)))
    run(world)
    # The next day the mailbox has other messages with the same numbers and sizes.
    world.mailbox.remove({1, 2, 3})
    for number in (4, 5, 6):
        world.mailbox.append(text(number))
    world.misbehaviour.hang_up = ()
    assert run(world) is ExitCode.SUCCESS
    assert subjects(world) == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert left(world) == []


def test_messages_with_the_same_id_are_distinguished() -> None:
    assert disambiguated({1: b"a", 2: b"b", 3: b"a"}) == {
        1: b"a (1 of 2)",
        2: b"b",
        3: b"a (2 of 2)",
    }


def test_messages_with_the_same_id_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    world = make(tmp_path, uids=[b"same", b"same", b"same"])
    world.misbehaviour.hang_up = (Quit,)
    run(world)
    # The server did remove the first one, but its reply was lost.
    world.mailbox.remove({1})
    world.misbehaviour.hang_up = ()
    assert run(world) is ExitCode.SUCCESS
    assert left(world) == []
    assert set(subjects(world)) == {b"1", b"2", b"3"}


def test_a_reused_id_on_another_message_is_new(tmp_path: Path) -> None:
    world = make(tmp_path, 1, uids=[b"x", b"y", b"x"])
    run(world, keep=True)
    world.mailbox.remove({1})
    world.mailbox.append(text(2))
    run(world, keep=True)
    world.mailbox.append(text(3))
    run(world, keep=True)
    assert subjects(world) == [b"1", b"2", b"3"]


def test_a_refused_deletion_is_reported_and_stays_pending(tmp_path: Path) -> None:
    world = make(tmp_path, 1)

    class Stubborn(Pop3Service):
        async def _do_in_maildrop(self, command: Any) -> None:
            if isinstance(command, Delete):
                raise Refusal(b"not today")
            await super()._do_in_maildrop(command)

    world.serve = lambda channel: Stubborn(  # type: ignore[method-assign]
        channel, world.maildrop, LOGINS, None, world.misbehaviour, STAMP
    ).run()
    assert run(world) is ExitCode.SUCCESS
    assert "does not delete" in said(world)
    del world.serve
    assert run(world) is ExitCode.NOMAIL
    assert (left(world), len(world.received.messages)) == ([], 1)


# Logging in


@pytest.mark.parametrize(
    ("access", "source"),
    [
        ({}, {}),
        ({"auth": "password"}, {}),
        ({"auth": "cram-md5"}, {}),
        ({}, {"apop": True}),
        ({"tls": TlsMode.OFFERED}, {}),
    ],
)
def test_all_login_methods_work(
    tmp_path: Path, access: dict[str, Any], source: dict[str, Any]
) -> None:
    world = make(tmp_path)
    assert run(world, access=access, source=source) is ExitCode.SUCCESS


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"tls": TlsMode.REQUIRED}, "refuses STLS"),
        ({"tls": TlsMode.REQUIRED, "auth": "password"}, "refuses STLS"),
        ({"auth": "external"}, "no login method"),
    ],
)
def test_nothing_is_read_if_no_login_method_is_allowed(
    tmp_path: Path, access: dict[str, Any], words: str
) -> None:
    world = make(tmp_path)
    assert run(world, access=access) in {ExitCode.SOCKET, ExitCode.AUTHFAIL}
    assert words in said(world)
    assert left(world) == [1, 2, 3]


def test_a_busy_maildrop_is_distinguished_from_a_wrong_password(tmp_path: Path) -> None:
    world = make(tmp_path)
    simulation = Simulation()
    simulation.listen(POP3, Pop3Server, world.serve)
    world.maildrop.busy = True
    with pytest.raises(PollFailed) as busy:
        simulation.run(world.poll({}, {}).run())
    assert busy.value.code is ExitCode.LOCKBUSY
    world.maildrop.busy = False
    elsewhere = Simulation()
    logins = Logins({b"joe": b"else"})
    elsewhere.listen(POP3, Pop3Server, lambda c: serve_pop3(c, world.maildrop, logins))
    with pytest.raises(PollFailed) as wrong:
        elsewhere.run(world.poll({}, {}).run())
    assert wrong.value.code is ExitCode.AUTHFAIL


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"[SYS/TEMP] later", ExitCode.LOCKBUSY),
        (b"Too many connections from your host", ExitCode.SERVBUSY),
        (b"Service temporarily unavailable", ExitCode.SERVBUSY),
        (b"Too many invalid logins", ExitCode.AUTHFAIL),
        (b"[AUTH] wrong password", ExitCode.AUTHFAIL),
    ],
)
def test_an_overloaded_server_does_not_mean_a_wrong_password(
    tmp_path: Path, words: bytes, code: ExitCode
) -> None:
    class Refusing(Pop3Service):
        async def _log_in(self, command: Any) -> bytes:
            raise Refusal(words)

    world = make(tmp_path)
    simulation = Simulation()
    simulation.listen(SMTP, SmtpServer, lambda channel: serve_smtp(channel, world.received))
    simulation.listen(POP3, Pop3Server, lambda c: Refusing(c, world.maildrop, LOGINS).run())
    with pytest.raises(PollFailed) as refused:
        simulation.run(world.poll({}, {}).run())
    assert refused.value.code is code


# Kills

KILLS = range(1, 400, 1 if os.environ.get("MAILHAUL_SOAK") else 7)


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipelined", "serial"])
@pytest.mark.parametrize("step", KILLS)
def test_a_kill_at_any_step_loses_nothing(tmp_path: Path, step: int, pipelined: bool) -> None:
    world = make(tmp_path, 6)
    if not pipelined:
        world.misbehaviour.without = (b"PIPELINING",)
    killed = False
    try:
        run(world, Simulation(round_trip=0.05, kill_at=step), expunge=2)
    except Killed:
        killed = True
    run(world, expunge=2)
    assert left(world) == []
    wanted = {sha256(text(number)).hexdigest() for number in range(1, 7)}
    got = [one.sha256 for one in world.received.messages]
    assert set(got) == wanted
    assert len(got) <= 6 + killed


def test_the_answer_to_an_earlier_command_is_not_taken_for_that_to_quit(
    tmp_path: Path,
) -> None:
    """The sink fails while the reply to RETR has arrived but has not been read."""
    world = make(tmp_path, count=2)
    world.misbehaviour.hang_up = (Quit,)
    run(world, fetchlimit=1)
    assert left(world) == [1, 2]
    world.received.policy = lambda heard: HangUp()
    run(world)
    world.received.policy = None
    world.misbehaviour.hang_up = ()
    run(world)
    assert (subjects(world), left(world)) == ([b"1", b"2"], [])


class TalkativeService(Pop3Service):
    """A server that answers LIST twice."""

    async def _answer(self, command: Command) -> None:
        await super()._answer(command)
        if isinstance(command, List):
            self._machine._outbox.put(b"+OK once more\r\n1 7\r\n.\r\n")


def test_a_second_answer_is_not_delivered_as_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(tmp_path)
    monkeypatch.setattr(
        World, "serve", lambda self, channel: TalkativeService(channel, self.maildrop, LOGINS).run()
    )
    assert run(world) is ExitCode.PROTOCOL
    assert "unexpected reply: no command was waiting for one" in said(world)
    assert (subjects(world), left(world)) == ([], [1, 2, 3])
