"""What the first line from a server says, if it is not a greeting of the expected protocol."""

from __future__ import annotations

import re

BUSY = rb"\b(?:busy|too many|try again|temporar|overload|unavailable)"
"""Words of a server that is too busy, in any protocol."""
REFUSED = rb"\s*NO\s"
"""The start of a line that some servers send instead of a greeting, to refuse the client."""

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
    """Return text such as `` but looks like POP3``, or an empty string."""
    if turns_away(line):
        return ""
    for start, name in KNOWN:
        if line.startswith(start):
            return f" but looks like {name}"
    return ""


def turns_away(line: bytes) -> bool:
    """Whether a first line that is not a greeting says that the server is too busy."""
    return bool(re.match(REFUSED, line, re.IGNORECASE) or is_busy(line))


def is_busy(text: bytes) -> bool:
    """Whether the text of a reply says that the server is too busy."""
    return re.search(BUSY, text, re.IGNORECASE) is not None
