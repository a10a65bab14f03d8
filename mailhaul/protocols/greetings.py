"""What a first line says about the protocol after a port that speaks another one."""

from __future__ import annotations

import re

BUSY = re.compile(rb"\b(?:busy|too many|try again|temporar|overload|unavailable)", re.IGNORECASE)
"""Words of a server that has no time for us now, in whatever protocol."""
REFUSED = re.compile(rb"\s*NO\s", re.IGNORECASE)
"""The start of a line that is no greeting, from servers that ward somebody off."""

KNOWN = (
    (b"* OK", "IMAP"),
    (b"* PREAUTH", "IMAP"),
    (b"* BYE", "IMAP"),
    (b"+OK", "POP3"),
    (b"-ERR", "POP3"),
    (b"220", "SMTP"),
    (b"554", "SMTP"),
    (b"421", "SMTP"),
    (b"SSH-", "SSH"),
    (b"HTTP/", "HTTP"),
    (b"\x15\x03", "TLS"),
    (b"\x16\x03", "TLS"),
)


def looks_like(line: bytes) -> str:
    """Return `` but looks like POP3`` and the like, or an empty string."""
    if turns_away(line):
        return ""
    for start, name in KNOWN:
        if line.startswith(start):
            return f" but looks like {name}"
    return ""


def turns_away(line: bytes) -> bool:
    """Whether a first line that is no greeting says that there is no time for us now."""
    return bool(REFUSED.match(line) or is_busy(line))


def is_busy(text: bytes) -> bool:
    """Whether a server's words say that there is no time for us now."""
    return BUSY.search(text) is not None
