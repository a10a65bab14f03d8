"""Actions still pending at the server: messages of earlier polls to delete or to mark.

They are requested after the new mail, so that a server that fails at them does not delay mail. Each
request covers a share of the messages. The shares get smaller after failures: a message at
which the session breaks every time is soon requested alone, and then rests. A message is deleted
or marked from the ledger's records only if it is shown to be the message that was accepted: by its
UID, and by its size or the fingerprint of its header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from ..protocols.message.fingerprint import fingerprint
from .ledger import Pending
from .source import Uid

SHARE_SIZES = (200, 12, 1)
"""How many messages are requested together, by the number of earlier failed tries."""
SINGLE_COUNT = 2
"""How many tries a failure counts for if the message was requested alone: no other message can
be the cause."""
MAX_SHARES = 50
"""How many shares of each size one poll requests, one after another."""
MAX_TRIES = 2 * SINGLE_COUNT
REST_SECONDS, LONG_REST_SECONDS = 3600, 24 * 3600
"""Seconds without a try after MAX_TRIES failures, and after twice as many. The cause may have been
a fault of the server that lasts only an hour."""


class Match(Enum):
    """How a message in the ledger compares with the server's listing."""

    SAME = "same"
    OTHER = "other"
    """The message is gone, or its UID now belongs to another message."""
    UNKNOWN = "unknown"
    """The server does not provide enough data now."""


def shares(
    pending: Sequence[Pending], *, expunges_all: bool, in_sessions: bool
) -> Sequence[Sequence[Pending]]:
    """Return the shares of one poll. Each share is requested separately.

    If the server can only expunge all messages at once (``expunges_all``), there is a single share.
    If deletions take effect only at the end of a session (``in_sessions``), there is at most one
    share of each size.
    """
    if expunges_all:
        return [pending] if pending else []
    groups: list[Sequence[Pending]] = []
    # If the clock was set back, the message must still become due.
    due = [row for row in pending if not 0 <= row.seconds_since_try < rest_of(row)]
    due.sort(key=lambda row: -row.seconds_since_try)
    for tries, most in enumerate(SHARE_SIZES):
        rows = [row for row in due if min(row.tries, len(SHARE_SIZES) - 1) == tries]
        count = 1 if in_sessions else MAX_SHARES
        groups += [rows[n * most : (n + 1) * most] for n in range(count)]
    return [group for group in groups if group]


def is_more(pending: Sequence[Pending]) -> bool:
    """Whether the messages without a failed try do not all fit into the first share."""
    return sum(not row.tries for row in pending) > SHARE_SIZES[0]


def rest_of(row: Pending) -> int:
    """Return how many seconds a message rests after its last try."""
    if row.tries < MAX_TRIES:
        return 0
    return REST_SECONDS if row.tries < 2 * MAX_TRIES else LONG_REST_SECONDS


def match(
    row: Pending, sizes: Mapping[Uid, int], headers: Mapping[Uid, bytes], *, reuses_uids: bool
) -> Match:
    """Compare a message in the ledger with the server's data for its UID.

    ``sizes`` are in octets; 0 stands for an unknown size.
    """
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
        # The size alone proves nothing. If the server never provides more, the message is fetched
        # again rather than deleted unread.
        return Match.UNKNOWN if row.tries < MAX_TRIES else Match.OTHER
    return Match.SAME if known else Match.UNKNOWN
