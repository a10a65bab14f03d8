"""A text from a POP3 server is accepted only if it agrees with the size in LIST."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mailhaul.adapters.sources.pop3_texts import DoubtfulTexts, Measure
from mailhaul.flows.outcome import ExitCode
from tests.adapters.sources.pop3_scripts import (
    PIPELINED,
    PLAIN,
    Answer,
    HangUp,
    Server,
    World,
    letter,
    lines,
    stuffed,
)

LONG = b"a line of text\r\n" * 100
WAYS = pytest.mark.parametrize("capabilities", [PLAIN, PIPELINED], ids=["serial", "pipelined"])


def measured(*pieces: bytes) -> Measure:
    measure = Measure()
    for piece in pieces:
        measure.feed(piece)
    return measure


# Measuring


@pytest.mark.parametrize(
    ("text", "announced", "doubtful"),
    [
        (letter(1), len(letter(1)), False),
        (letter(1), 10, False),
        (letter(1), 0, False),
        # By a few octets, or by one for each line.
        (letter(1), len(letter(1)) + 40, False),
        (letter(1).replace(b"\r\n", b"\n"), len(letter(1)), False),
        (b"\r\n\r\n\r\n".replace(b"\r\n", b"\n"), 6, False),
        (b"\r\ntext\r\n", 14, False),
        # Much less, nothing, only a header.
        (letter(1, LONG), 2 * len(letter(1, LONG)) + 1, True),
        (b"", 1, True),
        (letter(1, b""), len(letter(1)) + 100, True),
        (letter(1, b"\r\n"), len(letter(1)) + 100, True),
        (letter(1, b"").replace(b"\r\n", b"\n"), len(letter(1, b"")), False),
    ],
)
def test_the_doubts_about_a_text(text: bytes, announced: int, doubtful: bool) -> None:
    assert bool(measured(text).doubt(announced)) is doubtful
    bytewise = measured(*[text[n : n + 1] for n in range(len(text))])
    assert bytewise.doubt(announced) == measured(text).doubt(announced)


def test_two_texts_of_the_same_size_are_accepted_unless_they_are_empty() -> None:
    doubts = DoubtfulTexts()
    assert [doubts.record(b"a", octets) for octets in (5, 7, 5)] == [False, False, True]
    assert [doubts.record(b"b", 0) for _ in range(3)] == [False] * 3
    assert (doubts.tried(b"a"), doubts.tried(b"b"), doubts.tried(b"c")) == (3, 3, 0)


# Polls


def header_alone(server: Server, rest: bytes) -> bytes:
    text = server.messages[int(rest.split()[0]) - 1]
    return b"+OK\r\n" + text[: text.index(b"\r\n\r\n") + 4] + b".\r\n"


def nothing(server: Server, rest: bytes) -> bytes:
    return b"+OK\r\n.\r\n"


@WAYS
@pytest.mark.parametrize("odd", [header_alone, nothing])
def test_if_top_truncates_texts_retr_is_used(
    tmp_path: Path, capabilities: Sequence[bytes], odd: Answer
) -> None:
    messages = [letter(n, LONG) for n in (1, 2, 3)]
    world = World(tmp_path, Server(messages, {b"TOP": odd}, capabilities))
    assert world.poll() is ExitCode.SUCCESS
    assert sorted(world.subjects()) == [b"1", b"2", b"3"]
    assert set(world.bodies()) == {LONG}
    assert world.server.messages == []
    assert world.server.verbs().count(b"RETR") == 3


def test_a_message_that_retr_does_not_send_either_stays(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"TOP": nothing, b"RETR": nothing}
    world = World(tmp_path, Server([letter(1)], odd))
    for _ in range(3):
        world.poll()
    assert (world.received.messages, world.server.messages) == ([], [letter(1)])
    assert "announced 73 octets and sent 0" in world.said


def test_a_very_wrong_size_is_ignored_if_two_texts_agree(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"LIST": lambda server, rest: lines(b"1 100000")}
    world = World(tmp_path, Server([letter(1)], odd))
    assert world.poll() is ExitCode.SUCCESS
    assert (world.subjects(), world.server.messages) == ([b"1"], [])
    assert [v for v in world.server.verbs() if v in {b"TOP", b"RETR"}] == [b"TOP", b"RETR"]


def test_without_top_two_texts_of_retr_must_agree(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"LIST": lambda server, rest: lines(b"1 100000")}
    world = World(tmp_path, Server([letter(1)], odd, (b"USER", b"UIDL")))
    assert world.poll() is ExitCode.SUCCESS
    assert (world.subjects(), world.server.messages) == ([b"1"], [])
    assert world.server.verbs().count(b"RETR") == 2


def test_texts_that_never_agree_are_not_accepted(tmp_path: Path) -> None:
    sent: list[bytes] = []

    def another(server: Server, rest: bytes) -> bytes:
        sent.append(letter(1, b"x" * len(sent) + b"\r\n"))
        return b"+OK\r\n" + sent[-1] + b".\r\n"

    odd: dict[bytes, Answer] = {
        b"LIST": lambda server, rest: lines(b"1 100000"),
        b"TOP": another,
        b"RETR": another,
    }
    world = World(tmp_path, Server([letter(1)], odd))
    assert world.poll() is ExitCode.ERROR
    assert (len(sent), world.received.messages, len(world.server.messages)) == (3, [], 1)


@WAYS
def test_slightly_wrong_sizes_cost_no_second_request(
    tmp_path: Path, capabilities: Sequence[bytes]
) -> None:
    def short(server: Server, rest: bytes) -> bytes:
        return lines(*(b"%d %d" % (n, len(t) - 9) for n, t in enumerate(server.messages, 1)))

    messages = [letter(n, LONG) for n in range(1, 6)]
    world = World(tmp_path, Server(messages, {b"LIST": short}, capabilities))
    assert world.poll() is ExitCode.SUCCESS
    assert world.subjects() == [b"1", b"2", b"3", b"4", b"5"]
    verbs = world.server.verbs()
    assert (verbs.count(b"TOP"), verbs.count(b"RETR")) == (5, 0)
    # One question more for each, where no other reply follows.
    assert verbs.count(b"STAT") == 1 + (1 if capabilities is PIPELINED else 5)


def test_right_sizes_cost_no_extra_command(tmp_path: Path) -> None:
    world = World(tmp_path, Server([letter(n) for n in (1, 2, 3)]))
    assert world.poll() is ExitCode.SUCCESS
    assert world.server.verbs().count(b"STAT") == 1


# A lone dot that is not stuffed

DOTTED = letter(2, b"before\r\n" * 50 + b".\r\nafter the dot\r\nlast line\r\n")


def as_it_is(server: Server, rest: bytes) -> bytes:
    return b"+OK\r\n" + server.messages[int(rest.split()[0]) - 1] + b".\r\n"


@WAYS
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("less", [0, 100, 200], ids=lambda less: f"announced-{less}-less")
def test_an_incomplete_text_is_never_delivered_or_deleted(
    tmp_path: Path, capabilities: Sequence[bytes], place: int, less: int
) -> None:
    def sizes(server: Server, rest: bytes) -> bytes:
        return lines(*(b"%d %d" % (n, len(t) - less) for n, t in enumerate(server.messages, 1)))

    messages = [letter(1, LONG), letter(3, LONG)]
    messages.insert(place, DOTTED)
    odd: dict[bytes, Answer] = {b"TOP": as_it_is, b"RETR": as_it_is, b"LIST": sizes}
    world = World(tmp_path, Server(messages, odd, capabilities))
    for _ in range(6):
        world.poll()
    assert DOTTED in world.server.messages
    assert b"2" not in world.subjects()
    assert "goes on after a line with a lone dot" in world.said


def test_an_unstuffed_dot_at_the_end_is_detected(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"TOP": as_it_is, b"RETR": as_it_is}
    world = World(tmp_path, Server([letter(1, b"text\r\n.\r\n")], odd))
    for _ in range(3):
        world.poll()
    assert (len(world.server.messages), world.received.messages) == (1, [])


def test_half_a_line_after_a_text_proves_nothing(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {
        b"LIST": lambda server, rest: lines(b"1 150"),
        b"STAT": lambda server, rest: b"+OK 1 1" if b"TOP" in server.verbs() else None,
    }
    world = World(tmp_path, Server([letter(1)], odd))
    assert world.poll() is ExitCode.SOCKET
    assert (world.received.messages, len(world.server.messages)) == ([], 1)


def test_a_break_at_the_next_message_does_not_affect_this_one(
    tmp_path: Path,
) -> None:
    def dies(server: Server, rest: bytes) -> bytes | None:
        if rest.startswith(b"2 "):
            raise HangUp(b"")
        return None

    def short(server: Server, rest: bytes) -> bytes:
        return lines(*(b"%d %d" % (n, len(t) - 9) for n, t in enumerate(server.messages, 1)))

    odd: dict[bytes, Answer] = {b"TOP": dies, b"LIST": short}
    world = World(tmp_path, Server([letter(n, LONG) for n in (1, 2)], odd))
    world.poll()
    assert world.subjects() == [b"1"]


def test_dots_that_are_stuffed_arrive(tmp_path: Path) -> None:
    world = World(tmp_path, Server([DOTTED]))
    assert stuffed(DOTTED) != DOTTED
    assert world.poll() is ExitCode.SUCCESS
    assert (world.bodies(), world.server.messages) == ([DOTTED.partition(b"\r\n\r\n")[2]], [])
