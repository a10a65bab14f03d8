"""Peers that are slow on purpose: a byte a minute is no silence, and must end all the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.sinks.smtp import Listener, SmtpSink
from mailhaul.adapters.sources.access import Access, TlsMode
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.pace import TIMEOUTS
from mailhaul.flows.parcel import Packer, Treatment
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Request, Sleep, Tcp, Trust, Wait
from mailhaul.flows.serve.imap import Misbehaviour, serve_imap
from mailhaul.flows.serve.mailboxes import Mailbox, Mailboxes
from mailhaul.flows.serve.smtp import MemorySink, serve_smtp
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.machine import Outbox
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation

Flow = Coroutine[Request[Any], Any, Any]
Script = Callable[["Channel[Speaker]"], Flow]
TIMEOUT = 300.0
SINK_TIMEOUT = 600.0
SOURCE, SINK = Tcp("server", 143), Tcp("sink", 25)
MESSAGE = b"From: a@example.org\r\nSubject: x\r\n\r\n" + b"some line\r\n" * 20_000


class Speaker:
    """A peer's machine without rules: it says what it is given, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = False
        self._outbox = Outbox()

    def receive_data(self, data: bytes) -> None:
        self.heard += data

    def receive_eof(self) -> None:
        self.ended = True

    def say(self, data: bytes) -> None:
        self._outbox.put(data)

    def data_to_send(self) -> list[bytes]:
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        return self._outbox.size


async def drip(channel: Channel[Speaker], text: bytes, every: float, octets: int = 1) -> None:
    """Say a text for ever, a little at a time."""
    while not channel.machine.ended:
        for at in range(0, len(text), octets):
            channel.machine.say(text[at : at + octets])
            await Sleep(every)


async def hear_line(channel: Channel[Speaker]) -> bytes:
    while b"\n" not in channel.machine.heard and not channel.machine.ended:
        await Wait([channel], 1e6)
    line, _, rest = bytes(channel.machine.heard).partition(b"\n")
    channel.machine.heard[:] = rest
    return line


def answering(greeting: bytes, known: dict[bytes, bytes], then: bytes, every: float) -> Script:
    """A server that answers some commands well, and drips at the first other one."""

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(greeting)
        while not channel.machine.ended:
            tag, _, rest = (await hear_line(channel)).strip().partition(b" ")
            verb = rest.split(b" ")[0] if greeting.startswith(b"*") else tag
            if verb.upper() not in known:
                await drip(channel, then, every)
            channel.machine.say(known[verb.upper()].replace(b"TAG", tag))

    return serve


def dripping(text: bytes, every: float) -> Script:
    async def serve(channel: Channel[Speaker]) -> None:
        await drip(channel, text, every)

    return serve


