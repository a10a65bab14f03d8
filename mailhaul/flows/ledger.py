"""The ledger as the flows see it: the records that survive the end of the process.

For each mailbox of an account the ledger has two kinds of records. Messages that were *seen* are
not read again; these records belong to the account alone, for all its sinks. Messages that are
*under way* (offered to a sink, accepted, refused, set aside) belong to an account and a sink. The
states of such a row are in row_states.py.

A message is identified by its UID and by its size in the listing. The server may give both to
another message later. So before a message is deleted because of a record, the fingerprint of its
header is compared as well (``protocols.message.fingerprint``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ..protocols.record import Record
from .account import Action
from .outcome import Failures, Outcome
from .source import Listed, Uid

if TYPE_CHECKING:
    from .retention import Delivered, Found, Standing


class Pending(Record):
    """A message that a sink accepted, and whose action is still pending at the server.

    ``size`` is in octets, 0 if unknown; ``fingerprint`` is b"" if unknown. ``tries`` counts the
    failed requests for the action (see debts.py), the last of them ``seconds_since_try`` ago.
    """

    uid: Uid
    size: int
    action: Action
    fingerprint: bytes = b""
    tries: int = 0
    seconds_since_try: int = 0


class Undelivered(Record):
    """A message that the sink did not accept.

    ``failed_again`` is the Unix time of the last failure, 0 if there was only one. A message that
    is ``set_aside`` is not offered again until the user asks for it.
    """

    uid: Uid
    size: int
    failed_again: int
    set_aside: bool


class Offer(Record):
    """The name of a message until the sink's verdict is known.

    ``again`` is true if an earlier run offered the message under this name and received no
    verdict. ``served`` are the recipients who received it before, and ``fingerprint`` is the
    fingerprint recorded then.
    """

    name: str
    again: bool
    served: frozenset[bytes] = frozenset()
    fingerprint: bytes = b""


class Acceptance(Record):
    """The acceptance of a message by the sink, and the action now pending at the server.

    ``size`` is its size in the listing, in octets. ``fingerprint`` is b"" if it has none.
    """

    uid: Uid
    size: int
    action: Action
    outcome: Outcome
    fingerprint: bytes = b""


class Seen(Record):
    """A message with the UID of a seen message, but with another size in the listing.

    ``size`` is the recorded size in octets, 0 if unknown; ``fingerprint`` is the recorded one. A
    message of unknown size is reported only if it has a fingerprint.
    """

    listed: Listed
    size: int
    fingerprint: bytes = b""


class Compared(Record):
    """The result of comparing a part of a listing with the seen messages.

    ``new`` are messages whose UIDs were never seen. ``changed`` are those with the UID of a seen
    message and another size. ``known`` counts the UIDs that were seen, changed or not.
    """

    new: tuple[Listed, ...]
    changed: tuple[Seen, ...]
    known: int


class Page(Protocol):
    """The part of the ledger for one mailbox, one generation of its UIDs, and one sink.

    Every method may block; flows call them in a LedgerCall. Their exceptions end the poll.
    A row is committed when the method returns, so the end of the process does not lose it; only
    ``make_durable`` protects it from a power failure.
    """

    uidvalidity: int
    is_new: bool
    """Whether no listing of this mailbox was ever compared for this account."""
    was_put_off: bool
    """Whether an earlier poll could not compare it with mailboxes of other account names."""
    is_renumbered: bool
    """Whether this UIDVALIDITY is new, and the mailbox was compared under an earlier one."""
    contents: Mapping[Uid, bytes]
    """The server's names for the contents of messages; ``accept`` records those of a delivery."""

    def retention(self) -> RetentionPage:
        """Return the records of deliveries, for ``delete-after``."""
        ...

    def reading(self) -> ReadingPage:
        """Return the records of what is not fetched."""
        ...

    # Seen messages

    def compare(self, listed: Sequence[Listed]) -> Compared:
        """Compare a part of a listing with the seen messages. Memory is bounded by that part."""
        ...

    def fingerprints(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the recorded fingerprints of seen messages with these UIDs, where there is one."""
        ...

    def count_seen(self) -> int:
        """Return how many messages are recorded as seen."""
        ...

    def mark_seen(self, messages: Sequence[Listed]) -> None:
        """Record these messages as seen, and remove their rows under way."""
        ...

    def mark_compared(self) -> None:
        """Record that a listing of this mailbox was compared for the first time."""
        ...

    def put_off(self) -> None:
        """Record that this mailbox could not be compared with those of other account names."""
        ...

    def keep_only(self, listing: Iterable[Sequence[Uid]]) -> None:
        """Forget the messages that are not in this complete listing, which is passed in parts.

        A server may give the UID of a deleted message to another one.
        """
        ...

    # Messages under way

    def reserve(self, messages: Sequence[Listed]) -> Mapping[Uid, Offer]:
        """Give names to several messages that will be offered soon.

        A message that an earlier run was offering keeps its name. A message that a sink has refused
        or postponed gets no name here; ``offer`` gives it one immediately before it is sent.
        """
        ...

    def offer(self, uid: Uid, size: int) -> Offer:
        """Record that this message is about to be sent to the sink; return its name."""
        ...

    def accept(self, accepted: Sequence[Acceptance]) -> None:
        """Record that the sink accepted these messages."""
        ...

    def set_fingerprints(self, fingerprints: Mapping[Uid, bytes]) -> None:
        """Record the fingerprints of messages that are being offered."""
        ...

    def reject(self, uid: Uid, size: int, outcome: Outcome, fingerprint: bytes = b"") -> Failures:
        """Record that the sink did not accept the message for all recipients, and who received it.

        Return how often the message has been refused.
        """
        ...

    def unreadable(self, uid: Uid, size: int, why: str, *, counted: bool = True) -> Failures:
        """Record that the server did not send the message; the result of an earlier offer stays.

        If the failure is not ``counted``, it never sets the message aside.
        """
        ...

    def set_aside(self, uid: Uid) -> None:
        """Record that this message is not offered again until the user asks for it."""
        ...

    def undelivered(self) -> Sequence[Undelivered]:
        """Return the messages that this sink was offered in earlier polls and did not accept."""
        ...

    def delete_unread(self, messages: Sequence[Listed]) -> None:
        """Record that the user wants these messages deleted without delivery."""
        ...

    # Actions pending at the server

    def pending(self) -> Sequence[Pending]:
        """Return the messages whose action is still pending, whichever sink accepted them."""
        ...

    def count_tries(self, uids: Sequence[Uid], count: int) -> None:
        """Add ``count`` to the tries of these messages; their action is about to be requested."""
        ...

    def forget(self, uids: Sequence[Uid]) -> None:
        """Forget these UIDs: the messages are gone, or the UIDs now belong to other messages."""
        ...

    def make_durable(self) -> None:
        """Sync everything recorded to disk."""
        ...


class RetentionPage(Protocol):
    """When the messages of one mailbox were delivered. Times are Unix time."""

    def look(self, period: int) -> Found:
        """Return how many messages were delivered, and how many at least ``period`` seconds ago."""
        ...

    def note(self, standing: Standing) -> None:
        """Record what the last look has decided."""
        ...

    def due(self, until: int, most: int) -> Sequence[Delivered]:
        """Return the messages that were delivered until this time, oldest first."""
        ...

    def disown(self, uids: Sequence[Uid]) -> None:
        """Record that these UIDs now belong to messages that were not delivered."""
        ...


class ReadingPage(Protocol):
    """What is not fetched from one mailbox."""

    def left_out(self, listed: Sequence[Listed], marks_of: tuple[bytes, bytes]) -> Collection[Uid]:
        """Return the UIDs of those messages that rules with marks in this range have left out."""
        ...

    def leave_out(self, messages: Sequence[Listed], mark: bytes) -> None:
        """Record that rules with this mark leave out these messages."""
        ...

    def keep_left_out(self, uids: Collection[Uid]) -> None:
        """Forget all messages that were left out except these."""
        ...

    def known_contents(self, contents: Collection[bytes]) -> Mapping[bytes, int]:
        """Return which of these contents were delivered for this account, with their sizes."""
        ...

    def accept_copies(self, copies: Sequence[Listed], action: Action) -> None:
        """Record that these messages were delivered from other folders, and their action."""
        ...

    def former(self) -> Sequence[tuple[int, bytes]]:
        """Return size and fingerprint of the messages that the mailbox had under its last
        UIDVALIDITY.
        """
        ...

    def gone(self, listing: Iterable[Sequence[Uid]]) -> Sequence[tuple[int, bytes]]:
        """Return size and fingerprint of the seen messages that are not in this listing."""
        ...

    def add_seen(self, messages: Sequence[tuple[Listed, bytes]]) -> None:
        """Record messages as seen, with their fingerprints. They do not count as delivered."""
        ...


class Relative(Record):
    """A mailbox of another account in the ledger that may be the one that was opened.

    It has the same name and UIDVALIDITY, and its account has the same protocol and user. ``known``
    counts the messages that were seen there or are under way, and ``expected`` those among them
    that have no deletion pending.
    """

    key: int
    account: str
    known: int
    expected: int


class Resemblance(Record):
    """The result of comparing a part of a listing with the records of another mailbox.

    ``common`` counts the UIDs that are in both, ``differing`` those among them whose sizes differ.
    ``fingerprints`` has the recorded fingerprints of messages with the same size, where known.
    """

    common: int
    differing: int
    fingerprints: Mapping[Uid, bytes]


class Ledger(Protocol):
    """Durable records of what was offered, accepted and seen. Every method may block."""

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> Page:
        """Return the page for one mailbox with this UIDVALIDITY."""
        ...

    def relatives(
        self, account: str, same_user: str, mailbox: str, uidvalidity: int
    ) -> Sequence[Relative]:
        """Return the mailboxes of other accounts whose names begin with ``same_user``.

        Only mailboxes with records are returned.
        """
        ...

    def resemblance(self, relative: Relative, listed: Sequence[Listed]) -> Resemblance:
        """Compare a part of a listing with the records of such a mailbox."""
        ...

    def take_over(self, relative: Relative, account: str) -> None:
        """Move all records of such a mailbox to this account."""
        ...


class Lock(Protocol):
    """The right to poll one mailbox, from its listing until every message in it is settled."""

    def acquire(self) -> bool:
        """Acquire the lock if it is free; return False if another poll of this process holds it.

        Raises PollFailed: EXCLUDE if another process holds it, IOERR if locking fails.
        """
        ...

    def release(self) -> None:
        """Release the lock."""
        ...


class Unlocked:
    """A lock that is always free, for a caller without competitors."""

    def __init__(self, mailbox: str = "") -> None:
        del mailbox

    def acquire(self) -> bool:
        """Return True."""
        return True

    def release(self) -> None:
        """Do nothing."""
