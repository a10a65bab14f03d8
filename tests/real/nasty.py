"""Messages that are legal, or happen anyway, and that mail programs stumble over.

Unlike those in corpus.py they are raw octets: bare CR and LF, NUL, lines of a megabyte. Each is
known again by its Message-ID.
"""

from __future__ import annotations

from collections.abc import Mapping

CRLF = b"\r\n"
HEADER = (
    b"From: Ann Sender <ann@example.net>\r\n"
    b"To: bob@example.org\r\n"
    b"Date: Mon, 02 Mar 2020 10:00:00 +0000\r\n"
)
CHUNK = 256 * 1024
"""Where our own buffers end."""


def message(name: str, body: bytes, fields: bytes = b"") -> bytes:
    return HEADER + b"Message-ID: <%b@nasty.example>\r\n" % name.encode() + fields + CRLF + body


def dots_at_borders() -> bytes:
    """End-of-text sequences wherever a buffer may end inside them."""
    body = bytearray(b"x" * 78 + CRLF) * (2 * CHUNK // 80)
    for place in (1448, 4096, 16384, 65536, CHUNK, CHUNK + 65536):
        for shift in range(-3, 4):
            at = place + shift * 7
            body[at : at + 5] = b"\r\n.\r\n"
    return message("dots_at_borders", bytes(body))


def smuggled(name: str, end: bytes) -> bytes:
    """A body in which another message would begin, if ``end`` were taken for the end of text."""
    second = (
        b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
        b"From: evil@example.net\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n"
    )
    return message(name, b"harmless" + end + second + b"tail\r\n")


NASTY: Mapping[str, bytes] = {
    "plain": message("plain", b"Hello\r\n"),
    "dots": message("dots", b".\r\n..\r\n.x\r\n\r\n.\r\n"),
    "dots_at_borders": dots_at_borders(),
    "bare_cr": message("bare_cr", b"one\rtwo\r\r\nthree\r"),
    "bare_lf": message("bare_lf", b"one\ntwo\n\nthree\n"),
    "mixed_ends": message("mixed_ends", b"a\r\nb\nc\rd\n\re\r\n\nf\r\n"),
    "lf_only": message("lf_only", b"a line\nanother\n").replace(CRLF, b"\n"),
    "nul": message("nul", b"a\0b\r\n\0\0\r\nend\r\n"),
    "eight_bit_header": message(
        "eight_bit_header", b"x\r\n", b"Subject: Gr\xfc\xdfe \xe2\x82\xac\r\n"
    ),
    "eight_bit_body": message("eight_bit_body", bytes(range(0x80, 0x100)) + CRLF),
    "control_characters": message("control_characters", b"\x01\x07\x08\x0b\x0c\x1a\x1b[2J\x7f\r\n"),
    "long_line": message("long_line", b"y" * 1_000_000 + CRLF + b"z\r\n"),
    "no_final_newline": message("no_final_newline", b"cut off here"),
    "final_dot": message("final_dot", b"text\r\n."),
    "empty_body": message("empty_body", b""),
    "blank_lines": message("blank_lines", CRLF * 5),
    "trailing_blanks": message("trailing_blanks", b"a  \r\nb\t\r\n  \r\n"),
    "from_lines": message(
        "from_lines", b"From here\r\n>From there\r\n\r\nFrom ann@x Mon Mar  2\r\n"
    ),
    "many_fields": message(
        "many_fields", b"x\r\n", b"".join(b"X-Field-%d: v\r\n" % n for n in range(5000))
    ),
    "long_field": message("long_field", b"x\r\n", b"X-Long: " + b"w" * 100_000 + CRLF),
    "long_folded_field": message(
        "long_folded_field", b"x\r\n", b"X-Folded: a" + b",\r\n\tw@example.org" * 5000 + CRLF
    ),
    "odd_fields": message("odd_fields", b"x\r\n", b"X-Empty:\r\nX-Blank : y\r\nx-lower:z\r\n"),
    "smuggled_lf_dot_lf": smuggled("smuggled_lf_dot_lf", b"\n.\n"),
    "smuggled_lf_dot_crlf": smuggled("smuggled_lf_dot_crlf", b"\n.\r\n"),
    "smuggled_crlf_dot_lf": smuggled("smuggled_crlf_dot_lf", b"\r\n.\n"),
    "smuggled_cr_dot_cr": smuggled("smuggled_cr_dot_cr", b"\r.\r"),
    "smuggled_cr_dot_crlf": smuggled("smuggled_cr_dot_crlf", b"\r.\r\n"),
    "smuggled_crlf_dot_cr": smuggled("smuggled_crlf_dot_cr", b"\r\n.\r"),
    "smuggled_nul": smuggled("smuggled_nul", b"\r\n\0.\r\n"),
    "smuggled_dot_nul": smuggled("smuggled_dot_nul", b"\r\n.\0\r\n"),
    "smuggled_crlf_dot_crlf": smuggled("smuggled_crlf_dot_crlf", b"\r\n.\r\n"),
}
"""By the name in the Message-ID."""