class World:
    """A source, a sink, and one poll between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.simulation = Simulation()
        self.events: list[Event] = []
        self.received = MemorySink()
        self.simulation.listen(SINK, SmtpServer, lambda c: serve_smtp(c, self.received))

    def serve_a_message(self, misbehaviour: Misbehaviour | None = None) -> None:
        mailboxes = Mailboxes({b"INBOX": Mailbox([MESSAGE])})
        users = {b"joe": b"sesame"}
        faults = misbehaviour or Misbehaviour()
        self.simulation.listen(
            SOURCE, ImapServer, lambda c: serve_imap(c, mailboxes, users, faults)
        )

    def poll(self, kind: type[ImapSource] | type[Pop3Source] = ImapSource) -> ExitCode:
        access = Access(
            "server", SOURCE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"),
            timeout=TIMEOUT,
        )  # fmt: skip
        rules = HeaderRules("server", "joe", None)
        poll = Poll(
            Account("joe@server", "joe", "server", "server"),
            kind(access, self.events.append),
            "sink",
            lambda: SmtpSink([Listener("sink", SINK, False, "localhost")], "client", 5.0),
            SqliteLedger(str(self.folder / "ledger.db")),
            lambda sink: Packer(Treatment("joe", sink.domain, rules)),
            self.events.append,
        )
        return self.simulation.run(poll.run())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


LOGGED_IN = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\nTAG OK\r\n", b"LOGIN": b"TAG OK\r\n"}
SELECTED = LOGGED_IN | {
    b"SELECT": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK [READ-WRITE]\r\n",
}
LISTED = SELECTED | {b"UID": b"* SEARCH 1\r\n* 1 FETCH (UID 1 RFC822.SIZE 9)\r\nTAG OK\r\n"}
IMAP_SOURCES = {
    "a greeting": dripping(b"* OK " + b"x" * 5000, 60.0),
    "lines before the greeting's end": dripping(b"* OK [ALERT", 60.0),
    "the answer to LOGIN": answering(
        b"* OK [CAPABILITY IMAP4rev1] x\r\n", {}, b"A0001 OK" + b"y" * 5000, 60.0
    ),
    "remarks and no answer": answering(b"* OK x\r\n", LOGGED_IN, b"* OK Still here\r\n", 250.0),
    "whole remarks": answering(b"* OK x\r\n", SELECTED, b"* OK Hang in there..\r\n", 15.0),
    "new messages and no answer": answering(b"* OK x\r\n", SELECTED, b"* 9 EXISTS\r\n", 7.0),
    "a literal": answering(
        b"* OK x\r\n", SELECTED, b"* 1 FETCH (UID 1 BODY[] {100000000}\r\n" + b"z" * 9999, 1.0
    ),
}


@pytest.mark.parametrize("script", IMAP_SOURCES.values(), ids=IMAP_SOURCES)
def test_an_imap_server_that_drips_is_left(world: World, script: Script) -> None:
    world.simulation.listen(SOURCE, Speaker, script)

    with pytest.raises(PollFailed, match=r"server: (too slow|timeout)") as failed:
        world.poll()

    assert failed.value.code is ExitCode.SOCKET
    assert world.simulation.now < (TIMEOUTS + 1) * TIMEOUT + 60


POP3_SOURCES = {
    "a greeting": dripping(b"+OK " + b"x" * 7000, 60.0),
    "the answer to USER": answering(b"+OK\r\n", {b"CAPA": b"-ERR\r\n"}, b"+OK" + b"y" * 7000, 60.0),
    "a list": answering(
        b"+OK\r\n",
        {b"CAPA": b"-ERR\r\n", b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n", b"STAT": b"+OK 9 99\r\n"},
        b"+OK\r\n" + b"".join(b"%d 11\r\n" % n for n in range(1, 999)),
        60.0,
    ),
}


@pytest.mark.parametrize("script", POP3_SOURCES.values(), ids=POP3_SOURCES)
def test_a_pop3_server_that_drips_is_left(world: World, script: Script) -> None:
    world.simulation.listen(SOURCE, Speaker, script)

    with pytest.raises(PollFailed, match="server: too slow") as failed:
        world.poll(Pop3Source)

    assert failed.value.code is ExitCode.SOCKET
    assert world.simulation.now < (TIMEOUTS + 1) * TIMEOUT + 60


MANNERS = {b"EHLO": b"250 sink\r\n", b"MAIL": b"250 ok\r\n", b"RCPT": b"250 ok\r\n"}
SINKS = {
    "a greeting": dripping(b"220-" + b"x" * 7000, 60.0),
    "the answer to EHLO": answering(b"220 x\r\n", {}, b"250-" + b"x" * 50 + b"\r\n", 60.0),
    "the go-ahead": answering(b"220 x\r\n", MANNERS, b"354-wait\r\n", 120.0),
    "the verdict": answering(
        b"220 x\r\n", MANNERS | {b"DATA": b"354 go\r\n", b"FROM:": b""}, b"250-wait\r\n", 120.0
    ),
}


@pytest.mark.parametrize("script", SINKS.values(), ids=SINKS)
def test_a_listener_that_drips_is_left_and_the_message_stays(world: World, script: Script) -> None:
    world.serve_a_message()
    world.simulation.listen(SINK, Speaker, script)

    try:
        code = world.poll()
    except PollFailed as failure:
        code = failure.code

    assert code is ExitCode.SMTP
    # A listener without manners is visited twice: the second time with HELO.
    assert world.simulation.now < 2 * (TIMEOUTS + 1) * SINK_TIMEOUT + 600


def serve_message_at(octets: int, every: float) -> Script:
    """An IMAP server with one message, whose text comes in portions."""

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(b"* OK [CAPABILITY IMAP4rev1 UIDPLUS] x\r\n")
        while not channel.machine.ended:
            tag, _, rest = (await hear_line(channel)).strip().partition(b" ")
            verb = rest.split(b" ")[0]
            if b"BODY.PEEK[]" in rest:
                channel.machine.say(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % len(MESSAGE))
                for at in range(0, len(MESSAGE), octets):
                    channel.machine.say(MESSAGE[at : at + octets])
                    await Sleep(every)
                channel.machine.say(b" RFC822.SIZE %d)\r\n" % len(MESSAGE))
            known = LISTED | {b"LOGOUT": b"* BYE\r\nTAG OK\r\n", b"EXPUNGE": b"TAG OK\r\n"}
            channel.machine.say(known.get(verb, b"").replace(b"TAG", tag))

    return serve


def test_a_message_on_a_slow_line_is_not_cut(world: World) -> None:
    world.simulation.listen(SOURCE, Speaker, serve_message_at(octets=1000, every=5.0))

    assert world.poll() is ExitCode.SUCCESS
    assert [e.outcome.accepted for e in world.events if isinstance(e, Handled)] == [True]
    # Longer than any one reply may take: its own octets paid for it.
    assert world.simulation.now > TIMEOUTS * TIMEOUT


def test_a_message_in_bursts_between_long_pauses_is_not_cut(world: World) -> None:
    world.simulation.listen(SOURCE, Speaker, serve_message_at(octets=40_000, every=290.0))

    assert world.poll() is ExitCode.SUCCESS
    assert world.simulation.now > TIMEOUTS * TIMEOUT


def test_a_slow_source_is_not_held_against_a_listener_that_owes_nothing(world: World) -> None:
    world.simulation.listen(SOURCE, Speaker, serve_message_at(octets=40_000, every=299.0))

    assert world.poll() is ExitCode.SUCCESS
    assert world.simulation.now > 2 * SINK_TIMEOUT


def test_a_listener_that_reads_slowly_is_waited_for(world: World) -> None:
    world.serve_a_message()

    async def serve(channel: Channel[SmtpServer]) -> None:
        await Sleep(TIMEOUT - 5.0)
        await serve_smtp(channel, world.received)

    world.simulation.listen(SINK, SmtpServer, serve)

    assert world.poll() is ExitCode.SUCCESS
