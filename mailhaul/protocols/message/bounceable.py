"""Whether a message may be answered with a bounce (RFC 3834, section 2; RFC 5321, 4.5.5 and 6.2).

A bounce to a machine makes another, one to a list bothers everybody on it, one to a forged sender
somebody who wrote nothing. In doubt there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from .envelope import is_path
from .header import Field
from .objections import HOP_LIMIT, hops

MACHINES = (b"list", b"bulk", b"junk")


class NoBounce(Enum):
    """Why nobody is told; the value ends a sentence for people."""

    NULL_SENDER = "it is a bounce itself"
    DAEMON = "a mail system sent it"
    NO_ADDRESS = "its sender is no address"
    AUTOMATIC = "a program sent it"
    LIST = "it came by a mailing list"
    LOOP = "it goes in circles"


def no_bounce(sender: bytes, fields: Sequence[Field]) -> NoBounce | None:
    """Return what forbids a bounce to this envelope sender, None if it is allowed.

    Of an opaque header there are no fields: such a message must not be bounced either.
    """
    if not sender:
        return NoBounce.NULL_SENDER
    local = sender.rpartition(b"@")[0] or sender
    if local.strip(b'"').lower() == b"mailer-daemon":
        return NoBounce.DAEMON
    if not (sender.isascii() and is_path(sender)):
        return NoBounce.NO_ADDRESS
    for field in fields:
        if reason := spoken_by(field):
            return reason
    return NoBounce.LOOP if hops(fields) >= HOP_LIMIT else None


def spoken_by(field: Field) -> NoBounce | None:
    """Return what one field says against a bounce."""
    match field.key:
        case b"auto-submitted" if first_word(field) != b"no":
            return NoBounce.AUTOMATIC
        case b"list-id":
            return NoBounce.LIST
        case b"precedence" if first_word(field) in MACHINES:
            return NoBounce.LIST
        case b"x-loop":
            return NoBounce.LOOP
        case _:
            return None


def first_word(field: Field) -> bytes:
    """Return what stands before parameters and comments, in lower case (RFC 3834, section 5)."""
    return field.body.partition(b";")[0].partition(b"(")[0].strip().lower()
