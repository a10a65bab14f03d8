"""Messages that mail has trouble with, for end-to-end tests.

Each function makes one whole message as octets with CRLF line ends and no dot-stuffing.
Its Message-ID is ``<name@example.org>`` with the function's name. CORPUS lists them all by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

CRLF = b"\r\n"
LONG_LINE = 20_000
BIG = 5_000_000


def _message(name: str, body: bytes, *fields: bytes) -> bytes:
    header = [
        b"From: Ann Sender <ann@example.net>",
        b"To: bob@example.org",
        b"Subject: " + name.replace("_", " ").encode(),
        b"Date: Mon, 02 Mar 2020 10:00:00 +0000",
        b"Message-ID: <" + name.encode() + b"@example.org>",
        *fields,
    ]
    return CRLF.join(header) + CRLF + CRLF + body


def simple(number: int = 1) -> bytes:
    """A short plain message; another number makes another message."""
    return _message(
        "simple" if number == 1 else f"simple{number}",
        b"Hello Bob,\r\nthis is number %d.\r\n" % number,
    )


def eight_bit() -> bytes:
    """A body of every octet from 0x80 to 0xFF, and words in UTF-8 and in Latin-1."""
    octets = bytes(range(0x80, 0x100))
    words = "Grüße aus Köln"
    return _message(
        "eight_bit",
        CRLF.join((words.encode(), words.encode("latin-1"), octets, b"")),
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: 8bit",
    )


def leading_dots() -> bytes:
    """Lines that begin with dots, one of them a lone dot, one right after the header."""
    return _message("leading_dots", b".\r\n..\r\n.x\r\n...\r\nplain\r\n.\r\n\r\n.end\r\n")


def no_final_newline() -> bytes:
    """A body whose last line does not end."""
    return _message("no_final_newline", b"The last line\r\nis cut off here")


def empty_body() -> bytes:
    """A header and the blank line, and nothing after it."""
    return _message("empty_body", b"")


def header_only() -> bytes:
    """A header that is not even followed by a blank line."""
    return _message("header_only", b"").removesuffix(CRLF)


def long_line() -> bytes:
    """One line of LONG_LINE octets between two short ones; RFC 5321 allows 1000."""
    pattern = b"0123456789abcdefghijklmnopqrstuvwxyz-"
    line = (pattern * (LONG_LINE // len(pattern) + 1))[:LONG_LINE]
    return _message("long_line", b"before\r\n" + line + b"\r\nafter\r\n")


def big() -> bytes:
    """A little over BIG octets in numbered lines, so that a lost or doubled piece shows."""
    line = b"%08d the quick brown fox jumps over the lazy dog, again and again\r\n"
    count = BIG // len(line % 0) + 1
    return _message("big", b"".join([line % number for number in range(count)]))


def folded_header() -> bytes:
    """Header fields over several lines, with blanks and tabs, an address list among them."""
    return _message(
        "folded_header",
        b"See the header.\r\n",
        b"Cc: Carol <carol@example.org>,\r\n\tDave <dave@example.org>,\r\n Eve <eve@example.org>",
        b"X-Folded: one\r\n  two\r\n\t\tthree",
        b"References: <a@example.org>\r\n <b@example.org>\r\n <c@example.org>",
    )


def hostless_addresses() -> bytes:
    """Addresses without a host, as programs on one machine write them."""
    return (
        b"From: ann\r\nTo: bob, Carol Clerk <carol>\r\nCc: dave (the other one)\r\n"
        b"Subject: hostless addresses\r\nDate: Mon, 02 Mar 2020 10:00:00 +0000\r\n"
        b"Message-ID: <hostless_addresses@example.org>\r\n\r\nWho is who?\r\n"
    )


CORPUS: Mapping[str, Callable[[], bytes]] = {
    "simple": simple,
    "eight_bit": eight_bit,
    "leading_dots": leading_dots,
    "no_final_newline": no_final_newline,
    "empty_body": empty_body,
    "header_only": header_only,
    "long_line": long_line,
    "big": big,
    "folded_header": folded_header,
    "hostless_addresses": hostless_addresses,
}


def refused_at_dot() -> bytes:
    """A message that the private Exim refuses for good after the final dot."""
    return _message("refused_at_dot", b"Nobody wants this.\r\n", b"X-Refuse: dot")


def deferred_at_dot() -> bytes:
    """A message that the private Exim refuses for now after the final dot."""
    return _message("deferred_at_dot", b"Nobody wants this yet.\r\n", b"X-Refuse: later")


def body_of(message: bytes) -> bytes:
    """Return what follows the header, with LF line ends, whichever the message has."""
    return unix(message).partition(b"\n\n")[2]


def unix(message: bytes) -> bytes:
    """Return the message with LF line ends, as programs keep it on disk."""
    return message.replace(b"\r\n", b"\n")
