"""The interface of a source: a mailbox to list, to read, and to delete or mark messages in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, overload

from ..protocols.record import Record
from .account import Action
from .channel import Channel, Endpoint

Uid = int | bytes
"""The server's unique identifier of a message: a number in IMAP, a string of bytes in POP3."""


def format_uid(uid: Uid) -> str:
    """Return a UID in printable form."""
    return str(uid) if isinstance(uid, int) else uid.decode("ascii", "backslashreplace")


class Listed(Record):
    """One message in a listing. ``size`` is in octets as reported by the server, 0 if unknown.

    ``number`` is its position in the mailbox, 0 if unknown. ``seen`` is true if the server calls
    the message read; it is set only if the source was asked for it.
    """

    uid: Uid
    size: int = 0
    number: int = 0
    seen: bool = False


def same_size(one: int, other: int) -> bool:
    """Whether two sizes may be of one message; 0 is an unknown size."""
    return one == other or 0 in (one, other)


class ListedPart(Sequence[Listed]):
    """A part of a listing as columns, which are compared faster than records. None is seen.

    Its items are made on access.
    """

    __slots__ = ("numbers", "sizes", "uids")

    def __init__(self, uids: Sequence[Uid], sizes: Sequence[int], numbers: Sequence[int]) -> None:
        self.uids = uids
        self.sizes = sizes
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.uids)

    @overload
    def __getitem__(self, place: int) -> Listed: ...
    @overload
    def __getitem__(self, place: slice) -> ListedPart: ...
    def __getitem__(self, place: int | slice) -> Listed | ListedPart:
        if isinstance(place, slice):
            return ListedPart(self.uids[place], self.sizes[place], self.numbers[place])
        return Listed(self.uids[place], self.sizes[place], self.numbers[place])

    def __iter__(self) -> Iterator[Listed]:
        return map(Listed, self.uids, self.sizes, self.numbers)


def columns(listed: Sequence[Listed]) -> tuple[Sequence[Uid], Sequence[int]]:
    """Return the UIDs and the sizes of these messages."""
    if isinstance(listed, ListedPart):
        return listed.uids, listed.sizes
    return [one.uid for one in listed], [one.size for one in listed]


class Opened(Record):
    """An opened mailbox, with its UIDVALIDITY (RFC 3501, 2.3.1.1)."""

    uidvalidity: int
    read_only: bool


class MessageMetadata(Record):
    """The flags and the date of a message, for a sink that is a mailbox too.

    Flags are written as in IMAP, without those that belong to the mailbox and not to the message;
    ``date`` is the INTERNALDATE (RFC 3501, 2.3.2 and 2.3.3).
    """

    flags: tuple[bytes, ...] = ()
    date: bytes | None = None


class CompletionProof:
    """Proof that a message is complete. A source makes it after the server's OK; ``post`` makes it
    for a message that mailhaul wrote.

    The last step of every delivery requires it: the final dot, the start of an MDA. ``marks`` is
    None unless the source provides them and was asked for them.
    """

    __slots__ = ("marks", "octets", "uid")

    def __init__(self, uid: Uid, octets: int, marks: MessageMetadata | None = None) -> None:
        self.uid = uid
        self.octets = octets
        self.marks = marks


class MessageStart(Record):
    """The text of a message begins. ``size`` is the announced size in octets."""

    uid: Uid
    number: int
    size: int


class MessageChunk(Record):
    """Some bytes of the message that is arriving."""

    data: bytes
    _hidden = frozenset({"data"})


class MessageEnd(Record):
    """The message is complete. ``size`` is the size reported by the server, in octets."""

    proof: CompletionProof
    size: int


class Unavailable(Record):
    """This message cannot be read now: it is gone, or the server refuses to send it.

    ``again`` is true if the text received may be incomplete. The message should then be requested
    once more; the source will use another command. With ``rests`` the server sends no message at
    all now, as far as its words tell.
    """

    uid: Uid
    reason: str
    again: bool = False
    rests: bool = False


Part = MessageStart | MessageChunk | MessageEnd | Unavailable


