"""What in a header speaks against passing a message on: bad lines, mail loops, no mail at all.

Each function states a fact; what follows from it is for the account's options to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from .addresses import first_address
from .header import Field, first_line
from .mailbox_line import without_mailbox_line

HOP_LIMIT = 100
"""Received fields from which on a message goes in circles (RFC 5321, 6.3)."""


def bad_line(fields: Sequence[Field]) -> bytes | None:
    """Return the first header line that ``bad-header reject`` means, None if there is none.

    It is the first line of a field, neither blank nor with a blank at its front, and has no
    colon. What else is wrong with a name is forgiven, as by fetchmail. A mailbox file's own
    ``From `` line on top is never bad: it is dropped from the outgoing header in any case.
    """
    for field in without_mailbox_line(fields):
        line = first_line(field.raw).replace(b"\0", b"")
        if b":" in line or line[:1].isspace():
            continue
        if line:
            return line
    return None


def hops(fields: Sequence[Field]) -> int:
    """Return how many relays the message has passed; see ``HOP_LIMIT``."""
    return sum(field.key == b"received" for field in fields)


def times_delivered(fields: Sequence[Field], recipient: bytes) -> int:
    """Return how often the message was delivered to this address (qmail's and Postfix's mark).

    Once is as it should be, where the mailbox itself has the recipient's address; each round
    of a loop adds one. The host of an address is caseless, and so is in practice the rest.
    """
    wanted = recipient.lower()
    marks = (first_address(field.body) for field in fields if field.key == b"delivered-to")
    return sum(mark is not None and mark.spec.lower() == wanted for mark in marks)


def is_folder_data(fields: Sequence[Field]) -> bool:
    """Whether this is no mail: c-client keeps its notes as the first message of a mailbox.

    Only of a mailbox's first message that means anything; it stays on the server, untouched.
    """
    return any(field.key == b"x-imap" for field in fields)
