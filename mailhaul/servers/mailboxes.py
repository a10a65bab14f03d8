"""Mailboxes in memory, for the IMAP and POP3 servers."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..protocols.dots import normalized
from ..protocols.imap.uid_sets import read_set

DELIMITER = b"/"
"""The separator between the levels of a mailbox name."""
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(slots=True, eq=False)
class Message:
    """One stored message. ``size`` is in octets; each call of ``chunks`` returns the whole text.

    ``modseq`` grows with every change (RFC 7162, section 3). ``known_pop3_size`` is the value of
    ``pop3_size``, or None if it has not been computed yet.
    """

    uid: int
    size: int
    chunks: Callable[[], Iterable[bytes]] = field(repr=False)
    flags: set[bytes] = field(default_factory=set[bytes])
    date: bytes = b"01-Jan-2026 00:00:00 +0000"
    modseq: int = 1

    known_pop3_size: int | None = None

    @property
    def text(self) -> bytes:
        """The whole text. Do not use it for messages that do not fit in memory."""
        return b"".join(self.chunks())

    @property
    def pop3_size(self) -> int:
        """The size in octets as POP3 sends it, with CRLF for every line end (RFC 1939, 11)."""
        if self.known_pop3_size is None:
            self.known_pop3_size = sum(map(len, with_line_ends(self.chunks())))
        return self.known_pop3_size


def internal_date(moment: Sequence[int]) -> bytes:
    """Return a time in UTC, year to second, as INTERNALDATE has it (RFC 3501, 9, date-time)."""
    year, month, day, hour, minute, second = moment[:6]
    date = b"%02d-%b-%04d" % (day, MONTHS[month - 1], year)
    return date + b" %02d:%02d:%02d +0000" % (hour, minute, second)


def uids_in_set(uids: Iterable[int], sequence_set: bytes, largest: int) -> list[int]:
    """Return the UIDs that are in a set. Raises ValueError for an invalid set."""
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(read_set(sequence_set, largest)):
        firsts.append(first)
        lasts.append(max(last, lasts[-1] if lasts else 0))
    places = ((bisect_right(firsts, uid) - 1, uid) for uid in uids)
    return [uid for place, uid in places if place >= 0 and uid <= lasts[place]]


def with_line_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a text with CRLF for every line end, including bare CR and LF, and at its end."""
    held = last = b""
    for chunk in chunks:
        text = held + chunk
        # The LF of this CR may be in the next chunk.
        held = text[-1:] if text.endswith(b"\r") else b""
        if text := normalized(text[: len(text) - len(held)]):
            last = text[-1:]
            yield text
    if held or last not in {b"", b"\n"}:
        yield b"\r\n"


def uid_of(message: Message) -> int:
    """Return the sort key of a message."""
    return message.uid


Numbered = list[tuple[int, Message]]
"""Messages with their sequence numbers, in ascending order."""


