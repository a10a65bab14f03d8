"""How long a peer may take for one reply, however many bytes it trickles meanwhile.

``timeout`` ends a silence, and a byte a minute is no silence. So a channel keeps an account of
time as well: the seconds for which we listened while one and the same reply was owed. Octets
that move, in either direction, pay for seconds; a reply that is complete clears the account. A
body of any size thus passes on the slowest of lines that deserve the name, and everything else
ends: the peer that drips, the one that keeps us company with ``* OK still here`` or with lines
that continue for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .requests import TimedOut

TIMEOUTS = 3
"""How many times the timeout one reply may take. Dovecot talks while it searches: not once."""
SLOWEST = 128
"""Octets that pay for a second: an eighth of what a telephone line carries."""
IDLE_STATES = frozenset({"idling", "idling-selected"})
"""States in which a server owes nothing: what it says is news, and no reply (RFC 2177)."""


class TooSlow(TimedOut):
    """One reply took too long although the peer was not silent."""

    def __init__(self, seconds: float, pace: Pace) -> None:
        super().__init__(seconds)
        self.pace = pace
        self.args = (f"too slow: a reply was not complete after {seconds:.0f} seconds",)


class Dialogue(Protocol):
    """What a client machine tells of its dialogue."""

    @property
    def state(self) -> str:
        """Where it stands."""
        ...

    @property
    def outstanding(self) -> Sequence[object]:
        """Commands without a reply, oldest first."""
        ...


class Pace:
    """The account of one channel. The runtime books what it sees: ``moved`` and ``waited``."""

    def __init__(self, machine: Dialogue, timeout: float) -> None:
        self._machine = machine
        self._most = timeout * TIMEOUTS
        self._owed: object = None
        self._spent = 0.0

    def check(self) -> None:
        """Before we listen: raise TooSlow if what is owed has taken too long."""
        owed = self._now_owed()
        if owed is not self._owed:
            self._owed = owed
            self._spent = 0.0
        if self._spent > self._most:
            raise TooSlow(self._spent, self)

    def waited(self, seconds: float) -> None:
        """Charge time for which we listened, if anything was owed."""
        if self._owed is not None:
            self._spent += seconds

    def moved(self, octets: int) -> None:
        """Credit what came or went."""
        self._spent = max(0.0, self._spent - octets / SLOWEST)

    def _now_owed(self) -> object:
        state = self._machine.state
        if state in IDLE_STATES:
            return None
        outstanding = self._machine.outstanding
        if outstanding:
            return outstanding[0]
        # The one thing that is owed without being asked for.
        return "greeting" if state == "greeting" else None
