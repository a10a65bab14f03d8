"""Protocol errors: local ones, which change nothing, and remote ones, which are final."""

from __future__ import annotations


class ProtocolError(Exception):
    """The base class: one side did something that the protocol does not allow."""


class LocalProtocolError(ProtocolError):
    """The caller asked for something that is not allowed now.

    Nothing was sent, and the machine can still be used.
    """


class RemoteProtocolError(ProtocolError):
    """The peer violated the protocol. The machine stays in the state ``error`` permanently.

    ``state`` is the name of the dialogue's state, and ``line`` the start of the offending line: at
    most 80 bytes, never message text.
    """

    def __init__(self, problem: str, *, state: str = "", line: bytes = b"") -> None:
        super().__init__(problem)
        self.problem = problem
        self.state = state
        self.line = bytes(line[:80])

    def __str__(self) -> str:
        place = f" (state {self.state})" if self.state else ""
        received = f"; received: {self.line!r}" if self.line else ""
        return f"{self.problem}{place}{received}"


class ConnectionLost(RemoteProtocolError):
    """The peer closed the connection while a reply or data was still expected."""


class LimitExceeded(RemoteProtocolError):
    """The peer sent more than a limit allows. ``name`` says of what, ``limit`` how much."""

    def __init__(self, name: str, limit: int, *, state: str = "") -> None:
        super().__init__(f"{name} exceeds the limit of {limit}", state=state)
        self.name = name
        self.limit = limit
