"""Times for people, relative to now, and for programs (ISO 8601, UTC)."""

from __future__ import annotations

import time

UNITS: tuple[tuple[int, str, str], ...] = (
    (86400, "day", "days"),
    (3600, "h", "h"),
    (60, "min", "min"),
    (1, "s", "s"),
)
"""Seconds of a unit, and its name after one and after several."""
MOST_DAYS = 99
"""Days after which a date is easier to read."""


def iso(when: float | None) -> str | None:
    """Return a Unix time in ISO 8601 (UTC); None for none, and for 0, which means never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)) if when else None


def span(seconds: float) -> str:
    """Return a duration in its largest unit, such as "3 min"."""
    whole = max(0, int(seconds))
    for size, one, several in UNITS:
        if whole >= size:
            count = whole // size
            return f"{count} {one if count == 1 else several}"
    return "0 s"


def ago(when: float | None, now: float) -> str:
    """Return how long ago something was; "never" for None and 0, a date if it is long ago."""
    if not when:
        return "never"
    seconds = now - when
    if seconds > MOST_DAYS * 86400:
        return time.strftime("%Y-%m-%d", time.localtime(when))
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def until(when: float | None, now: float) -> str:
    """Return in how much time something will be; "-" for never."""
    if when is None:
        return "-"
    return "now" if when - now < 1 else f"in {span(when - now)}"


def clock_time(when: float) -> str:
    """Return a time today or tomorrow for people, in local time, rounded up to a minute."""
    return time.strftime("%d %b %H:%M", time.localtime(when + 59))
