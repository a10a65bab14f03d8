"""The mail that SMTP cases submit, and how it is written after DATA."""

from __future__ import annotations

FIELD = b"X-Conformance-Case"
"""The header field with the token by which a case knows its mail in the store again."""


def message(token: bytes, body: bytes = b"Hello.\r\n", fields: bytes = b"") -> bytes:
    """Return a message with CRLF line ends. ``fields`` are whole lines of its header."""
    return (
        b"%b: %b\r\n" % (FIELD, token)
        + fields
        + b"From: ann@example.org\r\nTo: joe@example.org\r\n"
        + b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        + b"Subject: conformance\r\n\r\n"
        + body
    )


def stuffed(text: bytes) -> bytes:
    """Return a text with a dot added to each line that begins with one (RFC 5321, 4.5.2)."""
    text = text.replace(b"\r\n.", b"\r\n..")
    return b"." * text.startswith(b".") + text


def body_of(text: bytes) -> bytes:
    """Return what follows the header of a stored message."""
    return text.partition(b"\r\n\r\n")[2]
