"""Build the Received field that a relay adds (RFC 5321, section 4.4), in fetchmail's format.

The result is always exactly one field: no argument can end a line, close a comment, or add an
octet that is not printable ASCII.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from .hosts import host_bytes

DAYS = (b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed")
MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
PRINTABLE = bytes(range(0x20, 0x7F))


@dataclass(frozen=True, slots=True)
class Received:
    """The facts in a Received field.

    ``truename`` is the mail server, ``address`` its IP address or "" to omit it, ``host`` the
    local host, ``protocol`` a word such as IMAP, and ``date`` a result of ``format_date``.
    ``details`` is the text that the option ``tracepolls`` adds, or "".
    """

    truename: str
    address: str
    host: str
    protocol: bytes
    version: bytes
    date: bytes
    details: str = ""


@lru_cache(maxsize=64)
def received_field(
    trace: Received, recipient: bytes | None, line_end: bytes, *, multidrop: bool = False
) -> bytes:
    """Return the field. ``recipient`` is the only recipient, or None if there are several.

    A recipient without a domain (for an MDA) gets the domain ``localhost``. ``multidrop`` is
    true if the mailbox receives mail for several users, although this message has one
    recipient. Messages that arrive in the same second often have the same field, so it is kept for
    the next one. fetchmail omits the semicolon before the date if there are several recipients.
    """
    server = host_bytes(trace.truename)
    if trace.address:
        tag = b"IPv6:" if ":" in trace.address else b""
        server += b" [%b%b]" % (tag, host_bytes(trace.address))
    program = b"mailhaul-" + comment_bytes(trace.version)
    if trace.details:
        program += b" " + comment_text(trace.details)
    protocol = plain_bytes(trace.protocol, b' ()<>;\\"')
    lines = [
        b"Received: from " + server,
        b"\tby %b with %b (%b)" % (host_bytes(trace.host), protocol, program),
    ]
    date = plain_bytes(trace.date)
    if recipient:
        whom = recipient if b"@" in recipient else recipient + b"@localhost"
        kind = b"multi-drop" if multidrop else b"single-drop"
        lines.append(b"\tfor <%b> (%b); %b" % (plain_bytes(whom, b"<>"), kind, date))
    else:
        lines.append(b"\t(multi-drop); " + date)
    return line_end.join([*lines, b""])


def format_date(seconds: int, offset: int, zone: str) -> bytes:
    """Return a date as in RFC 5322, 3.3: ``Sun, 22 Nov 2026 22:14:59 +0000 (UTC)``.

    ``seconds`` is the number of seconds since 1970 in UTC, ``offset`` is in seconds east of
    UTC, and ``zone`` is the name of the time zone, or "".
    """
    # The offset is written in whole minutes; the time must be consistent with it.
    minutes = abs(offset) // 60
    days, second = divmod(seconds + (-minutes if offset < 0 else minutes) * 60, 86400)
    year, month, day = civil(days)
    clock = b"%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
    date = b"%b, %02d %b %04d" % (DAYS[days % 7], day, MONTHS[month - 1], year)
    sign = b"-" if offset < 0 else b"+"
    written = b"%b %b %b%02d%02d" % (date, clock, sign, *divmod(minutes, 60))
    return b"%b (%b)" % (written, comment_text(zone)) if zone else written


def civil(days: int) -> tuple[int, int, int]:
    """Convert days since 1970-01-01 to year, month and day.

    Years are counted from March, so that the leap day is the last day of a year. An era is the
    400 years after which the calendar repeats.
    """
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day


def comment_text(text: str) -> bytes:
    """Return text as printable ASCII, escaped for a comment (RFC 5322, 3.2.2)."""
    return comment_bytes(text.encode("ascii", "replace"))


def comment_bytes(text: bytes) -> bytes:
    """Return octets as printable ASCII, escaped for a comment (RFC 5322, 3.2.2)."""
    safe = plain_bytes(text)
    for special in (b"\\", b"(", b")"):
        safe = safe.replace(special, b"\\" + special)
    return safe


def plain_bytes(text: bytes, unwanted: bytes = b"") -> bytes:
    """Return the text with ``?`` for each octet that is unwanted or not printable ASCII."""
    for byte in {*text.translate(None, PRINTABLE), *unwanted}:
        text = text.replace(bytes((byte,)), b"?")
    return text
