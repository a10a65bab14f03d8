"""The two kinds of fault: ours, where nothing was sent, and theirs, which is final."""

from __future__ import annotations


class ProtocolError(Exception):
    """Either side broke the rules of the dialogue."""


class LocalProtocolError(ProtocolError):
    """Our caller asked for something not allowed now; nothing was sent, no harm done."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules; the machine that raised this stays in error permanently.

    ``state`` names where the dialogue stood and ``line`` holds the start of what came,
    at most 80 bytes of it and never message text.
    """

    def __init__(self, problem: str, *, state: str = "", line: bytes = b"") -> None:
        super().__init__(problem)
        self.problem = problem
        self.state = state
        self.line = bytes(line[:80])

    def __str__(self) -> str:
        place = f" (state {self.state})" if self.state else ""
        came = f"; came: {self.line!r}" if self.line else ""
        return f"{self.problem}{place}{came}"


class ConnectionLost(RemoteProtocolError):
    """The peer closed while something was still owed."""


class LimitExceeded(RemoteProtocolError):
    """The peer sent more of something than we are willing to hold."""

    def __init__(self, name: str, limit: int, *, state: str = "") -> None:
        super().__init__(f"{name} exceeds the limit of {limit}", state=state)
        self.name = name
        self.limit = limit
