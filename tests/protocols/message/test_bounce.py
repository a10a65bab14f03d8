"""A bounce names the failed recipients and reasons; quoted text cannot break its format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.message.bounce import (
    MAX_HEADER,
    MAX_LINE,
    BounceContext,
    Failure,
    bounce,
    header_part,
)

DATE = b"Sun, 22 Nov 2026 22:14:59 +0000"
BOUNDARY = b"b0undary-1"
OCCASION = BounceContext("home.example.net", DATE, b"1@home.example.net", BOUNDARY)
JOE = Failure(b"joe@localhost", b"5.1.1", b"550 5.1.1 no such user")
HEADER = b"From: ann@example.org\r\nSubject: lunch\r\n\ttoday\r\n\r\n"
ANY = st.binary(max_size=300)
HOSTILE = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"\r", b"--", BOUNDARY[:-1], b"\0", b"\xfc", b"x", b": "]),
    max_size=20,
).map(b"".join)


@dataclass
class Parsed:
    whole: EmailMessage
    words: str
    groups: list[Message]
    header_part: str


def parsed(text: bytes) -> Parsed:
    whole = message_from_bytes(text, policy=policy.default.clone(raise_on_defect=True))
    words, report, header_part = cast(list[EmailMessage], whole.get_payload())
    assert words.get_content_type() == "text/plain"
    assert report.get_content_type() == "message/delivery-status"
    assert header_part.get_content_type() == "text/rfc822-headers"
    return Parsed(
        whole,
        words.get_content(),
        cast(list[Message], report.get_payload()),
        cast(str, header_part.get_payload()),
    )


def bounced(*failures: Failure, header: bytes = HEADER) -> bytes:
    return bounce(OCCASION, b"ann@example.org", failures or (JOE,), header)


def test_the_header_identifies_a_bounce() -> None:
    whole = parsed(bounced()).whole
    assert whole.get_content_type() == "multipart/report"
    assert whole["Content-Type"].params["report-type"] == "delivery-status"
    assert whole["From"] == "Mail Delivery System <MAILER-DAEMON@home.example.net>"
    assert whole["To"] == "ann@example.org"
    assert whole["Date"] == DATE.decode()
    assert whole["Message-ID"] == "<1@home.example.net>"
    assert whole["Auto-Submitted"] == "auto-replied"


def test_the_text_part_names_failed_recipients_and_reasons() -> None:
    words = parsed(bounced()).words
    assert "  <joe@localhost>\r\n    550 5.1.1 no such user\r\n" in words
    assert "home.example.net" in words


def test_the_status_part_has_one_group_for_each_recipient() -> None:
    eve = Failure(b"eve@localhost", None, b"452 full")
    reporter, *groups = parsed(bounced(JOE, eve)).groups
    assert reporter.items() == [("Reporting-MTA", "dns; home.example.net")]
    assert [group.items() for group in groups] == [
        [
            ("Final-Recipient", "rfc822; joe@localhost"),
            ("Action", "failed"),
            ("Status", "5.1.1"),
            ("Diagnostic-Code", "smtp; 550 5.1.1 no such user"),
        ],
        [
            ("Final-Recipient", "rfc822; eve@localhost"),
            ("Action", "failed"),
            ("Status", "4.0.0"),
            ("Diagnostic-Code", "smtp; 452 full"),
        ],
    ]


def test_the_header_is_returned_unchanged() -> None:
    assert parsed(bounced()).header_part == "From: ann@example.org\r\nSubject: lunch\r\n\ttoday\r\n"


def test_a_header_with_8bit_octets_is_declared_8bit() -> None:
    assert b"8bit" not in bounced()
    text = bounced(header="Subject: Grüße\n".encode())
    assert b"Content-Transfer-Encoding: 8bit\r\n\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n" in text


def test_a_header_line_is_truncated_at_the_line_limit() -> None:
    text = bounced(header=b"A: " + b"x" * 2000 + b"\r\nB: 1\r\n")
    assert max(map(len, text.split(b"\r\n"))) == MAX_LINE
    assert b"\r\nB: 1\r\n" in text


def test_only_the_first_lines_of_a_long_header_are_returned() -> None:
    header = b"A: 1\r\n" + b"To: ann,\r\n" + b" b,\r\n" * MAX_HEADER
    back = parsed(bounced(header=header)).header_part
    assert MAX_HEADER - 10 < len(back) <= MAX_HEADER
    assert header.startswith(back.encode())
    assert back.endswith(",\r\n")
    assert b"The beginning of the header of your message is attached." in bounced(header=header)


def test_quoted_text_is_ascii() -> None:
    eve = Failure("föö@localhost".encode(), None, "550 Größe\n550 \xff".encode() + b"\xff\x1b[m")
    group = parsed(bounced(eve)).groups[1]
    assert group["Final-Recipient"] == "utf-8; f\\x{F6}\\x{F6}@localhost"
    assert group["Diagnostic-Code"] == "smtp; 550 Gr\\x{F6}\\x{DF}e 550 \\x{FF}\\x{FFFD}?[m"


@pytest.mark.parametrize(
    ("status", "reply", "shown"),
    [
        (None, b"550 no", "5.0.0"),
        (None, b"", "5.0.0"),
        (None, b"451 later", "4.0.0"),
        (b"5.7.26", b"550 no", "5.7.26"),
        (b"4.2.2", b"552 full", "4.2.2"),
        (b"2.0.0", b"550 no", "5.0.0"),
        (b"5.1", b"550 no", "5.0.0"),
        (b"5.1.1\r\nX: y", b"550 no", "5.0.0"),
        (b"5.1.1111", b"550 no", "5.0.0"),
    ],
)
def test_the_status_is_always_valid(status: bytes | None, reply: bytes, shown: str) -> None:
    assert parsed(bounced(Failure(b"joe@x", status, reply))).groups[1]["Status"] == shown


@given(st.lists(st.tuples(ANY | HOSTILE, ANY | HOSTILE), min_size=1, max_size=3), ANY | HOSTILE)
def test_no_quoted_text_breaks_the_format(said: list[tuple[bytes, bytes]], header: bytes) -> None:
    failures = [Failure(recipient, reply[:9], reply) for recipient, reply in said]
    try:
        text = bounce(OCCASION, b"ann@example.org", failures, header)
    except LocalProtocolError:
        assert any(BOUNDARY in b"".join(words) for words in (*said, (header.replace(b"\0", b""),)))
        return
    assert b"\0" not in text
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", text)
    assert max(map(len, text.split(b"\r\n"))) <= MAX_LINE
    pieces = text.split(b"\r\n--" + BOUNDARY)
    assert len(pieces) == 5
    assert b"".join(pieces[:3]).isascii()
    assert len(parsed(text).groups) == 1 + len(failures)


@pytest.mark.parametrize(
    ("failure", "header"),
    [
        (Failure(b"joe@x", None, b"550 " + BOUNDARY), HEADER),
        (Failure(b"joe@x", None, BOUNDARY[:4] + b"\xc3\xbc" + BOUNDARY), HEADER),
        (Failure(BOUNDARY, None, b"550 no"), HEADER),
        (JOE, b"--" + BOUNDARY + b"--\r\n"),
        (JOE, b"A: " + BOUNDARY[:4] + b"\0" + BOUNDARY[4:]),
    ],
)
def test_a_boundary_that_occurs_in_the_text_is_refused(failure: Failure, header: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="occurs"):
        bounced(failure, header=header)


@pytest.mark.parametrize("boundary", [b"", b"x" * 71, b"a b", b'a"b', b"a\r\nb", b"\xfc"])
def test_an_invalid_boundary_is_refused(boundary: bytes) -> None:
    context = BounceContext("h", DATE, b"1@h", boundary)
    with pytest.raises(LocalProtocolError, match="not a valid MIME boundary"):
        bounce(context, b"ann@example.org", [JOE], HEADER)


@pytest.mark.parametrize("sender", [b"", b"ann", b"ann@x\r\nBcc: eve@x", "ä@x".encode(), b"a>@x"])
def test_an_invalid_sender_address_is_refused(sender: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="this sender address"):
        bounce(OCCASION, sender, [JOE], HEADER)


def test_without_a_failure_there_is_no_bounce() -> None:
    with pytest.raises(LocalProtocolError, match="at least one failed recipient"):
        bounce(OCCASION, b"ann@example.org", [], HEADER)


def test_no_local_fact_adds_a_field() -> None:
    context = BounceContext("h\r\nX: y", DATE + b"\r\nX: y", b"1@h>\r\nX: y", BOUNDARY)
    whole = parsed(bounce(context, b"ann@example.org", [JOE], HEADER)).whole
    assert "X" not in whole
    assert len(whole.keys()) == 8


def test_header_lines_that_end_in_bare_cr_are_returned_as_lines() -> None:
    header = b"Subject: " + b"x" * 900 + b"\rTo: ann\r\r\nX: y\r"
    expected = [b"Subject: " + b"x" * 900, b"To: ann", b"X: y", b""]
    assert header_part(header).split(b"\r\n\r\n")[1].split(b"\r\n") == expected
