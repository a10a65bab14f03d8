"""Framing of responses: positions of literals, limits, and what a trace shows."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.events import BodyChunk, BodyEnd, BodyStart
from mailhaul.protocols.imap.responses import (
    LITERALS,
    Read,
    Response,
    ResponseReader,
    split_code,
    split_literal,
)
from mailhaul.protocols.input import InputBuffer
from mailhaul.protocols.limits import Limits
from tests.shown_lines import ShownLines

TEXT = b"do not show this"


def read(data: bytes, limits: Limits | None = None) -> list[Read]:
    reader = ResponseReader(InputBuffer(), limits or Limits())
    reader.input.append(data)
    found: list[Read] = []
    while (one := reader.read()) is not None:
        found.append(one)
    return found


@pytest.mark.parametrize(
    "line",
    [
        b"* OK message {5}",
        b"* NO [ALERT] over quota by {12}",
        b"* bye {3}",
        b"A0001 BAD unknown command: FETCH {5}",
        b"+ go on {5}",
    ],
)
def test_text_for_people_announces_no_literal(line: bytes) -> None:
    assert read(line + b"\r\n* 1 EXISTS\r\n") == [Response(line), Response(b"* 1 EXISTS")]


def test_a_literal_in_another_response_is_passed_over() -> None:
    assert read(b'* XLIST () "/" {5}\r\na\r\nb) extra\r\n* 1 EXISTS\r\n') == [
        Response(b'* XLIST () "/" '),
        Response(b"* 1 EXISTS"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"x {5}", (b"x ", 5)),
        (b"x {5+}", (b"x ", 5)),
        (b"x ~{5}", (b"x ", 5)),
        (b"x {}", (b"x {}", None)),
        (b"x {-1}", (b"x {-1}", None)),
        (b"x {5", (b"x {5", None)),
        (b"x 5}", (b"x 5}", None)),
        (b"x {99999999999999999999}", (b"x ", 99999999999999999999)),
    ],
)
def test_how_a_literal_is_announced(line: bytes, expected: tuple[bytes, int | None]) -> None:
    assert split_literal(line, 20) == expected


def test_an_impossible_size_is_a_fault_before_it_is_a_number() -> None:
    with pytest.raises(RemoteProtocolError, match="literal size has more than"):
        split_literal(b"x {%b}" % (b"9" * 5000), 20)


def test_a_search_in_a_big_mailbox_fits_a_line() -> None:
    line = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 100_000))
    assert len(line) > Limits().response_line
    assert read(line + b"\r\n") == [Response(line)]


def test_even_a_search_has_a_limit() -> None:
    reader = ResponseReader(InputBuffer(), Limits(response_line=100, untagged=1000))
    reader.input.append(b"* SEARCH " + b"1 " * 600)
    with pytest.raises(LimitExceeded, match="1000"):
        reader.read()


def test_two_texts_in_one_response_both_stream() -> None:
    data = b"* 1 FETCH (BODY[HEADER] {2}\r\nab RFC822.TEXT {1}\r\nc UID 9)\r\n"
    *events, response = read(data)
    assert events == [
        BodyStart(1, None, b"HEADER", 2),
        BodyChunk(b"ab"),
        BodyEnd(),
        BodyStart(1, None, b"TEXT", 1, b"RFC822.TEXT"),
        BodyChunk(b"c"),
        BodyEnd(),
    ]
    assert isinstance(response, Response)


@pytest.mark.parametrize(
    "data",
    [
        b"* 1 FETCH (X (BODY[] {1}\r\na))\r\n",
        b"* 1 FETCH (BODY[]) {1}\r\na\r\n",
        b"* 1 FETCH ({6}\r\nBODY[] {1}\r\na)\r\n",
        b"* 1 STORE (BODY[] {1}\r\na)\r\n",
    ],
)
def test_a_literal_of_another_item_is_not_message_text(data: bytes) -> None:
    assert not any(isinstance(one, BodyStart) for one in read(data))


def test_data_after_a_text_with_a_wrong_size_is_an_error_that_shows_no_text() -> None:
    shown: list[bytes] = []
    reader = ResponseReader(InputBuffer(), Limits(), shown.append)
    reader.input.append(b"* 1 FETCH (UID 1 BODY[] {2}\r\nab" + TEXT + b"\r\nA0001 OK x\r\n")
    assert [reader.read() for _ in range(3)][1:] == [BodyChunk(b"ab"), BodyEnd()]
    with pytest.raises(RemoteProtocolError, match="longer than its announced size") as fault:
        reader.read()
    assert TEXT.decode() not in str(fault.value)
    assert shown == [b"* 1 FETCH (UID 1 BODY[] {2}", b"..."]


@pytest.mark.parametrize(
    "response",
    [
        b'(BODY[] "%b' % TEXT,
        b'(BODY[] "%b" BODY[' % TEXT,
        b'(BODY[] "%b"))' % TEXT,
        b'BODY[] "%b"' % TEXT,
        b'("%b" BODY[])' % TEXT,
    ],
)
def test_no_fault_quotes_message_text(response: bytes) -> None:
    shown: list[bytes] = []
    client = ImapClient(tap=ShownLines(lambda way, line: shown.append(line)))
    client.receive_data(b"* PREAUTH hi\r\n")
    client.next_event()
    client.receive_data(b"* 1 FETCH " + response + b"\r\n")
    with pytest.raises(RemoteProtocolError) as fault:
        client.next_event()
    assert "not show" not in f"{fault.value} {fault.value.line!r}"
    assert shown[1].startswith(b"* 1 FETCH ")
    assert not any(b"not show" in line for line in shown)


def test_the_number_of_literals_in_a_response_is_limited() -> None:
    with pytest.raises(LimitExceeded, match=f"literals in one response.*{LITERALS}"):
        read(b"* 1 FETCH (X {0}\r\n" + b" {0}\r\n" * LITERALS)


def test_all_literals_of_a_command_count_towards_its_limit() -> None:
    limits = Limits(untagged=1000)
    with pytest.raises(LimitExceeded, match="untagged"):
        read(b"* LIST {300}\r\n%b\r\n" % (b"x" * 300) * 4, limits)


def test_a_code_is_split_from_the_text() -> None:
    code, text = split_code(b"[UIDVALIDITY 7] ok")
    assert code is not None
    assert (code.name, code.arguments, text) == (b"UIDVALIDITY", b"7", b"ok")
    assert split_code(b"[broken") == (None, b"[broken")
