"""The POP3 server, whatever a client says, answered in whatever way.

The letters of a turn are how the next commands are answered, in their order; as fits the command
when they run out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Tap
from mailhaul.protocols.pop3.commands import (
    Capa,
    Command,
    Envelope,
    Heard,
    Last,
    List,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Completed,
    Counted,
    Event,
    Greeted,
    LastRead,
    Line,
    Listed,
    ResponseCode,
    TlsReady,
    UniqueId,
)
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.exchange import (
    CancelAuthentication,
    Challenge,
    Respond,
)

from ..conversation import Setting, converse

Answer = Callable[[Command], list[Event]]
TEXT = BodyChunk(b"Subject: hi\r\n\n.\r\n..text")


def granted(command: Command) -> list[Event]:
    """Say yes in the way that fits the command."""
    good: Event = Completed(command, True, b"fine")
    match command:
        case StartTls():
            return [TlsReady(command)]
        case Capa():
            return [Capabilities(((b"PIPELINING", b""), (b"SASL", b"PLAIN CRAM-MD5"))), good]
        case Stat():
            return [Counted(2, 300), good]
        case List():
            return [Listed(1, 100), *([Listed(2, 200)] if command.number is None else []), good]
        case Uidl():
            return [
                UniqueId(1, b"a"),
                *([UniqueId(2, b"b")] if command.number is None else []),
                good,
            ]
        case Last():
            return [LastRead(1), good]
        case Retrieve(number) | Top(number):
            return [BodyStart(number), TEXT, good]
        case Envelope():
            return [Line(b".ann@example.org"), good]
        case _:
            return [good]


ANSWERS: dict[str, Answer] = {
    "g": granted,
    "o": lambda command: [Completed(command, True)],
    "n": lambda command: [Completed(command, False, b"no", ResponseCode.AUTH)],
    "h": lambda command: [Challenge(b"say more")],
    "l": lambda command: [Listed(1, 100), Completed(command, True)],
}


class AnsweredServer(Pop3Server):
    """A server, and how its user is going to answer."""

    def __init__(self, limits: Limits, tap: Tap) -> None:
        super().__init__(limits, tap)
        self.answers: deque[Answer] = deque()
        self.send(Greeted(b"<1.2@mail.example>", b"ready"))


def answer(server: AnsweredServer, heard: Heard | Closed) -> None:
    """Answer a command as the letters say; -ERR where that is not possible."""
    if isinstance(heard, Closed):
        return
    command = server.outstanding[0]
    chosen = server.answers.popleft() if server.answers else granted
    if isinstance(heard, CancelAuthentication):
        chosen = ANSWERS["n"]
    elif isinstance(heard, Respond) and chosen is ANSWERS["l"]:
        chosen = ANSWERS["h"]
    try:
        for event in chosen(command):
            server.send(event)
    except LocalProtocolError:
        refuse(server, command)


def refuse(server: AnsweredServer, command: Command) -> None:
    """Answer -ERR, or +OK if that has been said already."""
    try:
        server.send(Completed(command, False))
    except LocalProtocolError:
        server.send(Completed(command, True))


def will(chosen: Answer) -> Callable[[AnsweredServer], None]:
    """Return what puts an answer behind those that are planned."""
    return lambda server: server.answers.append(chosen)


LETTERS = {ord(letter): will(chosen) for letter, chosen in ANSWERS.items()}
SETTING = Setting(AnsweredServer, LETTERS, answer, one_way=False)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
