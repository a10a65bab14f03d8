"""An incomplete text from an IMAP server is not delivered; it is counted and reported.

Sizes that are merely wrong are believed in nothing: many servers tell such.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode

from .scripted import BODY, HEADER, MESSAGE, Script, World

SIZE = len(MESSAGE)
SECOND_WAY = [
    b"UID FETCH 1 (UID RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER])",
    b"UID FETCH 1 (UID BODY.PEEK[TEXT])",
]
STRUCTURE = b'("text" "plain" NIL NIL NIL "7bit" %d 20)'


def world_with(tmp_path: Path, **answers: bytes) -> World:
    """A world whose server gives these replies to the first request and to the two retries."""
    script = Script()
    places = {"usual": "BODY.PEEK[]", "header": "BODY.PEEK[HEADER]", "text": "BODY.PEEK[TEXT]"}

    def fetch(script: Script, arguments: bytes) -> bytes:
        for name, place in places.items():
            if place.encode() in arguments and name in answers:
                return answers[name]
        return script.usual("UID FETCH", arguments) + b"TAG OK done\r\n"

    script.answers["UID FETCH"] = fetch
    return World(tmp_path, script)


def text(body: bytes, size: int | None = SIZE, section: bytes = b"", more: bytes = b"") -> bytes:
    told = b"" if size is None else b" RFC822.SIZE %d" % size
    item = b" BODY[%b] {%d}\r\n%b" % (section, len(body), body)
    return b"* 1 FETCH (UID 1%b%b%b)\r\nTAG OK done\r\n" % (told, more, item)


NIL = b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[] NIL)\r\nTAG OK done\r\n" % SIZE
EMPTY = b'* 1 FETCH (UID 1 RFC822.SIZE %d BODY[] "")\r\nTAG OK done\r\n' % SIZE
NO_TEXT = b"* 1 FETCH (UID 1 RFC822.SIZE %d)\r\nTAG OK done\r\n" % SIZE
NOTHING = b"TAG OK done\r\n"
LATE = b"TAG OK done\r\n" + text(MESSAGE).removesuffix(b"TAG OK done\r\n")
TWICE = text(MESSAGE).removesuffix(b"TAG OK done\r\n") * 2 + b"TAG OK done\r\n"
NO_HEADER, NO_BODY = (NIL.replace(b"[]", b"[%b]" % name) for name in (b"HEADER", b"TEXT"))
DOUBTFUL = {
    "NIL": NIL,
    "an empty string": EMPTY,
    "an empty literal": text(b""),
    "an empty literal, of a size that is not told": text(b"", None),
    "some octets": text(b"short"),
    "the header alone": text(HEADER),
    "the header alone, of a size that is not told": text(HEADER, None),
    "less than half": text(HEADER + BODY[:20]),
    "no text": NO_TEXT,
    "two texts": TWICE,
    "a part of it": text(MESSAGE).replace(b"BODY[]", b"BODY[]<10>"),
    "words after its end": text(MESSAGE).replace(b")\r\nTAG", b" foo bar)\r\nTAG"),
}


@pytest.mark.parametrize("first", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_doubtful_text_is_requested_again_and_then_delivered(
    tmp_path: Path, first: bytes
) -> None:
    world = world_with(tmp_path, usual=first)

    assert world.poll() is ExitCode.SUCCESS

    assert world.delivered == [MESSAGE]
    assert [line for line in world.heard(b"UID FETCH") if b"PEEK" in line][1:] == SECOND_WAY
    assert not world.script.messages


@pytest.mark.parametrize(
    ("first", "header", "body", "why"),
    [
        (NIL, NO_HEADER, NO_BODY, "has no text for it now (NIL)"),
        (EMPTY, text(b"", section=b"HEADER"), text(b"", section=b"TEXT"), "0 octets received"),
        (text(b"short"), text(HEADER, section=b"HEADER"), NO_BODY, "has no text for it now (NIL)"),
        (text(HEADER), text(HEADER, section=b"HEADER"), NOTHING, "sends no text for it"),
        (
            text(HEADER),
            text(HEADER, section=b"HEADER", more=b" BODYSTRUCTURE " + STRUCTURE % len(BODY)),
            text(b"", section=b"TEXT"),
            "its parts alone have 400",
        ),
        (
            text(HEADER + BODY[:20]),
            text(HEADER, section=b"HEADER"),
            text(BODY[:40], section=b"TEXT"),
            "announced",
        ),
        (
            text(HEADER + BODY[:20]),
            text(HEADER[:-2], section=b"HEADER"),
            text(BODY, section=b"TEXT"),
            "has no end",
        ),
    ],
)
def test_a_message_that_stays_doubtful_stays_on_the_server(
    tmp_path: Path, first: bytes, header: bytes, body: bytes, why: str
) -> None:
    world = world_with(tmp_path, usual=first, header=header, text=body)

    world.poll()

    assert world.received.messages == []
    assert list(world.script.messages) == [1]
    assert world.heard(b"UID STORE") == []
    (said,) = world.said
    assert said.startswith("server: message 1 cannot be read: ")
    assert why in said


def test_a_message_without_a_response_is_gone(tmp_path: Path) -> None:
    world = world_with(tmp_path, usual=NOTHING)
    world.poll()
    assert world.said == ["server: message 1 cannot be read: it is gone"]


def test_a_text_after_its_own_tagged_ok_is_not_accepted(tmp_path: Path) -> None:
    script = Script({1: MESSAGE, 2: MESSAGE})
    script.answers["UID FETCH 1 (UID RFC822.SIZE BODY.PEEK[])"] = LATE
    world = World(tmp_path, script)

    world.poll()

    assert len(world.delivered) == 1
    assert list(script.messages) == [1]


@pytest.mark.parametrize("size", [SIZE + 7, SIZE * 2, SIZE - 7, 1])
def test_a_slightly_wrong_size_is_ignored(tmp_path: Path, size: int) -> None:
    world = world_with(tmp_path, usual=text(MESSAGE, size))
    assert world.poll() is ExitCode.SUCCESS
    assert world.delivered == [MESSAGE]
    assert len(world.heard(b"UID FETCH 1 (UID RFC822.SIZE B")) == 1


@pytest.mark.parametrize("size", [SIZE * 3, SIZE * 100])
def test_a_far_too_large_size_is_ignored_if_two_texts_agree(tmp_path: Path, size: int) -> None:
    world = world_with(
        tmp_path,
        usual=text(MESSAGE, size),
        header=text(HEADER, size, section=b"HEADER"),
        text=text(BODY, None, section=b"TEXT"),
    )
    assert world.poll() is ExitCode.SUCCESS
    assert world.delivered == [MESSAGE]


@pytest.mark.parametrize("size", [len(HEADER), len(HEADER) - 2, len(HEADER) + 9, None])
def test_a_message_may_consist_of_a_header_only(tmp_path: Path, size: int | None) -> None:
    world = world_with(
        tmp_path,
        usual=text(HEADER, size),
        header=text(HEADER, size, section=b"HEADER", more=b" BODYSTRUCTURE " + STRUCTURE % 0),
        text=text(b"", None, section=b"TEXT"),
    )
    assert world.poll() is ExitCode.SUCCESS
    assert world.delivered == [HEADER]


def sizeless(script: Script, arguments: bytes) -> bytes:
    """A server without sizes, whose message is empty."""
    sections = [name for name in (b"", b"HEADER", b"TEXT") if b"[%b]" % name in arguments]
    texts = b"".join(b" BODY[%b] {0}\r\n" % section for section in sections)
    return b"* 1 FETCH (UID 1%b)\r\nTAG OK done\r\n" % texts


def announced_empty(script: Script, arguments: bytes) -> bytes:
    return sizeless(script, arguments).replace(b"(UID 1", b"(UID 1 RFC822.SIZE 0")


@pytest.mark.parametrize(("answer", "requests"), [(announced_empty, 1), (sizeless, 3)])
def test_an_empty_message_is_accepted_if_announced_or_received_twice(
    tmp_path: Path, answer: Callable[[Script, bytes], bytes], requests: int
) -> None:
    world = World(tmp_path)
    world.script.answers["UID FETCH"] = answer

    assert world.poll() is ExitCode.SUCCESS

    assert len(world.received.messages) == 1
    assert len([line for line in world.heard(b"UID FETCH") if b"PEEK" in line]) == requests


def test_a_refused_message_is_not_requested_again(tmp_path: Path) -> None:
    world = world_with(tmp_path, usual=b"TAG NO damaged\r\n")
    for _ in range(2):
        world.poll()
    assert world.said == ["server: message 1 cannot be read: damaged"] * 2
    assert len([line for line in world.heard(b"UID FETCH") if b"PEEK" in line]) == 2


def test_an_unreadable_message_does_not_delay_others(tmp_path: Path) -> None:
    script = Script({1: MESSAGE, 2: MESSAGE, 3: MESSAGE})
    script.answers["UID FETCH 2 (UID RFC822.SIZE BODY"] = NIL.replace(b"UID 1", b"UID 2")
    script.answers["UID FETCH 2 (UID BODY"] = b"TAG NO not now\r\n"
    world = World(tmp_path, script)

    assert world.poll() is ExitCode.SUCCESS

    assert len(world.delivered) == 2
    assert list(script.messages) == [2]


def test_octets_beyond_those_announced_end_the_connection_and_deliver_nothing(
    tmp_path: Path,
) -> None:
    cut = text(MESSAGE).replace(b"{%d}" % SIZE, b"{40}")
    world = world_with(tmp_path, usual=cut)
    world.fails()
    assert "longer than its announced size" in world.said[0]
    assert world.received.messages == []
    assert list(world.script.messages) == [1]


def test_a_bye_inside_leaves_the_message_where_it_is(tmp_path: Path) -> None:
    world = world_with(tmp_path, usual=b"* BYE the disk is away\r\n")
    assert "the disk is away" in " ".join([str(world.fails()), *world.said])
    assert list(world.script.messages) == [1]