class Messages:
    """Messages in the order of their UIDs, with lookup by sequence number and by UID.

    ``recent`` are the UIDs of the messages that a session was the first to see.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.recent: set[int] = set()

    def numbered(self, numbers: bytes) -> Numbered:
        """Return the messages with these sequence numbers.

        Raises ValueError for an invalid set, and for a number without a message, including ``*``
        in an empty mailbox (RFC 3501, section 9, seq-number).
        """
        spans = read_set(numbers, len(self.messages))
        if any(low < 1 or high > len(self.messages) for low, high in spans):
            raise ValueError("there is no message with this number")
        return self._within((low - 1, high) for low, high in spans)

    def with_uids(self, uids: bytes) -> Numbered:
        """Return the messages with these UIDs. Raises ValueError for an invalid set."""
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
        """Return the messages in these half-open index ranges."""
        found: Numbered = []
        done = 0
        for first, end in sorted(spans):
            for place in range(max(first, done), min(end, len(self.messages))):
                found.append((place + 1, self.messages[place]))
            done = max(done, end)
        return found


class Mailbox(Messages):
    """All messages of one mailbox, and the history of its expunged messages.

    ``special_use`` are attributes such as ``\\Sent`` (RFC 6154). No session has seen messages
    with UIDs from ``recent_from`` on.
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
        self.expunged: list[tuple[int, int]] = []
        for text in texts:
            self.append(text)

    def append(self, text: bytes, *flags: bytes, date: bytes | None = None) -> Message:
        """Store a message with this text and return it."""
        message = self.append_chunks(len(text), lambda: (text,), *flags)
        message.date = date or message.date
        message.known_pop3_size = None
        return message

    def append_chunks(
        self, size: int, chunks: Callable[[], Iterable[bytes]], *flags: bytes
    ) -> Message:
        """Store a message whose text is generated on each read; its lines must end with CRLF."""
        message = Message(self.uidnext, size, chunks, set(flags), known_pop3_size=size)
        self.uidnext += 1
        self.messages.append(message)
        self.touch(message)
        return message

    def touch(self, message: Message) -> None:
        """Record a change of a message: it gets a new mod-sequence."""
        self.modseq += 1
        message.modseq = self.modseq

    def expunge(self, uids: frozenset[int] | None = None) -> list[int]:
        """Remove the messages flagged as deleted, only those in ``uids`` if given.

        Returns the sequence numbers, each as it is at the time of its removal (RFC 3501, 7.4.1).
        """
        removed = {
            message.uid
            for message in self.messages
            if b"\\Deleted" in message.flags and (uids is None or message.uid in uids)
        }
        return self.remove(removed)

    def remove(self, uids: set[int]) -> list[int]:
        """Remove messages by UID; return their sequence numbers as ``expunge`` does."""
        return self.discard([message for message in self.messages if message.uid in uids])

    def discard(self, messages: Collection[Message]) -> list[int]:
        """Remove exactly these message objects, as ``remove`` does by UID."""
        going = {id(message) for message in messages}
        kept: list[Message] = []
        removed: list[int] = []
        if going:
            self.modseq += 1
        for message in self.messages:
            if id(message) in going:
                self.expunged.append((self.modseq, message.uid))
                removed.append(len(kept) + 1)
            else:
                kept.append(message)
        self.messages = kept
        return removed

    def expunged_since(self, modseq: int) -> list[int]:
        """Return the UIDs of the messages removed after a mod-sequence."""
        return [uid for at, uid in self.expunged if at > modseq]


@dataclass(slots=True)
class News:
    """The changes that have not been reported to a session yet.

    ``removed`` are pairs of a sequence number, as it is at the time of the removal, and a UID;
    ``changed`` are messages with changed flags; ``grew`` is true if there are new messages.
    """

    removed: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    changed: Numbered = field(default_factory=Numbered)
    grew: bool = False


class View(Messages):
    """The state of a mailbox as reported to one session.

    Sequence numbers change only when removals are reported (RFC 3501, 5.5). Messages that no other
    session has seen are recent; a ``read_only`` session leaves them recent for others (2.3.2).
    """

    def __init__(self, mailbox: Mailbox, *, read_only: bool = False) -> None:
        super().__init__()
        self.mailbox = mailbox
        self._read_only = read_only
        self.messages = list(mailbox.messages)
        self._mark_recent(self.messages)
        self._modseq = mailbox.modseq
        self._reported = {message.uid: message.modseq for message in self.messages}

    def mark_reported(self, message: Message) -> None:
        """Record that the current state of a message has been reported."""
        self._reported[message.uid] = message.modseq

    def is_reported(self, message: Message) -> bool:
        """Whether the current state of a message has been reported."""
        return self._reported.get(message.uid) == message.modseq

    def catch_up(self, *, expunged: bool) -> News:
        """Return the unreported changes; removals only if ``expunged`` is true (7.4.1)."""
        news = News()
        if self.mailbox.modseq == self._modseq:
            return news
        existing = {message.uid for message in self.mailbox.messages}
        if expunged:
            news.removed = list(self._forget(existing))
            self._modseq = self.mailbox.modseq
        known = len(self.messages)
        for number, message in enumerate(self.messages, 1):
            if message.uid in existing and self._reported.get(message.uid) != message.modseq:
                news.changed.append((number, message))
        last = max(self._reported, default=0)
        self.messages += [message for message in self.mailbox.messages if message.uid > last]
        self._mark_recent(self.messages[known:])
        news.grew = len(self.messages) > known
        for message in self.messages:
            self.mark_reported(message)
        return news

    def _mark_recent(self, messages: list[Message]) -> None:
        recent_from = self.mailbox.recent_from
        self.recent.update(message.uid for message in messages if message.uid >= recent_from)
        if not self._read_only and messages:
            self.mailbox.recent_from = max(recent_from, messages[-1].uid + 1)

    def _forget(self, existing: set[int]) -> Iterator[tuple[int, int]]:
        kept: list[Message] = []
        for message in self.messages:
            if message.uid in existing:
                kept.append(message)
            else:
                self.recent.discard(message.uid)
                yield len(kept) + 1, message.uid
        self.messages = kept


