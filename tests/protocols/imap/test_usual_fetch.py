"""The short cut for usual FETCH responses gives the same events as the full parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.imap import responses
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.events import BodyChunk, BodyEnd, BodyStart, Expunged, Fetched
from mailhaul.protocols.imap.usual_fetch import UsualFetch
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from tests.shown_lines import ShownLines

NUMBERS = st.sampled_from([b"0", b"1", b"7", b"0042", b"4096", b"9" * 20, b"9" * 21])
FLAGS = st.lists(st.sampled_from([rb"\Seen", b"$Junk", b"NIL", b"a{b}", b"[x]", b"*", b""]))
DATES = st.sampled_from([b"01-Dec-2026 09:00:00 +0100", b" 1-Dec", b"", b"\\", b'\\"', b"\t"])
ITEMS = st.lists(
    st.one_of(
        st.builds(b"UID %b".__mod__, NUMBERS),
        st.builds(b"RFC822.SIZE %b".__mod__, NUMBERS),
        FLAGS.map(lambda flags: b"FLAGS (%b)" % b" ".join(flags)),
        st.builds(b'INTERNALDATE "%b"'.__mod__, DATES),
        st.sampled_from([b"MODSEQ (5)", b"FLAGS NIL", b"uid 3", b"X", b"EMAILID (a)", b"UID UID"]),
    ),
    max_size=10,
)
TEXTS = st.sampled_from([b"", b"a", b"Subject: hi\r\n\r\nbody)\r\n", b")\r\n", b"x" * 300])
ENDS = st.sampled_from([b")", b")", b" UID 7)", b" FLAGS (\\Seen))", b" )", b"", b"x", b" BODY[]"])


def whole(number: bytes, items: list[bytes]) -> bytes:
    return b"* %b FETCH (%b)\r\n" % (number, b" ".join(items))


def with_text(number: bytes, items: list[bytes], text: bytes, end: bytes, name: bytes) -> bytes:
    start = b"* %b FETCH (%b" % (number, b" ".join([*items, name]))
    return b"%b {%d}\r\n%b%b\r\n" % (start, len(text), text, end)


RESPONSES = st.one_of(
    st.builds(whole, NUMBERS, ITEMS),
    st.builds(whole, NUMBERS, ITEMS),
    st.builds(
        with_text,
        NUMBERS,
        ITEMS,
        TEXTS,
        ENDS,
        st.sampled_from([b"BODY[]", b"BODY[]", b"BODY[TEXT]", b"body[]", b"BODY[]<0>"]),
    ),
    st.builds(b"* %b EXPUNGE\r\n".__mod__, NUMBERS),
    st.sampled_from([b"* 3 EXPUNGE\r\n", b"* 3 expunge\r\n", b"* 3 EXPUNGE\n", b"* x EXPUNGE\r\n"]),
    st.sampled_from([b"* 5 EXISTS\r\n", b"* OK hi\r\n", b"\r\n", b"* SEARCH 1 2\r\n"]),
)
LIMITS = st.sampled_from(
    [
        Limits(),
        Limits(),
        Limits(digits=3),
        Limits(nesting=1),
        Limits(nesting=2),
        Limits(response_line=60),
        Limits(untagged=100),
        Limits(untagged=300),
    ]
)


def mutated(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """Replace some octets, at places counted from the start."""
    for wish, octets in changes:
        place = wish % (len(data) + 1)
        data = data[:place] + octets + data[place + 1 :]
    return data


OCTETS = st.sampled_from([bytes((octet,)) for octet in range(128)])
DATA = st.builds(
    mutated,
    st.lists(RESPONSES, max_size=6).map(b"".join),
    st.lists(st.tuples(st.integers(0, 2000), OCTETS), max_size=2),
)
"""Responses, some with one or two octets changed."""


def heard(
    data: bytes, sizes: list[int], limits: Limits, shown: list[bytes] | None, *, short_cuts: bool
) -> list[Any]:
    """Return all events, with chunks joined, the error, and the lines of a trace, if wanted."""
    tap = ShownLines(lambda _, line: shown.append(line)) if shown is not None else None
    client: Any = ImapClient(limits, tap)
    client.receive_data(b"* PREAUTH hi\r\n")
    client.next_event()
    client._reader.takes_short_cuts = short_cuts
    found: list[Any] = []
    place = 0
    while place < len(data):
        size = sizes.pop(0) if sizes else len(data)
        client.receive_data(data[place : place + size])
        place += size
        try:
            while (event := client.next_event()) is not NEED_DATA:
                if isinstance(event, BodyChunk) and isinstance(found[-1], BodyChunk):
                    event = BodyChunk(found.pop().data + event.data)
                found.append(event)
        except RemoteProtocolError as error:
            return [*found, str(error), shown]
    return [*found, client._reader.missing, client._reader.between_responses, shown]


@given(DATA, st.lists(st.integers(1, 60), max_size=8), LIMITS, st.booleans())
@example(b"* 1 FETCH (UID 1 UID 2 FLAGS () FLAGS (a) BODY[] {1}\r\na)\r\n", [], Limits(), True)
@example(b"* 1 FETCH (UID 1 BODY[] {1}\r\na UID 5)\r\n", [], Limits(), True)
@example(
    b"* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n\r\n* 3 FETCH (UID 3 X 1)\r\n", [], Limits(), True
)
def test_the_short_cut_and_the_parser_agree(
    data: bytes, sizes: list[int], limits: Limits, traced: bool
) -> None:
    ways = [
        heard(data, [*sizes], limits, [] if traced else None, short_cuts=short_cuts)
        for short_cuts in (True, False)
    ]
    assert ways[0] == ways[1]


USUAL = UsualFetch(20)


@pytest.mark.parametrize(
    "line",
    [
        rb"* 1 FETCH (UID 7)",
        rb"* 1 FETCH (FLAGS (\Seen $Junk) UID 7 RFC822.SIZE 4096)",
        rb'* 1 FETCH (UID 7 FLAGS () INTERNALDATE "01-Dec-2026 09:00:00 +0100" RFC822.SIZE 9)',
    ],
)
def test_what_servers_send_is_usual(line: bytes) -> None:
    assert USUAL.whole(line) is not None
    assert USUAL.text(line[:-1] + b" BODY[] {9}") is not None


def test_a_response_that_arrives_whole_is_read_at_once() -> None:
    client: Any = ImapClient()
    client.receive_data(b"* PREAUTH hi\r\n")
    client.next_event()
    client.receive_data(b"* 3 FETCH (UID 7 RFC822.SIZE 2 BODY[] {2}\r\nab)\r\n")
    assert client.next_event() == BodyStart(3, 7, b"", 2)
    assert list(client._events) == [BodyChunk(b"ab"), BodyEnd(), Fetched(3, 7, 2)]


def test_a_listing_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = ImapClient()
    client.receive_data(b"* PREAUTH hi\r\n")
    client.next_event()
    monkeypatch.setattr(responses, "LISTING_BLOCK", 1000)
    lines = b"".join(b"* %d FETCH (UID %d FLAGS ())\r\n" % (each, each) for each in range(1, 101))
    client.receive_data(lines + b"* 101 FETCH (UID 101 X 1)\r\n")
    events: list[Any] = []
    reads = 0
    while (event := client.next_event()) is not NEED_DATA:
        events.append(event)
        reads += not client._events
    assert events[:100] == [Fetched(each, each, None, ()) for each in range(1, 101)]
    assert events[100].others
    assert reads <= 2 + len(lines) // 900


def test_expunged_messages_are_read_together() -> None:
    client: Any = ImapClient()
    client.receive_data(b"* PREAUTH hi\r\n")
    client.next_event()
    client.receive_data(b"* 3 EXPUNGE\r\n" * 40 + b"* 5 EXISTS\r\n")
    assert client.next_event() == Expunged(3)
    assert client._events == [Expunged(3)] * 39


def test_a_fetch_response_is_no_greeting() -> None:
    client = ImapClient()
    client.receive_data(b"* 1 FETCH (UID 7)\r\n")
    with pytest.raises(RemoteProtocolError, match="greeting is not IMAP"):
        client.next_event()
