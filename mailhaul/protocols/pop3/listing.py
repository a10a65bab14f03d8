"""Parse multi-line replies: each line is an event or a capability (RFC 1939, section 3)."""

from __future__ import annotations

from ..errors import LimitExceeded, RemoteProtocolError
from ..limits import Limits
from .client_lines import describe
from .commands import Capa, Command, List, Uidl
from .events import Line, Listed, UniqueId
from .replies import listed_size, split_status, unique_id


class Listing:
    """The lines of one reply. ``capabilities`` holds the capabilities that CAPA listed so far."""

    def __init__(self, command: Command, limits: Limits) -> None:
        self.command = command
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
