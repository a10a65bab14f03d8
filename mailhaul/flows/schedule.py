"""When an account is polled next: at its interval, later after failures, hardly ever when the
server refuses the password.

Pure: the clock is the caller's, and so is chance. Times are seconds of a clock that never jumps.
"""

from __future__ import annotations

from collections.abc import Callable

from .outcome import ExitCode

GOOD = frozenset({ExitCode.SUCCESS, ExitCode.NOMAIL, ExitCode.MAXFETCH})
PASSING = frozenset({ExitCode.EXCLUDE})
"""Another mailhaul is at it: that says nothing about the server."""
MAX_SECONDS = 3600.0
"""Seconds to which failures stretch an interval, where it is not longer by itself."""
SHORTER = {ExitCode.DNS: 300.0, ExitCode.LOCKBUSY: 900.0}
"""The same where no name can be looked up: most often it is we who are off line, and no server is
bothered. And where somebody else has the mailbox open: he will not for long."""
AFTER_REFUSALS = (300.0, 900.0, 3600.0)
"""Seconds at least after the first refused logins; a provider's outage may look like them."""
PARKED = 24 * 3600.0
"""Seconds between tries when the password must be taken for wrong: nobody is banned for that."""
SHORTEST = 1.0
"""Seconds between polls, whatever the interval: no server is ever polled without a pause."""
JITTER = 0.1
"""The part of a delay that chance adds or takes, so that accounts do not march in step."""


class Schedule:
    """The next poll of one account, ``interval`` seconds after the end of the last one.

    ``chance`` returns numbers from 0 to 1.
    """

    def __init__(self, interval: float, chance: Callable[[], float]) -> None:
        self.interval = max(interval, SHORTEST)
        self.due = float("-inf")
        self.failures = 0
        """Polls in a row that failed, for whatever reason."""
        self.refusals = 0
        """Logins in a row that were refused."""
        self._login_delay = 0.0
        self._longest = MAX_SECONDS
        self._chance = chance

    @property
    def parked(self) -> bool:
        """Whether the password is taken for wrong."""
        return self.refusals > len(AFTER_REFUSALS)

    def wait_between(self, seconds: float) -> None:
        """The server wants so much time between logins (LOGIN-DELAY): it gets an hour at most."""
        self._login_delay = seconds

    def wake(self) -> None:
        """Poll at once, whatever happened before."""
        self.due = float("-inf")
        self.refusals = self.failures = 0

    def change(self, interval: float, now: float) -> None:
        """Go on with another interval; what happened before still counts."""
        before, self.interval = self.interval, max(interval, SHORTEST)
        if not self.failures and self.interval < before:
            self.due = min(self.due, now + self._delay())

    def ended(self, now: float, code: ExitCode) -> str:
        """Set the time of the next poll; return what has changed, in words, or ""."""
        was_parked, was_refused = self.parked, self.refusals
        self.refusals = self.refusals + 1 if code is ExitCode.AUTHFAIL else 0
        bad = code not in GOOD and code not in PASSING
        self.failures = self.failures + 1 if bad else 0
        self._longest = SHORTER.get(code, MAX_SECONDS)
        self.due = now + self._delay()
        if was_refused and code in GOOD:
            return "the login is accepted again"
        if self.parked and not was_parked:
            return (
                f"the login was refused {self.refusals} times: from now on it is tried once a day. "
                "When the password is right again, wake mailhaul (run it once more)"
            )
        return ""

    def _delay(self) -> float:
        return max(self._own_delay(), min(self._login_delay, MAX_SECONDS))

    def _own_delay(self) -> float:
        if self.parked:
            return self._varied(PARKED)
        if self.refusals:
            return self._varied(max(self.interval, AFTER_REFUSALS[self.refusals - 1]))
        if self.failures < 2:
            return self.interval
        stretched = self.interval * 2.0 ** min(self.failures - 1, 20)
        return self._varied(min(stretched, max(self.interval, self._longest)))

    def _varied(self, seconds: float) -> float:
        return seconds * (1 + JITTER * (2 * self._chance() - 1))
