"""Whole polls with mailhaul's own servers: the same flow on every runtime, and in virtual time."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Request, Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.protocols.imap.commands import Expunge, UidFetch, UidStore
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import EndOfData, Heard, Mail
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.runtimes import blocking
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

Flow = Coroutine[Request[Any], Any, Any]
Session = Callable[[], tuple[Channel[Any], Flow]]
USERS = {b"joe": b"sesame"}


@dataclass
class World:
    """The server, the listener and the ledger, which outlive a poll."""

    folder: Path
    mailboxes: Mailboxes
    received: MemorySink = field(default_factory=MemorySink)
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)
    extensions: dict[bytes, bytes] = field(default_factory=lambda: dict(DEFAULT_EXTENSIONS))
    events: list[Event] = field(default_factory=list)
    capabilities: frozenset[bytes] = frozenset({b"IMAP4REV1", b"UIDPLUS"})

    @property
    def inbox(self) -> Mailbox:
        return self.mailboxes[b"INBOX"]

    def imap_session(self) -> tuple[Channel[Any], Flow]:
        channel = Channel("client", ImapServer())
        return channel, serve_imap(channel, self.mailboxes, USERS, self.misbehaviour)

    def smtp_session(self) -> tuple[Channel[Any], Flow]:
        channel = Channel("client", SmtpServer(extensions=self.extensions))
        return channel, serve_smtp(channel, self.received)

    def poll(self, imap: Tcp, smtp: Tcp, **options: Any) -> Poll:
        account = Account("imap joe@server", "joe", "server", "server.example.org", **options)
        access = Access(
            "server",
            imap,
            "joe",
            Secret(b"sesame"),
            TlsMode.NEVER,
            Trust("server"),
            timeout=20.0,
        )
        rules = HeaderRules("server.example.org", "joe", None)

        def sink() -> Sink:
            return SmtpSink([Listener("sink", smtp, False, "localhost")], "client", 20.0)

        return Poll(
            account,
            ImapSource(access, self.events.append),
            "smtp sink",
            sink,
            SqliteLedger(str(self.folder / "ledger.db")),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.events.append,
        )


def message(number: int, body: bytes) -> bytes:
    return b"From: a%d@example.org\r\nSubject: %d\r\n\r\n%b" % (number, number, body)


def body_of(number: int) -> bytes:
    if number == 3:
        return "Grüße, 8 bit und \xff\r\n".encode("latin-1")
    if number == 7:
        return b"".join(b"%07d some line of a large message\r\n" % n for n in range(135_000))
    if number == 9:
        return b".\r\n..\r\n.dots\r\n.\r\n"
    return b"Hello, this is message %d.\r\n" % number


CUT_OFF = 15
REFUSED = 11


def make_world(folder: Path) -> World:
    texts = [message(number, body_of(number)) for number in range(1, 21)]
    world = World(folder, Mailboxes({b"INBOX": Mailbox(texts, uidvalidity=77)}))
    world.misbehaviour.cut[CUT_OFF] = 60
    refused = {"sender": b""}

    def policy(heard: Heard) -> Reply | None:
        if isinstance(heard, Mail):
            refused["sender"] = heard.sender
        if isinstance(heard, EndOfData) and refused["sender"] == b"a%d@example.org" % REFUSED:
            return Reply(550, (b"5.7.1 not this one",))
        return None

    world.received.policy = policy
    return world


@dataclass
class Result:
    code: ExitCode
    delivered: list[tuple[bytes, str, int]]
    left: list[int]
    verdicts: list[tuple[int, Verdict, bool]]


def summary(world: World, code: ExitCode) -> Result:
    return Result(
        code,
        [(m.sender, m.sha256, m.size) for m in world.received.messages],
        [m.uid for m in world.inbox.messages],
        [(e.number, e.outcome.verdict, e.flushed) for e in world.events if isinstance(e, Handled)],
    )


def code_of(run: Callable[[], ExitCode]) -> ExitCode:
    try:
        return run()
    except PollFailed as failure:
        return failure.code


def serve_for_real(cleanup: ExitStack, session: Session) -> Tcp:
    listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            channel, flow = session()
            engine = Engine(time.monotonic)
            engine.adopt(channel, connection)
            blocking.run(flow, engine)

    threading.Thread(target=accept, daemon=True).start()
    cleanup.callback(listener.shutdown, socket.SHUT_RDWR)
    return Tcp("127.0.0.1", listener.getsockname()[1])


def on_real_sockets(world: World, run: Callable[[Flow], ExitCode], **options: Any) -> Result:
    with ExitStack() as cleanup:
        imap = serve_for_real(cleanup, world.imap_session)
        smtp = serve_for_real(cleanup, world.smtp_session)
        poll = world.poll(imap, smtp, **options)
        return summary(world, code_of(lambda: run(poll.run())))


def in_simulation(world: World, simulation: Simulation, **options: Any) -> Result:
    imap, smtp = Tcp("imap", 143), Tcp("smtp", 25)

    def imap_flow(channel: Channel[Any]) -> Flow:
        return serve_imap(channel, world.mailboxes, USERS, world.misbehaviour, world.capabilities)

    def smtp_flow(channel: Channel[Any]) -> Flow:
        return serve_smtp(channel, world.received)

    simulation.listen(imap, ImapServer, imap_flow)
    simulation.listen(smtp, lambda: SmtpServer(extensions=world.extensions), smtp_flow)
    poll = world.poll(imap, smtp, **options)
    return summary(world, code_of(lambda: simulation.run(poll.run())))


EXPECTED_BODIES = [
    sha256(message(number, body_of(number))).hexdigest()
    for number in range(1, 21)
    if number not in {CUT_OFF, REFUSED}
]


def run_on_trio(flow: Flow) -> ExitCode:
    code: ExitCode = trio.run(on_trio.run, flow)
    return code


@pytest.fixture(params=["blocking", "trio", "simulated", "simulated in pieces"])
def outcome(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Result]:
    world = make_world(tmp_path)
    match request.param:
        case "blocking":
            yield on_real_sockets(world, blocking.run)
        case "trio":
            yield on_real_sockets(world, run_on_trio)
        case "simulated":
            yield in_simulation(world, Simulation(round_trip=0.05))
        case _:
            yield in_simulation(world, Simulation(round_trip=0.05, cut=True, seed=7))


def test_the_same_poll_ends_the_same_on_every_runtime(outcome: Result) -> None:
    """20 messages: one 8-bit, one of 5 MB, one refused by the sink, one cut off by the server."""
    assert [digest for _, digest, _ in outcome.delivered] == EXPECTED_BODIES
    assert max(size for _, _, size in outcome.delivered) > 5_000_000
    assert outcome.left == [REFUSED, CUT_OFF]
    assert outcome.code is ExitCode.SOCKET
    refused = [number for number, verdict, _ in outcome.verdicts if verdict is Verdict.REFUSED]
    assert refused == [REFUSED]
    assert len(outcome.verdicts) == 19


def test_the_next_regular_poll_fetches_the_rest(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    in_simulation(world, Simulation())
    world.misbehaviour.cut.clear()
    world.received.policy = None
    result = in_simulation(world, Simulation())
    assert result.code is ExitCode.SUCCESS
    assert sorted(digest for _, digest, _ in result.delivered) == sorted(
        sha256(message(number, body_of(number))).hexdigest() for number in range(1, 21)
    )
    assert result.left == []


def test_a_thousand_messages_cost_one_round_trip_each_at_the_sink(tmp_path: Path) -> None:
    """In virtual time with round trips of 50 ms on both sides: little more than one per message."""
    texts = [message(number, b"x" * 60 + b"\r\n") * 1 for number in range(1000)]
    texts = [text + b"y" * (4096 - len(text) - 2) + b"\r\n" for text in texts]
    world = World(tmp_path, Mailboxes({b"INBOX": Mailbox(texts)}))
    simulation = Simulation(round_trip=0.05)
    result = in_simulation(world, simulation)
    assert result.code is ExitCode.SUCCESS
    assert len(result.delivered) == 1000
    assert result.left == []
    assert 50.0 < simulation.now <= 61.0


def test_a_sink_without_pipelining_gets_one_command_at_a_time(tmp_path: Path) -> None:
    texts = [message(number, b"hello\r\n") for number in range(10)]
    world = World(tmp_path, Mailboxes({b"INBOX": Mailbox(texts)}), extensions={b"SIZE": b""})
    simulation = Simulation(round_trip=0.05)
    result = in_simulation(world, simulation)
    assert result.code is ExitCode.SUCCESS
    assert len(result.delivered) == 10
    assert 2.0 < simulation.now < 3.0


def test_a_simulation_repeats_exactly(tmp_path: Path) -> None:
    def steps(seed: int, folder: str) -> tuple[int, float]:
        world = make_world(tmp_path / folder)
        simulation = Simulation(round_trip=0.05, cut=True, seed=seed)
        in_simulation(world, simulation)
        return simulation.steps, simulation.now

    assert steps(3, "a") == steps(3, "b")
    assert steps(3, "c") != steps(4, "d")


KILLS = range(1, 400, 1 if os.environ.get("MAILHAUL_SOAK") else 7)


@pytest.mark.parametrize("step", KILLS)
def test_a_kill_at_any_step_of_a_whole_poll_loses_nothing(tmp_path: Path, step: int) -> None:
    texts = [message(number, b"hello\r\n") for number in range(6)]
    world = World(tmp_path, Mailboxes({b"INBOX": Mailbox(texts, uidvalidity=5)}))
    killed = False
    try:
        in_simulation(world, Simulation(round_trip=0.05, kill_at=step), expunge=2)
    except Killed:
        killed = True
    result = in_simulation(world, Simulation(round_trip=0.05), expunge=2)
    assert result.left == []
    wanted = {sha256(text).hexdigest() for text in texts}
    got = [digest for _, digest, _ in result.delivered]
    assert set(got) == wanted
    assert len(got) <= len(texts) + killed


def senders(result: Result) -> list[bytes]:
    return [sender for sender, _, _ in result.delivered]


def small_world(folder: Path, count: int = 3) -> World:
    texts = [message(number, b"hello\r\n") for number in range(1, count + 1)]
    return World(folder, Mailboxes({b"INBOX": Mailbox(texts, uidvalidity=5)}))


def test_what_another_client_deleted_is_neither_fetched_nor_expunged(tmp_path: Path) -> None:
    world = small_world(tmp_path)
    world.inbox.messages[1].flags.add(b"\\Deleted")
    result = in_simulation(world, Simulation())
    assert senders(result) == [b"a1@example.org", b"a3@example.org"]
    assert result.left == [2]


def test_without_uidplus_a_foreign_deletion_keeps_ours_from_being_expunged(
    tmp_path: Path,
) -> None:
    world = small_world(tmp_path)
    world.capabilities = frozenset({b"IMAP4REV1"})
    world.inbox.messages[1].flags.add(b"\\Deleted")
    result = in_simulation(world, Simulation())
    assert result.left == [1, 2, 3]
    assert all(b"\\Deleted" in message.flags for message in world.inbox.messages)
    again = in_simulation(world, Simulation())
    assert len(again.delivered) == 2


def test_without_uidplus_our_own_deletions_are_expunged(tmp_path: Path) -> None:
    world = small_world(tmp_path)
    world.capabilities = frozenset({b"IMAP4REV1"})
    assert in_simulation(world, Simulation()).left == []


@pytest.mark.parametrize("how", ["hang_up", "refuse"])
def test_without_uidplus_flagged_messages_are_expunged_in_the_next_poll(
    tmp_path: Path, how: str
) -> None:
    world = small_world(tmp_path)
    world.capabilities = frozenset({b"IMAP4REV1"})
    setattr(world.misbehaviour, how, (Expunge,))
    assert in_simulation(world, Simulation()).left == [1, 2, 3]
    assert all(b"\\Deleted" in message.flags for message in world.inbox.messages)
    setattr(world.misbehaviour, how, ())
    result = in_simulation(world, Simulation())
    assert (result.left, len(result.delivered)) == ([], 3)


def test_without_uidplus_messages_deleted_unread_count_as_ours(tmp_path: Path) -> None:
    """Otherwise it would stay flagged, and prevent all later messages from being expunged."""
    world = small_world(tmp_path)
    world.capabilities = frozenset({b"IMAP4REV1"})
    world.inbox.append(message(4, b"x" * 5000 + b"\r\n"))
    world.misbehaviour.hang_up = (Expunge,)
    in_simulation(world, Simulation(), limit=1000, limitflush=True)
    assert all(b"\\Deleted" in one.flags for one in world.inbox.messages)
    world.misbehaviour.hang_up = ()
    assert in_simulation(world, Simulation(), limit=1000, limitflush=True).left == []


def test_a_message_missing_from_a_response_stays_pending(tmp_path: Path) -> None:
    world = small_world(tmp_path)
    world.misbehaviour.hang_up = (UidStore,)
    in_simulation(world, Simulation())
    world.misbehaviour.hang_up = ()
    world.misbehaviour.refuse = (UidFetch,)
    assert in_simulation(world, Simulation()).left == [1, 2, 3]
    world.misbehaviour.refuse = ()
    result = in_simulation(world, Simulation())
    assert (result.left, len(result.delivered)) == ([], 3)


def test_another_client_that_expunges_meanwhile_does_not_shift_our_deletions(
    tmp_path: Path,
) -> None:
    world = small_world(tmp_path, 5)

    def policy(heard: Heard) -> Reply | None:
        if isinstance(heard, Mail) and heard.sender == b"a2@example.org":
            world.inbox.messages[0].flags.add(b"\\Deleted")
            list(world.inbox.expunge(frozenset({1})))
        if isinstance(heard, EndOfData) and len(world.received.messages) == 3:
            return Reply(451, (b"later",))
        return None

    world.received.policy = policy
    result = in_simulation(world, Simulation(round_trip=0.05))
    delivered = {int(sender[1:2]) for sender in senders(result)}
    assert delivered.isdisjoint(result.left)
    assert delivered | set(result.left) == {1, 2, 3, 4, 5}


def test_a_message_without_valid_header_is_delivered(tmp_path: Path) -> None:
    texts = [b"no colon here\r\nFrom: a1@example.org\r\n\r\nbody\r\n", b"", b"\r\n", b"\0\0\r\n"]
    world = World(tmp_path, Mailboxes({b"INBOX": Mailbox(texts)}))
    result = in_simulation(world, Simulation())
    assert (len(result.delivered), result.left) == (4, [])


def test_a_bare_line_feed_cannot_smuggle_a_second_message(tmp_path: Path) -> None:
    evil = b"hi\n.\nMAIL FROM:<evil@example.org>\r.\rRCPT TO:<x@example.org>\n.\r\nDATA\r\n"
    world = World(tmp_path, Mailboxes({b"INBOX": Mailbox([message(1, evil)])}))
    result = in_simulation(world, Simulation(cut=True))
    assert senders(result) == [b"a1@example.org"]
    normalized = message(1, evil).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert world.received.messages[0].text == normalized.replace(b"\n", b"\r\n")
