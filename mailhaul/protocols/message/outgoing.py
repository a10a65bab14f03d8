"""Make the outgoing header: remove, complete and add fields of the received header.

Everything else stays byte for byte and in its order. This module never refuses a message: a header
without any field, or one too long to be split into fields, is also sent.

A line is removed only if the whole line matches, never for its first characters: a line that begins
with ``From ``, or a Return-Path that contains more than a path, may be text of the author.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import LocalProtocolError
from .envelope import local_part
from .header import Field, HeaderScanner
from .hosts import domain_part, host_bytes
from .mailbox_line import without_mailbox_line
from .rewrite import MAX_GROWTH, REWRITTEN, rewritten
from .trace import Received, plain_bytes, received_field

STATUS = (b"status", b"x-mozilla-status")
"""Fields that mail readers add for their own folders; they have no meaning at the destination."""
DROPPED = frozenset({b"return-path", b"delivered-to", *STATUS})
"""Fields that the rules may remove."""
BLANKS = (b" ", b"\t")
LEADING_BLANK_WARNING = b"X-Fetchmail-Warning: the first line of the header begins with a blank"
"""Inserted before such a line, which then continues this field and not our Received field.

Relays would otherwise end the header before that line.
"""
PATH = re.compile(rb"(?:<[^<>]*+>|[^\s<>()]*+)(?:\s*+\([^()]*+\)){0,64}")
"""The body of a Return-Path field: one path, and optional comments."""


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """How the options of an account change headers.

    The message came from the mailbox of ``user`` at the mail server ``truename``. ``trace`` is
    None if the option ``invisible`` is set. ``keep_return_path`` is for an MDA; in SMTP and LMTP
    the envelope carries the path, and the final delivery system writes a new field.
    ``multidrop`` is true if the mailbox receives mail for several users.
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
    """Return the header and its blank line, to be sent before ``scanner.rest``.

    NULs, which are not allowed in a header, are removed. Added lines have the same line end as
    the message. ``warning`` is one more field, with its line end, to add at the end of the
    header. If the header is opaque, the result has only the added fields. Raises
    LocalProtocolError if the header is not complete.
    """
    if not scanner.complete:
        raise LocalProtocolError("the header is not complete")
    line_end = scanner.line_end
    trace = b""
    if rules.trace:
        trace = received_field(rules.trace, recipient, line_end, multidrop=rules.multidrop)
    if scanner.opaque:
        leading_warning = (
            LEADING_BLANK_WARNING + line_end if trace and scanner.rest.startswith(BLANKS) else b""
        )
        return trace + warning + leading_warning
    fields = without_mailbox_line(scanner.fields)
    if scanner.has_nuls:
        fields = without_nuls(fields)
    kept = [field for field in fields if field.key not in DROPPED or is_kept(field, rules)]
    if not any(field.name for field in kept):
        header = trace + replacement_header(rules, line_end) + warning
        return header + headerless_text(scanner, kept)
    if rules.rewrite:
        lines = with_hosts(kept, domain_part(rules.truename))
    else:
        lines = [field.raw for field in kept]
    if warning:
        lines.append(warning if lines[-1].endswith((b"\n", b"\r")) else line_end + warning)
    if trace and lines[0].startswith(BLANKS):
        lines[0] = LEADING_BLANK_WARNING + line_end + lines[0]
    lines.insert(trace_position(kept), trace)
    return joined(lines, scanner.separator, line_end)


def joined(lines: list[bytes], separator: bytes, line_end: bytes) -> bytes:
    """Return the lines and the blank line after them, which stays a separate line.

    If the line before the blank line was removed, the preceding line may end in a bare CR. That
    CR would otherwise become part of the blank line's line end.
    """
    text = b"".join(lines)
    if text.endswith(b"\r") and separator in {b"\n", b"\r\n"}:
        text = text[:-1] + line_end
    return text + separator


def without_nuls(fields: Iterable[Field]) -> list[Field]:
    """Return the fields without NULs. A line of only NULs must not become the blank line."""
    # Continuation lines after a line of NULs stay, without the line end before them.
    raws = (
        field.raw.replace(b"\0", b"").lstrip(b"\r\n") if b"\0" in field.raw else field.raw
        for field in fields
    )
    return [Field(raw) for raw in raws if raw]


def is_kept(field: Field, rules: HeaderRules) -> bool:
    """Whether a field with one of the names in DROPPED is kept."""
    if field.key == b"return-path":
        return rules.keep_return_path or not holds_only_a_path(field)
    if field.key == b"delivered-to":
        return not rules.drop_delivered
    return not rules.drop_status and bool(field.body.strip())


def holds_only_a_path(field: Field) -> bool:
    """Whether a Return-Path field contains one path and nothing else except comments."""
    return PATH.fullmatch(field.body.strip()) is not None


def with_hosts(fields: list[Field], host: bytes, room: int = MAX_GROWTH) -> list[bytes]:
    """Return the raw fields, with ``host`` added to addresses until ``room`` octets are used."""
    lines: list[bytes] = []
    for field in fields:
        raw = field.raw
        if field.key in REWRITTEN:
            raw = rewritten(field, host, room)
            room -= len(raw) - len(field.raw)
        lines.append(raw)
    return lines


def trace_position(fields: list[Field]) -> int:
    """Return the index for our Received field: that of the first Received field, or 0."""
    for position, field in enumerate(fields):
        if field.key == b"received":
            return position
    return 0


def replacement_header(rules: HeaderRules, line_end: bytes) -> bytes:
    """Return a header for a message without one.

    If the option ``invisible`` is set, the header does not name the local host.
    """
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


def headerless_text(scanner: HeaderScanner, lines: list[Field]) -> bytes:
    """Return the blank line, followed by the lines that turned out not to be a header.

    If a blank line followed these lines, it is kept as part of the text.
    """
    if not lines:
        return scanner.separator or scanner.line_end
    text = joined([line.raw for line in lines], scanner.separator, scanner.line_end)
    return scanner.line_end + text
