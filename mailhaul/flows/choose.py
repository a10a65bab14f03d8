"""Which messages of a mailbox are fetched, and what happens to the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..protocols.record import Record
from .account import Account
from .ledger import Undelivered
from .source import Listed, Uid

MAX_OVERSIZED = 50_000
"""The maximum number of oversized messages that are reported one by one."""


class Choice(Record):
    """What a poll does with a mailbox: it fetches ``fetch`` and leaves ``oversized``.

    The messages in ``last`` have failed more than once and are fetched after everything else.
    ``left`` counts the messages left for the next poll, and ``later`` those left for the next
    session of this poll. ``unnamed`` counts further oversized messages.
    """

    fetch: tuple[Listed, ...]
    last: tuple[Listed, ...]
    oversized: tuple[Listed, ...]
    left: int
    later: int
    unnamed: int = 0


class Chooser:
    """Applies ``limit`` and ``fetchlimit`` to the new messages, in the order of the mailbox.

    ``excluded`` are UIDs that have an action pending or were cut off in this poll.
    ``already_read`` is the number of messages that this poll has read from other mailboxes; it
    counts against ``fetchlimit``. Messages that the sink has failed to accept more than once
    (``undelivered``) come last, the longest-waiting first, so that they do not delay others. At
    most ``at_once`` messages are held in memory, plus MAX_OVERSIZED oversized ones.
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
        """How many messages were new, including those that are not fetched."""

    def add(self, new: Sequence[Listed]) -> None:
        """Add the next part of the new messages."""
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

    @property
    def is_full(self) -> bool:
        """Whether no more messages are held for this session."""
        return len(self._fitting) >= self._most

    def choice(self) -> Choice:
        """Return what to do with all messages added."""
        fitting = sorted(self._fitting, key=lambda message: message.number)
        self._last.sort(key=lambda message: self._undelivered[message.uid].failed_again)
        room = self._most - len(fitting)
        last, waiting = self._last[:room], self._more + len(self._last[room:])
        chosen = self._already_read + len(fitting) + len(last)
        is_left = self._fetchlimit and chosen >= self._fetchlimit
        left, later = (waiting, 0) if is_left else (0, waiting)
        oversized = tuple(self._oversized)
        return Choice(tuple(fitting), tuple(last), oversized, left, later, self._unnamed)
