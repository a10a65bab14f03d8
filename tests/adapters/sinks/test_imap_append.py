"""IMAP APPEND as a sink: stored messages, refusals, and no second copy after a lost reply."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.imap_append import ImapAppendSink
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Parcel
from mailhaul.protocols.imap.commands import (
    Append,
    AskStatus,
    CreateMailbox,
    Login,
    Logout,
    Select,
    UidFetch,
    UidSearch,
)
from mailhaul.protocols.imap.events import Code, Completed, Condition, MailboxStatus, SaidBye
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import CAPABILITIES, Hangup, ImapService, Misbehaviour, serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from tests.shown_lines import ShownLines

IMAP, POP3, TARGET = Tcp("imap", 143), Tcp("pop3", 110), Tcp("target", 143)
USERS = {b"joe": b"sesame"}
DATE = b"17-Jul-1996 02:44:25 -0700"
HOP = (
    b"Received: from a by b (c; d) with e; Wed, 17 Jul 1996 02:44:25 -0700 (PDT)\r\n"
    b"Received: from x by a; Tue, 16 Jul 1996 01:00:00 +0000\r\n"
)


def text(number: int, body: bytes = b"hello\r\n", *, named: bool = True) -> bytes:
    name = b"Message-ID: <%d@example.org>\r\n" % number if named else b""
    return b"%b%bFrom: a%d@x\r\nSubject: %d\r\n\r\n%b" % (HOP, name, number, number, body)


class Target(ImapService):
    """The target server. It records the commands that it receives; a test controls its replies."""

    def __init__(self, world: World, channel: Channel[ImapServer]) -> None:
        super().__init__(
            channel,
            world.target,
            None if world.preauth else USERS,
            world.capabilities,
            None,
            world.misbehaviour,
        )
        self._world = world

    async def _answer(self, command: Any) -> None:
        self._world.heard.append(command)
        answer = self._world.answers(command)
        if isinstance(command, AskStatus):
            self._machine.send(MailboxStatus(command.mailbox, ((b"APPENDLIMIT", 500),)))
            answer = (Condition.OK, None)
        if answer is None:
            await super()._answer(command)
        else:
            self._machine.send(Completed(command, *answer, self._world.words))

    async def _append(self, command: Append) -> Code:
        code = await super()._append(command)
        if self._world.killed_after_append:
            raise Killed
        if self._world.lost_answers:
            self._world.lost_answers -= 1
            raise Hangup
        return code


Answer = tuple[Condition, Code | None]


def as_usual(command: Any) -> Answer | None:
    del command
    return None


@dataclass
class World:
    """Source, target and ledger, which exist longer than one poll."""

    folder: Path
    inbox: Mailbox
    words: bytes = b"so it is"
    target: Mailboxes = field(default_factory=lambda: Mailboxes({b"INBOX": Mailbox()}))
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)
    at_source: Misbehaviour = field(default_factory=Misbehaviour)
    capabilities: tuple[bytes, ...] = CAPABILITIES
    answers: Callable[[Any], Answer | None] = as_usual
    preauth: bool = False
    tls: TlsMode = TlsMode.NEVER
    lost_answers: int = 0
    killed_after_append: bool = False
    pop3: bool = False
    mailbox: bytes = b"INBOX"
    heard: list[Any] = field(default_factory=list[Any])
    events: list[Event] = field(default_factory=list[Event])
    failure: str = ""

    def __post_init__(self) -> None:
        self.serve: Callable[[World, Channel[ImapServer]], Target] = Target

    def sink(self) -> ImapAppendSink:
        password = None if self.preauth else Secret(b"sesame")
        access = Access(
            "target", TARGET, "joe", password, self.tls, Trust("target"), hint="write imaps://"
        )
        return ImapAppendSink(access, self.mailbox, str(self.folder))

    def source(self) -> ImapSource | Pop3Source:
        here = POP3 if self.pop3 else IMAP
        access = Access("server", here, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"))
        if self.pop3:
            return Pop3Source(access, self.events.append)
        return ImapSource(access, self.events.append, with_marks=True)

    def poll(self, **options: Any) -> Poll:
        rules = HeaderRules("server", "joe", None, rewrite=False, keep_return_path=True)
        return Poll(
            Account("joe@server", "joe", "server", "server", **options),
            self.source(),
            "append",
            self.sink,
            SqliteLedger(str(self.folder / "ledger.db")),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.events.append,
        )

    def run(self, simulation: Simulation | None = None, **options: Any) -> ExitCode:
        simulation = simulation or Simulation(round_trip=0.05)
        boxes, drop = Mailboxes({b"INBOX": self.inbox}), Maildrop(self.inbox)
        simulation.listen(IMAP, ImapServer, lambda c: serve_imap(c, boxes, USERS, self.at_source))
        logins = Logins(USERS, lambda: b"<1@pop3>")
        simulation.listen(POP3, Pop3Server, lambda c: serve_pop3(c, drop, logins))
        simulation.listen(TARGET, ImapServer, lambda c: self.serve(self, c).run())
        try:
            return simulation.run(self.poll(**options).run())
        except PollFailed as failure:
            self.failure = str(failure)
            return failure.code

    def stored(self, mailbox: bytes = b"INBOX") -> list[bytes]:
        return [message.text for message in self.target[mailbox].messages]

    def asked(self, kind: type) -> list[Any]:
        return [command for command in self.heard if isinstance(command, kind)]

    @property
    def outcomes(self) -> list[tuple[Verdict, str]]:
        handled = (event.outcome for event in self.events if isinstance(event, Handled))
        return [(outcome.verdict, outcome.reason) for outcome in handled]


def make(folder: Path, *texts: bytes, **options: Any) -> World:
    return World(folder, Mailbox(texts or [text(n) for n in range(1, 4)], 5), **options)


def open_spools() -> int:
    """Return how many spools are open."""
    held = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum("memfd:message" in str(link) for link in held)


# What is stored


def test_all_mail_arrives_as_it_is_over_one_connection(tmp_path: Path) -> None:
    world = make(tmp_path)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(n) for n in range(1, 4)]
    assert world.inbox.messages == []
    kinds: list[type] = [type(command) for command in world.heard]
    assert kinds == [Login, Append, Append, Append, Logout]


def test_flags_and_date_come_from_the_source_with_the_fetch_it_makes_anyway(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    there = world.inbox.messages[0]
    there.flags |= {rb"\Seen", rb"\Flagged", rb"\Answered", rb"\Draft", b"$Forwarded"}
    there.date = DATE
    asked: list[bytes] = []
    world.source = lambda: noting(ImapSource, asked, world)  # type: ignore[method-assign]
    assert world.run(fetchall=True, keep=True) is ExitCode.SUCCESS
    stored = world.target[b"INBOX"].messages[0]
    assert (stored.flags, stored.date) == (there.flags, DATE)
    assert asked == [b"(UID RFC822.SIZE)", b"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"]


def noting(kind: type[ImapSource], asked: list[bytes], world: World) -> ImapSource:
    """Return a source that records the items it fetches."""

    def show(way: str, line: bytes) -> None:
        if way == ">" and b" UID FETCH " in line:
            asked.append(line.split(b" ", 4)[4])

    tap = ShownLines(show)
    access = Access(
        "server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), tap=tap
    )
    return kind(access, world.events.append, with_marks=True)


def test_flags_that_belong_to_the_mailbox_stay_there(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    world.inbox.messages[0].flags |= {rb"\Recent", rb"\flagged"}
    world.run()
    assert world.asked(Append)[0].flags == (rb"\flagged",)
    assert rb"\Seen" not in world.target[b"INBOX"].messages[0].flags


@pytest.mark.parametrize(
    ("message", "date"),
    [(text(1), DATE), (b"Received: by me\r\nSubject: x\r\n\r\nhello\r\n", None)],
)
def test_from_pop3_the_date_is_that_of_the_top_received_field(
    tmp_path: Path, message: bytes, date: bytes | None
) -> None:
    world = make(tmp_path, message, pop3=True)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [message]
    (command,) = world.asked(Append)
    assert (command.internal_date, command.flags) == (date, ())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\rb\r\nc\r", b"a\r\nb\r\nc\r\n"),
        (b"no end", b"no end"),
        (b".\r\n..\r\n.", b".\r\n..\r\n."),
        ("ü\xff".encode("latin-1"), b"\xfc\xff"),
    ],
)
def test_line_ends_become_crlf_and_nothing_else_changes(
    tmp_path: Path, body: bytes, expected: bytes
) -> None:
    world = make(tmp_path, text(1, body))
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1, expected)]


@pytest.mark.parametrize("capabilities", [(b"LITERAL+",), (b"LITERAL-",), ()])
def test_a_large_message_streams_however_the_server_takes_it(
    tmp_path: Path, capabilities: tuple[bytes, ...]
) -> None:
    large = text(1, b"0123456789abcdef\r\n" * 100_000)
    world = make(tmp_path, large, text(2), capabilities=capabilities)
    assert world.run(Simulation(round_trip=0.05, cut=True)) is ExitCode.SUCCESS
    assert world.stored() == [large, text(2)]


def test_a_preauth_greeting_makes_the_password_unnecessary(tmp_path: Path) -> None:
    world = make(tmp_path, preauth=True)
    assert world.run() is ExitCode.SUCCESS
    assert len(world.stored()) == 3


# What is not taken


@pytest.mark.parametrize("there", [True, False])
def test_a_nul_goes_as_binary_or_stays(tmp_path: Path, there: bool) -> None:
    extra = (b"BINARY",) if there else ()
    world = make(tmp_path, text(1, b"a\0b\r\n"), text(2), capabilities=(*CAPABILITIES, *extra))
    assert world.run() is ExitCode.SUCCESS
    if there:
        assert world.stored() == [text(1, b"a\0b\r\n"), text(2)]
        assert [command.binary for command in world.asked(Append)] == [True, False]
    else:
        assert world.stored() == [text(2)]
        verdict, why = world.outcomes[0]
        assert (verdict, "NUL" in why) == (Verdict.REFUSED, True)
        assert [message.uid for message in world.inbox.messages] == [1]


@pytest.mark.parametrize("of_mailbox", [True, False])
def test_a_message_above_appendlimit_is_not_sent(tmp_path: Path, of_mailbox: bool) -> None:
    limit = b"APPENDLIMIT" if of_mailbox else b"APPENDLIMIT=500"
    world = make(tmp_path, text(1, b"x" * 600), text(2), capabilities=(*CAPABILITIES, limit))
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(2)]
    assert world.outcomes[0][0] is Verdict.REFUSED
    assert "500 at most (APPENDLIMIT)" in world.outcomes[0][1]
    assert len(world.asked(Append)) == 1
    assert len(world.asked(AskStatus)) == of_mailbox


NO, BAD = Condition.NO, Condition.BAD


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ((NO, Code(b"TOOBIG")), Verdict.REFUSED),
        ((BAD, None), Verdict.REFUSED),
        ((NO, None), Verdict.POSTPONED),
        ((NO, Code(b"OVERQUOTA")), Verdict.POSTPONED),
        ((NO, Code(b"INUSE")), Verdict.POSTPONED),
    ],
)
def test_a_refusal_is_for_one_message(tmp_path: Path, answer: Answer, verdict: Verdict) -> None:
    world = make(tmp_path)
    second = len(text(2))
    answers = iter([None, answer, None])
    world.answers = lambda command: next(answers) if isinstance(command, Append) else None
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1), text(3)]
    assert world.outcomes[1] == (verdict, "target: so it is")
    assert [message.size for message in world.inbox.messages] == [second]


@pytest.mark.parametrize("condition", [NO, BAD])
def test_a_mailbox_that_is_not_there_for_a_good_login_is_no_fault_of_a_message(
    tmp_path: Path, condition: Condition
) -> None:
    world = make(tmp_path)
    world.words = b"User is authenticated but not connected."
    world.answers = lambda command: (condition, None) if isinstance(command, Append) else None
    assert world.run() is ExitCode.SMTP
    assert "the login is good, but" in world.failure
    assert Verdict.REFUSED not in [outcome[0] for outcome in world.outcomes]
    assert len(world.inbox.messages) == 3


@pytest.mark.parametrize("keyword", [True, False])
def test_a_server_that_takes_no_keywords_gets_the_other_flags(
    tmp_path: Path, keyword: bool
) -> None:
    world = make(tmp_path, text(1))
    world.inbox.messages[0].flags |= {rb"\Flagged", b"$Forwarded"}
    unwanted = b"$Forwarded" if keyword else rb"\Flagged"
    world.answers = lambda command: (
        (BAD, None) if isinstance(command, Append) and unwanted in command.flags else None
    )
    world.run()
    assert len(world.asked(Append)) == 2
    assert [message.flags for message in world.target[b"INBOX"].messages] == (
        [{rb"\Flagged"}] if keyword else []
    )


def test_a_refusal_during_the_text_leaves_the_connection_usable(tmp_path: Path) -> None:
    world = make(tmp_path, text(1, b"0123456789abcdef\r\n" * 300_000), text(2))
    answers = iter([(NO, None), None])
    world.answers = lambda command: next(answers) if isinstance(command, Append) else None
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(2)]
    assert [outcome[0] for outcome in world.outcomes] == [Verdict.POSTPONED, Verdict.ACCEPTED]
    assert len(world.asked(Login)) == 1


def test_when_the_mailbox_is_full_the_poll_ends(tmp_path: Path) -> None:
    world = make(tmp_path, *(text(n) for n in range(1, 7)))
    full = (NO, Code(b"OVERQUOTA"))
    world.answers = lambda command: full if isinstance(command, Append) else None
    assert world.run() is ExitCode.SMTP
    assert world.failure == "append: target: so it is"
    assert len(world.asked(Append)) == 2
    assert len(world.inbox.messages) == 6
    world.answers = as_usual
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(n) for n in range(1, 7)]


@pytest.mark.parametrize("capabilities", [(b"LITERAL+",), ()])
def test_a_mailbox_that_is_not_there_is_made_once(
    tmp_path: Path, capabilities: tuple[bytes, ...]
) -> None:
    world = make(tmp_path, mailbox=b"Old/Mail", capabilities=capabilities)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored(b"Old/Mail") == [text(n) for n in range(1, 4)]
    assert len(world.asked(CreateMailbox)) == 1


def test_a_mailbox_that_cannot_be_made_keeps_the_mail(tmp_path: Path) -> None:
    world = make(tmp_path, text(1), mailbox=b"Old")
    world.misbehaviour.refuse = (CreateMailbox,)
    assert world.run() is ExitCode.SMTP
    assert world.outcomes == [(Verdict.POSTPONED, "target: cannot create the mailbox: no")]
    assert len(world.inbox.messages) == 1


def test_a_refused_login_at_the_target_ends_the_poll(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.misbehaviour.refuse = (Login,)
    assert world.run() is ExitCode.SMTP
    assert "append: Authorization failure on joe@target" in world.failure
    assert len(world.inbox.messages) == 3


@pytest.mark.parametrize("preauth", [True, False])
def test_without_tls_no_password_is_sent_and_the_hint_is_for_a_url(
    tmp_path: Path, preauth: bool
) -> None:
    world = make(tmp_path, tls=TlsMode.REQUIRED, preauth=preauth)
    assert world.run() is ExitCode.SMTP
    assert "configuration requires; write imaps://" in world.failure
    assert world.asked(Login) == []
    assert len(world.inbox.messages) == 3


# Lost answers


def test_after_a_lost_answer_the_message_is_found_and_not_stored_again(tmp_path: Path) -> None:
    world = make(tmp_path, lost_answers=2)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(n) for n in range(1, 4)]
    assert world.inbox.messages == []
    assert [command.read_only for command in world.asked(Select)] == [True, True]


def test_a_message_that_is_not_in_the_mailbox_is_appended_again(tmp_path: Path) -> None:
    world = make(tmp_path)
    hang_ups = iter([True, False, True])

    def answers(command: Any) -> Answer | None:
        if isinstance(command, Append) and next(hang_ups, False):
            raise Hangup
        return None

    world.answers = answers
    assert world.run() is ExitCode.SUCCESS
    assert sorted(world.stored()) == [text(n) for n in range(1, 4)]


def test_a_message_that_ends_every_connection_does_not_block_the_others(tmp_path: Path) -> None:
    world = make(tmp_path)
    poison = len(text(2))

    def answers(command: Any) -> Answer | None:
        if isinstance(command, Append) and command.flags == (rb"\Flagged",):
            raise Hangup
        return None

    world.inbox.messages[1].flags.add(rb"\Flagged")
    world.answers = answers
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1), text(3)]
    assert [message.size for message in world.inbox.messages] == [poison]
    assert world.outcomes[1][0] is Verdict.POSTPONED


@pytest.mark.parametrize("bye", [True, False])
def test_if_the_server_ends_every_connection_the_poll_ends(tmp_path: Path, bye: bool) -> None:
    world = make(tmp_path, *(text(n) for n in range(1, 7)))

    class Leaving(Target):
        async def _append(self, command: Append) -> Code:
            if bye:
                self._machine.send(SaidBye(None, b"shutting down"))
            raise Hangup

    world.serve = Leaving
    before = open_spools()
    assert world.run() is ExitCode.SMTP
    assert open_spools() == before
    assert len(world.asked(Append)) == 4
    assert len(world.inbox.messages) == 6
    assert ("sent BYE: shutting down" in world.failure) is bye
    world.serve = Target
    assert world.run() is ExitCode.SUCCESS
    assert sorted(world.stored()) == [text(n) for n in range(1, 7)]


def test_after_ten_minutes_of_silence_the_connection_is_reopened(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    world.misbehaviour.silent = (Append,)
    simulation = Simulation(round_trip=0.05)
    assert world.run(simulation) is ExitCode.SMTP
    assert 1200 < simulation.now < 1300
    assert "timeout after 600 seconds" in world.outcomes[0][1]
    assert len(world.inbox.messages) == 1


@pytest.mark.parametrize("where", [Login, Select, UidSearch, UidFetch])
def test_if_the_search_is_not_possible_the_next_run_searches(tmp_path: Path, where: type) -> None:
    world = make(tmp_path, lost_answers=1)

    def answers(command: Any) -> Answer | None:
        if isinstance(command, where) and world.asked(Append):
            raise Hangup
        return None

    world.answers = answers
    before = open_spools()
    assert world.run() is ExitCode.SMTP
    assert world.failure.startswith("append: target: ")
    assert (len(world.stored()), len(world.inbox.messages)) == (1, 3)
    assert open_spools() == before
    world.answers = as_usual
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(n) for n in range(1, 4)]


def test_if_the_mailbox_cannot_be_opened_the_message_is_appended_again(
    tmp_path: Path,
) -> None:
    world = make(tmp_path, text(1), lost_answers=1)
    world.misbehaviour.refuse = (Select,)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1), text(1)]


def test_if_the_server_cannot_search_messages_of_the_same_size_are_compared(tmp_path: Path) -> None:
    world = make(tmp_path, text(1), lost_answers=1)
    world.misbehaviour.refuse = (UidSearch,)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1)]


def test_an_incomplete_message_from_the_source_is_not_stored(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.at_source.cut = {2: len(text(2)) - 3}
    assert world.run() is ExitCode.SOCKET
    assert world.stored() == [text(1), text(3)]
    world.at_source.cut = {}
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1), text(3), text(2)]


@pytest.mark.parametrize("abandoned", [True, False])
def test_an_abandoned_message_is_never_sent(tmp_path: Path, abandoned: bool) -> None:
    world = make(tmp_path)
    simulation = Simulation()
    simulation.listen(TARGET, ImapServer, lambda c: Target(world, c).run())

    before = open_spools()

    async def story() -> Verdict:
        sink = world.sink()
        delivery = await sink.offer(Parcel(b"a@x", (b"joe",), b"Subject: x\r\n\r\n", 20))
        assert await delivery.ready()
        await delivery.feed(b"Subject: x\r\n\r\n")
        assert not sink.listening()
        assert delivery.known_outcome() is None
        if abandoned:
            await delivery.abandon()
        verdict = (await delivery.outcome()).verdict
        await sink.close()
        return verdict

    assert simulation.run(story()) is Verdict.POSTPONED
    assert open_spools() == before
    assert [type(command) for command in world.heard] == [Login, Logout]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("date", [True, False])
def test_a_similar_message_does_not_count_as_a_stored_copy(
    tmp_path: Path, named: bool, date: bool
) -> None:
    ours, other = text(1, b"ours..\r\n", named=named), text(1, b"theirs\r\n", named=named)
    if not date:
        ours, other = ours.replace(HOP, b""), other.replace(HOP, b"")
    world = make(tmp_path, ours, pop3=True)
    world.target[b"INBOX"].append(other, date=DATE)
    world.target[b"INBOX"].append(text(7))
    world.misbehaviour.hang_up = (Append,)
    assert world.run() is ExitCode.SMTP
    world.misbehaviour.hang_up = ()
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [other, text(7), ours]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("pop3", [True, False])
def test_a_message_stored_by_an_earlier_run_is_found(
    tmp_path: Path, named: bool, pop3: bool
) -> None:
    world = make(tmp_path, text(1, b"a\nb\r\n", named=named), pop3=pop3, killed_after_append=True)
    with pytest.raises(Killed):
        world.run()
    assert (len(world.stored()), len(world.inbox.messages)) == (1, 1)
    world.killed_after_append = False
    world.heard.clear()
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [text(1, b"a\r\nb\r\n", named=named)]
    assert world.asked(Append) == []
    fetched = [command.items for command in world.asked(UidFetch)]
    assert fetched == [b"(UID RFC822.SIZE)", b"(UID BODY.PEEK[])"]
    assert len(world.asked(UidSearch)) == 1
    assert world.inbox.messages == []


# Kills and cuts at every step

KILLS = range(1, 140, 1 if os.environ.get("MAILHAUL_SOAK") else 3)


@pytest.mark.parametrize("capabilities", [(b"LITERAL+", b"UIDPLUS"), ()], ids=["at once", "asked"])
@pytest.mark.parametrize("pop3", [True, False], ids=["pop3", "imap"])
@pytest.mark.parametrize("step", KILLS)
def test_a_kill_at_any_step_loses_nothing_and_makes_no_second_copy(
    tmp_path: Path, step: int, pop3: bool, capabilities: tuple[bytes, ...]
) -> None:
    texts = [text(n, named=n % 2 == 0) for n in range(1, 6)]
    world = make(tmp_path, *texts, pop3=pop3, capabilities=capabilities)
    try:
        world.run(Simulation(round_trip=0.05, kill_at=step))
    except Killed:
        world.run()
    assert sorted(world.stored()) == sorted(texts)
    assert world.inbox.messages == []


CUTS = range(1, 40, 1 if os.environ.get("MAILHAUL_SOAK") else 2)


@pytest.mark.parametrize("capabilities", [(b"LITERAL+",), ()], ids=["at once", "asked"])
@pytest.mark.parametrize("turn", CUTS)
def test_a_connection_cut_at_any_turn_loses_nothing_and_makes_no_second_copy(
    tmp_path: Path, turn: int, capabilities: tuple[bytes, ...]
) -> None:
    texts = [text(n, named=n % 2 == 0) for n in range(1, 6)]
    world = make(tmp_path, *texts, capabilities=capabilities)
    turns = iter(range(1, 1000))

    class Cut(Target):
        """Closes the connection once, after a number of commands and pieces of messages."""

        async def _next(self) -> Any:
            self._count()
            return await super()._next()

        async def _continuation(self) -> Any:
            self._count()
            return await super()._continuation()

        def _count(self) -> None:
            if next(turns) == turn:
                raise Hangup

    world.serve = Cut
    world.run()
    world.run()
    assert sorted(world.stored()) == sorted(texts)
    assert world.inbox.messages == []