class Source(Protocol):
    """A mailbox to collect from. Coroutines await requests; the other methods never wait.

    All methods raise the errors of their protocol machine, and PollFailed if the server refuses a
    command.
    """

    timeout: float
    total: int
    """The number of messages in the open mailbox, as last reported by the server."""
    octets: int | None
    """The size of all messages in octets, or None if the server does not report it."""
    remembers: bool
    """Whether the server records which messages were read, as in IMAP. If not, ``new`` and ``old``
    list all messages, and the ledger has these records."""
    reuses_uids: bool
    """Whether the UID of a deleted message may be given to another one: POP3."""
    in_sessions: bool
    """Whether deletions take effect only at the end of a session, and the remaining messages can
    be identified by their UIDs after it: POP3 with UIDL."""

    settles_at_close: bool
    """Whether the server acts on deletions at the end of the session only, and confirms them by its
    last reply: POP3."""
    refused_at_close: bool
    """Whether the server has refused, while it was closed, what it may do in another form. Then
    another session is needed, in which ``finish`` waits for the replies."""

    @property
    def channel(self) -> Channel[Endpoint]:
        """The connection to the server."""
        ...

    @property
    def deletes_on_retrieval(self) -> bool:
        """Whether the server may delete a message once it was sent: POP3 with EXPIRE 0."""
        ...

    @property
    def expunges_all(self) -> bool:
        """Whether messages can be expunged only together with all others that have the flag
        \\Deleted: IMAP without UIDPLUS (RFC 4315)."""
        ...

    async def open(self) -> None:
        """Connect, secure the connection and log in."""
        ...

    async def mailboxes(
        self, wanted: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> Sequence[str]:
        """Return the mailboxes that these names and patterns match, in the order given.

        Patterns do not match the mailboxes in ``elsewhere``, which another poll collects.
        """
        ...

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Open a mailbox."""
        ...

    async def new(self, *, everything: bool, with_flags: bool = False) -> Sequence[Listed]:
        """List the new messages, or with ``everything`` all, in the order of the mailbox.

        With ``with_flags`` the listing also contains which of them the server calls read. A long
        listing makes its items only on access.
        """
        ...

    async def old(self) -> Sequence[Listed]:
        """List the messages that were read before."""
        ...

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the sizes of these messages in octets, 0 if unknown. Missing ones are left out."""
        ...

    async def headers(
        self, uids: Sequence[Uid], fields: Sequence[bytes] = ()
    ) -> Mapping[Uid, bytes]:
        """Return the headers of these messages, or the header fields that the fingerprint needs
        and those in ``fields``.

        Messages that are gone, or whose header cannot be read without marking them as read, are
        left out. Only the first 64 KiB of a header are returned. No request may be outstanding.
        """
        ...

    async def arrived_since(self, date: bytes) -> Collection[Uid] | None:
        """Return which messages arrived on or after a day, which is written as in IMAP.

        Return None if the server cannot tell.
        """
        ...

    async def contents(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the server's names for the contents of these messages, where it has them."""
        ...

    async def levels(self, mailbox: str) -> tuple[bytes, ...]:
        """Return the levels of a mailbox's name, each as on the wire."""
        ...

    def request(self, message: Listed) -> None:
        """Request a message; ``pull`` returns its parts, in the order of the requests."""
        ...

    def pull(self) -> Part | None:
        """Return the next part of the requested messages, or None until more data has arrived."""
        ...

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete or mark these messages."""
        ...

    def confirmed(self, action: Action) -> Sequence[Uid]:
        """Return the UIDs for which this action has been confirmed. Each is returned once.

        Some servers confirm only at the end of the connection: call it again after ``close``.
        """
        ...

    async def finish(self, *, may_close: bool = False) -> None:
        """Wait until the server has answered everything that ``perform`` requested.

        With ``may_close`` these replies may be left to ``close``, or to further requests before it,
        which saves a round trip.
        """
        ...

    async def close(self) -> None:
        """Log out if the connection is still usable, and close it.

        Raises ProtocolError and RuntimeFault only for replies that ``finish`` has left to it.
        """
        ...
