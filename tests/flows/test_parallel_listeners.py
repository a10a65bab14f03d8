"""Several connections to one listener (``smtpparallel``): whole polls in virtual time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sinks.smtp_parallel import ParallelSmtpSink
from mailhaul.adapters.sinks.spool import read_spool
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Close, Flow, Sleep, Tcp, Trust
from mailhaul.flows.sink import Delivery, Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import EndOfData, Heard, Mail, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import HangUp, MemorySink, serve_smtp

IMAP, SMTP = Tcp("imap", 143), Tcp("smtp", 25)
USERS = {b"joe": b"sesame"}
MANY = Reply(421, (b"4.7.0 too many connections",))


def text(number: int, size: int = 200) -> bytes:
    head = b"From: a%d@example.org\r\nSubject: %d\r\n\r\n" % (number, number)
    return head + b"x" * 70 + b"\r\n" + b"a line of text\r\n" * (size // 16)


@dataclass
class Place:
    """A mailbox, a listener that takes ``most`` connections at a time, and a ledger."""

    folder: Path
    count: int = 40
    lanes: int = 4
    most: int = 1000
    lmtp: bool = False
    sizes: dict[int, int] = field(default_factory=dict[int, int])
    received: MemorySink = field(default_factory=MemorySink)
    events: list[Event] = field(default_factory=list[Event])
    silent: bool = False
    """Whether a connection too many gets no reply at all, instead of a refusal."""
    open: int = 0
    most_open: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        texts = [text(n, self.sizes.get(n, 200)) for n in range(1, self.count + 1)]
        self.mailboxes = Mailboxes({b"INBOX": Mailbox(texts, uidvalidity=77)})

    @property
    def left(self) -> int:
        return len(self.mailboxes[b"INBOX"].messages)

    def copies(self) -> Counter[bytes]:
        """Return how often each message has been accepted, by its sender."""
        return Counter(one.sender for one in self.received.messages)

    async def serve(self, channel: Channel[SmtpServer]) -> None:
        if self.open >= self.most:
            self.refused += 1
            if self.silent:
                await Sleep(100_000.0)
            channel.machine.send(MANY)
            await Sleep(0.01)
            await Close(channel)
            return
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            await serve_smtp(channel, self.received)
        finally:
            self.open -= 1

    def sink(self) -> ParallelSmtpSink:
        def sink_for(listener: Listener) -> SmtpSink:
            return SmtpSink([listener], "client", 20.0)

        first = sink_for(Listener("sink", SMTP, self.lmtp, "localhost"))
        return ParallelSmtpSink(first, sink_for, self.lanes, str(self.folder))

    def poll(self, simulation: Simulation) -> ExitCode:
        self.open = 0
        access = Access(
            *("server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER),
            Trust("server"),
            timeout=20.0,
        )
        rules = HeaderRules("server.example.org", "joe", None)
        ledger = SqliteLedger(str(self.folder / "ledger.db"))
        poll = Poll(
            Account("imap joe@server", "joe", "server", "server.example.org"),
            ImapSource(access, self.events.append),
            "smtp sink",
            self.sink,
            ledger,
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.events.append,
        )

        def imap_flow(channel: Channel[Any]) -> Flow[None]:
            return serve_imap(channel, self.mailboxes, USERS)

        simulation.listen(IMAP, ImapServer, imap_flow)
        simulation.listen(SMTP, lambda: SmtpServer(lmtp=self.lmtp), self.serve)
        try:
            return simulation.run(poll.run())
        except PollFailed as failure:
            return failure.code
        finally:
            ledger.close()


@pytest.mark.parametrize("lmtp", [False, True])
def test_a_far_listener_gets_several_messages_in_one_round_trip(lmtp: bool, tmp_path: Path) -> None:
    place = Place(tmp_path, count=100, lanes=10, lmtp=lmtp)
    simulation = Simulation(round_trip=0.05)
    assert place.poll(simulation) is ExitCode.SUCCESS
    assert (place.copies().total(), len(place.copies()), place.left) == (100, 100, 0)
    assert place.most_open == 10
    assert simulation.now < (2.0 if lmtp else 1.4)


def test_the_option_bounds_the_connections_and_few_messages_open_few(tmp_path: Path) -> None:
    place = Place(tmp_path, count=2, lanes=10)
    assert place.poll(Simulation(round_trip=0.05)) is ExitCode.SUCCESS
    assert (place.most_open, place.left) == (2, 0)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_where_the_listener_refuses_more_connections_those_that_are_open_deliver_all(
    most: int, tmp_path: Path
) -> None:
    place = Place(tmp_path, most=most)
    assert place.poll(Simulation(round_trip=0.05)) is ExitCode.SUCCESS
    assert (len(place.copies()), place.copies().total(), place.left) == (40, 40, 0)
    # Each further connection is tried once in a poll.
    assert (place.most_open, place.refused) == (most, 4 - most)


def test_connections_that_get_no_reply_delay_no_message(tmp_path: Path) -> None:
    """As behind a packet filter that drops the connections beyond its limit."""
    place = Place(tmp_path, most=1, silent=True)
    simulation = Simulation(round_trip=0.05)
    assert place.poll(simulation) is ExitCode.SUCCESS
    assert (place.copies().total(), place.left) == (40, 0)
    assert simulation.now < 20


def test_an_error_of_one_connection_ends_the_poll_and_leaves_no_message_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, blocks = Place(tmp_path), 0

    def read(spool: int, offset: int, octets: int, folder: str) -> bytes:
        nonlocal blocks
        blocks += 1
        if blocks == 20:
            raise PollFailed(ExitCode.IOERR, "spool: Input/output error")
        return read_spool(spool, offset, octets, folder)

    monkeypatch.setattr("mailhaul.adapters.sinks.smtp_parallel.read_spool", read)
    simulation = Simulation(round_trip=0.05)
    assert place.poll(simulation) is ExitCode.IOERR
    assert simulation.now < 20
    assert place.poll(Simulation(round_trip=0.05)) is ExitCode.SUCCESS
    assert (place.copies().total(), len(place.copies()), place.left) == (40, 40, 0)


async def hand_over(sink: ParallelSmtpSink, number: int) -> Delivery:
    sender = b"a%d@example.org" % number
    header = b"Subject: %d\r\n\r\n" % number
    delivery = await sink.offer(Parcel(sender, (b"joe@localhost",), header, len(header)))
    await delivery.feed(header)
    await delivery.complete(CompletionProof(0, len(header)))
    return delivery


def test_the_first_connection_may_be_lost_while_others_work(tmp_path: Path) -> None:
    place = Place(tmp_path, lanes=2, most=2)

    def policy(heard: Heard) -> HangUp | None:
        ends = isinstance(heard, EndOfData) and len(place.received.messages) == 2
        if ends and place.most == 2:
            place.most = 0
            return HangUp()
        return None

    async def story() -> list[Verdict]:
        sink = place.sink()
        await sink.open()
        both = [await hand_over(sink, number) for number in (1, 2)]
        verdicts = [(await each.outcome()).verdict for each in both]
        await Sleep(1.0)
        for number in (3, 4):
            await sink.open()
            verdicts.append((await (await hand_over(sink, number)).outcome()).verdict)
        await sink.close()
        return verdicts

    place.received.policy = policy
    simulation = Simulation(round_trip=0.05)
    simulation.listen(SMTP, SmtpServer, place.serve)
    taken, late = Verdict.ACCEPTED, Verdict.POSTPONED
    assert simulation.run(story()) == [taken, taken, late, taken]


def test_a_refused_message_stays_and_the_others_are_deleted(tmp_path: Path) -> None:
    place = Place(tmp_path, lanes=8)

    def policy(heard: Heard) -> Reply | None:
        if isinstance(heard, Mail) and heard.sender in {b"a7@example.org", b"a8@example.org"}:
            return Reply(550 if heard.sender == b"a7@example.org" else 451, (b"no",))
        return None

    place.received.policy = policy
    assert place.poll(Simulation(round_trip=0.05)) is ExitCode.SUCCESS
    assert [m.uid for m in place.mailboxes[b"INBOX"].messages] == [7, 8]
    verdicts = {
        event.number: event.outcome.verdict for event in place.events if isinstance(event, Handled)
    }
    assert (verdicts[7], verdicts[8]) == (Verdict.REFUSED, Verdict.POSTPONED)
    assert len(verdicts) == 40


def test_a_large_message_goes_with_the_others(tmp_path: Path) -> None:
    place = Place(tmp_path, lanes=3, sizes={5: 3_000_000})
    assert place.poll(Simulation(round_trip=0.05, cut=True, seed=3)) is ExitCode.SUCCESS
    assert (place.copies().total(), place.left) == (40, 0)
    assert max(one.size for one in place.received.messages) > 3_000_000


def test_a_listener_that_limits_messages_per_connection_gets_them_all(tmp_path: Path) -> None:
    place = Place(tmp_path)
    heard_mails = 0

    def policy(heard: Heard) -> Reply | None:
        nonlocal heard_mails
        heard_mails += isinstance(heard, Mail)
        return MANY if isinstance(heard, Mail) and not heard_mails % 6 else None

    place.received.policy = policy
    place.poll(Simulation(round_trip=0.05))
    place.received.policy = None
    place.poll(Simulation(round_trip=0.05))
    assert (place.copies().total(), len(place.copies()), place.left) == (40, 40, 0)


@pytest.mark.parametrize("kind", [EndOfData, Rcpt, Mail])
@pytest.mark.parametrize("after", [1, 9, 30])
def test_a_listener_that_goes_away_loses_nothing(kind: type, after: int, tmp_path: Path) -> None:
    place = Place(tmp_path)
    heard_so_far = 0

    def policy(heard: Heard) -> HangUp | None:
        nonlocal heard_so_far
        heard_so_far += isinstance(heard, kind)
        return HangUp() if heard_so_far >= after else None

    place.received.policy = policy
    place.poll(Simulation(round_trip=0.05))
    assert place.left >= 40 - after
    place.received.policy = None
    assert place.poll(Simulation(round_trip=0.05)) is ExitCode.SUCCESS
    assert (place.copies().total(), len(place.copies()), place.left) == (40, 40, 0)


def steps_of_a_poll(folder: Path) -> int:
    folder.mkdir()
    simulation = Simulation(round_trip=0.05, seed=1, cut=True)
    Place(folder, count=12, lanes=3).poll(simulation)
    return simulation.steps


def test_a_kill_at_any_step_loses_nothing_and_repeats_at_most_as_many_as_connections(
    tmp_path: Path,
) -> None:
    repeated = 0
    steps = steps_of_a_poll(tmp_path / "whole")
    for kill_at in range(1, steps, 7):
        folder = tmp_path / str(kill_at)
        folder.mkdir()
        place = Place(folder, count=12, lanes=3)
        with pytest.raises(Killed):
            place.poll(Simulation(round_trip=0.05, seed=1, cut=True, kill_at=kill_at))
        place.poll(Simulation(round_trip=0.05))
        copies = place.copies()
        assert (len(copies), place.left) == (12, 0), kill_at
        assert copies.total() - 12 <= 3, kill_at
        repeated = max(repeated, copies.total() - 12)
    # The bound is reached, so this test would see a larger one.
    assert repeated == 3
