"""Which messages of a mailbox are fetched, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..protocols.record import Record
from .account import Account
from .memory import Held
from .source import Listed, Uid


class Choice(Record):
    """What a poll does with a mailbox: fetch these, leave the oversized, ``left`` wait."""

    fetch: tuple[Listed, ...]
    oversized: tuple[Listed, ...]
    left: int


def choose(
    account: Account,
    new: Sequence[Listed],
    excluded: Collection[Uid],
    already_read: int,
    held: Mapping[Uid, Held],
) -> Choice:
    """Apply ``limit`` and ``fetchlimit`` to what is new, in the order of the mailbox.

    ``excluded`` are UIDs that owe something or were cut off in this poll, and
    ``already_read`` counts against ``fetchlimit`` what this poll has read elsewhere. What the sink
    has not taken more than once (``held``) comes last, in turns: so it is in nobody's way.
    """
    candidates = [message for message in new if message.uid not in excluded]
    if held:
        candidates = [m for m in candidates if not (m.uid in held and held[m.uid].set_aside)]
        candidates.sort(key=lambda m: held[m.uid].failed_again if m.uid in held else 0)
    limit = account.limit
    fitting = [m for m in candidates if not limit or m.size <= limit]
    oversized = [m for m in candidates if limit and m.size > limit]
    room = len(fitting)
    if account.fetchlimit:
        room = max(0, account.fetchlimit - already_read)
    return Choice(tuple(fitting[:room]), tuple(oversized), len(fitting[room:]))
