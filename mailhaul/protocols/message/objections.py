"""Find reasons in a header not to forward a message: bad lines, mail loops, folder data.

Each function returns a fact; the options of the account decide what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from .addresses import first_address
from .header import Field, first_line
from .mailbox_line import without_mailbox_line

HOP_LIMIT = 100
"""The number of Received fields that indicates a mail loop (RFC 5321, 6.3)."""


def bad_line(fields: Sequence[Field]) -> bytes | None:
    """Return the first header line that ``bad-header reject`` refuses, or None.

    Such a line is the first line of a field, is not blank, does not begin with a blank, and has
    no colon. Other errors in a field name are tolerated, as in fetchmail. The ``From `` line of
    an mbox file at the top is never bad: it is always removed from the outgoing header.
    """
    for field in without_mailbox_line(fields):
        line = first_line(field.raw).replace(b"\0", b"")
        if b":" in line or line[:1].isspace():
            continue
        if line:
            return line
    return None


def hops(fields: Sequence[Field]) -> int:
    """Return the number of relays that the message has passed; see ``HOP_LIMIT``."""
    return [field.key for field in fields].count(b"received")


def times_delivered(fields: Sequence[Field], recipient: bytes) -> int:
    """Return the number of Delivered-To fields with this address (from qmail and Postfix).

    One is normal if the mailbox itself has the recipient's address; each round of a mail loop
    adds one. The host of an address is case-insensitive, and in practice so is the local part.
    """
    wanted = recipient.lower()
    marks = (first_address(field.body) for field in fields if field.key == b"delivered-to")
    return sum(mark is not None and mark.spec.lower() == wanted for mark in marks)


def is_folder_data(fields: Sequence[Field]) -> bool:
    """Whether this is not mail but the data that c-client keeps in the first message of a mailbox.

    Only the result for the first message of a mailbox is meaningful. Such a message stays on
    the server unchanged.
    """
    return any(field.key == b"x-imap" for field in fields)
