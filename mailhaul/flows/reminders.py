"""When the user was last notified about oversized messages (option ``warnings``)."""

from __future__ import annotations

from collections.abc import Collection

from .source import Uid


class Reminders:
    """The notices sent since the program started, by account and mailbox."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], tuple[frozenset[Uid], float]] = {}

    def due(
        self, account: str, mailbox: str, uids: Collection[Uid], now: float, every: float
    ) -> bool:
        """Whether a notice is due: at once for new UIDs, after ``every`` seconds for known ones."""
        known, before = self._sent.get((account, mailbox), (frozenset[Uid](), float("-inf")))
        return bool(uids) and (not known.issuperset(uids) or now - before >= every)

    def mark_sent(self, account: str, mailbox: str, uids: Collection[Uid], now: float) -> None:
        """Record that a notice about these messages was sent at ``now``."""
        self._sent[account, mailbox] = (frozenset(uids), now)
