"""The short cut for the usual lines of LIST and UIDL gives the same events as the parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3 import client as pop3_client
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import List, Uidl
from mailhaul.protocols.pop3.events import (
    Completed,
    Listed,
    ListedBlock,
    UniqueId,
    UniqueIdBlock,
)
from mailhaul.protocols.pop3.listing import Listing
from mailhaul.protocols.pop3.replies import UID_LENGTH
from mailhaul.protocols.record import replace

WORDS = st.sampled_from(
    [b"1", b"7", b"0042", b"4096", b"9" * 20, b"9" * 21, b"000a", b"!~", b"", b"\xe9", b"a\tb"]
    + [b"x" * length for length in (70, 71, UID_LENGTH, UID_LENGTH + 1)]
)
BLANKS = st.sampled_from([b" ", b" ", b" ", b" ", b"", b"  ", b"\t"])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b" \r\n", b"\r\r\n", b" 7\r\n"])
LINES = st.one_of(
    *[st.builds(lambda *parts: b"".join(parts), WORDS, BLANKS, WORDS, ENDS)] * 5,
    st.sampled_from(
        [b".\r\n", b"..\r\n", b".1 2\r\n", b"+OK\r\n", b"-ERR x\r\n", b"\r\n", b"\0\n"]
    ),
)
LIMITS = st.sampled_from(
    [
        Limits(),
        Limits(digits=3),
        Limits(reply_line=100),
        Limits(listing_lines=3),
        Limits(listing_octets=50),
    ]
)


def heard(
    command: List | Uidl, data: bytes, sizes: list[int], limits: Limits, *, short_cut: bool
) -> list[Any]:
    """Return all events, and the error."""
    client = Pop3Client(limits)
    client.receive_data(b"+OK\r\n")
    client.next_event()
    client.assume_authenticated()
    client.send(command)
    found: list[Any] = []
    stream = [b"+OK\r\n"]
    for size in [*sizes, len(data)]:
        stream.append(data[:size])
        data = data[size:]
    with patch.object(Listing, "add_usual", Listing.add_usual if short_cut else no_short_cut):
        for block in stream:
            client.receive_data(block)
            try:
                while (event := client.next_event()) is not NEED_DATA:
                    found.append(event)
            except RemoteProtocolError as error:
                return [*found, str(error)]
    return found


def no_short_cut(listing: Listing, block: bytes) -> tuple[list[Any], int]:
    return [], 0


@given(
    st.sampled_from([List(), Uidl()]),
    st.lists(LINES, max_size=12).map(b"".join),
    st.lists(st.integers(1, 50), max_size=5),
    LIMITS,
)
@example(Uidl(), b"1 a\r\n2 b\n3 c\r\n4 d\r\n5 e\r\n.\r\n", [], Limits(listing_lines=3))
@example(List(), b"1 10\r\n2 20 x\r\n3 30\r\n.\r\n", [], Limits())
def test_the_short_cut_and_the_parser_agree(
    command: List | Uidl, data: bytes, sizes: list[int], limits: Limits
) -> None:
    parsed = heard(command, data, sizes, limits, short_cut=False)
    assert heard(command, data, sizes, limits, short_cut=True) == parsed
    in_blocks = type(command)(in_blocks=True)
    short = heard(in_blocks, data, sizes, limits, short_cut=True)
    assert [*by_line(short)] == [replace_command(event, in_blocks) for event in parsed]


def by_line(events: list[Any]) -> Iterator[Any]:
    """Yield an event for each line of a block, and the other events."""
    for event in events:
        match event:
            case ListedBlock(numbers, sizes):
                yield from map(Listed, numbers, sizes)
            case UniqueIdBlock(numbers, uids):
                yield from map(UniqueId, numbers, uids)
            case _:
                yield event


def replace_command(event: Any, command: List | Uidl) -> Any:
    return replace(event, command=command) if isinstance(event, Completed) else event


def test_usual_lines_come_in_one_event() -> None:
    found = heard(List(in_blocks=True), b"1 10\r\n2 20\r\n3\r\n.\r\n", [], Limits(), short_cut=True)
    assert found[:-1] == [ListedBlock((1, 2), (10, 20)), Listed(3, 0)]
    found = heard(Uidl(in_blocks=True), b"1 a\r\n2 b\r\n.\r\n", [], Limits(), short_cut=True)
    assert found[:-1] == [UniqueIdBlock((1, 2), (b"a", b"b"))]


def test_usual_lines_are_not_parsed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3_client, "LISTING_BLOCK", 100)
    added: list[bytes] = []
    add = Listing.add

    def counted(listing: Listing, line: bytes) -> Any:
        added.append(line)
        return add(listing, line)

    monkeypatch.setattr(Listing, "add", counted)
    lines = b"".join(b"%d 4096\r\n" % each for each in range(1, 51)) + b"51 x\r\n.\r\n"
    found = heard(List(), lines, [], Limits(), short_cut=True)
    assert found[:-2] == [Listed(each, 4096) for each in range(1, 51)]
    assert (found[-2], type(found[-1])) == (Listed(51, 0), Completed)
    assert added == [b"51 x"]


def test_an_unusual_line_does_not_change_the_blocks_behind_it() -> None:
    """So a transcript, which does not say what arrived together, is replayed as it was."""
    command, data = Uidl(in_blocks=True), b"1\r\n2 a\r\n3 b\r\n.\r\n"
    apart = heard(command, data, [3], Limits(), short_cut=True)
    assert heard(command, data, [], Limits(), short_cut=True) == apart
    assert apart[0] == UniqueIdBlock((2, 3), (b"a", b"b"))