class Mailboxes(dict[bytes, Mailbox]):
    """Mailboxes by name; the case of INBOX is ignored (RFC 3501, 5.1).

    A name never has the same UIDVALIDITY for other messages than before (2.3.1.1).
    """

    subscribed: set[bytes]

    def __init__(self, mailboxes: dict[bytes, Mailbox] | None = None) -> None:
        super().__init__(mailboxes or {})
        self.subscribed = set()
        self._largest = 0
        self._former: dict[bytes, int] = {}

    def find(self, name: bytes) -> Mailbox | None:
        """Return the mailbox with this name, or None."""
        return self.get(canonical_name(name))

    def create(self, name: bytes, special_use: Iterable[bytes] = ()) -> None:
        """Create a mailbox, and all missing levels above it (6.3.3)."""
        *above, own = reversed([*with_parents(canonical_name(name))])
        for level in above:
            if level not in self:
                self[level] = Mailbox(uidvalidity=self._new_uidvalidity())
        self[own] = Mailbox(uidvalidity=self._new_uidvalidity(), special_use=special_use)

    def delete(self, name: bytes) -> None:
        """Delete a mailbox; mailboxes below it stay (6.3.4)."""
        self._forget(canonical_name(name))

    def rename(self, name: bytes, new_name: bytes) -> None:
        """Rename a mailbox and all below it. INBOX itself remains, empty (6.3.5)."""
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
        """Return the names of the mailbox with this name and of the mailboxes below it."""
        return sorted(each for each in self if each == name or each.startswith(name + DELIMITER))

    def matching(self, pattern: bytes) -> list[bytes]:
        """Return the names that match, including levels above mailboxes (6.3.8)."""
        names = {parent for name in self for parent in with_parents(name)}
        return sorted(name for name in names if matches(pattern, name))

    def has_children(self, name: bytes) -> bool:
        """Whether there is a mailbox below this name."""
        return any(other.startswith(name + DELIMITER) for other in self)

    def _new_uidvalidity(self) -> int:
        """Return a UIDVALIDITY that is larger than all previous ones."""
        existing = (mailbox.uidvalidity for mailbox in self.values())
        self._largest = max(self._largest, *existing, 0) + 1
        return self._largest

    def _forget(self, name: bytes) -> Mailbox:
        mailbox = self.pop(name)
        self._largest = max(self._largest, mailbox.uidvalidity)
        self._former[name] = max(self._former.get(name, 0), mailbox.uidvalidity)
        return mailbox


def canonical_name(name: bytes) -> bytes:
    """Return a mailbox name as it is stored; the case of a leading INBOX is ignored."""
    first, delimiter, rest = name.partition(DELIMITER)
    return b"INBOX" + delimiter + rest if first.upper() == b"INBOX" else name


def with_parents(name: bytes) -> Iterator[bytes]:
    """Yield a name and the names of all levels above it."""
    while name:
        yield name
        name = name.rpartition(DELIMITER)[0]


def matches(pattern: bytes, name: bytes) -> bool:
    """Whether a LIST pattern matches: ``*`` matches any text, ``%`` any text within one level.

    All possible match positions are tracked at the same time, so the cost of any pattern is at
    most its length times the length of the name.
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
    """Yield the positions that can be reached without leaving a level."""
    reached = -1
    for place in sorted(places):
        end = name.find(DELIMITER, place)
        end = len(name) if end < 0 else end
        yield from range(max(place, reached + 1), end + 1)
        reached = max(reached, end)
