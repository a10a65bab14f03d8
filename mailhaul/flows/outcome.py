"""The outcome of a delivery, and of a poll as one of fetchmail's exit codes."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from ..protocols.errors import ConnectionLost, ProtocolError
from ..protocols.record import Record
from .requests import NameNotFound, RuntimeFault

if TYPE_CHECKING:
    from .source import Listed


class ExitCode(IntEnum):
    """How a poll ended. The numbers are those of fetchmail(1), section EXIT CODES."""

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


GOOD = frozenset({ExitCode.SUCCESS, ExitCode.NOMAIL, ExitCode.MAXFETCH})
"""The codes of a poll after which the account is well."""
NEUTRAL = frozenset({ExitCode.EXCLUDE})
"""Another mailhaul polls the account: this is neither a success nor a failure of the server."""


class PollFailed(Exception):
    """Ends the poll of one account. ``str()`` is one sentence for the user."""

    def __init__(self, code: ExitCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class ServerRefused(PollFailed):
    """The server refuses the connection or the login now, for another reason than the password.

    A maildrop that is locked, or logins that are too frequent (POP3's IN-USE and LOGIN-DELAY),
    concern one user only and are an ordinary PollFailed.
    """


class RefusedHere(PollFailed):
    """A server has refused tokens a short time ago and is not tried; another one may take them."""


class SinkUnavailable(PollFailed):
    """No sink of this account can be reached. Messages not yet accepted stay on the server."""

    def __init__(self, sentence: str) -> None:
        super().__init__(ExitCode.SMTP, sentence)


class CutOff(Exception):
    """The connection to the source failed during a transfer.

    ``message`` is the message that was arriving or was requested next, if any.
    """

    def __init__(self, message: Listed | None, cause: Exception) -> None:
        super().__init__(str(cause))
        self.message = message
        self.cause = cause


class Tally:
    """Counts the messages that were read, accepted by a sink, and unreadable."""

    __slots__ = ("accepted", "read", "unreadable")

    def __init__(self) -> None:
        self.read = 0
        self.accepted = 0
        self.unreadable = 0


class PollCounts:
    """What a poll did: messages read, accepted, and not accepted for one of three reasons.

    ``octets`` is the size of the messages read. ``refused`` are permanent refusals, ``postponed``
    temporary ones, ``spam`` are messages dropped as spam.
    """

    __slots__ = ("delivered", "fetched", "octets", "postponed", "refused", "spam")

    def __init__(self) -> None:
        self.fetched = 0
        self.delivered = 0
        self.octets = 0
        self.refused = 0
        self.postponed = 0
        self.spam = 0

    def add(self, octets: int, verdict: Verdict, *, spam: bool) -> None:
        """Count a message that was read."""
        self.fetched += 1
        self.octets += octets
        if verdict is Verdict.ACCEPTED:
            self.delivered += 1
        elif verdict is Verdict.POSTPONED:
            self.postponed += 1
        elif spam:
            self.spam += 1
        else:
            self.refused += 1

    def values(self) -> tuple[int, int, int, int, int, int]:
        """Return the counts in the order in which the sentences above name them."""
        return (
            *(self.fetched, self.delivered, self.octets),
            *(self.refused, self.postponed, self.spam),
        )


class PollResult(Record):
    """How a poll of an entry of the rc file ended.

    ``when`` is the time of its end (Unix time), ``words`` the error as it was printed, without
    secrets, and ``seconds`` how long it took.
    """

    entry: str
    when: float
    code: ExitCode
    words: str
    counts: PollCounts
    seconds: float = 0.0


class Verdict(Enum):
    """A sink's decision about one message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Refused permanently; another try would not help."""
    POSTPONED = "postponed"
    """Refused temporarily, or the decision is unknown; the next poll tries again."""


class Refusal(Record):
    """A negative SMTP reply. ``recipient`` is None if it applies to all recipients.

    ``reply`` is the whole reply on one line, including its code. ``status`` is its enhanced
    status code (RFC 3463), b"" if there is none.
    """

    code: int
    reply: bytes
    status: bytes = b""
    recipient: bytes | None = None


class Outcome(Record):
    """A sink's verdict on one message, with its reason and one verdict for each recipient.

    ``refusals`` are the replies of an SMTP or LMTP listener. ``warning`` is a text for the user
    that does not depend on the verdict.
    """

    verdict: Verdict
    reason: str = ""
    recipients: tuple[tuple[str, Verdict], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warning: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the message may be deleted from the server."""
        return self.verdict is Verdict.ACCEPTED

    @property
    def served(self) -> bool:
        """Whether at least one recipient has received the message."""
        return self.accepted or any(v is Verdict.ACCEPTED for _, v in self.recipients)


class Failures(Record):
    """How often a message was refused permanently, and the seconds since the first refusal."""

    tries: int
    seconds: int


def code_of(error: Exception) -> ExitCode:
    """Return the exit code for an exception that ended a poll."""
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
