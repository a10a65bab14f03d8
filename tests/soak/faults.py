"""What a fault is: its kind stands in a table, where and when it happens is drawn.

A kind names the operations where it makes sense, such as ``imap UidFetch``. A fault is a kind at
one of them, at its n-th time in a poll, and perhaps some times after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

ALL = 1_000_000
"""The copies that a lie excuses: whoever lies is not asked again."""
LAST_STEPS = frozenset({"smtp EndOfData", "smtp Bdat", "smtp Rset"})
"""Where a listener takes a message over: who does not hear the answer has to offer it again."""
ALL_AGAIN = 100
"""More than there are messages."""
LOOKING = frozenset({"append Select", "append UidSearch", "append UidFetch"})
"""Where a message is looked for whose APPEND had no answer: what is not shown is appended again."""
FOR_EVER = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to go wrong. ``act`` does it; what it is called with depends on the place.

    ``copies`` says how many messages may come once more for each time that it happens. One that
    keeps us from hearing a listener at all (``deafens``) allows one, wherever that begins.
    """

    what: str
    at: tuple[str, ...]
    act: Callable[..., Any] | None = None
    copies: int = 0
    deafens: bool = False

    def excuses(self, at: str) -> int:
        """Return how many copies this excuses when it happens there."""
        at_sink = at.startswith(("smtp", "append")) or at == "line sink"
        # Where UIDL is refused, mail that is to be deleted is fetched without.
        nameless = ALL_AGAIN * (at == "pop3 Uidl")
        # What cannot be taken back stands there, and comes again.
        unsure = at in LAST_STEPS or at in LOOKING or (self.deafens and at_sink)
        unsure |= at in {"disk ftruncate", "disk pread"}
        return self.copies + nameless + unsure


@dataclass(slots=True)
class Fault:
    """A kind of fault at one operation. ``amount`` is for the kind to use as it likes."""

    name: str
    at: str
    nth: int
    times: int
    amount: int
    passed: int = 0

    def __str__(self) -> str:
        times = {1: "", FOR_EVER: " and ever after"}.get(self.times, f" and {self.times} times")
        return f"{self.name} at {self.at}, time {self.nth}{times} ({self.amount})"

    def strikes(self) -> bool:
        """Count one time at which it could happen; tell whether it does."""
        self.passed += 1
        return self.nth <= self.passed < self.nth + self.times


class Faults:
    """What goes wrong in one poll, and what of it has come to pass."""

    def __init__(self, drawn: Iterable[Fault] = ()) -> None:
        self.drawn = list(drawn)
        self.struck: list[Fault] = []

    def due(self, at: str) -> Fault | None:
        """Return what is to go wrong at this operation now."""
        found: Fault | None = None
        for fault in self.drawn:
            if fault.at == at and fault.strikes():
                found = found or fault
        if found:
            self.struck.append(found)
        return found


DEATHS = frozenset({"kill in a call", "power loss in a call"})
"""Ends of the process that may happen at any of many calls."""


def draw(random: Random, name: str, at: str) -> Fault:
    """Draw when a fault happens, how often, and its amount."""
    nth = random.choice((1, 1, 1, 1, 1, 2, 2, 3, 5))
    if name in DEATHS:
        nth = random.randrange(1, 10)
    times = random.choice((1, 1, 1, 1, 3, FOR_EVER))
    return Fault(name, at, nth, times, random.randrange(1000))
