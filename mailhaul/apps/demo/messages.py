"""A few messages as people send them: plain, 8-bit, with leading dots, with a picture."""

from __future__ import annotations

from base64 import encodebytes

DATE = "Fri, 20 Nov 2026 09:12:44 +0100"


def message(number: int, subject: str, sender: str, body: bytes, *extra: str) -> bytes:
    """Return one message with CRLF line ends."""
    header = [
        f"Return-Path: <{sender}>",
        f"Received: from mx.example.net by mail.example.org; {DATE}",
        f"From: {sender}",
        "To: you@example.org",
        f"Subject: {subject}",
        f"Date: {DATE}",
        f"Message-ID: <{number}.20261120@example.net>",
        "MIME-Version: 1.0",
        *(extra or ("Content-Type: text/plain; charset=us-ascii",)),
    ]
    return "\r\n".join(header).encode("utf-8") + b"\r\n\r\n" + body.replace(b"\n", b"\r\n")


INBOX = (
    message(1, "Lunch on Tuesday?", "ada@example.net", b"Same place, half past twelve?\n\nAda\n"),
    message(
        2,
        "Gr\u00fc\u00dfe aus M\u00fcnchen",
        "emil@example.net",
        "Sch\u00f6ne Gr\u00fc\u00dfe \u2013 bis n\u00e4chste Woche!\n".encode(),
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ),
    message(
        3,
        "The patch that breaks mail readers",
        "grace@example.net",
        b"A line with one dot:\n.\n..and two\n.config is a file\n.\n",
    ),
    message(
        4,
        "Holiday picture",
        "ada@example.net",
        encodebytes(bytes(range(256)) * 1200),
        "Content-Type: application/octet-stream; name=beach.raw",
        "Content-Transfer-Encoding: base64",
    ),
)

TICKETS = (
    message(5, "[#1831] Printer on floor 2", "desk@example.net", b"It is on fire again.\n"),
    message(6, "[#1832] New keyboard", "desk@example.net", b"Th  is missing: pl as  s nd on .\n"),
)
