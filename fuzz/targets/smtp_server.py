"""The SMTP and LMTP servers, whatever a client says, answered in whatever way.

The letters of a turn are the replies to the next commands, in their order; yes when they run out.
An input with an odd number of turns goes to the LMTP server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Tap
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge, Respond
from mailhaul.protocols.smtp.commands import BodyChunk, Data, Heard, Quit, StartTls
from mailhaul.protocols.smtp.events import Closed, Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer

from ..conversation import Setting, converse
from ..turns import turns

EXTENSIONS = {
    **DEFAULT_EXTENSIONS,
    **dict.fromkeys((b"STARTTLS", b"SMTPUTF8", b"CHUNKING", b"BINARYMIME", b"DSN", b"ETRN"), b""),
    b"AUTH": b"PLAIN LOGIN",
}
REPLIES = {
    "y": Reply(250, (b"2.0.0 ok",)),
    "g": Reply(354, (b"go on",)),
    "s": Reply(220, (b"ready",)),
    "l": Reply(451, (b"4.3.0 later", b"4.3.0 much later")),
    "n": Reply(550, (b"5.1.1 no",)),
    "b": Reply(421, (b"closing",)),
}


class AnsweredServer(SmtpServer):
    """A server, and how its user is going to answer."""

    def __init__(self, lmtp: bool, limits: Limits, tap: Tap) -> None:
        super().__init__(lmtp, EXTENSIONS, limits, tap)
        self.answers: deque[Reply] = deque()
        self.send(Reply(220, (b"mx.example",)))


def granted(heard: Heard) -> Reply:
    """Say yes in the way that fits the command."""
    match heard:
        case Data():
            return REPLIES["g"]
        case StartTls():
            return REPLIES["s"]
        case Quit():
            return Reply(221, (b"bye",))
        case _:
            return REPLIES["y"]


def answer(server: AnsweredServer, heard: Heard | Closed) -> None:
    """Answer all that is due as the letters say."""
    if isinstance(heard, Closed | BodyChunk):
        return
    if isinstance(heard, Authenticate | Respond) and not server.answers:
        server.send(Challenge(b"say more") if wants_more(heard) else Reply(235, (b"in",)))
        return
    for due in server.outstanding:
        try:
            server.send(server.answers.popleft() if server.answers else granted(due))
        except LocalProtocolError:
            return


def wants_more(heard: Authenticate | Respond) -> bool:
    """Whether there is anything else to ask."""
    response = heard.response if isinstance(heard, Respond) else heard.initial_response
    return response is None or not response.reveal()


def will(reply: Reply) -> Callable[[AnsweredServer], None]:
    """Return what puts a reply behind those that are planned."""
    return lambda server: server.answers.append(reply)


LETTERS = {ord(letter): will(reply) for letter, reply in REPLIES.items()}


def server(lmtp: bool) -> Setting:
    """Return the setting of one of the two servers."""
    return Setting(
        lambda limits, tap: AnsweredServer(lmtp, limits, tap), LETTERS, answer, one_way=False
    )


SMTP, LMTP = server(False), server(True)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(LMTP if len(turns(data)) % 2 else SMTP, data)
