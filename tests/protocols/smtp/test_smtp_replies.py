"""Parsing of replies: several lines, tolerated forms, limits and enhanced codes."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError
from mailhaul.protocols.input import InputBuffer
from mailhaul.protocols.limits import DEFAULT_LIMITS, Limits
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.replies import ReplyReader


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Reply]:
    reader = ReplyReader(InputBuffer(), limits, None)
    reader.input.append(data)
    replies: list[Reply] = []
    while reply := reader.read():
        replies.append(reply)
    return replies


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"250 ok\r\n", Reply(250, (b"ok",))),
        (b"250\r\n", Reply(250, (b"",))),
        (b"250 \r\n", Reply(250, (b"",))),
        (b"250 ok\n", Reply(250, (b"ok",))),
        (b"250-a\r\n250-b\r\n250 c\r\n", Reply(250, (b"a", b"b", b"c"))),
        (b"250-a\r\n250\r\n", Reply(250, (b"a", b""))),
    ],
)
def test_a_reply_is_read_in_all_its_forms(data: bytes, reply: Reply) -> None:
    assert read(data) == [reply]


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [
        (b"2.1.0 sender ok", b"2.1.0"),
        (b"5.7.112 no", b"5.7.112"),
        (b"4.2.2", b"4.2.2"),
        (b"5.7.1234 no", b""),
        (b"3.1.0 no", b""),
        (b"5.x.1 no", b""),
        (b"5.1 no", b""),
        (b"127.0.0.1 no", b""),
    ],
)
def test_an_enhanced_code_is_recognised_and_stays_in_the_text(text: bytes, enhanced: bytes) -> None:
    [reply] = read(b"550 " + text + b"\r\n")
    assert (reply.enhanced, reply.lines) == (enhanced, (text,))


@pytest.mark.parametrize(
    "line", [b"", b"25", b"2x0 a", b"250x", b"050 a", b"650 a", b"hello", b"+OK", b"\xb2\xb3\xb4 a"]
)
def test_an_invalid_reply_is_an_error(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(b"220 hi\r\n" + line + b"\r\n")


def test_lines_of_one_reply_have_one_code() -> None:
    with pytest.raises(RemoteProtocolError, match="two codes"):
        read(b"250-a\r\n550 b\r\n")


def test_a_reply_has_only_so_many_lines() -> None:
    limits = Limits(reply_lines=3)
    assert read(b"250-a\r\n" * 2 + b"250 a\r\n", limits) == [Reply(250, (b"a",) * 3)]
    with pytest.raises(LimitExceeded):
        read(b"250-a\r\n" * 3 + b"250 a\r\n", limits)


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    with pytest.raises(LimitExceeded):
        read(b"250 " + b"a" * 200, Limits(reply_line=100))


def test_a_bad_line_is_reported_cut() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(b"x" * 500 + b"\r\n")
    assert caught.value.line == b"x" * 80
