"""When a message came in, by its topmost Received field (RFC 5322, 3.3 and 4.3).

IMAP writes such a moment in its own way: ``17-Jul-1996 02:44:25 -0700`` (RFC 3501, section 9).
"""

from __future__ import annotations

import re

from .header import split_fields

MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ZONES = {
    **dict.fromkeys((b"EST", b"CDT"), b"-0500"),
    **dict.fromkeys((b"CST", b"MDT"), b"-0600"),
    **dict.fromkeys((b"MST", b"PDT"), b"-0700"),
    b"EDT": b"-0400",
    b"PST": b"-0800",
}
"""Zones by name. All others, GMT among them, count as UTC (RFC 5322, 4.3)."""
DATE = re.compile(
    rb"(?:[A-Za-z]{3}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{2}|\d{4})\s+"
    rb"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60))?\s+([-+](?:0\d|1[0-4])[0-5]\d|[A-Za-z]{1,5})\b"
)
DATE_TIME = re.compile(
    rb"[ 0-3]?\d-(?:%b)-\d{4} \d\d:\d\d:\d\d [-+]\d{4}" % b"|".join(MONTHS), re.IGNORECASE
)


def received_date(header: bytes) -> bytes | None:
    """Return the moment in IMAP's form; None where no Received field on top tells it."""
    for field in split_fields(header):
        if field.key == b"received":
            # A comment may hold a semicolon, but the date is behind the last one.
            return date_time(field.body.rpartition(b";")[2])
    return None


def date_time(text: bytes) -> bytes | None:
    """Return a date as IMAP writes it, or None for what is none."""
    found = DATE.match(text.strip())
    if found is None:
        return None
    day, month, year, hour, minute, second, zone = found.groups()
    name = month.capitalize()
    if name not in MONTHS:
        return None
    number = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 50 else 1900)
    if not 0 < int(day) <= days_of(MONTHS.index(name), number):
        return None
    offset = zone if zone[0] in b"+-" else ZONES.get(zone.upper(), b"+0000")
    # No server is asked whether it knows leap seconds.
    moment = (int(day), name, number, hour, minute, min(second or b"00", b"59"), offset)
    return b"%02d-%b-%04d %b:%b:%b %b" % moment


def days_of(month: int, year: int) -> int:
    """Return how many days a month has; January is 0."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return LONGEST_MONTHS[month] - (month == 1 and not leap)


def is_date_time(text: bytes) -> bool:
    """Whether a moment is written as IMAP does, so that a server can be told it."""
    return DATE_TIME.fullmatch(text) is not None
