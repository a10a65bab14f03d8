"""Find a message in a Maildir that was delivered just before a kill.

Its file has the name that the ledger gave to the offer. The contents are compared as well, since a
server may give a UID to another message.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence


class Stored:
    """Finds files of a Maildir by these names. The folder cur is listed once for all of them.

    A mail reader moves files from new to cur. So a file that is in new no longer has to be in cur,
    if cur is listed after that: the names are looked for in new first. Raises OSError.
    """

    def __init__(self, folder: str, names: Sequence[str]) -> None:
        self._folder = folder
        self._found: dict[str, str] = {}
        if names:
            new = [self._in_new(name) for name in names]
            current = self._in_current(names)
            for name, path in zip(names, new, strict=True):
                self._found[name] = path or current.get(name, "")

    def find(self, name: str) -> str:
        """Return the path of the file with this name in new, or in cur with any flags, or ""."""
        found = self._found.pop(name, None)
        if found is None:
            found = self._in_new(name) or self._in_current([name]).get(name, "")
        return found

    def _in_new(self, name: str) -> str:
        path = os.path.join(self._folder, "new", name)
        return path if os.path.lexists(path) else ""

    def _in_current(self, names: Sequence[str]) -> dict[str, str]:
        wanted = set(names)
        with os.scandir(os.path.join(self._folder, "cur")) as entries:
            found = ((entry.name.partition(":")[0], entry.path) for entry in entries)
            return {name: path for name, path in found if name in wanted}


OUR_RECEIVED = re.compile(rb"(?:\A|\n)(Received: [^\n]*\n(?:[ \t][^\n]*\n)*)")
HEADER_OCTETS = 64 * 1024
"""Octets that are searched for the Received field of this program, which has a new date in every
delivery.
"""


def is_same_message(one: str, other: str) -> bool:
    """Whether two files contain the same message. Raises OSError.

    The Received field that mailhaul adds is ignored.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    files = [os.open(one, flags)]
    try:
        files.append(os.open(other, flags))
        statuses = [os.fstat(file) for file in files]
        if not all(stat.S_ISREG(status.st_mode) for status in statuses):
            return False
        heads = [os.pread(file, HEADER_OCTETS, 0) for file in files]
        spans = [our_received_span(head) for head in heads]
        before = [head[:start] for head, (start, _) in zip(heads, spans, strict=True)]
        rest = [s.st_size - end for s, (_, end) in zip(statuses, spans, strict=True)]
        if before[0] != before[1] or rest[0] != rest[1]:
            return False
        ends = [end for _, end in spans]
        for offset in range(0, rest[0], HEADER_OCTETS):
            blocks = [
                os.pread(f, HEADER_OCTETS, end + offset) for f, end in zip(files, ends, strict=True)
            ]
            if blocks[0] != blocks[1]:
                return False
        return True
    finally:
        for file in files:
            os.close(file)


def our_received_span(head: bytes) -> tuple[int, int]:
    """Return the start and end of the Received field that mailhaul added, or (0, 0)."""
    found = OUR_RECEIVED.search(head)
    return found.span(1) if found and b"(mailhaul-" in found[1] else (0, 0)
