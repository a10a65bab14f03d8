"""The ledger as the flows see it: what must outlive a kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..protocols.record import Record
from .account import Action
from .outcome import Failures, Outcome
from .source import Listed, Uid


class Owed(Record):
    """A message that a sink accepted and that the server may still hold."""

    uid: Uid
    size: int
    action: Action


class Held(Record):
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
    ``served`` are recipients who got it then.
    """

    name: str
    again: bool
    served: frozenset[bytes] = frozenset()


class Page(Protocol):
    """The part of the ledger for one account, sink, mailbox and UIDVALIDITY.

    Every method may block; flows call them through Call. What they raise ends the poll.
    A row is committed when the method returns, so that a kill does not lose it; only
    ``make_durable`` protects it from a loss of power.
    """

    def owed(self) -> Sequence[Owed]:
        """Return what was accepted but not settled in earlier polls."""
        ...

    def offered(self, uid: Uid, size: int) -> Offer:
        """Note that this message is about to be handed to the sink, and under which name."""
        ...

    def accepted(self, uid: Uid, size: int, action: Action, outcome: Outcome) -> None:
        """Note that the sink took it, the server's word for its octets, and what is owed."""
        ...

    def to_be_deleted(self, messages: Sequence[Listed]) -> None:
        """Note that the user wants these deleted, though nobody gets them."""
        ...

    def rejected(self, uid: Uid, size: int, outcome: Outcome) -> Failures:
        """Note that the sink did not take it, or not for everybody, and who got it."""
        ...

    def unreadable(self, uid: Uid, size: int, why: str) -> Failures:
        """Note that the server did not give it; what an earlier offer came to stays as it was."""
        ...

    def set_aside(self, uid: Uid) -> None:
        """Note that this message is not to be offered again before the user says so."""
        ...

    def held(self) -> Sequence[Held]:
        """Return what no sink took in earlier polls."""
        ...

    def make_durable(self) -> None:
        """Bring all that was noted to the disk."""
        ...

    def settled(self, uids: Sequence[Uid]) -> None:
        """Forget these messages: the server has done what was owed, or no longer has them."""
        ...

    def seen(self, uids: Sequence[Uid]) -> None:
        """Note that nothing is owed for these messages, and that they are not to be read again."""
        ...

    def known(self) -> Mapping[Uid, int | None]:
        """Return all messages that are noted: their octets (0 if nobody knows) if they are not to
        be read again, else None."""
        ...


class Ledger(Protocol):
    """Durable memory of what was offered, accepted and settled."""

    def page(self, account: str, sink: str, mailbox: str, uidvalidity: int) -> Page:
        """Return the page for one mailbox in one generation of its UIDs."""
        ...
