"""An SMTP or LMTP server that goes wrong where it is told to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Sleep
from mailhaul.protocols.smtp.commands import Bdat, EndOfData, Heard
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.smtp import SmtpService

from .dialogue import SMTP
from .faults import Fault, Kind

if TYPE_CHECKING:
    from .world import World

COMMANDS = tuple(f"smtp {name}" for name in SMTP if name != "BodyChunk")
ENVELOPE = ("smtp Mail", "smtp Rcpt", "smtp Data")
STEPS = (*ENVELOPE, "smtp EndOfData", "smtp Bdat")


Act = Callable[["FaultySmtp", Heard, Fault], Awaitable[None]]


class Gone(Exception):
    """The session is over."""


class FaultySmtp(SmtpService):
    """One session of the world's SMTP or LMTP server."""

    def __init__(self, channel: Channel[SmtpServer], world: World) -> None:
        super().__init__(channel, world.received)
        self.world = world
        self._goes_on = True

    async def _serve(self, event: Heard) -> bool:
        fault = self.world.due(f"smtp {type(event).__name__}")
        try:
            if fault is None:
                await self.obey(event)
            else:
                # What was said before is on its way.
                await Sleep(0)
                await self.world.act(fault)(self, event, fault)
        except Gone:
            return False
        return self._goes_on

    async def obey(self, event: Any) -> None:
        """Do and answer what was asked, as usual."""
        self._goes_on = await super()._serve(event)

    def say(self, words: bytes) -> None:
        """Send bytes as they are."""
        self._channel.machine._outbox.put(words)

    def unsay(self) -> bytes:
        """Take back what has not left yet."""
        return b"".join(self._channel.machine.data_to_send())

    def hang_up(self) -> NoReturn:
        """End the session."""
        raise Gone

    def reply(self, event: Heard, code: int) -> None:
        """Answer without doing what was asked; in LMTP once for each recipient."""
        due = len(self._channel.machine.outstanding) if isinstance(event, EndOfData) else 1
        for _ in range(due):
            self._channel.machine.send(format_record(code))
        if isinstance(event, EndOfData | Bdat):
            self._begin_text()


def format_record(code: int) -> Reply:
    """Return a reply with an enhanced code that fits (RFC 3463, 2)."""
    return Reply(code, (b"%d.0.0 so it is" % (code // 100),))


def replying(code: int) -> Act:
    """Return what gives this reply."""

    async def act(service: FaultySmtp, event: Heard, fault: Fault) -> None:
        service.reply(event, code)

    return act


def serving_some(code: int) -> Act:
    """Return what gives this reply for one of LMTP's recipients."""

    async def act(service: FaultySmtp, event: Heard, fault: Fault) -> None:
        unlucky = (b"ann@here", b"joe@here")[fault.amount % 2]
        received = service.world.received
        received.verdict = lambda recipient: format_record(code if recipient == unlucky else 250)
        await service.obey(event)
        received.verdict = None

    return act


async def leave(service: FaultySmtp, event: Heard, fault: Fault) -> None:
    service.say(b"421 4.3.2 shutting down\r\n")
    service.hang_up()


async def take_and_leave(service: FaultySmtp, event: Heard, fault: Fault) -> None:
    await service.obey(event)
    service.say(b"421 4.3.2 shutting down\r\n")
    service.hang_up()


async def speak_too_soon(service: FaultySmtp, event: Heard, fault: Fault) -> None:
    await service.obey(event)
    service.say(b"250 2.0.0 accepted already\r\n")
    # That may come in when the dot has just been sent: then it is believed.
    beginning = b"From: %b\r\n" % service._sender
    texts = [message.text for message in service.world.inbox.messages]
    service.world.others.touched.update(text for text in texts if text.startswith(beginning))


async def never_end_a_reply(service: FaultySmtp, event: Heard, fault: Fault) -> None:
    service.say(b"250-and so on\r\n" * 3000)
    await service.obey(event)


FAULTS = {
    "421": Kind("the listener takes its leave", COMMANDS, leave),
    "answer, 421": Kind("the listener answers and takes its leave", COMMANDS, take_and_leave),
    "450": Kind("put off", STEPS, replying(450)),
    "451": Kind("put off: an error in processing", STEPS, replying(451)),
    "452": Kind("put off: no room", STEPS, replying(452)),
    "500": Kind("the listener does not know the command", COMMANDS, replying(500)),
    "503": Kind("bad sequence of commands", STEPS, replying(503)),
    "530": Kind("the listener wants a login", ENVELOPE, replying(530)),
    "550": Kind("refused for good", STEPS, replying(550)),
    "552": Kind("refused: too much", STEPS, replying(552)),
    "553": Kind("refused: no such name", ENVELOPE, replying(553)),
    "554": Kind("refused: the transaction failed", STEPS, replying(554)),
    "250 for 354": Kind("no permission, though it sounds good", ("smtp Data",), replying(250)),
    "354 for 250": Kind("go ahead, where nothing can follow", STEPS, replying(354), 1),
    "unknown code": Kind("a code of no known class", COMMANDS, replying(699), 1),
    "one refused": Kind("LMTP: a recipient is refused", ("smtp EndOfData",), serving_some(550)),
    "one put off": Kind("LMTP: a recipient is put off", ("smtp EndOfData",), serving_some(452)),
    "too soon": Kind("the verdict comes before the text", ("smtp Data",), speak_too_soon, 1),
    "endless reply": Kind("3000 lines come first", COMMANDS, never_end_a_reply),
}
