"""When an account is polled next: after its interval, later after failures, and only once a day
after repeated refused logins.

This module has no clock and no random numbers; the caller passes both. Times are seconds of a
monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable

from .outcome import GOOD, NEUTRAL, ExitCode

MAX_SECONDS = 3600.0
"""Seconds up to which failures extend an interval; a longer interval is not extended."""
MAX_SECONDS_AFTER = {ExitCode.DNS: 300.0, ExitCode.LOCKBUSY: 900.0}
"""MAX_SECONDS after certain failures. If a name cannot be looked up, most often this host is off
line, and no server is bothered. If another program has the mailbox locked, it is soon free."""
AFTER_REFUSALS = (300.0, 900.0, 3600.0)
"""The minimum delay in seconds after the first, second and third refused login in a row. An outage
at the provider may also cause refusals."""
PARKED_SECONDS = 24 * 3600.0
"""Seconds between tries when the password is assumed to be wrong: too few to cause a ban."""
MIN_SECONDS = 1.0
"""The minimum seconds between polls, for any interval."""
JITTER = 0.1
"""The part of a delay that is randomly added or subtracted, so that accounts do not poll at the
same moment."""

CORRECTED = "After correcting the password, wake mailhaul (run it once more)"


class Schedule:
    """The time of the next poll of one account: ``interval`` seconds after the end of the last one.

    ``chance`` returns random numbers from 0 to 1.
    """

    __slots__ = (
        "_chance",
        "_login_delay",
        "_max_seconds",
        "_rest",
        "due",
        "failures",
        "interval",
        "refusals",
    )

    def __init__(self, interval: float, chance: Callable[[], float]) -> None:
        self.interval = max(interval, MIN_SECONDS)
        self.due = float("-inf")
        self.failures = 0
        """Failed polls in a row, for any reason."""
        self.refusals = 0
        """Refused logins in a row."""
        self._login_delay = 0.0
        self._rest = 0.0
        self._max_seconds = MAX_SECONDS
        self._chance = chance

    @property
    def parked(self) -> bool:
        """Whether the password is assumed to be wrong."""
        return self.refusals > len(AFTER_REFUSALS)

    def wait_between(self, seconds: float) -> None:
        """Set the minimum delay between logins (LOGIN-DELAY, RFC 2449, 6.5), at most an hour."""
        self._login_delay = seconds

    def rest(self, seconds: float) -> None:
        """Let the account rest for so long after the poll that ends next."""
        self._rest = seconds

    def wake(self) -> None:
        """Poll at once, and forget earlier failures."""
        self.due = float("-inf")
        self.refusals = self.failures = 0

    def change(self, interval: float, now: float) -> None:
        """Change the interval; earlier failures still count."""
        before, self.interval = self.interval, max(interval, MIN_SECONDS)
        if not self.failures and self.interval < before:
            self.due = min(self.due, now + self._delay())

    def ended(self, now: float, code: ExitCode, cure: str = CORRECTED) -> str:
        """Set the time of the next poll; return a message about a change of state, or "".

        ``cure`` says what the user can do about a refused login.
        """
        was_parked, was_refused = self.parked, self.refusals
        self.refusals = self.refusals + 1 if code is ExitCode.AUTHFAIL else 0
        bad = code not in GOOD and code not in NEUTRAL
        self.failures = self.failures + 1 if bad else 0
        self._max_seconds = MAX_SECONDS_AFTER.get(code, MAX_SECONDS)
        self.due = now + max(self._delay(), self._rest)
        self._rest = 0.0
        if was_refused and code in GOOD:
            return "the login is accepted again"
        if self.parked and not was_parked:
            return (
                f"the login was refused {self.refusals} times: from now on it is tried once a day. "
                f"{cure}"
            )
        return ""

    def _delay(self) -> float:
        return max(self._own_delay(), min(self._login_delay, MAX_SECONDS))

    def _own_delay(self) -> float:
        if self.parked:
            return self._varied(PARKED_SECONDS)
        if self.refusals:
            return self._varied(max(self.interval, AFTER_REFUSALS[self.refusals - 1]))
        if self.failures < 2:
            return self.interval
        stretched = self.interval * 2.0 ** min(self.failures - 1, 20)
        return self._varied(min(stretched, max(self.interval, self._max_seconds)))

    def _varied(self, seconds: float) -> float:
        return seconds * (1 + JITTER * (2 * self._chance() - 1))
