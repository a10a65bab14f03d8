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
ALONE = 2
"""What a failure counts for a message that was asked for alone: it must be about this one."""
MAX_SHARES = 50
"""How many shares of each size one poll asks for, one after the other."""
MAX_TRIES = 2 * ALONE
REST, LONG_REST = 3600, 24 * 3600
"""Seconds for which a message rests at which the server has failed so often, or twice as often: it
may have been the server's trouble for an hour."""


class Match(Enum):
    """What a listing says of a message in the ledger."""

    SAME = "same"
    OTHER = "other"
    """It is gone, or its UID stands for another message now."""
    UNKNOWN = "unknown"
    """The server does not tell enough today."""


def shares(
    pending: Sequence[Pending], *, expunges_all: bool, in_sessions: bool
) -> Sequence[Sequence[Pending]]:
    """Return the shares of one poll, each of which is asked for by itself.

    Where the server expunges all or nothing (``expunges_all``), they are asked for together. Where
    nothing counts before the session has ended well (``in_sessions``), there is one of each size.
    """
    if expunges_all:
        return [pending] if pending else []
    groups: list[Sequence[Pending]] = []
    # A clock that was set back must not let a message rest for ever.
    due = [row for row in pending if not 0 <= row.rested < rest_of(row)]
    due.sort(key=lambda row: -row.rested)
    for tries, most in enumerate(SHARES):
        rows = [row for row in due if min(row.tries, len(SHARES) - 1) == tries]
        count = 1 if in_sessions else MAX_SHARES
        groups += [rows[n * most : (n + 1) * most] for n in range(count)]
    return [group for group in groups if group]


def is_more(pending: Sequence[Pending]) -> bool:
    """Whether there is more than the first share of what was never asked for in vain."""
    return sum(not row.tries for row in pending) > SHARES[0]


def rest_of(row: Pending) -> int:
    """Return for how many seconds a message rests after the last try."""
    if row.tries < MAX_TRIES:
        return 0
    return REST if row.tries < 2 * MAX_TRIES else LONG_REST


def match(
    row: Pending, sizes: Mapping[Uid, int], headers: Mapping[Uid, bytes], *, reuses_uids: bool
) -> Match:
    """Compare a message in the ledger with what the server says of its UID."""
    size = sizes.get(row.uid, -1)
    if size < 0:
        return Match.OTHER
    found = fingerprint(headers.get(row.uid, b""))
    if row.fingerprint and found:
        return Match.SAME if found == row.fingerprint else Match.OTHER
    known = size > 0 and row.size > 0
    if known and size != row.size:
        return Match.OTHER
    if row.fingerprint and reuses_uids:
        # Its size alone shows nothing. If the server never shows more, it is fetched again rather
        # than deleted unread.
        return Match.UNKNOWN if row.tries < MAX_TRIES else Match.OTHER
    return Match.SAME if known else Match.UNKNOWN
