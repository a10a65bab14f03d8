"""The ledger as the flows see it: what must outlive a kill.

For each mailbox of an account it knows two things. What was *seen* is not to be read again: that
belongs to the account alone, whatever becomes of its mail. What is *under way* (offered to a sink,
accepted, refused, set aside) belongs to account and sink. The life of such a row is the table in
row_states.py.

A message is known by the UID that its server gives it and by the size that the listing told. Both
may come again on other mail, so that before anything is deleted from memory alone the fingerprint
of its header is compared as well (``protocols.message.fingerprint``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from ..protocols.record import Record
from .account import Action
from .outcome import Failures, Outcome
from .source import Listed, Uid


class Pending(Record):
    """A message that a sink accepted, and whose server still owes us the action.

    ``size`` is 0 and ``fingerprint`` b"" if nobody knows. ``tries`` counts the polls that asked for
    the action in vain (see debts.py), the last of them ``rested`` seconds ago.
    """

    uid: Uid
    size: int
    action: Action
    fingerprint: bytes = b""
    tries: int = 0
    rested: int = 0


class Undelivered(Record):
    """A message that the sink did not take.

    ``failed_again`` is when that happened last (Unix time), 0 if it happened once only. One that is
    ``set_aside`` is not offered any more until the user says so.
    """

    uid: Uid
    size: int
    failed_again: int
    set_aside: bool


class Offer(Record):
    """What a message is called while nobody knows whether a sink took it.

    ``again`` says that an earlier run offered it under this name and heard no verdict.
    ``served`` are recipients who got it then, and ``fingerprint`` is what told it from others.
    """

    name: str
    again: bool
    served: frozenset[bytes] = frozenset()
    fingerprint: bytes = b""


class Seen(Record):
    """A message that was seen, as the ledger has it: of another size than the listing says.

    0 is a size that no listing told before; it is in doubt if there is a fingerprint.
    """

    listed: Listed
    size: int
    fingerprint: bytes = b""


class Compared(Record):
    """A part of a listing against what was seen.

    ``new`` was never seen. ``changed`` has the UID of a message that was, and another size.
    ``known`` counts the messages that were seen, changed or not.
    """

    new: tuple[Listed, ...]
    changed: tuple[Seen, ...]
    known: int


class Page(Protocol):
    """The part of the ledger for one mailbox in one generation of its UIDs, as one sink uses it.

    Every method may block; flows call them through Note. What they raise ends the poll.
    A row is committed when the method returns, so that a kill does not lose it; only
    ``make_durable`` protects it from a loss of power.
    """

    uidvalidity: int
    is_new: bool
    """Whether no listing of this mailbox of this account was ever compared."""
    was_put_off: bool
    """Whether an earlier poll could not compare it with mailboxes of other account names."""

    # What was seen

    def compare(self, listed: Sequence[Listed]) -> Compared:
        """Compare a part of a listing with what was seen. Memory is bounded by that part."""
        ...

    def fingerprints(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the fingerprints of those of these that were seen and have one."""
        ...

    def count_seen(self) -> int:
        """Return how many messages were seen and not yet forgotten."""
        ...

    def mark_seen(self, messages: Sequence[Listed]) -> None:
        """Note that these are not to be read again; what was under way for them is over."""
        ...

    def begin(self) -> None:
        """Note that a listing of this mailbox was compared for the first time."""
        ...

    def put_off(self) -> None:
        """Record that this mailbox could not be compared with those of other account names."""
        ...

    def keep_only(self, listing: Iterable[Sequence[Uid]]) -> None:
        """Forget what is not in this complete listing, which comes in parts.

        A server may give the UID of a message that is gone to another one.
        """
        ...

    # What is under way

    def reserve(self, messages: Sequence[Listed]) -> Mapping[Uid, Offer]:
        """Give names to messages that will be offered soon, all at once.

        One that an earlier run was offering keeps its name. What a sink has refused or put off
        gets none here: ``offer`` does that when its turn has come.
        """
        ...

    def offer(self, uid: Uid, size: int) -> Offer:
        """Note that this message is about to be handed to the sink, and under which name."""
        ...

    def accept(
        self, uid: Uid, size: int, action: Action, outcome: Outcome, fingerprint: bytes
    ) -> None:
        """Note that the sink took it, and the action that is owed at the server."""
        ...

    def describe(self, uid: Uid, fingerprint: bytes) -> None:
        """Note what tells a message that is offered from others under its UID."""
        ...

    def reject(self, uid: Uid, size: int, outcome: Outcome, fingerprint: bytes) -> Failures:
        """Note that the sink did not take it, or not for everybody, and who got it."""
        ...

    def unreadable(self, uid: Uid, size: int, why: str) -> Failures:
        """Note that the server did not give it; what an earlier offer came to stays as it was."""
        ...

    def set_aside(self, uid: Uid) -> None:
        """Note that this message is not to be offered again before the user says so."""
        ...

    def undelivered(self) -> Sequence[Undelivered]:
        """Return what this sink was offered in earlier polls and did not accept."""
        ...

    def delete_unread(self, messages: Sequence[Listed]) -> None:
        """Note that the user wants these deleted, though nobody gets them."""
        ...

    # What the server owes

    def pending(self) -> Sequence[Pending]:
        """Return what was accepted and not settled, whichever sink took it."""
        ...

    def try_again(self, uids: Sequence[Uid], count: int) -> None:
        """Note that the server is asked once more for what it owes for these; it counts so much."""
        ...

    def forget(self, uids: Sequence[Uid]) -> None:
        """Forget these: they are gone from the server, or their UIDs stand for others now."""
        ...

    def make_durable(self) -> None:
        """Bring all that was noted to the disk."""
        ...


class Relative(Record):
    """A mailbox of another account in the ledger that may be the one that was opened.

    It has the same name and generation, and the account the same protocol and user. ``known``
    counts the messages that were seen there or are under way, and ``expected`` those of them that
    nobody was about to delete.
    """

    key: int
    account: str
    known: int
    expected: int


class Resemblance(Record):
    """A part of a listing against what is known of another mailbox.

    ``common`` counts the UIDs that both have, ``differing`` those among them whose sizes differ.
    ``fingerprints`` are those of messages with the same size, as far as they are known.
    """

    common: int
    differing: int
    fingerprints: Mapping[Uid, bytes]


class Ledger(Protocol):
    """Durable memory of what was offered, accepted and seen. Every method may block."""

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> Page:
        """Return the page for one mailbox in one generation of its UIDs."""
        ...

    def relatives(
        self, account: str, same_user: str, mailbox: str, uidvalidity: int
    ) -> Sequence[Relative]:
        """Return the mailboxes of accounts whose names begin with ``same_user``, but ``account``.

        Only those are returned of which something is known.
        """
        ...

    def resemblance(self, relative: Relative, listed: Sequence[Listed]) -> Resemblance:
        """Compare a part of a listing with what is known of such a mailbox."""
        ...

    def take_over(self, relative: Relative, account: str) -> None:
        """Let all that is known of such a mailbox belong to this account from now on."""
        ...


class Lock(Protocol):
    """The right to poll one mailbox, from its listing until all is settled."""

    def acquire(self) -> bool:
        """Take it if it is free; False if another poll of this process holds it.

        Raises PollFailed: EXCLUDE if another process does, IOERR if no lock can be had.
        """
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class Unlocked:
    """A lock for who is alone: it is always free."""

    def __init__(self, mailbox: str = "") -> None:
        del mailbox

    def acquire(self) -> bool:
        """Take it."""
        return True

    def release(self) -> None:
        """Give it back."""
