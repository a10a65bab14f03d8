"""Which messages of a mailbox are fetched, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..protocols.record import Record
from .account import Account
from .ledger import Undelivered
from .source import Listed, Uid

MAX_OVERSIZED = 50_000
"""Messages that are too large of which each is told."""


class Choice(Record):
    """What a poll does with a mailbox: fetch these, leave the oversized.

    ``unnamed`` are as many more of these. ``last`` failed more than once: they are fetched when
    all else is done. ``left`` wait for the next poll, and ``later`` for the
    next session of this one.
    """

    fetch: tuple[Listed, ...]
    last: tuple[Listed, ...]
    oversized: tuple[Listed, ...]
    left: int
    later: int
    unnamed: int = 0


class Chooser:
    """Applies ``limit`` and ``fetchlimit`` to what is new, in the order of the mailbox.

    ``excluded`` are UIDs that owe something or were cut off in this poll, and ``already_read``
    counts against ``fetchlimit`` what this poll has read elsewhere. What the sink has not taken
    more than once (``undelivered``) comes last, in turns: so it is in nobody's way. Of a mailbox of
    any size no more than ``at_once`` messages are held, and MAX_OVERSIZED that are too large.
    """

    def __init__(
        self,
        account: Account,
        excluded: Collection[Uid],
        already_read: int,
        undelivered: Mapping[Uid, Undelivered],
        at_once: int,
    ) -> None:
        self._limit = account.limit
        self._fetchlimit = account.fetchlimit
        self._excluded = excluded
        self._already_read = already_read
        self._undelivered = undelivered
        self._most = at_once
        if account.fetchlimit:
            self._most = min(at_once, max(0, account.fetchlimit - already_read))
        self._fitting: list[Listed] = []
        self._oversized: list[Listed] = []
        self._last: list[Listed] = []
        self._more = 0
        self._unnamed = 0
        self.count = 0
        """How many messages were new, whatever becomes of them."""

    def add(self, new: Sequence[Listed]) -> None:
        """Take the next part of what is new."""
        self.count += len(new)
        for message in new:
            row = self._undelivered.get(message.uid)
            if message.uid in self._excluded or (row and row.set_aside):
                continue
            if self._limit and message.size > self._limit:
                if len(self._oversized) < MAX_OVERSIZED:
                    self._oversized.append(message)
                else:
                    self._unnamed += 1
            elif row and row.failed_again:
                self._last.append(message)
            elif len(self._fitting) < self._most:
                self._fitting.append(message)
            else:
                self._more += 1

    def choice(self) -> Choice:
        """Return what is done with all that was added."""
        fitting = sorted(self._fitting, key=lambda message: message.number)
        self._last.sort(key=lambda message: self._undelivered[message.uid].failed_again)
        room = self._most - len(fitting)
        last, waiting = self._last[:room], self._more + len(self._last[room:])
        chosen = self._already_read + len(fitting) + len(last)
        is_left = self._fetchlimit and chosen >= self._fetchlimit
        left, later = (waiting, 0) if is_left else (0, waiting)
        oversized = tuple(self._oversized)
        return Choice(tuple(fitting), tuple(last), oversized, left, later, self._unnamed)
