"""Hostile listeners: floods, too few and too many replies, false promises.

Nothing counts as accepted but a clear 2xx to the final dot; the message stays, and the poll ends.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.report import Handled
from mailhaul.flows.requests import Sleep

from .world import SINK, SINK_TIMEOUT, Script, Speaker, World, flooding, hear_line

MOST_MEMORY = 16 * 1024 * 1024


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.serve_a_message()
    return made


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fail if more memory was in use at any moment than a flood may take."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def listener(**answers: bytes) -> Script:
    """A listener that accepts everything except for some replies. ``dot`` answers the final dot."""
    known = {
        "banner": b"220 sink\r\n",
        "ehlo": b"250 sink\r\n",
        "lhlo": b"250 sink\r\n",
        "data": b"354 go\r\n",
        "dot": b"250 ok\r\n",
        "quit": b"221 bye\r\n",
        **answers,
    }

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(known["banner"])
        while line := await hear_line(channel):
            verb = line.split()[0].lower().decode()
            channel.machine.say(known.get(verb, b"250 ok\r\n"))
            if verb == "data" and known["data"].startswith(b"354"):
                while await hear_line(channel) not in {b".\r", b""}:
                    pass
                channel.machine.say(known["dot"])

    return serve


def verdicts(world: World) -> list[Verdict]:
    return [event.outcome.verdict for event in world.events if isinstance(event, Handled)]


def poll(world: World, *, lmtp: bool = False, login: bool = False) -> ExitCode:
    try:
        return world.poll(lmtp=lmtp, login=login)
    except PollFailed as failed:
        return failed.code


LINES = b"250-" + b"x" * 60 + b"\r\n"
FLOODS = {
    "a banner without end": flooding(b"220 ", b"x"),
    "a banner of lines": flooding(b"", b"220-hello\r\n"),
    "extensions without end": flooding(b"220 x\r\n", LINES),
    "answers to nothing": flooding(b"220 x\r\n", b"250 ok\r\n"),
    "noise": flooding(b"", b"\xff\x00\x1b[2J"),
}


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("script", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_at_its_limit_and_the_message_stays(world: World, script: Script) -> None:
    world.simulation.listen(SINK, Speaker, script)

    assert poll(world) is ExitCode.SMTP
    assert world.simulation.now < 60


NO_ACCEPTANCE = {
    "a million lines": b"250-x\r\n" * 1_000_000 + b"250 ok\r\n",
    "a line of a megabyte": b"250 " + b"x" * 1_000_000 + b"\r\n",
    "two codes in one answer": b"250-ok\r\n550 no\r\n",
    "a code of two digits": b"25 ok\r\n",
    "a code of four digits": b"2500 ok\r\n",
    "a code beyond all": b"999 ok\r\n",
    "digits that are none": "٢٥٠ ok\r\n".encode(),
    "a permission": b"354 go on\r\n",
    "an answer of the past": b"150 about to\r\n",
    "nothing in front": b" 250 ok\r\n",
    "a NUL in front": b"\0250 ok\r\n",
}


@pytest.mark.parametrize("dot", NO_ACCEPTANCE.values(), ids=NO_ACCEPTANCE)
def test_only_a_valid_2xx_reply_counts_as_acceptance(world: World, dot: bytes) -> None:
    world.simulation.listen(SINK, Speaker, listener(dot=dot))

    assert poll(world) is ExitCode.SMTP
    assert Verdict.ACCEPTED not in verdicts(world)


def test_a_plain_250_reply_counts_as_acceptance(world: World) -> None:
    world.simulation.listen(SINK, Speaker, listener())

    assert poll(world) is ExitCode.SUCCESS


def test_a_go_ahead_that_never_comes_is_waited_for_once(world: World) -> None:
    world.simulation.listen(SINK, Speaker, listener(data=b""))

    assert poll(world) is ExitCode.SMTP
    assert world.simulation.now < 2 * SINK_TIMEOUT


@pytest.mark.parametrize(
    ("dot", "accepted"),
    [(b"250 ok\r\n", True), (b"", False), (b"250 ok\r\n" * 7, True), (b"250-and so on\r\n", False)],
    ids=["one", "none", "seven", "half"],
)
def test_lmtp_counts_the_expected_replies(world: World, dot: bytes, accepted: bool) -> None:
    world.simulation.listen(SINK, Speaker, listener(dot=dot))

    code = poll(world, lmtp=True)

    assert (code is ExitCode.SUCCESS) == accepted
    assert (Verdict.ACCEPTED in verdicts(world)) == accepted


def test_a_listener_that_stops_reading_is_disconnected(world: World) -> None:
    """The receive window stays closed during the text: the timeout applies to writing too."""

    async def deaf(channel: Channel[Speaker]) -> None:
        channel.machine.say(b"220 x\r\n")
        for answer in (b"250 x", b"250 ok", b"250 ok", b"354 go"):
            await hear_line(channel)
            channel.machine.say(answer + b"\r\n")
        await Sleep(1e9)

    world.serve_a_message(size=8 * 1024 * 1024)
    world.simulation.listen(SINK, Speaker, deaf)

    assert poll(world) is ExitCode.SMTP
    assert verdicts(world) == [Verdict.POSTPONED]
    assert 0 < world.simulation.now < 3 * SINK_TIMEOUT


@pytest.mark.parametrize("size", [b"-1", b"9" * 40, b"x", b"", b"0"])
def test_an_absurd_size_limit_does_not_keep_mail_back(world: World, size: bytes) -> None:
    hello = b"250-sink\r\n250 SIZE " + size + b"\r\n"
    world.simulation.listen(SINK, Speaker, listener(ehlo=hello))

    assert poll(world) is ExitCode.SUCCESS


@pytest.mark.parametrize("mechanism", [b"LOGIN", b"PLAIN", b"CRAM-MD5", b"SCRAM-SHA-256"])
@pytest.mark.parametrize(
    "answer",
    [b"334\r\n", b"334 \r\n", b"334 !\r\n", b"334 A\r\n", b"33\r\n", b"334-\r\n334 \r\n"],
)
def test_a_malformed_challenge_ends_the_login_and_nothing_else(
    world: World, mechanism: bytes, answer: bytes
) -> None:
    """fetchmail 6.4.37 crashed here (CVE-2025-61962)."""
    hello = b"250-sink\r\n250 AUTH " + mechanism + b"\r\n"
    world.simulation.listen(SINK, Speaker, listener(ehlo=hello, auth=answer))

    assert poll(world, login=True) is ExitCode.SMTP
    assert Verdict.ACCEPTED not in verdicts(world)
