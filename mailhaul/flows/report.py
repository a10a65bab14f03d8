"""What a flow tells the program about its progress; the program finds the words."""

from __future__ import annotations

from collections.abc import Callable

from ..protocols.record import Record
from .fate import Fate
from .outcome import Outcome
from .source import Uid


class Counted(Record):
    """A mailbox was opened: ``total`` messages, ``seen`` of them read before.

    ``octets`` are those of all messages, where the server says so.
    """

    mailbox: str
    total: int
    seen: int
    octets: int | None = None


class Reading(Record):
    """The header of message ``number`` of ``total`` is in hand. Sizes are octets."""

    number: int
    total: int
    header: int
    size: int


class Handled(Record):
    """The fate of a message that was read: what the sink said, and whether it is deleted.

    Of one that was not accepted ``fate`` says why it may be deleted all the same: at once, or once
    it has been ``Returned``. ``size`` is the
    server's word for its octets.
    """

    number: int
    outcome: Outcome
    flushed: bool
    fate: Fate = Fate.KEEP
    uid: Uid = 0
    size: int = 0


class Returned(Record):
    """Somebody was told that a message was refused: its sender, or the postmaster ``in_place``."""

    number: int
    told: tuple[bytes, ...]
    in_place: bool
    flushed: bool
    uid: Uid = 0


class Skipped(Record):
    """A message was not read: ``reason`` is "oversized" or "", ``size`` 0 when not known."""

    number: int
    size: int
    reason: str
    flushed: bool


class LimitReached(Record):
    """The fetch limit ended the poll; ``left`` messages, old ones too, were not fetched."""

    limit: int
    left: int


class Said(Record):
    """A remark: an ``error`` that the user must see, or a note for verbose runs."""

    text: str
    error: bool


Event = Counted | Reading | Handled | Returned | Skipped | LimitReached | Said
Report = Callable[[Event], None]
