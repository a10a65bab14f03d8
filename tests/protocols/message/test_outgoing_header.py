"""The outgoing header differs from the received one only by a few defined changes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.dots import normalized
from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.message.header import HeaderScanner
from mailhaul.protocols.message.outgoing import LEADING_BLANK_WARNING, HeaderRules, outgoing_header
from mailhaul.protocols.message.trace import Received

PLAIN = HeaderRules("mail.example.org", "ann", None, rewrite=False)
TRACE = Received("mail.example.org", "", "home.example.net", b"IMAP", b"0.1.0", b"DATE")
TRACED = replace(PLAIN, trace=TRACE)
FIELD = (
    b"Received: from mail.example.org\r\n\tby home.example.net with IMAP (mailhaul-0.1.0)\r\n"
    b"\tfor <joe@localhost> (single-drop); DATE\r\n"
)


def sent(message: bytes, rules: HeaderRules = PLAIN, limit: int = 1 << 20) -> bytes:
    """Return the whole message as it is sent."""
    scanner = HeaderScanner(limit)
    scanner.feed(message)
    scanner.finish()
    return outgoing_header(scanner, rules, b"joe@localhost") + scanner.rest


UNTOUCHED = (
    b"X-Odd:\tvalue \r\n  folded\r\n\t\r\nsubject:x\r\nSubject: y\r\n"
    b"no colon here\r\nX-8: \xff\xfe\r\nTo: ann\r\n\r\nbody \0\r\nReturn-Path: <x>\r\n"
)


def test_a_header_without_matching_rules_stays_byte_for_byte() -> None:
    assert sent(UNTOUCHED) == UNTOUCHED
    assert sent(UNTOUCHED, TRACED) == FIELD + UNTOUCHED


HEADERS = st.lists(
    st.sampled_from([b"A", b": ", b"\r\n", b"\n", b" ", b"To: ann", b"Received: x", b"\xff", b","]),
    max_size=20,
).map(b"".join)


@given(HEADERS)
def test_without_rules_the_message_is_sent_as_it_came(text: bytes) -> None:
    message = b"Subject: x\r\n" + text + b"\r\n\r\nbody"
    assert sent(message) == message


@given(HEADERS)
def test_the_trace_is_inserted_and_nothing_else_happens(text: bytes) -> None:
    message = b"Subject: x\r\n" + text + b"\r\n\r\nbody"
    assert sent(message, TRACED).replace(FIELD, b"", 1) == message


def test_the_trace_is_inserted_before_the_first_received() -> None:
    top, rest = b"X-Received: no\nreturn-path: <a@b>\n", b"RECEIVED: x\nReceived: y\n\nbody"
    rules = replace(TRACED, keep_return_path=True)
    assert sent(top + rest, rules) == top + FIELD.replace(b"\r\n", b"\n") + rest


def test_return_paths_are_removed_unless_an_mda_gets_the_message() -> None:
    message = b"A: 1\r\nReturn-Path: <a@b>\r\n\t(x)\r\nReturn-Path: <c@d>\r\n\r\n"
    assert sent(message) == b"A: 1\r\n\r\n"
    assert sent(message, replace(PLAIN, keep_return_path=True)) == message


@pytest.mark.parametrize(
    "path", [b"<>", b" <a@b> ", b"a@b", b"", b"<a@b> (one)\r\n (two)", b"a@b (", b"<a@b>\r\n\t"]
)
def test_a_return_path_with_only_a_path_is_removed(path: bytes) -> None:
    message = b"A: 1\r\nReturn-Path:" + path + b"\r\nB: 2\r\n\r\n"
    assert sent(message) == (message if path == b"a@b (" else b"A: 1\r\nB: 2\r\n\r\n")


@pytest.mark.parametrize(
    "path", [b"<a@b> hello", b"<a@b>\r\n The text.", b"a@b c@d", b"<" * 99_999, b"(" * 99_999]
)
def test_a_return_path_with_anything_else_in_it_stays(path: bytes) -> None:
    message = b"A: 1\r\nReturn-Path: " + path + b"\r\n\r\n"
    assert sent(message) == message


MAILBOX_LINE = b"From ann@example.net Mon Mar  2 10:00:00 2020"


def test_the_from_line_of_an_mbox_file_is_removed() -> None:
    message = b"From: x@y\r\n\r\nFrom z\r\n"
    assert sent(MAILBOX_LINE + b"\r\n" + message) == message


@pytest.mark.parametrize(
    "message",
    [
        b"From the sea\r\nthe sky is blue\r\n\r\nAnn\r\n",
        b"From \r\nFrom: x@y\r\n\r\n",
        b"From ann\r\nFrom: x@y\r\n\r\n",
        b">From ann@example.net Mon Mar  2 10:00:00 2020\r\nFrom: x@y\r\n\r\n",
        b"From: x@y\r\n" + MAILBOX_LINE + b"\r\nTo: x@y\r\n\r\n",
        b"From: x@y\r\n>From bob\r\n\r\n",
        MAILBOX_LINE[:-1] + b"x\r\nFrom: x@y\r\n\r\n",
    ],
)
def test_no_other_line_that_begins_with_from_is_removed(message: bytes) -> None:
    assert sent(message).endswith(message)


def test_continuation_lines_after_a_from_line_are_kept() -> None:
    for end in (b"\r\n", b"\r"):
        message = b" Subject: x" + end + b"From: x@y" + end + end
        assert sent(MAILBOX_LINE + end + message) == message


# Bare CRs (RFC 5322, 2.2: none in a header; old Macintosh mail is made of them)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r\n"])
@pytest.mark.parametrize(
    "top", [b"Return-Path: <ann@example.net>", MAILBOX_LINE, b"Status: ", b"Delivered-To: x@y"]
)
def test_only_the_from_line_itself_is_removed_for_any_line_end(top: bytes, end: bytes) -> None:
    rules = replace(PLAIN, drop_delivered=True)
    rest = end.join([b"From: x@y", b"Subject: one", b"", b"The text.", b""])
    assert sent(top + end + rest, rules) == rest


def test_in_a_bare_cr_header_only_addresses_get_a_host() -> None:
    message = (
        b"To: ann\rContent-Type: multipart/alternative; boundary=x\rSubject: one, two\r\rtext, x"
    )
    expected = message.replace(b"To: ann", b"To: ann@mail.example.org")
    assert sent(message, replace(PLAIN, rewrite=True)) == expected


def test_the_blank_line_stays_when_the_line_before_it_is_removed() -> None:
    for blank in (b"\n", b"\r\n", b"\r\r\n"):
        message = b"A: 1\rStatus: \r\n" + blank + b"text"
        assert normalized(sent(message)) == b"A: 1\r\n\r\ntext"
    assert normalized(sent(b"x\rStatus: \r\n\ntext")).endswith(b"\r\nx\r\n\r\ntext")


def test_a_first_line_that_begins_with_a_blank_does_not_continue_the_trace() -> None:
    led = LEADING_BLANK_WARNING + b"\r\n led\r\n"
    assert sent(b" led\r\nA: 1\r\n\r\n", TRACED) == FIELD + led + b"A: 1\r\n\r\n"
    below = b"Received: x\r\n\r\n"
    assert sent(b" led\r\n" + below, TRACED) == led + FIELD + below
    too_long = sent(b" led\r\nA: 1\r\n\r\n", TRACED, limit=4)
    assert too_long == FIELD + led + b"A: 1\r\n\r\n"
    assert sent(b" led\r\nA: 1\r\n\r\n") == b" led\r\nA: 1\r\n\r\n"


SOME_LINES = st.lists(
    st.sampled_from(
        [b"A: 1", b" led", b"Status:", b"Return-Path: <a@b>", b"words", b"", MAILBOX_LINE, b"\0"]
    ).flatmap(lambda line: st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\r\n"]).map(line.__add__)),
    max_size=8,
).map(b"".join)


@given(SOME_LINES, st.booleans())
def test_every_line_arrives_except_the_removed_ones(text: bytes, traced: bool) -> None:
    """Compare as a reader that accepts every line end, as after any SMTP sink."""
    message = b"Subject: x\r\n" + text + b"\r\n\r\ntext\0\r"
    header, blank, body = normalized(message).partition(b"\r\n\r\n")
    dropped = {b"Status:", b"Return-Path: <a@b>", b"\0"}
    fields = re.split(rb"\r\n(?! )", header)
    kept = [field.removeprefix(b"\0\r\n") for field in fields if field not in dropped]
    result = normalized(sent(message, TRACED if traced else PLAIN))
    assert result.removeprefix(FIELD) == b"\r\n".join(kept) + blank + body


def test_a_from_field_with_a_blank_before_its_colon_is_kept() -> None:
    assert sent(b"From : ann@example.org\r\n\r\n") == b"From : ann@example.org\r\n\r\n"


@pytest.mark.parametrize("name", [b"Status", b"X-Mozilla-Status", b"STATUS"])
def test_empty_status_fields_are_removed_and_others_only_on_request(name: bytes) -> None:
    message = b"A: 1\r\n" + name + b": \t\r\n" + name + b": RO\r\nX-Status: \r\n\r\n"
    assert sent(message) == b"A: 1\r\n" + name + b": RO\r\nX-Status: \r\n\r\n"
    assert sent(message, replace(PLAIN, drop_status=True)) == b"A: 1\r\nX-Status: \r\n\r\n"


def test_delivered_to_is_removed_only_on_request() -> None:
    message = b"Delivered-To: a\r\nA: 1\r\ndelivered-to: b\r\n\r\n"
    assert sent(message) == message
    assert sent(message, replace(PLAIN, drop_delivered=True)) == b"A: 1\r\n\r\n"


def test_addresses_are_completed_if_rewriting_is_on() -> None:
    rules = replace(PLAIN, rewrite=True)
    assert sent(b"To: ann\r\nX: bob\r\n\r\nTo: eve", rules) == (
        b"To: ann@mail.example.org\r\nX: bob\r\n\r\nTo: eve"
    )


def test_the_growth_of_a_header_by_rewriting_is_limited() -> None:
    field = b"To: " + b"a," * 4000 + b"\r\n"
    whole = sent(field * 5 + b"\r\n", replace(PLAIN, rewrite=True))
    # There is room for 15,420 hosts of 17 octets with their @.
    assert whole.count(b"@mail.example.org") == 3 * 4000
    assert whole.replace(b"@mail.example.org", b"") == field * 5 + b"\r\n"


def test_nuls_are_removed_from_the_header_but_not_from_the_body() -> None:
    assert sent(b"A\0: 1\0\r\n 2\0\r\n\r\nx\0y") == b"A: 1\r\n 2\r\n\r\nx\0y"


@pytest.mark.parametrize("line", [b"\0\r\n", b"\0\0\n", b"\0\r"])
def test_a_line_of_nuls_does_not_become_the_blank_line(line: bytes) -> None:
    assert sent(b"A: 1\r\n" + line + b"B: 2\r\n\r\n") == b"A: 1\r\nB: 2\r\n\r\n"


def test_nuls_do_not_hide_a_field_from_the_rules() -> None:
    assert sent(b"A: 1\r\nReturn\0-Path: <a@b>\r\n\r\n") == b"A: 1\r\n\r\n"


STAND_IN = (
    b"From: FETCHMAIL-DAEMON\r\nTo: ann@home.example.net\r\n"
    b"Subject: Headerless mail from ann's mailbox on mail.example.org\r\n"
)


@pytest.mark.parametrize(
    ("message", "behind"),
    [
        (b"\r\nbody\r\n", b"\r\nbody\r\n"),
        (b"\r\n", b"\r\n"),
        (b"", b"\r\n"),
        (b"From ann Mon Mar 2 10:00:00 2020\r\n\r\nbody", b"\r\nbody"),
        (b"hello\r\nyou\r\n\r\nbody", b"\r\nhello\r\nyou\r\n\r\nbody"),
        (b"hello", b"\r\nhello"),
        (b" blank-led\r\n\r\n", b"\r\n blank-led\r\n\r\n"),
    ],
)
def test_a_message_without_header_gets_one_and_keeps_its_text(
    message: bytes, behind: bytes
) -> None:
    assert sent(message, TRACED) == FIELD + STAND_IN + behind


def test_a_replacement_header_has_the_line_ends_of_the_message_and_is_safe() -> None:
    rules = replace(PLAIN, user="a b\r\nX: y")
    assert sent(b"\nbody\n", rules) == (
        b'From: FETCHMAIL-DAEMON\nTo: "a b??X: y"@mail.example.org\n'
        b"Subject: Headerless mail from a b??X: y's mailbox on mail.example.org\n\nbody\n"
    )


def test_only_the_top_of_an_overlong_header_changes() -> None:
    message = b"Return-Path: <a@b>\r\nStatus: \r\nA: 1\0\r\n\r\nbody"
    assert sent(message, TRACED, limit=10) == FIELD + message
    assert sent(message, PLAIN, limit=10) == message


def test_a_header_without_a_blank_line_gets_none() -> None:
    assert sent(b"A: 1\r\nB: 2") == b"A: 1\r\nB: 2"
    assert sent(b"A: 1\r\nB: 2\r\n") == b"A: 1\r\nB: 2\r\n"


def test_a_header_that_is_not_complete_is_not_sent() -> None:
    scanner = HeaderScanner()
    scanner.feed(b"A: 1\r\n")
    with pytest.raises(LocalProtocolError):
        outgoing_header(scanner, PLAIN, None)


def test_five_thousand_fields_keep_their_order() -> None:
    message = b"".join(b"To: user%d\r\n" % number for number in range(5000)) + b"\r\n"
    completed = (
        b"".join(b"To: user%d@mail.example.org\r\n" % number for number in range(5000)) + b"\r\n"
    )
    assert sent(message) == message
    assert sent(message, replace(PLAIN, rewrite=True)) == completed


WARNING = b"X-Fetchmail-Warning: x\r\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"A: 1\r\n\r\nbody", b"A: 1\r\n" + WARNING + b"\r\n"),
        (b"A: 1\r\n 2", b"A: 1\r\n 2\r\n" + WARNING),
        (
            b"\r\nbody",
            STAND_IN.replace(b"home.example.net", b"mail.example.org") + WARNING + b"\r\n",
        ),
        (b"A: long", WARNING),
    ],
)
def test_a_warning_ends_the_header(message: bytes, expected: bytes) -> None:
    scanner = HeaderScanner(limit=1 << 20 if message != b"A: long" else 4)
    scanner.feed(message)
    scanner.finish()
    assert outgoing_header(scanner, PLAIN, b"joe@localhost", WARNING) == expected


def test_the_trace_of_a_multidrop_mailbox_is_marked() -> None:
    scanner = HeaderScanner()
    scanner.feed(b"A: 1\r\n\r\n")
    header = outgoing_header(scanner, replace(TRACED, multidrop=True), b"joe@localhost")
    assert b"for <joe@localhost> (multi-drop); DATE\r\n" in header
    header = outgoing_header(scanner, replace(TRACED, multidrop=True), None)
    assert b"\t(multi-drop); DATE\r\n" in header
