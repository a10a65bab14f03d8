"""The header that is sent in place of the one received: fields dropped, completed, added.

All else stays byte for byte and in its order. Nothing in here judges a message: a header
without a single field, or one too long to be taken apart, goes on as well.

What is dropped is dropped for all that it says, never for how it begins: a line that begins with
``From `` or a Return-Path that holds more than a path may be somebody's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import LocalProtocolError
from .envelope import local_part
from .header import Field, HeaderScanner
from .hosts import domain_part, host_bytes
from .mailbox_line import without_mailbox_line
from .rewrite import ROOM, rewritten
from .trace import Received, plain_bytes, received_field

STATUS = (b"status", b"x-mozilla-status")
"""What mail readers note in their own folders; meaningless where the message goes."""
BLANKS = (b" ", b"\t")
LED_BY_BLANK = b"X-Fetchmail-Warning: the first line of the header begins with a blank"
"""Such a line becomes part of this, not of our Received; relays would end the header before it."""
PATH = re.compile(rb"(?:<[^<>]*+>|[^\s<>()]*+)(?:\s*+\([^()]*+\))*+")
"""All that a Return-Path says: one path, and perhaps comments."""


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What an account's options do to headers.

    ``user`` at the mail server ``truename`` had the message. ``trace`` is None under
    ``invisible``. ``keep_return_path`` is for an MDA; in SMTP and LMTP the envelope carries
    it from here, and who delivers finally writes it anew. ``multidrop`` says whether the
    mailbox is that of several people.
    """

    truename: str
    user: str
    trace: Received | None
    rewrite: bool = True
    drop_status: bool = False
    drop_delivered: bool = False
    keep_return_path: bool = False
    multidrop: bool = False


def outgoing_header(
    scanner: HeaderScanner, rules: HeaderRules, recipient: bytes | None, warning: bytes = b""
) -> bytes:
    """Return what to send before ``scanner.rest``: the header and its blank line.

    NULs go, which no header may hold. Added lines end as those of the message do. ``warning``
    is one more field for the end of the header, with its line end. Of an opaque header the
    result is only what is added, on top. Raises LocalProtocolError while the header is not
    complete.
    """
    if not scanner.complete:
        raise LocalProtocolError("the header is not complete")
    line_end = scanner.line_end
    trace = b""
    if rules.trace:
        trace = received_field(rules.trace, recipient, line_end, multidrop=rules.multidrop)
    if scanner.opaque:
        led = LED_BY_BLANK + line_end if trace and scanner.rest.startswith(BLANKS) else b""
        return trace + warning + led
    kept = list(kept_fields(without_nuls(without_mailbox_line(scanner.fields)), rules))
    if not any(field.name for field in kept):
        header = trace + stand_in(rules, line_end) + warning
        return header + text_without_header(scanner, kept)
    if rules.rewrite:
        lines = list(completed(kept, domain_part(rules.truename)))
    else:
        lines = [field.raw for field in kept]
    if warning:
        lines.append(warning if lines[-1].endswith((b"\n", b"\r")) else line_end + warning)
    if trace and lines[0].startswith(BLANKS):
        lines[0] = LED_BY_BLANK + line_end + lines[0]
    lines.insert(trace_position(kept), trace)
    return closed(lines, scanner.separator, line_end)


def closed(lines: list[bytes], separator: bytes, line_end: bytes) -> bytes:
    """Return lines and the blank line behind them, which stays one.

    The line between may be gone, and a bare CR before it would be part of that line end now.
    """
    text = b"".join(lines)
    if text.endswith(b"\r") and separator in {b"\n", b"\r\n"}:
        text = text[:-1] + line_end
    return text + separator


def without_nuls(fields: Iterable[Field]) -> Iterator[Field]:
    """Yield the fields without NULs. A line of nothing else must not become the blank line."""
    for field in fields:
        if b"\0" not in field.raw:
            yield field
        elif raw := field.raw.replace(b"\0", b"").lstrip(b"\r\n"):
            # What was folded behind such a line stays, without the line end before it.
            yield Field(raw)


def kept_fields(fields: Iterator[Field], rules: HeaderRules) -> Iterator[Field]:
    """Yield the fields that are passed on."""
    for field in fields:
        key = field.key
        if key == b"return-path" and not rules.keep_return_path and is_path_alone(field):
            continue
        if key in STATUS and (rules.drop_status or not field.body.strip()):
            continue
        if key == b"delivered-to" and rules.drop_delivered:
            continue
        yield field


def is_path_alone(field: Field) -> bool:
    """Whether a Return-Path holds nothing that could be missed."""
    return PATH.fullmatch(field.body.strip()) is not None


def completed(fields: list[Field], host: bytes, room: int = ROOM) -> Iterator[bytes]:
    """Yield the fields as they came, but for ``host`` behind addresses, while there is room."""
    for field in fields:
        raw = rewritten(field, host, room)
        room -= len(raw) - len(field.raw)
        yield raw


def trace_position(fields: list[Field]) -> int:
    """Return where our Received field goes: before the first one there is, else on top."""
    for position, field in enumerate(fields):
        if field.key == b"received":
            return position
    return 0


def stand_in(rules: HeaderRules, line_end: bytes) -> bytes:
    """Return a header for a message that has none. Under ``invisible`` it names no own host."""
    host = rules.trace.host if rules.trace else rules.truename
    user = plain_bytes(rules.user.encode("ascii", "replace"))
    to = local_part(user.decode("ascii")) + b"@" + domain_part(host)
    lines = (
        b"From: FETCHMAIL-DAEMON",
        b"To: " + to,
        b"Subject: Headerless mail from %b's mailbox on %b" % (user, host_bytes(rules.truename)),
        b"",
    )
    return line_end.join(lines)


def text_without_header(scanner: HeaderScanner, lines: list[Field]) -> bytes:
    """Return the blank line, and behind it the lines that were no header after all.

    Those keep the blank line they came with, if any: it is part of the text.
    """
    if not lines:
        return scanner.separator or scanner.line_end
    text = closed([line.raw for line in lines], scanner.separator, scanner.line_end)
    return scanner.line_end + text
