"""The Received field that a relay adds (RFC 5321, 4.4), in fetchmail's form."""

from __future__ import annotations

from dataclasses import dataclass

DAYS = (b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed")
MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())


@dataclass(frozen=True, slots=True)
class Received:
    """What a Received field says. ``details`` is what ``tracepolls`` adds, or b""."""

    truename: str
    address: str
    host: str
    protocol: bytes
    version: bytes
    date: bytes
    details: str = ""


def received_field(trace: Received, recipient: bytes | None, line_end: bytes) -> bytes:
    """Return the field. ``recipient`` is the one recipient, None where there are several."""
    where = b" [%b]" % plain(trace.address) if trace.address else b""
    details = b" %b" % plain(trace.details) if trace.details else b""
    whom = b"\tfor <%b> (single-drop%b); " if recipient else b"\t(multi-drop%b); "
    last = whom % ((plain_bytes(recipient), details) if recipient else (details,))
    return line_end.join(
        [
            b"Received: from %b%b" % (plain(trace.truename), where),
            b"\tby %b with %b (mailhaul-%b)" % (plain(trace.host), trace.protocol, trace.version),
            last + trace.date,
            b"",
        ]
    )


def plain(text: str) -> bytes:
    """Return text as something that cannot end the field or open a comment in it."""
    return plain_bytes(text.encode("utf-8", "replace"))


def plain_bytes(text: bytes) -> bytes:
    """Replace control characters, blanks excepted, and whatever is not ASCII."""
    return bytes(byte if 32 <= byte < 127 else 0x3F for byte in text)


def format_date(seconds: int, offset: int, zone: str) -> bytes:
    """Return the date of a moment as RFC 5322, 3.3 has it, with the zone's name behind.

    ``seconds`` count from 1970 in UTC, ``offset`` is the zone's distance from it in seconds.
    """
    days, second = divmod(seconds + offset, 86400)
    year, month, day = civil(days)
    sign = b"-" if offset < 0 else b"+"
    hours, minutes = divmod(abs(offset) // 60, 60)
    clock = b"%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
    return b"%b, %02d %b %04d %b %b%02d%02d (%b)" % (
        DAYS[days % 7], day, MONTHS[month - 1], year, clock, sign, hours, minutes, plain(zone),
    )  # fmt: skip


def civil(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days since 1970-01-01.

    Years are counted from March, so that the leap day is the last one of a year of its own.
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
