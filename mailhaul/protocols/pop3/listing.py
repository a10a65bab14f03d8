"""Answers of several lines, as a POP3 client reads them: each line is an event, or a capability."""

from __future__ import annotations

from ..errors import LimitExceeded, RemoteProtocolError
from ..limits import Limits
from .client_lines import describe
from .commands import Capa, Command, List, Uidl
from .events import Line, Listed, UniqueId
from .replies import listed_size, split_status, unique_id


class Listing:
    """The lines that answer one command. ``capabilities`` are what CAPA has named so far."""

    def __init__(self, command: Command, limits: Limits) -> None:
        self.command = command
        self.capabilities: dict[bytes, bytes] = {}
        self._limits = limits
        self._lines = 0
        self._octets = 0

    @property
    def may_be_long(self) -> bool:
        """Whether there may be a million lines."""
        return isinstance(self.command, List | Uidl)

    def add(self, line: bytes) -> Listed | UniqueId | Line | None:
        """Take one line without its dot; return its event, if it is one."""
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
        """Return what a line says of a message. One that says nothing of use is about no other."""
        what = describe(command)
        self._check_count(self._limits.listing_lines, f"lines of {what}")
        self._octets += len(line)
        if self._octets > self._limits.listing_octets:
            raise LimitExceeded(f"octets of {what}", self._limits.listing_octets)
        if split_status(line):
            raise RemoteProtocolError(f"a reply inside the answer to {what}", line=line)
        digits = self._limits.digits
        if isinstance(command, List):
            size = listed_size(line, digits)
            return Listed(*size) if size else None
        try:
            return UniqueId(*unique_id(line, digits))
        except RemoteProtocolError:
            # This message has no id that it could be remembered by.
            return None

    def _check_count(self, limit: int, name: str) -> None:
        if self._lines > limit:
            raise LimitExceeded(name, limit)
