"""A source as the flows see it: a mailbox to list, to read from and to settle with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..protocols.record import Record
from .account import Action
from .channel import Channel

Uid = int | bytes
"""How a server names a message for as long as it exists: a number in IMAP, a word in POP3."""


def format_uid(uid: Uid) -> str:
    """Return a UID as people read it."""
    return str(uid) if isinstance(uid, int) else uid.decode("ascii", "backslashreplace")


class Listed(Record):
    """One message on the server. The server's word for its octets, and its place, may be 0.

    ``seen`` is there if the source was asked for it: the server knows the message as read.
    """

    uid: Uid
    size: int = 0
    number: int = 0
    seen: bool = False


class Opened(Record):
    """A mailbox that was opened, and the generation of its UIDs (RFC 3501, 2.3.1.1)."""

    uidvalidity: int
    read_only: bool


class MessageMetadata(Record):
    """What a mailbox knows of a message beside its text, for a sink that is a mailbox too.

    Flags are as IMAP writes them, without those that belong to the mailbox and not to the
    message; ``date`` is IMAP's INTERNALDATE (RFC 3501, 2.3.2 and 2.3.3).
    """

    flags: tuple[bytes, ...] = ()
    date: bytes | None = None


class CompletionProof:
    """Proof that a message arrived whole. Only a source makes one, after the server's OK; and
    who writes a message himself has it whole.

    The last step of every delivery needs it: the final dot, the start of an MDA. ``marks`` are
    there if the source has such and was asked for them.
    """

    __slots__ = ("marks", "octets", "uid")

    def __init__(self, uid: Uid, octets: int, marks: MessageMetadata | None = None) -> None:
        self.uid = uid
        self.octets = octets
        self.marks = marks


class MessageStart(Record):
    """The text of a message begins: its number in the mailbox and the octets announced."""

    uid: Uid
    number: int
    size: int


class MessageChunk(Record):
    """Some bytes of the message that is arriving."""

    data: bytes
    _hidden = frozenset({"data"})


class MessageEnd(Record):
    """The message is complete. ``size`` is the server's own word for its octets."""

    proof: CompletionProof
    size: int


class Unavailable(Record):
    """This message cannot be read now: it is gone, or the server refuses it.

    ``again`` says that what came may not be all of it: it is to be asked for once more, and the
    source will do so in another way.
    """

    uid: Uid
    reason: str
    again: bool = False


Part = MessageStart | MessageChunk | MessageEnd | Unavailable


class Source(Protocol):
    """A mailbox to collect from. Coroutines await requests; the others never wait.

    All raise what their protocol machine raises, and PollFailed for a server's refusal.
    """

    channel: Channel[Any]
    timeout: float
    total: int
    """Messages in the mailbox that is open, as the server last said."""
    octets: int | None
    """Octets of all of them, where the server says so."""
    remembers: bool
    """Whether the server itself knows what was read before, as IMAP's do. If not, ``new`` and
    ``old`` list everything, and the ledger knows."""
    reuses_uids: bool
    """Whether the UID of a message that is gone may be given to another one: POP3."""
    in_sessions: bool
    """Whether deletions take effect at the end of a session only, behind which what is left can
    be told by its UIDs: POP3, where it has any."""

    @property
    def expunges_all(self) -> bool:
        """Whether messages go only when all that are flagged as deleted are ours: IMAP without
        UIDPLUS."""
        ...

    async def open(self) -> None:
        """Connect, secure the connection and log in."""
        ...

    async def mailboxes(
        self, wanted: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> Sequence[str]:
        """Return the mailboxes that these names and patterns stand for, in their order.

        Another poll sees to those ``elsewhere``: patterns do not stand for them.
        """
        ...

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Open a mailbox."""
        ...

    async def new(self, *, everything: bool, with_flags: bool = False) -> Sequence[Listed]:
        """List what is to be fetched, in the order of the mailbox: new mail, or everything.

        ``with_flags`` asks as well which of them the server calls read. A long listing makes its
        items only when they are looked at.
        """
        ...

    async def old(self) -> Sequence[Listed]:
        """List what was read before."""
        ...

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the octets of those of these messages that still exist, 0 if they are not told."""
        ...

    async def headers(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the headers, or their fields that tell messages apart, of those of these that
        still exist and can be asked for without marking them as read.

        Of a long one only the first 64 KiB are returned. Nothing may be under way.
        """
        ...

    def request(self, message: Listed) -> None:
        """Ask for a message; its parts will come out of ``pull``, in the order asked."""
        ...

    def pull(self) -> Part | None:
        """Return the next part of what was asked for, or None until more has arrived."""
        ...

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete or mark these messages."""
        ...

    def confirmed(self) -> Sequence[Uid]:
        """Return, once, the UIDs for which ``perform`` has been confirmed.

        Some servers confirm only when the connection ends: ask again behind ``close``.
        """
        ...

    async def finish(self) -> None:
        """Wait until the server has answered all that ``perform`` asked."""
        ...

    async def close(self) -> None:
        """Log out, if there is still somebody to say it to."""
        ...
