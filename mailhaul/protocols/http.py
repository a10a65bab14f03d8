"""HTTP requests and responses as values, and the addresses that a request may go to.

How they are sent is not known here: ``mailhaul/adapters/http`` does that.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from .errors import LocalProtocolError
from .message.received_date import MONTHS, days_in_month
from .record import Record
from .secret import Secret

PORTS: Final = {"https": 443, "http": 80}
MAX_URL: Final = 4096
"""Characters of an address that a server may name."""
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
# RFC 9110, 5.6.7: the preferred form of a date, always in UTC.
_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT"
)

Fields = tuple[tuple[str, str], ...]
"""Header fields: names and values."""


class HttpRequest(Record):
    """A request. ``secrets`` are those in its header or body, which an answer must not show."""

    method: str
    url: str
    fields: Fields = ()
    body: bytes = b""
    secrets: tuple[Secret, ...] = ()
    _hidden = frozenset({"url", "fields", "body", "secrets"})


class HttpResponse(Record):
    """A response. The names of its ``fields`` are in lower case."""

    status: int
    fields: Fields = ()
    body: bytes = b""
    _hidden = frozenset({"fields", "body"})

    def field(self, name: str) -> str:
        """Return the first field of this name (in lower case), or ""."""
        return next((value for key, value in self.fields if key == name), "")

    @property
    def retry_after(self) -> int | None:
        """The seconds of Retry-After (RFC 9110, 10.2.3), or None.

        A date is compared with the Date of the response, so our clock does not matter.
        """
        wanted = self.field("retry-after").strip()
        if wanted.isascii() and wanted.isdecimal():
            return int(wanted[:9])
        until, now = seconds_of(wanted), self.date
        return None if until is None or now is None else max(0, until - now)

    @property
    def date(self) -> int | None:
        """The server's clock in seconds since 1970, or None."""
        return seconds_of(self.field("date").strip())


class Url(Record):
    """The parts of an address. ``target`` is its path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as a Host field needs them (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.host)


def parse_url(text: str) -> Url:
    """Return the parts of an address, which must be https, or http on this machine.

    Raises LocalProtocolError: its text says what is wrong, without the address.
    """
    if len(text) > MAX_URL:
        raise LocalProtocolError(f"the address is longer than {MAX_URL} characters")
    if not text.isascii() or not all("!" <= character <= "~" for character in text):
        raise LocalProtocolError("the address has characters that are not allowed in it")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise LocalProtocolError("the address cannot be understood") from None
    if parts.scheme not in PORTS or not host:
        raise LocalProtocolError("the address does not begin with https:// and a host")
    if parts.username is not None or parts.fragment:
        raise LocalProtocolError("the address has a user name or a fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise LocalProtocolError("the address is not https, which only this machine itself may be")
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return Url(parts.scheme, host, PORTS[parts.scheme] if port is None else port, target)


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address means this machine."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


def seconds_of(date: str) -> int | None:
    """Return an HTTP date as seconds since 1970; None for anything else."""
    found = _DATE.fullmatch(date)
    if found is None or found[2].encode("ascii") not in MONTHS:
        return None
    month = MONTHS.index(found[2].encode("ascii"))
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    if year < 1970 or not 0 < day <= days_in_month(month, year):
        return None
    leap_years = sum(1 for other in range(1972, year, 4) if days_in_month(1, other) == 29)
    days = (year - 1970) * 365 + leap_years + day - 1
    days += sum(days_in_month(other, year) for other in range(month))
    return ((days * 24 + hour) * 60 + minute) * 60 + second
