"""How a message fared, and how a poll ended, in fetchmail's exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from ..protocols.errors import ConnectionLost, ProtocolError
from ..protocols.record import Record
from .requests import NameNotFound, RuntimeFault

if TYPE_CHECKING:
    from .source import Listed


class ExitCode(IntEnum):
    """How a poll ended; the numbers are fetchmail's."""

    SUCCESS = 0
    NOMAIL = 1
    SOCKET = 2
    AUTHFAIL = 3
    PROTOCOL = 4
    SYNTAX = 5
    IOERR = 6
    ERROR = 7
    EXCLUDE = 8
    LOCKBUSY = 9
    SMTP = 10
    DNS = 11
    BSMTP = 12
    MAXFETCH = 13
    SERVBUSY = 14
    UNDEFINED = 23


class PollFailed(Exception):
    """Ends the poll of one account. ``str()`` is one sentence for the user."""

    def __init__(self, code: ExitCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class SinkUnavailable(PollFailed):
    """No sink of this account can be reached; what was not accepted stays where it is."""

    def __init__(self, sentence: str) -> None:
        super().__init__(ExitCode.SMTP, sentence)


class CutOff(Exception):
    """The source failed on the way.

    ``message`` is the one that was arriving, or that was asked for next, if any.
    """

    def __init__(self, message: Listed | None, cause: Exception) -> None:
        super().__init__(str(cause))
        self.message = message
        self.cause = cause


@dataclass(slots=True)
class Tally:
    """How many messages were read and how many of them a sink accepted; and those that could not
    be read."""

    read: int = 0
    accepted: int = 0
    unreadable: int = 0


class Verdict(Enum):
    """What a sink said of one message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """For good; asking again will not help."""
    POSTPONED = "postponed"
    """Not now, or the answer is not known; ask again at the next poll."""


class Refusal(Record):
    """A reply that is no acceptance; ``recipient`` is None where it is about everybody.

    ``reply`` is the whole of it on one line, its code included; ``status`` is its enhanced
    status code (RFC 3463), b"" without one.
    """

    code: int
    reply: bytes
    status: bytes = b""
    recipient: bytes | None = None


class Outcome(Record):
    """A sink's verdict on one message, with its reason and one verdict for each recipient.

    ``refusals`` are a listener's own words, where the sink is one. A ``warning`` is for the user,
    whatever the verdict.
    """

    verdict: Verdict
    reason: str = ""
    recipients: tuple[tuple[str, Verdict], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warning: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the message may leave the server."""
        return self.verdict is Verdict.ACCEPTED

    @property
    def served(self) -> bool:
        """Whether anybody got it."""
        return self.accepted or any(v is Verdict.ACCEPTED for _, v in self.recipients)


class Failures(Record):
    """How often a message was refused for good, and for how many seconds by now."""

    tries: int
    seconds: int


def code_of(error: Exception) -> ExitCode:
    """Return the exit code that stands for this fault of a connection."""
    match error:
        case PollFailed():
            return error.code
        case NameNotFound():
            return ExitCode.DNS
        case ConnectionLost() | RuntimeFault():
            return ExitCode.SOCKET
        case ProtocolError():
            return ExitCode.PROTOCOL
        case _:
            return ExitCode.UNDEFINED
