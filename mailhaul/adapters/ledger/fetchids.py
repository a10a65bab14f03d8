"""fetchmail's list of seen POP3 messages: the file ``.fetchids``, read once on migration.

A line is ``USER@HOST UID``. The file is never written, so fetchmail can still be used.
"""

from __future__ import annotations

from collections.abc import Iterator


def seen_uids(data: bytes, user: str, host: str) -> list[bytes]:
    """Return the unique ids listed for an account; names are compared case-insensitively."""
    wanted = (
        _folded(user.encode("utf-8", "surrogateescape")),
        _folded(host.encode("utf-8", "surrogateescape")),
    )
    return [uid for name, server, uid in entries(data) if (name, server) == wanted]


def entries(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield user, host and unique id of each well-formed line."""
    for line in data.splitlines():
        at = line.find(b"@")
        blank = line.find(b" ", at)
        if at < 0 or blank < 0:
            continue
        user, _, host = line[:blank].rpartition(b"@")
        if uid := line[blank + 1 :].strip():
            yield _folded(user), _folded(host), uid


def _folded(name: bytes) -> bytes:
    return name.lower()
