"""The header that is sent in place of the one received: what a hauler adds and leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .header import Field, HeaderScanner
from .rewrite import rewritten
from .trace import Received, plain, received_field

STATUS = frozenset({b"status", b"x-mozilla-status"})


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What an account's options do to headers. ``trace`` is None under ``invisible``."""

    truename: str
    user: str
    trace: Received | None
    rewrite: bool = True
    drop_status: bool = False
    drop_delivered: bool = False
    keep_return_path: bool = False


def outgoing_header(scanner: HeaderScanner, rules: HeaderRules, recipient: bytes | None) -> bytes:
    """Return the header to send, with its blank line.

    All that no rule touches stays as it is, byte for byte and in its order; but NULs go, which
    no header may hold. A header too long to be looked at gets the trace field on top only.
    """
    line_end = scanner.line_end
    trace = received_field(rules.trace, recipient, line_end) if rules.trace else b""
    if scanner.opaque:
        return trace
    fields = [item for item in scanner.fields if not is_from_line(item)]
    if not any(item.name for item in fields):
        return b"".join([trace, *substitute(rules, line_end), *(f.raw for f in fields), line_end])
    lines: list[bytes] = []
    for item in kept(fields, rules):
        if trace and item.name.lower() == b"received":
            lines.append(trace)
            trace = b""
        lines.append(rewritten(item, plain(rules.truename)) if rules.rewrite else item.raw)
    header = b"".join([trace, *lines]).replace(b"\0", b"")
    if not header.endswith(b"\n"):
        header += line_end
    return header + (scanner.separator or line_end)


def is_from_line(item: Field) -> bool:
    """Tell whether this is a mailbox file's From_ line, which is no header field."""
    return item.raw.startswith((b"From ", b">From "))


def kept(fields: list[Field], rules: HeaderRules) -> Iterator[Field]:
    """Yield the fields that are passed on."""
    drop_return_path = not rules.keep_return_path
    for item in fields:
        name = item.name.lower()
        if name == b"return-path" and drop_return_path:
            # The envelope carries it from here; who delivers finally writes it anew.
            drop_return_path = False
            continue
        if name in STATUS and (rules.drop_status or not item.body.strip()):
            continue
        if name == b"delivered-to" and rules.drop_delivered:
            continue
        yield item


def substitute(rules: HeaderRules, line_end: bytes) -> list[bytes]:
    """Return a header for a message that has none."""
    user, host = plain(rules.user), plain(rules.truename)
    return [
        b"From: FETCHMAIL-DAEMON" + line_end,
        b"To: %b@%b" % (user, host) + line_end,
        b"Subject: Headerless mail from %b's mailbox on %b" % (user, host) + line_end,
    ]
