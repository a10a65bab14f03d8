"""Parsing of a POP3 server's lines."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.pop3.events import ResponseCode
from mailhaul.protocols.pop3.replies import (
    UID_LENGTH,
    number,
    split_code,
    split_status,
    timestamp_of,
    two_numbers,
    unique_id,
)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"+OK", (True, b"")),
        (b"+OK fine", (True, b"fine")),
        (b"+OK  fine ", (True, b" fine ")),
        (b"-ERR", (False, b"")),
        (b"-ERR [IN-USE] busy", (False, b"[IN-USE] busy")),
        (b"+ok fine", (True, b"fine")),
        (b"-Err no", (False, b"no")),
        (b"+OKAY", None),
        (b"OK", None),
        (b"+", None),
        (b"", None),
        (b" +OK", None),
        (b"* OK IMAP", None),
    ],
)
def test_a_status_line_is_distinguished_from_other_lines(
    line: bytes, status: tuple[bool, bytes] | None
) -> None:
    assert split_status(line) == status


@pytest.mark.parametrize("code", ResponseCode)
def test_every_code_is_known_in_any_case(code: ResponseCode) -> None:
    for name in (code.value, code.value.lower()):
        assert split_code(b"[%b] why" % name) == (code, b"why")
        assert split_code(b"[%b]" % name) == (code, b"")


@pytest.mark.parametrize(
    ("text", "code", "rest"),
    [
        (b"[SYS/TEMP/DISK/FULL] later", ResponseCode.SYS_TEMP, b"later"),
        (b"[ IN-USE ]busy", ResponseCode.IN_USE, b"busy"),
        (b"[SYS] what", None, b"[SYS] what"),
        (b"[TOMORROW] no", None, b"[TOMORROW] no"),
        (b"[AUTH no bracket", None, b"[AUTH no bracket"),
        (b"no [AUTH] in front", None, b"no [AUTH] in front"),
        (b"[]", None, b"[]"),
        (b"", None, b""),
    ],
)
def test_a_code_is_split_off_if_it_is_one_that_is_known(
    text: bytes, code: ResponseCode | None, rest: bytes
) -> None:
    assert split_code(text) == (code, rest)


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        (b"POP3 server ready <1896.69@dbc.mtview.ca.us>", b"<1896.69@dbc.mtview.ca.us>"),
        (b"<1@a> then <2@b> bye", b"<2@b>"),
        (b"ready <no-at-sign>", None),
        (b"ready <a b@c>", None),
        (b"ready <a@>", None),
        (b"ready <a@b", None),
        (b"", None),
    ],
)
def test_the_timestamp_is_the_last_thing_like_a_message_id(
    text: bytes, timestamp: bytes | None
) -> None:
    assert timestamp_of(text) == timestamp


@pytest.mark.parametrize("text", [b"2 320", b" 2  320 ", b"2 320 octets (all)", b"2\t320"])
def test_two_numbers_are_read_and_the_rest_is_ignored(text: bytes) -> None:
    assert two_numbers(text, "it", 20) == (2, 320)


@pytest.mark.parametrize("text", [b"", b"2", b"2 ", b"two 320", b"2 -1", b"2 3.5", b"2 \xb2"])
def test_a_line_without_two_numbers_is_an_error(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^it without"):
        two_numbers(text, "it", 20)


def test_the_digits_of_a_number_are_limited() -> None:
    assert number(b"9" * 20, "it", 20) == 10**20 - 1
    with pytest.raises(RemoteProtocolError, match="it without a number"):
        number(b"9" * 21, "it", 20)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"1 whqtswO00WBw418f9t5JxYwZ", (1, b"whqtswO00WBw418f9t5JxYwZ")),
        (b"2 a b", (2, b"a b")),
        (b"3   padded  ", (3, b"padded")),
        (b" 3 padded", (3, b"padded")),
        (b"4 \xe4\x00\t\xff", (4, b"\xe4\x00\t\xff")),
        (b"5 " + b"x" * UID_LENGTH, (5, b"x" * UID_LENGTH)),
    ],
)
def test_a_unique_id_is_opaque(text: bytes, found: tuple[int, bytes]) -> None:
    assert unique_id(text, 20) == found


@pytest.mark.parametrize(
    "text", [b"", b"1", b"1 ", b"1   ", b"x abc", b" ", b"1 " + b"x" * (UID_LENGTH + 1)]
)
def test_a_message_without_a_usable_id_is_a_fault(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="unique id"):
        unique_id(text, 20)


@pytest.mark.parametrize("text", [b"1000 1", b"1 1000"])
def test_both_of_two_numbers_are_bounded(text: bytes) -> None:
    assert two_numbers(b"999 999", "it", 3) == (999, 999)
    with pytest.raises(RemoteProtocolError, match="it without a number"):
        two_numbers(text, "it", 3)


def test_the_number_in_front_of_a_unique_id_is_bounded() -> None:
    assert unique_id(b"999 1000", 3) == (999, b"1000")
    with pytest.raises(RemoteProtocolError, match="unique id without a number"):
        unique_id(b"1000 1", 3)
