"""Mailboxes in memory, as an IMAP server needs them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...protocols.imap.uid_sets import read_set


@dataclass(slots=True, eq=False)
class Message:
    """One stored message. ``size`` is in octets; ``chunks`` gives its text whenever asked."""

    uid: int
    size: int
    chunks: Callable[[], Iterable[bytes]] = field(repr=False)
    flags: set[bytes] = field(default_factory=set[bytes])
    date: bytes = b"01-Jan-2026 00:00:00 +0000"

    @property
    def text(self) -> bytes:
        """The whole text: not for messages that would not fit in memory."""
        return b"".join(self.chunks())


def uid_of(message: Message) -> int:
    """Return what messages are sorted by."""
    return message.uid


Numbered = list[tuple[int, Message]]
"""Messages with their sequence numbers, in the order of these."""


class Mailbox:
    """Messages in the order of their UIDs."""

    def __init__(self, texts: Iterable[bytes] = (), uidvalidity: int = 1) -> None:
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.messages: list[Message] = []
        for text in texts:
            self.append(text)

    def append(self, text: bytes, *flags: bytes) -> Message:
        """Store a message and return it."""
        return self.append_chunks(len(text), lambda: (text,), *flags)

    def append_chunks(
        self, size: int, chunks: Callable[[], Iterable[bytes]], *flags: bytes
    ) -> Message:
        """Store a message whose text is made whenever it is read."""
        message = Message(self.uidnext, size, chunks, set(flags))
        self.uidnext += 1
        self.messages.append(message)
        return message

    def numbered(self, numbers: bytes) -> Numbered:
        """Return the messages with these sequence numbers. Raises ValueError for no set."""
        spans = ((low - 1, high) for low, high in read_set(numbers, len(self.messages)))
        return self._within(spans)

    def with_uids(self, uids: bytes) -> Numbered:
        """Return the messages with these UIDs. Raises ValueError for no set."""
        largest = self.messages[-1].uid if self.messages else 0
        spans = (
            (
                bisect_left(self.messages, low, key=uid_of),
                bisect_right(self.messages, high, key=uid_of),
            )
            for low, high in read_set(uids, largest)
        )
        return self._within(spans)

    def expunge(self, uids: frozenset[int] | None = None) -> list[int]:
        """Remove what is flagged as deleted, among these UIDs if given.

        Returns the sequence numbers as they are at each removal (RFC 3501, 7.4.1).
        """
        kept: list[Message] = []
        removed: list[int] = []
        for message in self.messages:
            if b"\\Deleted" in message.flags and (uids is None or message.uid in uids):
                removed.append(len(kept) + 1)
            else:
                kept.append(message)
        self.messages = kept
        return removed

    def _within(self, spans: Iterable[tuple[int, int]]) -> Numbered:
        """Return the messages at these places, each a pair of first and behind the last."""
        places: set[int] = set()
        for first, behind in spans:
            places.update(range(max(first, 0), min(behind, len(self.messages))))
        return [(place + 1, self.messages[place]) for place in sorted(places)]


class Mailboxes(dict[bytes, Mailbox]):
    """Mailboxes by name; INBOX in any case (RFC 3501, 5.1)."""

    def find(self, name: bytes) -> Mailbox | None:
        """Return the mailbox of this name, if there is one."""
        return self.get(b"INBOX" if name.upper() == b"INBOX" else name)
