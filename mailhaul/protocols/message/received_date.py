"""Read the arrival time of a message from its topmost Received field (RFC 5322, 3.3 and 4.3).

The result has IMAP's date-time format: ``17-Jul-1996 02:44:25 -0700`` (RFC 3501, section 9).
"""

from __future__ import annotations

import re

from .header import split_fields

MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ZONES = {
    **dict.fromkeys((b"EST", b"CDT"), b"-0500"),
    **dict.fromkeys((b"CST", b"MDT"), b"-0600"),
    **dict.fromkeys((b"MST", b"PDT"), b"-0700"),
    b"EDT": b"-0400",
    b"PST": b"-0800",
}
"""Time zones by name. All other names, including GMT, count as UTC (RFC 5322, 4.3)."""
DATE = re.compile(
    rb"(?:[A-Za-z]{3}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{2}|\d{4})\s+"
    rb"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60))?\s+([-+](?:0\d|1[0-4])[0-5]\d|[A-Za-z]{1,5})\b"
)
DATE_TIME = re.compile(
    rb"[ 0-3]?\d-(?:%b)-\d{4} \d\d:\d\d:\d\d [-+]\d{4}" % b"|".join(MONTHS), re.IGNORECASE
)


def received_date(header: bytes) -> bytes | None:
    """Return the arrival time as an IMAP date-time.

    The result is None if there is no Received field, or the topmost one has no valid date.
    """
    for field in split_fields(header):
        if field.key == b"received":
            # A comment may contain a semicolon, but the date follows the last one.
            return date_time(field.body.rpartition(b";")[2])
    return None


def date_time(text: bytes) -> bytes | None:
    """Return an RFC 5322 date as an IMAP date-time, or None if it is not a valid date."""
    found = DATE.match(text.strip())
    if found is None:
        return None
    day, month, year, hour, minute, second, zone = found.groups()
    name = month.capitalize()
    if name not in MONTHS:
        return None
    number = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 50 else 1900)
    if not 0 < int(day) <= days_in_month(MONTHS.index(name), number):
        return None
    offset = zone if zone[0] in b"+-" else ZONES.get(zone.upper(), b"+0000")
    # A server might refuse a leap second, so 60 becomes 59.
    moment = (int(day), name, number, hour, minute, min(second or b"00", b"59"), offset)
    return b"%02d-%b-%04d %b:%b:%b %b" % moment


def days_in_month(month: int, year: int) -> int:
    """Return the number of days in a month; January is 0."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return DAYS_IN_MONTH[month] - (month == 1 and not leap)


def is_date_time(text: bytes) -> bool:
    """Whether this is an IMAP date-time, so that it can be sent to a server."""
    return DATE_TIME.fullmatch(text) is not None
