"""Parse multi-line replies: each line is an event or a capability (RFC 1939, section 3).

Nearly all lines of LIST and UIDL are two words separated by one space. Those are parsed by a short
cut: one regular expression checks a block of lines, which is then split into words. All other lines
are parsed one by one. A test checks that both ways give the same events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ..errors import LimitExceeded, RemoteProtocolError
from ..limits import Limits
from .client_lines import describe
from .commands import Capa, Command, List, Uidl
from .events import Line, Listed, ListedBlock, UniqueId, UniqueIdBlock
from .replies import UID_LENGTH, listed_size, split_status, unique_id

LONGEST = UID_LENGTH + 100
"""Octets. No usual line is longer."""


@lru_cache(maxsize=4)
def usual_lines(word: bytes, digits: int) -> re.Pattern[bytes]:
    """Return an expression for any number of lines with a number and such a word."""
    return re.compile(rb"(?:(?>[0-9]{1,%d} %b\r?\n))*" % (digits, word))


class Listing:
    """The lines of one reply. ``capabilities`` holds the capabilities that CAPA listed so far."""

    def __init__(self, command: Command, limits: Limits) -> None:
        self.command = command
        self._in_blocks = isinstance(command, List | Uidl) and command.in_blocks
        self.capabilities: dict[bytes, bytes] = {}
        self._limits = limits
        self._lines = 0
        self._octets = 0

    @property
    def may_be_long(self) -> bool:
        """Whether the listing may have as many lines as the maildrop has messages."""
        return isinstance(self.command, List | Uidl)

    def add(self, line: bytes) -> Listed | UniqueId | Line | None:
        """Process one line, without dot-stuffing; return its event, or None.

        Raises RemoteProtocolError, and LimitExceeded if there are too many lines.
        """
        self._lines += 1
        match self.command:
            case List() | Uidl() as command:
                return self._entry(command, line)
            case Capa():
                self._check_count(self._limits.capabilities, "capabilities")
                name, _, arguments = line.partition(b" ")
                if name:
                    self.capabilities[name.upper()] = arguments.strip()
                return None
            case _:
                self._check_count(self._limits.reply_lines, "lines of a reply")
                return Line(line)

    def add_usual(
        self, block: bytes
    ) -> tuple[Iterable[Listed | UniqueId | ListedBlock | UniqueIdBlock], int]:
        """Process the usual lines at the beginning of a block of complete lines of LIST or UIDL.

        Return their events, and how many octets they have. If a limit might be exceeded no line is
        processed, so that ``add`` raises the error at the right line.
        """
        if not block[:1].isdigit():
            # An empty listing needs no expression.
            return (), 0
        limits, digits = self._limits, self._limits.digits
        sizes = isinstance(self.command, List)
        word = rb"[0-9]{1,%d}" % digits if sizes else rb"[!-~]{1,%d}" % UID_LENGTH
        begun = usual_lines(word, digits).match(block)
        end = begun.end() if begun else 0
        words = block[:end].split()
        lines = len(words) // 2
        octets = end - block.count(b"\n", 0, end) - block.count(b"\r", 0, end)
        if (
            self._lines + lines > limits.listing_lines
            or self._octets + octets > limits.listing_octets
            or limits.reply_line < LONGEST
        ):
            return (), 0
        self._lines += lines
        self._octets += octets
        numbers = tuple(map(int, words[::2]))
        if sizes:
            octets_of = tuple(map(int, words[1::2]))
            if self._in_blocks and lines:
                return (ListedBlock(numbers, octets_of),), end
            return map(Listed, numbers, octets_of), end
        uids = tuple(words[1::2])
        if self._in_blocks and lines:
            return (UniqueIdBlock(numbers, uids),), end
        return map(UniqueId, numbers, uids), end

    def _entry(self, command: List | Uidl, line: bytes) -> Listed | UniqueId | None:
        """Return the event for one message, or None if the line is malformed."""
        what = describe(command)
        self._check_count(self._limits.listing_lines, f"lines of {what}")
        self._octets += len(line)
        if self._octets > self._limits.listing_octets:
            raise LimitExceeded(f"octets of {what}", self._limits.listing_octets)
        if split_status(line):
            raise RemoteProtocolError(f"a status line inside the reply to {what}", line=line)
        digits = self._limits.digits
        if isinstance(command, List):
            size = listed_size(line, digits)
            return Listed(*size) if size else None
        try:
            return UniqueId(*unique_id(line, digits))
        except RemoteProtocolError:
            # This message has no usable unique id.
            return None

    def _check_count(self, limit: int, name: str) -> None:
        if self._lines > limit:
            raise LimitExceeded(name, limit)
