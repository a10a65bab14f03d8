"""What a first line says about the protocol behind a port that speaks another one."""

from __future__ import annotations

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
    for start, name in KNOWN:
        if line.startswith(start):
            return f" but looks like {name}"
    return ""
