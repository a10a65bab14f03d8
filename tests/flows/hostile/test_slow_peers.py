"""Peers that are slow on purpose: one byte a minute never reaches the timeout, but must end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap_watch import WatchedSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.pace import MAX_TIMEOUTS
from mailhaul.flows.report import Handled
from mailhaul.flows.requests import Sleep, Trust
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.smtp import serve_smtp

from .world import (
    MESSAGE,
    SINK,
    SINK_TIMEOUT,
    SOURCE,
    TIMEOUT,
    Script,
    Speaker,
    World,
    answering,
    dripping,
    hear_line,
)


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
def test_an_imap_server_that_sends_too_slowly_is_disconnected(world: World, script: Script) -> None:
    world.simulation.listen(SOURCE, Speaker, script)

    with pytest.raises(PollFailed, match=r"server: (too slow|timeout)") as failed:
        world.poll()

    assert failed.value.code is ExitCode.SOCKET
    assert world.simulation.now < (MAX_TIMEOUTS + 1) * TIMEOUT + 60


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
def test_a_pop3_server_that_sends_too_slowly_is_disconnected(world: World, script: Script) -> None:
    world.simulation.listen(SOURCE, Speaker, script)

    with pytest.raises(PollFailed, match="server: too slow") as failed:
        world.poll(Pop3Source)

    assert failed.value.code is ExitCode.SOCKET
    assert world.simulation.now < (MAX_TIMEOUTS + 1) * TIMEOUT + 60


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
def test_a_listener_that_sends_too_slowly_is_disconnected_and_the_message_stays(
    world: World, script: Script
) -> None:
    world.serve_a_message()
    world.simulation.listen(SINK, Speaker, script)

    try:
        code = world.poll()
    except PollFailed as failure:
        code = failure.code

    assert code is ExitCode.SMTP
    # After a failed EHLO a second connection is made, with HELO.
    assert world.simulation.now < 2 * (MAX_TIMEOUTS + 1) * SINK_TIMEOUT + 600


def serve_message_at(octets: int, every: float) -> Script:
    """An IMAP server with one message, whose text arrives in portions."""

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
    # Longer than one reply may take; its own octets offset the time.
    assert world.simulation.now > MAX_TIMEOUTS * TIMEOUT


def test_a_message_in_bursts_between_long_pauses_is_not_cut(world: World) -> None:
    world.simulation.listen(SOURCE, Speaker, serve_message_at(octets=40_000, every=290.0))

    assert world.poll() is ExitCode.SUCCESS
    assert world.simulation.now > MAX_TIMEOUTS * TIMEOUT


def test_a_slow_source_does_not_count_against_an_idle_listener(world: World) -> None:
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


def test_responses_during_idle_do_not_count_as_a_slow_reply(world: World) -> None:
    """Dovecot sends "Still here" every two minutes during IDLE."""

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(b"* OK [CAPABILITY IMAP4rev1 IDLE] x\r\n")
        while not channel.machine.ended:
            tag, _, rest = (await hear_line(channel)).strip().partition(b" ")
            if rest == b"IDLE":
                channel.machine.say(b"+ idling\r\n")
                for _ in range(15):
                    await Sleep(120.0)
                    channel.machine.say(b"* OK Still here\r\n")
                await hear_line(channel)
                channel.machine.say(tag + b" OK\r\n")
            else:
                answer = LISTED.get(rest.split(b" ")[0], b"TAG OK\r\n")
                channel.machine.say(answer.replace(b"TAG", tag))

    world.simulation.listen(SOURCE, Speaker, serve)
    access = Access("server", SOURCE, "joe", world.password, TlsMode.NEVER, Trust("server"))
    source = WatchedSource(access, world.events.append)

    async def watch() -> Sequence[str]:
        await source.open()
        await source.select("INBOX", read_only=False)
        return await source.wait_for_mail(28 * 60.0)

    assert not world.simulation.run(watch())
    assert world.simulation.now > MAX_TIMEOUTS * TIMEOUT
