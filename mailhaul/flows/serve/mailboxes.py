"""Mailboxes in memory, as an IMAP server needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
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

    def expunge(self, uids: frozenset[int] | None = None) -> Iterator[int]:
        """Remove what is flagged as deleted, among these UIDs if given.

        Yields the sequence numbers as they are at each removal (RFC 3501, 7.4.1).
        """
        number = 1
        for message in list(self.messages):
            if b"\\Deleted" in message.flags and (uids is None or message.uid in uids):
                self.messages.remove(message)
                yield number
            else:
                number += 1


class Mailboxes(dict[bytes, Mailbox]):
    """Mailboxes by name; INBOX in any case (RFC 3501, 5.1)."""

    def find(self, name: bytes) -> Mailbox | None:
        """Return the mailbox of this name, if there is one."""
        return self.get(b"INBOX" if name.upper() == b"INBOX" else name)
