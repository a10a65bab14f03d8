"""What may change in a message on its way out, as docs/corpus.md says it, line by line.

A second opinion on purpose: nothing of the product is used in here. ``Expected.of`` says what has
to arrive of a message, ``comparable`` brings what did arrive into the same form: without what a
receiver or mailhaul adds on top, and without the hosts that addresses got.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .ways_out import LINE_END, WayOut

HOST = b"localhost"
"""The host that an address gets: that of the server."""
HEADER_LIMIT, FIELDS_LIMIT, HOPS = 1024 * 1024, 10_000, 100
ADDRESS_FIELDS = re.compile(
    rb"(?i)(?:resent-)?(?:from|to|cc|bcc|sender)|reply-to|return-path|apparently-(?:from|to)"
)
FIELD_END = re.compile(rb"(?>\r?\r?\n|\r)(?![ \t])")
MAILBOX_LINE = re.compile(rb"From (\"[^\"]*\"\S*|\S+) .*\d:\d\d\b.*")
RETURN_PATH = re.compile(rb"\s*(<[^<>]*>|[^\s<>()]*)(\s*\([^()]*\))*\s*")
TRACE = re.compile(
    rb"(?<![^\r\n])Received: from %b\r?\n\tby \S+ with IMAP \(mailhaul-[0-9.]+\)\r?\n"
    rb"\tfor <\S+> \(single-drop\); [^\r\n]+\r?\n" % re.escape(HOST)
)
LEADING_BLANK_WARNING = re.compile(
    rb"(?<![^\r\n])X-Fetchmail-Warning: the first line of the header begins with a blank\r?\n"
)
STAND_IN = re.compile(
    rb"From: FETCHMAIL-DAEMON\r?\nTo: \S+\r?\nSubject: Headerless mail from [^\r\n]*\r?\n"
)
TOP_LINE = re.compile(rb"Return-Path: [^\r\n]*\r?\n")


class Cut(NamedTuple):
    """A message taken apart: ``blank`` is the line end behind the header, b"" without one."""

    fields: list[bytes]
    blank: bytes
    body: bytes


def cut(text: bytes) -> Cut:
    """Take a message apart where a line is empty for any receiver."""
    last = 0
    for end in LINE_END.finditer(text):
        if end.start() == last:
            header, blank, body = text[:last], end[0], text[end.end() :]
            return Cut(list(fields_of(header)), blank, body)
        last = end.end()
    return Cut(list(fields_of(text)), b"", b"")


def fields_of(header: bytes) -> Iterator[bytes]:
    """Yield the fields with their line ends, and lines that are none as well."""
    start = 0
    for end in FIELD_END.finditer(header):
        yield header[start : end.end()]
        start = end.end()
    if start < len(header):
        yield header[start:]


def name_of(field: bytes) -> bytes:
    """Return the name of a field in lower case, b"" for a line that is none."""
    name, colon, _ = field.partition(b":")
    name = name.rstrip(b" \t")
    return name.lower() if colon and re.fullmatch(rb"[!-9;-~]+", name) else b""


class Expected(NamedTuple):
    """What arrives, ``key`` for comparing; ``stays`` says that it may not leave the server."""

    key: bytes
    stays: bool

    @classmethod
    def of(cls, text: bytes, way: WayOut) -> Expected:
        """Say what has to arrive of a message by one way out."""
        fields, blank, body = cut(text)
        size = sum(map(len, fields))
        if size > HEADER_LIMIT or len(fields) > FIELDS_LIMIT:
            return cls(way.rule(text), stays=False)
        if sum(name_of(field) == b"received" for field in fields) >= HOPS:
            return cls(b"", stays=True)
        header = b"".join(kept(fields, way))
        if header.endswith(b"\r") and blank in {b"\n", b"\r\n"}:
            # The line between them is gone: they stay two line ends.
            header = header[:-1] + b"\r\n"
        whole = way.rule(header + blank + body)
        if any(name_of(field) for field in fields_of(header)):
            return cls(without_hosts(whole), stays=False)
        # What was no header stands in the text, behind a header that is made.
        return cls(whole, stays=False)


def kept(fields: list[bytes], way: WayOut) -> Iterator[bytes]:
    """Yield the fields that are passed on."""
    for number, field in enumerate(fields):
        end = LINE_END.search(field)
        line = field[: end.end()] if end else field
        if number == 0 and MAILBOX_LINE.fullmatch(line.rstrip()):
            yield field[len(line) :]
        elif field.strip(b"\0\r\n") and not goes(field, way):
            yield field.replace(b"\0", b"")


def goes(field: bytes, way: WayOut) -> bool:
    """Whether a field is dropped."""
    value = field.partition(b":")[2]
    match name_of(field):
        case b"return-path":
            return not way.keeps_return_path and RETURN_PATH.fullmatch(value) is not None
        case b"status" | b"x-mozilla-status":
            return not value.strip()
        case _:
            return False


def without_hosts(text: bytes) -> bytes:
    """Return a message without the hosts that its addresses got."""
    fields, blank, body = cut(text)
    plain = (
        field.replace(b"@" + HOST, b"") if ADDRESS_FIELDS.fullmatch(name_of(field)) else field
        for field in fields
    )
    return b"".join((*plain, blank, body))


def comparable(stored: bytes, way: WayOut) -> Iterator[bytes]:
    """Yield what a stored message may have been, for a lookup by ``Expected.key``."""
    text = LEADING_BLANK_WARNING.sub(b"", TRACE.sub(b"", stored, count=1), count=1)
    tops = [text]
    if way.above and (top := TOP_LINE.match(text)):
        tops.append(text[top.end() :])
    for one in tops:
        yield without_hosts(one)
        if made := STAND_IN.match(one):
            rest = one[made.end() :]
            yield rest
            # A blank line stands before lines that were taken for a header first.
            if end := LINE_END.match(rest):
                yield rest[end.end() :]
