"""Messages that are legal, or that turn up all the same, and that mail programs stumble over.

Unlike those of corpus.py they are raw octets: bare CR and LF, NUL, a line of a megabyte. Each is
known again by ``<NAME@nasty.example>``, in its Message-ID or, where it has none, in its body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CRLF = b"\r\n"
BORDER = 4096
"""Buffers end at its multiples: those of programs, pipes and networks alike."""
MARK = re.compile(rb"<(\w+)@nasty\.example>")
"""What names a message, in a copy of it too."""


def mark(name: str) -> bytes:
    return b"<%b@nasty.example>" % name.encode()


def message(name: str, body: bytes, *fields: bytes) -> bytes:
    """Return a message that has all the fields it should have, and these."""
    header = (
        b"From: Ann Sender <ann@example.net>",
        b"To: bob@example.org",
        b"Date: Mon, 02 Mar 2020 10:00:00 +0000",
        b"Message-ID: " + mark(name),
        *fields,
    )
    return CRLF.join(header) + CRLF + CRLF + body


def dots_at_borders() -> bytes:
    """CRLF, dot, CRLF across the end of each buffer, cut there at every place in turn."""
    text = bytearray(b"x" * 78 + CRLF) * (600_000 // 80)
    start = len(message("dots_at_borders", b""))
    for number, border in enumerate(range(BORDER, len(text) - BORDER, BORDER)):
        at = border - start - number % 6
        text[at : at + 5] = b"\r\n.\r\n"
    return message("dots_at_borders", bytes(text))


def smuggling(name: str, end: bytes) -> bytes:
    """A body in which a second message would begin, if ``end`` were taken for the end of text."""
    second = (
        b"MAIL FROM:<eve@example.net>\r\nRCPT TO:<bob@localhost>\r\nDATA\r\n"
        b"From: eve@example.net\r\nMessage-ID: <smuggled@nasty.example>\r\n\r\nSmuggled.\r\n.\r\n"
    )
    return message(name, b"before" + end + second + b"after\r\n")


END_LIKE = {
    "lf_dot_lf": b"\n.\n",
    "lf_dot_crlf": b"\n.\r\n",
    "crlf_dot_lf": b"\r\n.\n",
    "cr_dot_cr": b"\r.\r",
    "cr_dot_crlf": b"\r.\r\n",
    "crlf_dot_cr": b"\r\n.\r",
    "crlf_dot_cr_crlf": b"\r\n.\r\r\n",
    "crlf_nul_dot_crlf": b"\r\n\0.\r\n",
    "crlf_dot_nul_crlf": b"\r\n.\0\r\n",
    "crlf_dot_crlf": b"\r\n.\r\n",
}
"""What one server or another has taken for the end of a text."""

_BODIES = {
    "plain": b"Hello Bob,\r\nthis is a message.\r\n",
    "dots": b".\r\n..\r\n.x\r\n\r\n.\r\n...\r\n",
    "lone_dot_at_the_end": b"text\r\n.",
    "bare_cr": b"one\rtwo\r\r\nthree\r",
    "bare_lf": b"one\ntwo\n\nthree\n",
    "mixed_line_ends": b"a\r\nb\nc\rd\n\re\r\n\nf\r\n",
    "nul": b"a\0b\r\n\0\0\r\nend\r\n",
    "eight_bit": "Grüße\r\n".encode()
    + "Grüße\r\n".encode("latin-1")
    + bytes(range(128, 256))
    + CRLF,
    "control_characters": bytes([*range(1, 10), 11, 12, *range(14, 32), 127]) + CRLF,
    "line_of_998": b"x" * 998 + CRLF,
    "line_of_1000": b"x" * 1000 + CRLF,
    "line_of_a_megabyte": b"before\r\n" + b"0123456789abcdef" * 65536 + b"\r\nafter\r\n",
    "no_final_newline": b"The last line\r\nis cut off here",
    "empty_body": b"",
    "blank_lines": CRLF * 5,
    "trailing_blanks": b"one  \r\ntwo\t\r\n   \r\n-- \r\n",
    "from_lines": b"From ann Mon Mar  2 10:00:00 2020\r\n>From x\r\n\r\nFrom y\r\n>>From z\r\n",
    "smtp_words": b"RSET\r\nQUIT\r\nDATA\r\nBDAT 0 LAST\r\n250 OK\r\n",
    "imap_words": b")\r\nA0001 OK done\r\n* BYE {3}\r\n* 1 FETCH (BODY[] {5}\r\n",
}

_FIELDS = {
    "eight_bit_header": (b"Subject: Gr\xfc\xdfe \xe2\x82\xac",),
    "nul_in_the_header": (b"Subject: a\0b",),
    "bare_cr_in_the_header": (b"Subject: one\rtwo: three", b"X-After: here"),
    "bare_lf_in_the_header": (b"Subject: one\ntwo: three", b"X-After: here"),
    "many_fields": tuple(b"X-Field-%d: %d" % (n, n) for n in range(5000)),
    "long_field": (b"X-Long: " + b"0123456789abcdef" * 6000,),
    "long_folded_field": (b"X-Folded: a" + b",\r\n\tb@example.org" * 5000,),
    "field_of_200_kilobytes": (b"X-Folded: a" + b",\r\n\tb@example.org" * 12500,),
    "too_many_fields": tuple(b"X-%d: %d" % (n, n) for n in range(12000)),
    "odd_fields": (b"X-Empty:", b"X-Blank : y", b"x-lower:z", b"X-Folded:\r\n one\r\n\t two "),
    "return_path": (b"Return-Path: <ann@example.net>", b"X-After: here"),
    "empty_status": (b"Status: ", b"X-Mozilla-Status:", b"X-After: here"),
    "line_without_colon": (b"this is no field", b"X-After: here"),
    "received_before": (
        b"X-Above: here",
        b"Received: from a by b; Mon, 02 Mar 2020 10:00:00 +0000",
        b"X-Below: here",
    ),
}

NASTY: Mapping[str, bytes] = {
    **{name: message(name, body) for name, body in _BODIES.items()},
    "dots_at_borders": dots_at_borders(),
    **{name: message(name, b"text\r\n", *fields) for name, fields in _FIELDS.items()},
    "lf_only": message("lf_only", b"one\r\n.\r\ntwo\r\n").replace(CRLF, b"\n"),
    "header_only": message("header_only", b"").removesuffix(CRLF),
    "headerless": b"\r\nThis is " + mark("headerless") + b"\r\nwithout any header.\r\n",
    "blank_led_first_line": b" X-Blank: led\r\n" + message("blank_led_first_line", b"text\r\n"),
    "from_line_above": b"From ann@example.net Mon Mar  2 10:00:00 2020\r\n"
    + message("from_line_above", b"text\r\n"),
    "hostless_addresses": b"From: ann\r\nTo: bob, Carol <carol>\r\n"
    b"Date: Mon, 02 Mar 2020 10:00:00 +0000\r\nMessage-ID: "
    + mark("hostless_addresses")
    + b"\r\n\r\ntext\r\n",
    **{f"end_{name}": smuggling(f"end_{name}", end) for name, end in END_LIKE.items()},
}
"""All of them by their names."""
