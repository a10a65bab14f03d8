"""Who was told when that mail is too large to be fetched (``warnings``)."""

from __future__ import annotations

from collections.abc import Collection

from .source import Uid


class Reminders:
    """Remembers it for as long as a daemon runs."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[frozenset[Uid], float]] = {}

    def due(
        self, account: str, mailbox: str, uids: Collection[Uid], now: float, every: float
    ) -> bool:
        """Whether the user is to be told: of what is new, and of the rest so many seconds later."""
        known, before = self._told.get((account, mailbox), (frozenset[Uid](), float("-inf")))
        return bool(uids) and (not known.issuperset(uids) or now - before >= every)

    def told(self, account: str, mailbox: str, uids: Collection[Uid], now: float) -> None:
        """The user was told."""
        self._told[account, mailbox] = (frozenset(uids), now)
