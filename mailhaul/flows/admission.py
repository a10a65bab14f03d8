"""How many connections to one server may be open at a time.

Providers limit the connections of a user or of an address, and some ban those who try for more. So
it begins with few, and more are allowed as the server accepts logins. The first refused or stalled
connection halves the number, and from then on it grows slowly: the same idea as TCP's congestion
control (RFC 5681, section 3.1).

This module opens nothing and has no clock. The caller passes on what happens.
"""

from __future__ import annotations

from collections import Counter

from ..protocols.errors import ConnectionLost
from .outcome import ServerRefused
from .requests import NameNotFound, OpenFailed, TimedOut

START = 8
"""Connections to one server at first, and again after all were closed."""
MOST = 128
"""Connections to one server in all, unless the user sets another number."""
PER_USER = 8
"""Connections of one user to one server. Dovecot allows 10 by default, Gmail 15."""
GROWTH = 2
"""Further connections that each login allows at first: their number about doubles with each
round of logins."""
CAUTION = 8
"""After a refusal one more connection is allowed when each of them has logged in so many times."""


class Attempt:
    """One connection: the attempt to log in, and the session that follows."""

    __slots__ = ("contended", "logins_before", "number", "user")

    def __init__(self, user: str, number: int, logins_before: int) -> None:
        self.user = user
        self.number = number
        self.logins_before = logins_before
        self.contended = False
        """Whether it failed while other connections to the server were open."""


class Admission:
    """The connections to one server. ``most`` may change at any time."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._limit = START
        self._threshold = float("inf")
        self._open: set[Attempt] = set()
        self._users: Counter[str] = Counter()
        self._begun = 0
        self._begun_at_refusal = 0
        self._logins = 0
        self._logins_at_limit = 0

    @property
    def connections(self) -> int:
        """How many connections are open, or being opened."""
        return len(self._open)

    @property
    def limit(self) -> int:
        """The connections that may be open now."""
        return max(1, min(self._limit, self.most))

    @property
    def has_room(self) -> bool:
        """Whether a connection of another user may be opened now."""
        return len(self._open) < self.limit

    @property
    def refusals(self) -> int:
        """A number that grows when the server refuses connections because of others."""
        return self._begun_at_refusal

    @property
    def has_refused(self) -> bool:
        """Whether the server has ever refused a connection because of others."""
        return self._begun_at_refusal > 0

    def may_start(self, user: str) -> bool:
        """Whether another connection of this user may be opened now."""
        return self.has_room and self._users[user] < PER_USER

    def start(self, user: str) -> Attempt:
        """Record that a connection is opened."""
        self._begun += 1
        attempt = Attempt(user, self._begun, self._logins)
        self._open.add(attempt)
        self._users[user] += 1
        return attempt

    def logged_in(self, attempt: Attempt) -> None:
        """Record a login that the server has accepted."""
        self._logins += 1
        # A server that is used little does not show how much it allows.
        if 2 * len(self._open) <= self._limit or self._limit >= self.most:
            return
        if self._limit < self._threshold:
            self._limit = int(min(self._limit + GROWTH, self._threshold, self.most))
            return
        self._logins_at_limit += 1
        if self._logins_at_limit >= CAUTION * self._limit:
            self._limit += 1
            self._logins_at_limit = 0

    def failed(self, attempt: Attempt, error: Exception) -> None:
        """Record why a connection was not opened or a login failed; call ``ended`` as well."""
        stalled = isinstance(error, TimedOut)
        if stalled and not self._has_accepted_since(attempt):
            # A server that accepts nobody is down: fewer connections would not help.
            self._limit = min(self._limit, START)
            return
        if not (stalled or is_refusal(error)) or len(self._open) < 2:
            return
        attempt.contended = True
        if attempt.number > self._begun_at_refusal:
            # Those that were begun before were too many as well, but are not counted again.
            self._begun_at_refusal = self._begun
            self._limit = self._threshold = max(1, min(self.limit, len(self._open)) // 2)
            self._logins_at_limit = 0

    def ended(self, attempt: Attempt) -> None:
        """Record that a connection is closed, or about to be: LOGOUT was sent."""
        self._open.remove(attempt)
        self._users[attempt.user] -= 1
        if not self._users[attempt.user]:
            del self._users[attempt.user]
        if not self._open:
            self._limit = min(self._limit, START)

    def may_succeed(self, attempt: Attempt) -> bool:
        """Whether an attempt that failed among others may succeed later: others were accepted."""
        return attempt.contended and self._has_accepted_since(attempt)

    def _has_accepted_since(self, attempt: Attempt) -> bool:
        return self._logins > attempt.logins_before


def is_refusal(error: Exception) -> bool:
    """Whether a connection was refused, or closed before the login, by a server that exists."""
    if isinstance(error, ServerRefused | ConnectionLost):
        return True
    return isinstance(error, OpenFailed) and not isinstance(error, NameNotFound)
