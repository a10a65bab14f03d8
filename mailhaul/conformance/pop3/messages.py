"""The mail that POP3 cases put into the maildrop."""

from __future__ import annotations


def message(subject: str, body: bytes = b"Hello.\r\n") -> bytes:
    """Return a short message, with CRLF line ends."""
    return (
        b"From: ann@example.org\r\nTo: joe@example.org\r\n"
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        b"Subject: " + subject.encode("ascii") + b"\r\n\r\n" + body
    )


ONE, TWO, THREE = (message(name, b"Number %d.\r\n" % n) for n, name in enumerate("abc", 1))
DOTS = message("dots", b".\r\n..\r\n.x\r\nend\r\n")
EIGHT_BIT = message("8 bit", b"Gr\xfc\xdfe, \xe2\x82\xac\r\n")
LONG_LINE = message("long line", b"x" * 900 + b"\r\n")
TEN_LINES = message("ten lines", b"".join(b"line %d\r\n" % n for n in range(1, 11)))
