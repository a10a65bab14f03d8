"""Which messages of a mailbox are fetched, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..protocols.record import Record
from .account import Account
from .ledger import Undelivered
from .source import Listed, Uid


class Choice(Record):
    """What a poll does with a mailbox: fetch these, leave the oversized.

    ``last`` failed more than once: they are fetched when all else is done. ``left`` wait for the
    next poll, and ``later`` for the next session of this one.
    """

    fetch: tuple[Listed, ...]
    last: tuple[Listed, ...]
    oversized: tuple[Listed, ...]
    left: int
    later: int


def choose(
    account: Account,
    new: Sequence[Listed],
    excluded: Collection[Uid],
    already_read: int,
    undelivered: Mapping[Uid, Undelivered],
    at_once: int,
) -> Choice:
    """Apply ``limit`` and ``fetchlimit`` to what is new, in the order of the mailbox.

    ``excluded`` are UIDs that owe something or were cut off in this poll, and
    ``already_read`` counts against ``fetchlimit`` what this poll has read elsewhere. What the sink
    has not taken more than once (``undelivered``) comes last, in turns: so it is in nobody's way.
    No more than ``at_once`` are held.
    """
    limit = account.limit
    most = at_once
    if account.fetchlimit:
        most = min(most, max(0, account.fetchlimit - already_read))
    fitting: list[Listed] = []
    oversized: list[Listed] = []
    last: list[Listed] = []
    more = 0
    for message in new:
        row = undelivered.get(message.uid)
        if message.uid in excluded or (row and row.set_aside):
            continue
        if limit and message.size > limit:
            oversized.append(message)
        elif row and row.failed_again:
            last.append(message)
        elif len(fitting) < most:
            fitting.append(message)
        else:
            more += 1
    last.sort(key=lambda message: undelivered[message.uid].failed_again)
    room = most - len(fitting)
    waiting = more + len(last[room:])
    last = last[:room]
    chosen = len(fitting) + len(last)
    is_left = account.fetchlimit and already_read + chosen >= account.fetchlimit
    left, later = (waiting, 0) if is_left else (0, waiting)
    return Choice(tuple(fitting), tuple(last), tuple(oversized), left, later)
