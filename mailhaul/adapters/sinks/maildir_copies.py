"""Find a message in a Maildir that was delivered just before a kill.

Its file has the name that the ledger gave to the offer. The contents are compared as well, since a
server may give a UID to another message.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable

LEDGER_NAME = re.compile(r"\d+\.R[0-9a-f]{16}\.")
"""The beginning of the names that the ledger gives."""


class Stored:
    """The files of a Maildir whose names begin with one of these names from the ledger."""

    def __init__(self, folder: str, names: Iterable[str]) -> None:
        self._folder = folder
        self._names = {f"{name}." for name in names}
        self._current: dict[str, str] | None = None

    def find(self, name: str) -> str:
        """Return the path of the file with this name in new, or in cur with any flags, or "".

        Raises OSError.
        """
        path = os.path.join(self._folder, "new", name)
        if os.path.lexists(path):
            return path
        if self._current is None:
            self._current = self._list_current()
        return self._current.get(name, "")

    def forget(self) -> None:
        """List the folder again at the next search: a mail reader has moved files."""
        self._current = None

    def _list_current(self) -> dict[str, str]:
        found: dict[str, str] = {}
        with os.scandir(os.path.join(self._folder, "cur")) as entries:
            for entry in entries:
                beginning = LEDGER_NAME.match(entry.name)
                if beginning and beginning[0] in self._names:
                    found[entry.name.partition(":")[0]] = entry.path
        return found


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
