"""Mailboxes in memory, as an IMAP server needs them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from ..protocols.dots import normalized
from ..protocols.imap.uid_sets import read_set

DELIMITER = b"/"
"""What stands between the levels of a mailbox name."""


@dataclass(slots=True, eq=False)
class Message:
    """One stored message. ``size`` is in octets; ``chunks`` gives its text whenever asked.

    ``modseq`` grows with every change (RFC 7162, section 3). ``as_sent`` is what ``sent_size``
    says; None where that has to be found out.
    """

    uid: int
    size: int
    chunks: Callable[[], Iterable[bytes]] = field(repr=False)
    flags: set[bytes] = field(default_factory=set[bytes])
    date: bytes = b"01-Jan-2026 00:00:00 +0000"
    modseq: int = 1

    as_sent: int | None = None

    @property
    def text(self) -> bytes:
        """The whole text: not for messages that would not fit in memory."""
        return b"".join(self.chunks())

    @property
    def sent_size(self) -> int:
        """The octets that POP3 sends of it, where every line ends with CRLF (RFC 1939, 11)."""
        if self.as_sent is None:
            self.as_sent = sum(map(len, with_line_ends(self.chunks())))
        return self.as_sent


def within(uids: Iterable[int], sequence_set: bytes, largest: int) -> list[int]:
    """Return those of some UIDs that are in a set. Raises ValueError for no set."""
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(read_set(sequence_set, largest)):
        firsts.append(first)
        lasts.append(max(last, lasts[-1] if lasts else 0))
    places = ((bisect_right(firsts, uid) - 1, uid) for uid in uids)
    return [uid for place, uid in places if place >= 0 and uid <= lasts[place]]


def with_line_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a text with CRLF for every line end, and at its end: bare CR and LF become one."""
    held = last = b""
    for chunk in chunks:
        text = held + chunk
        # Whether a line feed follows is not known yet.
        held = text[-1:] if text.endswith(b"\r") else b""
        if text := normalized(text[: len(text) - len(held)]):
            last = text[-1:]
            yield text
    if held or last not in {b"", b"\n"}:
        yield b"\r\n"


def uid_of(message: Message) -> int:
    """Return what messages are sorted by."""
    return message.uid


Numbered = list[tuple[int, Message]]
"""Messages with their sequence numbers, in the order of these."""


