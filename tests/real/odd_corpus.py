"""Some hundreds of odd messages: what old programs, broken converters and strangers have made.

Shapes of messages in every kind of line end, and mixed; headers, MIME, encoded words, dots and
sizes that go wrong somewhere. No two are the same. Those of nasty_corpus.py are fewer, and chosen
for what is known of one receiver or another; these are for octets that get lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r", "crcrlf": b"\r\r\n"}
MAILBOX_LINE = b"From ann@example.net Mon Mar  2 10:00:00 2020"
PATH = b"Return-Path: <ann@example.net>"
USUAL = (b"From: Ann <ann@example.net>", b"To: bob@example.org", b"Subject: one")
TEXT = (b"", b"The text.", b"", b"-- ", b"Ann")
MULTIPART = (
    b"MIME-Version: 1.0",
    b"Content-Type: multipart/alternative; boundary=x",
    b"",
    b"--x",
    b"Content-Type: text/plain; charset=utf-8",
    b"Content-Transfer-Encoding: quoted-printable",
    b"",
    b"Gr=C3=BC=C3=9Fe=",
    b" an alle, Ann",
    b"--x",
    b"Content-Type: text/html",
    b"",
    b"<p>one, two: three</p>",
    b"--x--",
)

SHAPES: Mapping[str, tuple[bytes, ...]] = {
    "usual": (*USUAL, *TEXT),
    "return_path": (PATH, *USUAL, *TEXT),
    "two_return_paths": (PATH, *USUAL, b"return-path: <>", *TEXT),
    "return_path_and_more": (PATH + b" hello", *USUAL, *TEXT),
    "folded_return_path": (PATH, b"\t(a comment)", *USUAL, *TEXT),
    "only_return_path": (PATH, *TEXT),
    "mailbox_line": (MAILBOX_LINE, *USUAL, *TEXT),
    "mailbox_line_alone": (MAILBOX_LINE, *TEXT),
    "mailbox_line_inside": (*USUAL, MAILBOX_LINE, b"X-After: here", *TEXT),
    "quoted_mailbox_line": (b">" + MAILBOX_LINE, *USUAL, *TEXT),
    "folded_mailbox_line": (MAILBOX_LINE, b" X-Folded: here", *USUAL, *TEXT),
    "letter": (b"From the sea I write to you,", b"my friend.", *TEXT),
    "letter_with_colon": (b"From here: all is well", *TEXT),
    "status_on_top": (b"Status: ", b"X-Mozilla-Status:", *USUAL, *TEXT),
    "status_at_the_end": (*USUAL, b"Status: ", *TEXT),
    "status_of_words": (b"Status: I am well,", b" and you?", *USUAL, *TEXT),
    "only_status": (b"Status:", *TEXT),
    "delivered_to": (b"Delivered-To: bob@example.org", *USUAL, *TEXT),
    "address_first": (b"To: ann", *USUAL[:1], b"Content-Type: text/plain; x=a, b", *TEXT),
    "hostless": (b"From: ann", b"To: bob, Carol <carol>,", b"\tdave (x)", *TEXT),
    "group": (b"From: ann", b"To: undisclosed-recipients:;", b"Cc: Us: a, b;", *TEXT),
    "multipart": (*USUAL, *MULTIPART),
    "multipart_first": (b"Content-Type: multipart/alternative; boundary=x", *USUAL, *MULTIPART),
    "blank_led": (b" led: by a blank", *USUAL, *TEXT),
    "tab_led": (b"\tled: by a tab", b"\tand another", *USUAL, *TEXT),
    "blank_led_alone": (b" only this", *TEXT),
    "blank_first": (b"", *USUAL, *TEXT),
    "blanks_first": (b"", b"", b"", *USUAL, *TEXT),
    "blank_line_of_blanks": (*USUAL, b"   ", b"X-After: here", *TEXT),
    "header_only": USUAL,
    "one_field": (b"Subject: one",),
    "empty_body": (*USUAL, b""),
    "blank_lines": (*USUAL, b"", b"", b"", b"", b""),
    "one_word": (b"word",),
    "nothing": (b"",),
    "no_colon": (*USUAL, b"this is no field", b"X-After: here", *TEXT),
    "no_name": (b": no name", *USUAL, *TEXT),
    "blank_in_a_name": (b"Two words: x", b"X-Blank : y", *USUAL, *TEXT),
    "received": (b"X-Above: here", b"Received: from a by b; x", *USUAL, *TEXT),
    "received_folded": (b"Received: from a", b"\tby b; x", PATH, *USUAL, *TEXT),
    "dots": (*USUAL, b"", b".", b"..", b".x", b"", b".", b"...", b"x."),
    "dots_in_the_header": (*USUAL, b".", b".X-Dot: y", *TEXT),
    "smtp_words": (*USUAL, b"", b"QUIT", b"DATA", b"RSET", b"MAIL FROM:<a@b>"),
    "from_lines": (*USUAL, b"", MAILBOX_LINE, b"From x", b">From y", b">>From z", b"", b"From "),
    "trailing_blanks": (*USUAL, b"", b"one  ", b"two\t", b"   ", b""),
    "eight_bit": (b"Subject: Gr\xfc\xdfe \xe2\x82\xac", *USUAL, b"", bytes(range(128, 256))),
    "control": (*USUAL, b"", bytes([*range(1, 10), 11, 12, *range(14, 32), 127])),
    "nul": (b"Sub\0ject: x\0", *USUAL, b"\0", b"", b"a\0b", b"\0"),
}
"""Lines of messages, without their ends."""

BODIES: Mapping[str, bytes] = {
    "open_multipart": b"\r\n--x\r\n\r\ntext",
    "no_parts": b"\r\ntext without any part\r\n",
    "closed_at_once": b"\r\n--x--\r\nepilogue\r\n",
    "delimiter_at_the_end": b"\r\n--x\r\n\r\ntext\r\n--x",
    "delimiter_in_a_line": b"\r\n--x\r\n\r\ntext --x\r\n--xx\r\n--x-\r\n--x--",
    "blanks_behind": b"\r\n--x  \t\r\n\r\ntext\r\n--x-- \t\r\n",
    "crcrlf_delimiter": b"\r\n--x\r\r\nContent-Type: text/html\r\r\n\r\r\ntext\r\n--x--\r\n",
    "cr_delimiter": b"\r\n--x\rContent-Type: text/html\r\rtext\r--x--\r",
    "part_without_header": b"\r\n--x\r\ntext\r\n--x--\r\n",
    "part_in_itself": b"\r\n--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\na\r\n--x--",
    "bad_base64": b"\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n=\r\n--x--\r\n",
    "message_inside": b"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: a\r\n\r\nFrom b\r\n--x--\r\n",
}
TYPES: Mapping[str, bytes] = {
    "plain": b"multipart/mixed; boundary=x",
    "quoted": b'multipart/mixed; boundary="x"',
    "twice": b"multipart/mixed; boundary=x; boundary=y",
    "open_quote": b'multipart/mixed; boundary="x',
    "none": b"multipart/mixed",
}
WORDS: Mapping[str, bytes] = {
    "q": b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    "b": b"=?utf-8?b?R3LDvMOfZQ==?=",
    "empty": b"=?utf-8?q??=",
    "blank": b"=?utf-8?q?_?=",
    "open": b"=?utf-8?q?a",
    "raw_colon": b"=?utf-8?q?a:b?=",
    "raw_comma": b"=?utf-8?q?a,b?=",
    "raw_angle": b"=?utf-8?q?<a@b>?=",
    "raw_at": b"=?utf-8?q?a@b?=",
    "hidden_lines": b"=?utf-8?q?a=0D=0AX:_y?=",
    "unknown": b"=?x-unknown?q?a?=",
    "split": b"=?utf-8?q?=C3?=\r\n =?utf-8?q?=BC?=",
    "long": b"=?utf-8?q?" + b"x" * 2000 + b"?=",
}
PLACES: Mapping[str, bytes] = {
    "subject": b"Subject: %b\r\n",
    "name": b"To: %b <bob>\r\n",
    "bare": b"To: %b\r\n",
    "group": b"To: %b: bob, carol;\r\n",
}
GIANT: Mapping[str, tuple[bytes, ...]] = {
    "long_field": (b"X-Long: " + b"0123456789" * 5000, *USUAL),
    "folded_field": (b"X-Folded: a" + b",\r\n\tb" * 5000, *USUAL),
    "many_names": (b"To: " + b",\r\n ".join(b"u%d" % n for n in range(6000)), *USUAL),
    "many_names_in_one_line": (b"To: " + b",".join(b"u%d" % n for n in range(12000)), *USUAL),
    "many_words": (b"To: " + b"=?utf-8?q?a?= <a>, " * 3000, *USUAL),
    "many_fields": (*USUAL, *(b"X-%d: %d" % (n, n) for n in range(9000))),
    "too_many_fields": (*USUAL, *(b"X-%d:" % n for n in range(10_001))),
    "too_long": (PATH, *USUAL, b"X: " + b"x" * 1_100_000),
    "open_type": (b'Content-Type: a/b; c="' + b"x" * 300_000, *USUAL),
    "open_comment": (b"To: " + b"(" * 100_000, *USUAL),
    "cr_only": (b"Subject: x\r" + b"X: y\r" * 5000 + b"\rtext", *USUAL),
    "received_fields": (*(b"Received: from a by b; x" for _ in range(99)), *USUAL),
    "too_many_hops": (*(b"Received: from a by b; x" for _ in range(100)), *USUAL),
}


def marked(name: str, text: bytes) -> bytes:
    """Return a message with its own name in the place of a word that is in most of them."""
    return text.replace(b"ann@example.net", name.encode() + b"@example.net")


def by_lines() -> Iterator[tuple[str, bytes]]:
    """Yield each shape in each kind of line end, and with ends of all kinds."""
    chance = Random(1)
    for shape, lines in SHAPES.items():
        for kind, end in ENDS.items():
            yield f"{shape}_{kind}", end.join([*lines, b""])
        yield f"{shape}_unended", b"\r\n".join(lines)
        ends = [chance.choice([*ENDS.values()]) for _ in lines]
        yield f"{shape}_mixed", b"".join(a + b for a, b in zip(lines, ends, strict=True))


def by_parts() -> Iterator[tuple[str, bytes]]:
    """Yield MIME that is broken somewhere, encoded words in all places, and giants."""
    usual = b"From: ann@example.net\r\nMIME-Version: 1.0\r\n"
    for kind, value in TYPES.items():
        for body, text in BODIES.items():
            yield f"{kind}_{body}", usual + b"Content-Type: " + value + b"\r\n" + text
    for place, field in PLACES.items():
        for kind, word in WORDS.items():
            yield f"{kind}_{place}", usual + field % word + b"\r\ntext\r\n"
    for name, fields in GIANT.items():
        yield name, b"\r\n".join([*fields, b"", b"text", b""])
    for size in (998, 1000, 100_000):
        yield f"line_of_{size}", usual + b"\r\n" + b"x" * size + b"\r\n"


ODD: Mapping[str, bytes] = {
    name: marked(name, text) for name, text in (*by_lines(), *by_parts()) if text
}
"""All of them by their names. A message without any octet is none that Dovecot serves."""
