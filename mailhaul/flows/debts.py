"""What servers owe for messages that were accepted in earlier polls.

It is asked for after the new mail, so that a server that fails at it keeps no mail back, and in
shares that get smaller: a message at which the session dies every time is soon alone, and then
rests. Nothing is deleted or marked from memory alone unless the message is shown to be the one
that was accepted: its UID, and its size or the fingerprint of its header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from ..protocols.message.fingerprint import fingerprint
from .ledger import Pending
from .source import Uid

SHARES = (200, 12, 1)
"""How many messages one poll asks for together, by how often it was asked in vain before."""
REST = 24 * 3600
"""Seconds for which a message rests at which the server has failed that often."""


class Match(Enum):
    """What a listing says of a message in the ledger."""

    SAME = "same"
    OTHER = "other"
    """It is gone, or its UID stands for another message now."""
    UNKNOWN = "unknown"
    """The server does not tell enough today."""


def shares(pending: Sequence[Pending]) -> Sequence[Sequence[Pending]]:
    """Return the shares of one poll, each of which is asked for by itself."""
    groups: list[Sequence[Pending]] = []
    for tries, most in enumerate(SHARES):
        last = tries == len(SHARES) - 1
        rows = [row for row in pending if min(row.tries, len(SHARES) - 1) == tries]
        # A clock that was set back must not let a message rest for ever.
        due = [row for row in rows if not last or not 0 <= row.rested < REST]
        due.sort(key=lambda row: -row.rested)
        if due:
            groups.append(due[:most])
    return groups


def match(
    row: Pending, sizes: Mapping[Uid, int], headers: Mapping[Uid, bytes], *, reuses_uids: bool
) -> Match:
    """Compare a message in the ledger with what the server says of its UID."""
    size = sizes.get(row.uid, -1)
    header = headers.get(row.uid)
    if size < 0:
        return Match.OTHER
    if row.fingerprint and header is not None:
        return Match.SAME if fingerprint(header) == row.fingerprint else Match.OTHER
    known = size > 0 and row.size > 0
    if known and size != row.size:
        return Match.OTHER
    if row.fingerprint and reuses_uids:
        # Its size alone shows nothing: it is fetched again rather than deleted unread.
        return Match.OTHER
    return Match.SAME if known else Match.UNKNOWN
