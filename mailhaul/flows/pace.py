"""How long a peer may take for one reply, even if it sends a few bytes from time to time.

``timeout`` limits the time without any data; a peer that sends one byte a minute never reaches it.
So a channel also counts the seconds spent waiting for the same reply. Octets transferred in either
direction reduce the count, and a complete reply resets it. A body of any size can therefore be
transferred over a very slow line. A peer that sends single bytes, ``* OK still here`` responses or
endless lines is stopped.
"""

from __future__ import annotations

from typing import Protocol

from .requests import TimedOut

MAX_TIMEOUTS = 3
"""How many timeouts one reply may take. One is too few: Dovecot sends text during a search."""
MIN_OCTETS_PER_SECOND = 128
"""Octets that offset one second of waiting: about an eighth of a modem line's speed."""


class TooSlow(TimedOut):
    """One reply took too long although the peer was not silent."""

    def __init__(self, seconds: float, pace: Pace) -> None:
        super().__init__(seconds)
        self.pace = pace
        self.args = (f"too slow: a reply was not complete after {seconds:.0f} seconds",)


class Dialogue(Protocol):
    """The part of a client machine that Pace needs."""

    @property
    def expected(self) -> object:
        """The command that the server has to answer next, the greeting, or None."""
        ...


class Pace:
    """The waiting time of one channel. The runtime reports to it with ``moved`` and ``waited``.

    ``timeout`` is the channel's timeout in seconds.
    """

    __slots__ = ("_expected", "_machine", "_max_seconds", "_spent")

    def __init__(self, machine: Dialogue, timeout: float) -> None:
        self._machine = machine
        self._max_seconds = timeout * MAX_TIMEOUTS
        self._expected: object = None
        self._spent = 0.0

    def check(self) -> None:
        """Raise TooSlow if the expected reply has taken too long. Call it before each wait."""
        expected = self._machine.expected
        if expected is not self._expected:
            self._expected = expected
            self._spent = 0.0
        if self._spent > self._max_seconds:
            raise TooSlow(self._spent, self)

    def waited(self, seconds: float) -> None:
        """Add time spent waiting, if a reply was expected."""
        if self._expected is not None:
            self._spent += seconds

    def moved(self, octets: int) -> None:
        """Subtract time for octets received or sent."""
        self._spent = max(0.0, self._spent - octets / MIN_OCTETS_PER_SECOND)
