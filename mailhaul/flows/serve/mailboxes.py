"""Mailboxes in memory, as an IMAP server needs them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ...protocols.imap.uid_sets import read_set

DELIMITER = b"/"
"""What stands between the levels of a mailbox name."""


@dataclass(slots=True, eq=False)
class Message:
    """One stored message. ``size`` is in octets; ``chunks`` gives its text whenever asked.

    ``modseq`` grows with every change (RFC 7162, section 3).
    """

    uid: int
    size: int
    chunks: Callable[[], Iterable[bytes]] = field(repr=False)
    flags: set[bytes] = field(default_factory=set[bytes])
    date: bytes = b"01-Jan-2026 00:00:00 +0000"
    modseq: int = 1

    @property
    def text(self) -> bytes:
        """The whole text: not for messages that would not fit in memory."""
        return b"".join(self.chunks())


def uid_of(message: Message) -> int:
    """Return what messages are sorted by."""
    return message.uid


Numbered = list[tuple[int, Message]]
"""Messages with their sequence numbers, in the order of these."""


class Messages:
    """Messages in the order of their UIDs, found by either number."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

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

    def _within(self, spans: Iterable[tuple[int, int]]) -> Numbered:
        """Return the messages at these places, each a pair of first and behind the last."""
        places: set[int] = set()
        for first, behind in spans:
            places.update(range(max(first, 0), min(behind, len(self.messages))))
        return [(place + 1, self.messages[place]) for place in sorted(places)]


class Mailbox(Messages):
    """All messages of one mailbox, and what has become of those that were there.

    ``special_use`` are attributes such as ``\\Sent`` (RFC 6154).
    """

    def __init__(
        self, texts: Iterable[bytes] = (), uidvalidity: int = 1, special_use: Iterable[bytes] = ()
    ) -> None:
        super().__init__()
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.modseq = 1
        self.special_use = tuple(special_use)
        self.gone: list[tuple[int, int]] = []
        for text in texts:
            self.append(text)

    def append(self, text: bytes, *flags: bytes, date: bytes | None = None) -> Message:
        """Store a message and return it."""
        message = self.append_chunks(len(text), lambda: (text,), *flags)
        message.date = date or message.date
        return message

    def append_chunks(
        self, size: int, chunks: Callable[[], Iterable[bytes]], *flags: bytes
    ) -> Message:
        """Store a message whose text is made whenever it is read."""
        message = Message(self.uidnext, size, chunks, set(flags))
        self.uidnext += 1
        self.messages.append(message)
        self.touch(message)
        return message

    def touch(self, message: Message) -> None:
        """Take note that a message has changed."""
        self.modseq += 1
        message.modseq = self.modseq

    def expunge(self, uids: frozenset[int] | None = None) -> list[int]:
        """Remove what is flagged as deleted, among these UIDs if given.

        Returns the sequence numbers as they are at each removal (RFC 3501, 7.4.1).
        """
        removed = {
            message.uid
            for message in self.messages
            if b"\\Deleted" in message.flags and (uids is None or message.uid in uids)
        }
        return self.remove(removed)

    def remove(self, uids: set[int]) -> list[int]:
        """Remove messages; return their numbers as ``expunge`` does."""
        if uids:
            self.modseq += 1
            self.gone += [(self.modseq, uid) for uid in sorted(uids)]
        kept: list[Message] = []
        removed: list[int] = []
        for message in self.messages:
            if message.uid in uids:
                removed.append(len(kept) + 1)
            else:
                kept.append(message)
        self.messages = kept
        return removed

    def gone_since(self, modseq: int) -> list[int]:
        """Return the UIDs of what was removed since a change number."""
        return [uid for at, uid in self.gone if at > modseq]


@dataclass(slots=True)
class News:
    """What a session has not been told yet.

    ``removed`` are pairs of a sequence number, as it is at each removal, and a UID; ``changed``
    are messages with other flags; ``grew`` says that there are new ones.
    """

    removed: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    changed: Numbered = field(default_factory=Numbered)
    grew: bool = False


class View(Messages):
    """What one session knows of a mailbox: its numbers stay until it is told (RFC 3501, 5.5)."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__()
        self.mailbox = mailbox
        self.messages = list(mailbox.messages)
        self._modseq = mailbox.modseq
        self._told = {message.uid: message.modseq for message in self.messages}

    def tell(self, message: Message) -> None:
        """Take note that the session knows a message as it is now."""
        self._told[message.uid] = message.modseq

    def catch_up(self, *, expunged: bool) -> News:
        """Return what is new, without removals where those may not be told (7.4.1)."""
        news = News()
        if self.mailbox.modseq == self._modseq:
            return news
        there = {message.uid for message in self.mailbox.messages}
        if expunged:
            news.removed = list(self._forget(there))
            self._modseq = self.mailbox.modseq
        known = len(self.messages)
        for number, message in enumerate(self.messages, 1):
            if message.uid in there and self._told.get(message.uid) != message.modseq:
                news.changed.append((number, message))
        last = max(self._told, default=0)
        self.messages += [message for message in self.mailbox.messages if message.uid > last]
        news.grew = len(self.messages) > known
        for message in self.messages:
            self.tell(message)
        return news

    def _forget(self, there: set[int]) -> Iterator[tuple[int, int]]:
        kept: list[Message] = []
        for message in self.messages:
            if message.uid in there:
                kept.append(message)
            else:
                yield len(kept) + 1, message.uid
        self.messages = kept


class Mailboxes(dict[bytes, Mailbox]):
    """Mailboxes by name; INBOX in any case (RFC 3501, 5.1)."""

    subscribed: set[bytes]

    def __init__(self, mailboxes: dict[bytes, Mailbox] | None = None) -> None:
        super().__init__(mailboxes or {})
        self.subscribed = set()

    def find(self, name: bytes) -> Mailbox | None:
        """Return the mailbox of this name, if there is one."""
        return self.get(canonical_name(name))

    def matching(self, pattern: bytes) -> list[bytes]:
        """Return names that match, those of levels above a mailbox included (6.3.8)."""
        names = {parent for name in self for parent in with_parents(name)}
        expression = pattern_of(pattern)
        return sorted(name for name in names if expression.fullmatch(name))

    def has_children(self, name: bytes) -> bool:
        """Whether there is a mailbox below this name."""
        return any(other.startswith(name + DELIMITER) for other in self)


def canonical_name(name: bytes) -> bytes:
    """Return a mailbox name as it is stored."""
    return b"INBOX" if name.upper() == b"INBOX" else name


def with_parents(name: bytes) -> Iterator[bytes]:
    """Yield a name and those of all levels above it."""
    while name:
        yield name
        name = name.rpartition(DELIMITER)[0]


def pattern_of(pattern: bytes) -> re.Pattern[bytes]:
    """Return what a LIST pattern matches: ``*`` anything, ``%`` anything in one level."""
    pieces = re.split(rb"([*%])", canonical_name(pattern))
    wild = {b"*": b".*", b"%": b"[^/]*"}
    return re.compile(b"".join(wild.get(p, re.escape(p)) for p in pieces), re.DOTALL)