class Messages:
    """Messages in the order of their UIDs, found by either number.

    ``recent`` are the UIDs of those that one session was the first to see.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.recent: set[int] = set()

    def numbered(self, numbers: bytes) -> Numbered:
        """Return the messages with these sequence numbers.

        Raises ValueError for anything else than a set, and for a number without a message: that
        is ``*``, too, where there is none (RFC 3501, section 9, seq-number).
        """
        spans = read_set(numbers, len(self.messages))
        if any(low < 1 or high > len(self.messages) for low, high in spans):
            raise ValueError("there is no message with this number")
        return self._within((low - 1, high) for low, high in spans)

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
        """Return the messages at these places, each a pair of first and after the last."""
        found: Numbered = []
        done = 0
        for first, end in sorted(spans):
            for place in range(max(first, done), min(end, len(self.messages))):
                found.append((place + 1, self.messages[place]))
            done = max(done, end)
        return found


class Mailbox(Messages):
    """All messages of one mailbox, and what has become of those that were there.

    ``special_use`` are attributes such as ``\\Sent`` (RFC 6154). No session has seen the
    messages from the UID ``recent_from`` on.
    """

    def __init__(
        self, texts: Iterable[bytes] = (), uidvalidity: int = 1, special_use: Iterable[bytes] = ()
    ) -> None:
        super().__init__()
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.recent_from = 1
        self.modseq = 1
        self.special_use = tuple(special_use)
        self.gone: list[tuple[int, int]] = []
        for text in texts:
            self.append(text)

    def append(self, text: bytes, *flags: bytes, date: bytes | None = None) -> Message:
        """Store a message and return it."""
        message = self.append_chunks(len(text), lambda: (text,), *flags)
        message.date = date or message.date
        message.as_sent = None
        return message

    def append_chunks(
        self, size: int, chunks: Callable[[], Iterable[bytes]], *flags: bytes
    ) -> Message:
        """Store a message whose text is made whenever it is read; its lines end with CRLF."""
        message = Message(self.uidnext, size, chunks, set(flags), as_sent=size)
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
        return self.discard([message for message in self.messages if message.uid in uids])

    def discard(self, messages: Collection[Message]) -> list[int]:
        """Remove exactly these messages, as ``remove`` does."""
        going = {id(message) for message in messages}
        kept: list[Message] = []
        removed: list[int] = []
        if going:
            self.modseq += 1
        for message in self.messages:
            if id(message) in going:
                self.gone.append((self.modseq, message.uid))
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
    """What one session knows of a mailbox: its numbers stay until it is told (RFC 3501, 5.5).

    What nobody has seen is recent; after that only where ``read_only`` (2.3.2).
    """

    def __init__(self, mailbox: Mailbox, *, read_only: bool = False) -> None:
        super().__init__()
        self.mailbox = mailbox
        self._read_only = read_only
        self.messages = list(mailbox.messages)
        self._see(self.messages)
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
        self._see(self.messages[known:])
        news.grew = len(self.messages) > known
        for message in self.messages:
            self.tell(message)
        return news

    def _see(self, messages: list[Message]) -> None:
        recent_from = self.mailbox.recent_from
        self.recent.update(message.uid for message in messages if message.uid >= recent_from)
        if not self._read_only and messages:
            self.mailbox.recent_from = max(recent_from, messages[-1].uid + 1)

    def _forget(self, there: set[int]) -> Iterator[tuple[int, int]]:
        kept: list[Message] = []
        for message in self.messages:
            if message.uid in there:
                kept.append(message)
            else:
                self.recent.discard(message.uid)
                yield len(kept) + 1, message.uid
        self.messages = kept


class Mailboxes(dict[bytes, Mailbox]):
    """Mailboxes by name; INBOX in any case (RFC 3501, 5.1).

    A name never has the same UIDVALIDITY for other messages than before (2.3.1.1).
    """

    subscribed: set[bytes]

    def __init__(self, mailboxes: dict[bytes, Mailbox] | None = None) -> None:
        super().__init__(mailboxes or {})
        self.subscribed = set()
        self._largest = 0
        self._former: dict[bytes, int] = {}

    def find(self, name: bytes) -> Mailbox | None:
        """Return the mailbox of this name, if there is one."""
        return self.get(canonical_name(name))

    def create(self, name: bytes, special_use: Iterable[bytes] = ()) -> None:
        """Make a mailbox, and all levels above it that are not there (6.3.3)."""
        *above, own = reversed([*with_parents(canonical_name(name))])
        for level in above:
            if level not in self:
                self[level] = Mailbox(uidvalidity=self._new_uidvalidity())
        self[own] = Mailbox(uidvalidity=self._new_uidvalidity(), special_use=special_use)

    def delete(self, name: bytes) -> None:
        """Remove a mailbox; what is below it stays (6.3.4)."""
        self._forget(canonical_name(name))

    def rename(self, name: bytes, new_name: bytes) -> None:
        """Give a mailbox and all below it another name. INBOX stays, and is empty then (6.3.5)."""
        name, new_name = canonical_name(name), canonical_name(new_name)
        moved = [name] if name == b"INBOX" else self.with_children(name)
        if b"/" in new_name:
            parent = new_name.rpartition(DELIMITER)[0]
            if parent not in self:
                self.create(parent)
        for old in moved:
            mailbox = self._forget(old)
            new = new_name + old[len(name) :]
            if self._former.get(new, 0) >= mailbox.uidvalidity:
                mailbox.uidvalidity = self._new_uidvalidity()
            self[new] = mailbox
        if name == b"INBOX":
            self[name] = Mailbox(uidvalidity=self._new_uidvalidity())

    def with_children(self, name: bytes) -> list[bytes]:
        """Return a name and those below it, as far as they have mailboxes."""
        return sorted(each for each in self if each == name or each.startswith(name + DELIMITER))

    def matching(self, pattern: bytes) -> list[bytes]:
        """Return names that match, those of levels above a mailbox included (6.3.8)."""
        names = {parent for name in self for parent in with_parents(name)}
        return sorted(name for name in names if matches(pattern, name))

    def has_children(self, name: bytes) -> bool:
        """Whether there is a mailbox below this name."""
        return any(other.startswith(name + DELIMITER) for other in self)

    def _new_uidvalidity(self) -> int:
        """Return a UIDVALIDITY that is larger than all that ever were here."""
        there = (mailbox.uidvalidity for mailbox in self.values())
        self._largest = max(self._largest, *there, 0) + 1
        return self._largest

    def _forget(self, name: bytes) -> Mailbox:
        mailbox = self.pop(name)
        self._largest = max(self._largest, mailbox.uidvalidity)
        self._former[name] = max(self._former.get(name, 0), mailbox.uidvalidity)
        return mailbox


def canonical_name(name: bytes) -> bytes:
    """Return a mailbox name as it is stored; what is below INBOX is so in any case."""
    first, delimiter, rest = name.partition(DELIMITER)
    return b"INBOX" + delimiter + rest if first.upper() == b"INBOX" else name


def with_parents(name: bytes) -> Iterator[bytes]:
    """Yield a name and those of all levels above it."""
    while name:
        yield name
        name = name.rpartition(DELIMITER)[0]


def matches(pattern: bytes, name: bytes) -> bool:
    """Whether a LIST pattern fits: ``*`` is anything, ``%`` anything within one level.

    All places where the name may go on are followed at the same time, so that no pattern costs
    more than its length times that of the name.
    """
    if name == b"INBOX":
        pattern = pattern.upper()
    places: set[int] = {0}
    for piece in re.findall(rb"[*%]|[^*%]+", canonical_name(pattern)):
        if not places:
            return False
        if piece == b"*":
            places = set(range(min(places), len(name) + 1))
        elif piece == b"%":
            places = set(within_level(name, places))
        else:
            places = {p + len(piece) for p in places if name.startswith(piece, p)}
    return len(name) in places


def within_level(name: bytes, places: set[int]) -> Iterator[int]:
    """Yield the places that can be reached without leaving a level."""
    reached = -1
    for place in sorted(places):
        end = name.find(DELIMITER, place)
        end = len(name) if end < 0 else end
        yield from range(max(place, reached + 1), end + 1)
        reached = max(reached, end)
