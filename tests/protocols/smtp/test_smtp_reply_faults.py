"""Error messages about malformed replies, and limits."""

from __future__ import annotations

import pytest

from mailhaul.protocols.dots import DotReader
from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError
from mailhaul.protocols.input import InputBuffer
from mailhaul.protocols.limits import DEFAULT_LIMITS, Limits
from mailhaul.protocols.smtp.replies import ReplyReader


def read(data: bytes, limits: Limits) -> None:
    reader = ReplyReader(InputBuffer(), limits, None)
    reader.input.append(data)
    while reader.read():
        pass


def fault(data: bytes, limits: Limits = DEFAULT_LIMITS) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        read(data, limits)
    return caught.value


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"* OK ready\r\n", "greeting is not SMTP but looks like IMAP"),
        (b"220 hi\r\n* OK ready\r\n", "malformed reply"),
        (b"220-hi\r\n+OK\r\n", "malformed reply"),
        (b"\x15\x03\x01", "greeting is not SMTP but looks like TLS"),
        (b"\x16\x03\x01", "greeting is not SMTP but looks like TLS"),
        (b"220-a\r\n221 b\r\n", "multiline reply with two codes"),
    ],
)
def test_the_error_says_what_is_wrong(data: bytes, problem: str) -> None:
    assert fault(data).problem == problem


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"220 hi\r\nwhat?\r\n", b"what?"), (b"220-a\r\n221 b\r\n", b"221 b")],
)
def test_the_error_shows_the_received_line(data: bytes, line: bytes) -> None:
    assert fault(data).line == line


@pytest.mark.parametrize(
    ("data", "name", "limit"),
    [
        (b"2" * 12, "reply line", 11),
        (b"220-a\r\n" * 4, "lines of a reply", 3),
    ],
)
def test_the_fault_names_the_limit(data: bytes, name: str, limit: int) -> None:
    found = fault(data, Limits(reply_line=11, reply_lines=3))
    assert isinstance(found, LimitExceeded)
    assert (found.name, found.limit) == (name, limit)


def test_a_tls_record_is_recognized_by_its_first_two_octets() -> None:
    reader = ReplyReader(InputBuffer(), DEFAULT_LIMITS, None)
    reader.input.append(b"\x15")
    assert reader.read() is None
    reader.input.append(b"\x03")
    with pytest.raises(RemoteProtocolError, match="looks like TLS"):
        reader.read()


def test_after_the_greeting_nothing_is_taken_for_tls() -> None:
    assert fault(b"220 hi\r\n\x15\x03\r\n").problem == "malformed reply"


def test_text_is_handed_out_as_it_comes() -> None:
    reader = DotReader()
    assert [reader.feed(b"abc"), reader.feed(b"\r\nd"), reader.rest] == [b"abc", b"\r\nd", b""]
