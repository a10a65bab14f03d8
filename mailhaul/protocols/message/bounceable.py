"""Decide whether a message may be bounced (RFC 3834, section 2; RFC 5321, 4.5.5 and 6.2).

A bounce to an automatic sender may cause another bounce. A bounce to a mailing list reaches all its
members. A bounce to a forged sender reaches a person who did not send the message. If in doubt, a
message is not bounced.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from .envelope import is_path
from .header import Field
from .objections import HOP_LIMIT, hops

BULK_PRECEDENCES = (b"list", b"bulk", b"junk")


class NoBounce(Enum):
    """Why a message must not be bounced; the value completes a sentence in a user's message."""

    NULL_SENDER = "it is a bounce itself"
    DAEMON = "a mail system sent it"
    NO_ADDRESS = "its sender is not a valid address"
    AUTOMATIC = "a program sent it"
    LIST = "it came through a mailing list"
    LOOP = "it is in a mail loop"


def no_bounce(sender: bytes, fields: Sequence[Field]) -> NoBounce | None:
    """Return why a bounce to this envelope sender is forbidden, or None if it is allowed.

    An opaque header has no fields to check: the caller must not bounce such a message.
    """
    if not sender:
        return NoBounce.NULL_SENDER
    local = sender.rpartition(b"@")[0] or sender
    if local.strip(b'"').lower() == b"mailer-daemon":
        return NoBounce.DAEMON
    if not (sender.isascii() and is_path(sender)):
        return NoBounce.NO_ADDRESS
    for field in fields:
        if reason := reason_in(field):
            return reason
    return NoBounce.LOOP if hops(fields) >= HOP_LIMIT else None


def reason_in(field: Field) -> NoBounce | None:
    """Return the reason that one field gives against a bounce, or None."""
    match field.key:
        case b"auto-submitted" if first_word(field) != b"no":
            return NoBounce.AUTOMATIC
        case b"list-id":
            return NoBounce.LIST
        case b"precedence" if first_word(field) in BULK_PRECEDENCES:
            return NoBounce.LIST
        case b"x-loop":
            return NoBounce.LOOP
        case _:
            return None


def first_word(field: Field) -> bytes:
    """Return the value before parameters and comments, in lower case (RFC 3834, section 5)."""
    return field.body.partition(b";")[0].partition(b"(")[0].strip().lower()
