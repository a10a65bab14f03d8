"""The progress events that a flow reports to the program; the program formats them."""

from __future__ import annotations

from collections.abc import Callable

from ..protocols.record import Record
from .fate import Fate
from .outcome import Outcome
from .source import Listed, Uid


class Counted(Record):
    """A mailbox was opened. It has ``total`` messages; ``seen`` of them were read before.

    ``octets`` is the size of all messages, or None if the server does not report it.
    """

    mailbox: str
    total: int
    seen: int
    octets: int | None = None


class Planned(Record):
    """What this session fetches from the mailbox: ``messages``, and ``later`` another one more."""

    mailbox: str
    messages: tuple[Listed, ...]
    later: int


class Reading(Record):
    """The header of message ``number`` of ``total`` has been read. Sizes are in octets."""

    number: int
    total: int
    header: int
    size: int
    uid: Uid = 0


class Handled(Record):
    """The outcome of a message that was read, and whether it is deleted (``flushed``).

    For a message that was not accepted, ``fate`` says whether it may be deleted: not at all, at
    once, or after it has been ``Returned``. ``size`` is the size reported by the server, in octets.
    """

    number: int
    outcome: Outcome
    flushed: bool
    fate: Fate = Fate.KEEP
    uid: Uid = 0
    size: int = 0


class Returned(Record):
    """A bounce was sent for a refused message.

    It went to the sender, or with ``in_place`` to the postmaster instead.
    """

    number: int
    recipients: tuple[bytes, ...]
    in_place: bool
    flushed: bool
    uid: Uid = 0


class Skipped(Record):
    """A message was not read. ``reason`` is "oversized" or ""; ``size`` is 0 if unknown."""

    number: int
    size: int
    reason: str
    flushed: bool


class LimitReached(Record):
    """The fetch limit ended the poll. ``left`` messages remain, including old ones."""

    limit: int
    left: int


class Remark(Record):
    """A message for the user: an ``error``, or information for ``usual`` or for verbose runs."""

    text: str
    error: bool
    usual: bool = False


Event = Counted | Planned | Reading | Handled | Returned | Skipped | LimitReached | Remark
Report = Callable[[Event], None]
