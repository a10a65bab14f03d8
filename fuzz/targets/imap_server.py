"""The IMAP server, whatever a client says, answered in whatever way.

The letters of a turn are how the next commands are answered, in their order; OK when they run out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.commands import (
    Append,
    AppendChunk,
    Command,
    Done,
    Heard,
    Idle,
    Logout,
    StartTls,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Closed,
    Code,
    Completed,
    Condition,
    Event,
    Exists,
    Fetched,
    Greeted,
    Idling,
    ReadyForText,
    SaidBye,
    TlsReady,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Tap
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge

from ..conversation import Setting, converse

Answer = Callable[[Command], list[Event]]


def granted(command: Command) -> list[Event]:
    """Say yes in the way that fits the command."""
    match command:
        case StartTls():
            return [TlsReady(command)]
        case Logout():
            return [SaidBye(), Completed(command, Condition.OK)]
        case Authenticate(_, None):
            return [Challenge(b"say more")]
        case Append():
            return [ReadyForText(command)]
        case Idle():
            return [Idling(command), Exists(4)]
        case _:
            return [Completed(command, Condition.OK)]


ANSWERS: dict[str, Answer] = {
    "o": lambda command: [Completed(command, Condition.OK)],
    "n": lambda command: [Completed(command, Condition.NO, Code(b"TRYCREATE"), b"no such mailbox")],
    "b": lambda command: [Completed(command, Condition.BAD)],
    "d": lambda command: [Exists(3), Completed(command, Condition.OK)],
    "f": lambda command: [
        BodyStart(1, 5, b"", 3),
        BodyChunk(b"abc"),
        BodyEnd(),
        Fetched(1, 5, 3, (b"\\Seen",)),
        Completed(command, Condition.OK),
    ],
    "h": lambda command: [Challenge(b"")],
    "y": lambda command: [SaidBye(), Completed(command, Condition.OK)],
    "g": granted,
}


class AnsweredServer(ImapServer):
    """A server, and how its user is going to answer."""

    def __init__(self, limits: Limits, tap: Tap) -> None:
        super().__init__(limits, tap)
        self.answers: deque[Answer] = deque()
        self.send(Greeted(False))


def answer(server: AnsweredServer, heard: Heard | Closed) -> None:
    """Answer a command as the letters say; BAD where that is not possible."""
    if isinstance(heard, Closed | AppendChunk):
        return
    command = server.outstanding[0]
    chosen = server.answers.popleft() if server.answers else granted
    if command is not heard and chosen is granted:
        chosen = ANSWERS["n" if isinstance(heard, Done) else "o"]
    try:
        for event in chosen(command):
            server.send(event)
    except LocalProtocolError:
        server.send(Completed(command, Condition.BAD))


def will(chosen: Answer) -> Callable[[AnsweredServer], None]:
    """Return what puts an answer behind those that are planned."""
    return lambda server: server.answers.append(chosen)


LETTERS = {ord(letter): will(chosen) for letter, chosen in ANSWERS.items()}
SETTING = Setting(AnsweredServer, LETTERS, answer, one_way=False)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
