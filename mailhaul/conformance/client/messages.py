"""The mail that clients have to fetch or send. Each message is known by its Message-ID."""

from __future__ import annotations

import re

SENDER, RECIPIENT, SECOND_RECIPIENT = (
    b"ann@example.org",
    b"joe@example.org",
    b"eva@example.org",
)


def message(name: str, body: bytes = b"Hello.\r\n", *, eight_bit: bool = False) -> bytes:
    """Return a short message, with CRLF line ends."""
    kind = b"8bit" if eight_bit else b"7bit"
    return (
        b"Return-Path: <%b>\r\n" % SENDER
        + b"Received: from example.org by mail.example.org for <%b>;\r\n" % RECIPIENT
        + b"\tMon, 5 Jan 2026 10:00:00 +0000\r\n"
        + b"From: Ann <%b>\r\nTo: Joe <%b>\r\n" % (SENDER, RECIPIENT)
        + b"Subject: %b\r\n" % name.encode("ascii")
        + b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        + b"Message-ID: <%b@conformance.example>\r\n" % name.replace(" ", "-").encode("ascii")
        + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        + b"Content-Transfer-Encoding: %b\r\n\r\n" % kind
        + body
    )


def to_two(text: bytes) -> bytes:
    """Return a message that is for two recipients, by its header."""
    both = b"\r\nTo: Joe <%b>, Eva <%b>\r\n" % (RECIPIENT, SECOND_RECIPIENT)
    return re.sub(rb"\r\nTo: [^\r]*\r\n", both, text)


ONE, TWO, THREE, FOUR = (
    message(name, b"This is number %d.\r\n" % n)
    for n, name in enumerate(("one", "two", "three", "four"), 1)
)
DOTS = message("dots", b"before\r\n.\r\n..\r\n.x\r\n...\r\nend\r\n")
EIGHT_BIT = message("eight-bit", "Grüße, 5 €\r\n".encode(), eight_bit=True)


def id_of(text: bytes) -> bytes:
    """Return the Message-ID of a message, or nothing."""
    found = re.search(rb"^Message-ID:[ \t]*(<[^>]*>)", text, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else b""


def body_of(text: bytes) -> list[bytes]:
    """Return the lines of the body, without their ends and without empty lines at its end."""
    text = text.replace(b"\r\n", b"\n")
    lines = text.partition(b"\n\n")[2].split(b"\n")
    while lines and not lines[-1]:
        lines.pop()
    return lines
