"""What a flow tells the program about its progress; the program finds the words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .outcome import Outcome


@dataclass(frozen=True, slots=True)
class Counted:
    """A mailbox was opened: ``total`` messages, ``seen`` of them not to be fetched."""

    mailbox: str
    total: int
    seen: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The header of message ``number`` of ``total`` is in hand. Sizes are octets."""

    number: int
    total: int
    header: int
    size: int


@dataclass(frozen=True, slots=True)
class Handled:
    """The fate of a message that was read: what the sink said, and whether it is deleted."""

    number: int
    outcome: Outcome
    flushed: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A message was not read: ``reason`` is "oversized" or "", ``size`` 0 when not known."""

    number: int
    size: int
    reason: str
    flushed: bool


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The fetch limit ended the poll; ``left`` messages, old ones too, were not fetched."""

    limit: int
    left: int


@dataclass(frozen=True, slots=True)
class Said:
    """A remark: an ``error`` that the user must see, or a note for verbose runs."""

    text: str
    error: bool


Event = Counted | Reading | Handled | Skipped | LimitReached | Said
Report = Callable[[Event], None]
