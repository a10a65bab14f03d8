"""A POP3 server that goes wrong where it is told to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Sleep
from mailhaul.protocols.pop3.commands import Command, Retrieve, Top, Uidl
from mailhaul.protocols.pop3.events import Completed, ResponseCode
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Message
from mailhaul.servers.pop3 import Hangup, Misbehaviour, Pop3Service

from .dialogue import POP3
from .faults import ALL, ALL_AGAIN, Fault, Kind
from .quirks import Quirk, speak_as

if TYPE_CHECKING:
    from .world import World

EVERY = tuple(f"pop3 {name}" for name in POP3)
LOGINS = Logins({b"joe": b"sesame"}, lambda: b"<1@source>")
READING = ("pop3 Top", "pop3 Retrieve")
LISTING = ("pop3 List", "pop3 Uidl")


class FaultyPop3(Pop3Service):
    """One session of the world's POP3 server."""

    def __init__(self, channel: Channel[Pop3Server], world: World) -> None:
        # USER and PASS: to derive a key for SCRAM would take as long as the rest of a poll.
        without = {b"SASL"} | ({b"UIDL"} if world.scenario.uids == "none" else set())
        self._told = False
        self._expires = world.scenario.quirk == "EXPIRE 0"
        if self._expires:
            without.add(b"TOP")
        wrong = Misbehaviour(without=without)
        super().__init__(channel, world.maildrop, LOGINS, None, wrong, b"<1@source>")
        self.world = world
        self._cut: set[object] = set()
        self._retrieved: set[int] = set()
        self._quirk = world.quirk or Quirk("none")
        speak_as(channel.machine, self._quirk)

    async def _answer(self, command: Command) -> None:
        name = type(command).__name__
        if name in self._quirk.closes:
            self.conclude(command, False)
            self.hang_up()
        if isinstance(command, Top) and self.world.scenario.quirk == "TOP cut":
            command = Top(command.number, 0)
        fault = self.world.due(f"pop3 {type(command).__name__}")
        if fault is None:
            await self.obey(command)
        else:
            # What was said before is on its way.
            await Sleep(0)
            await self.world.act(fault)(self, command, fault)

    def _uid(self, message: Message) -> bytes:
        return self.world.uidl(message)

    async def obey(self, heard: Any) -> None:
        """Do and answer what was asked, as usual."""
        await super()._answer(heard)
        if isinstance(heard, Retrieve):
            self._retrieved.add(heard.number)
        if isinstance(heard, Uidl) and self.world.scenario.quirk == "a number without id":
            self.say(re.sub(rb"(?m)^1 \S+\r\n", b"1\r\n", self.unsay(), count=1))

    def _announced(self) -> tuple[tuple[bytes, bytes], ...]:
        self._told = True
        expiry = ((b"EXPIRE", b"0"),) if self._expires else ()
        return (*super()._announced(), *expiry)

    def _update(self) -> None:
        # What nobody was told of cannot be guarded against.
        if self._expires and self._told:
            self._deleted |= self._retrieved
        super()._update()

    def say(self, words: bytes) -> None:
        """Send bytes as they are."""
        self._machine._outbox.put(words)

    def unsay(self) -> bytes:
        """Take back what has not left yet, as it was before any quirk."""
        return b"".join(Pop3Server.data_to_send(self._machine))

    def hang_up(self) -> NoReturn:
        """End the session."""
        raise Hangup

    def conclude(self, command: Command, good: bool, code: ResponseCode | None = None) -> None:
        """Answer a command without doing it."""
        self._machine.send(Completed(command, good, b"so it is", code))

    def cut_text(self, octets: int) -> None:
        """Let the next texts break off behind so many octets."""
        self._misbehaviour.cut = dict.fromkeys(range(1, 100), octets)


async def say_err(service: FaultyPop3, command: Command, fault: Fault) -> None:
    service.conclude(command, False)


async def be_in_use(service: FaultyPop3, command: Command, fault: Fault) -> None:
    service.conclude(command, False, ResponseCode.IN_USE)


async def fail_for_now(service: FaultyPop3, command: Command, fault: Fault) -> None:
    service.conclude(command, False, ResponseCode.SYS_TEMP)


async def leave(service: FaultyPop3, command: Command, fault: Fault) -> None:
    service.say(b"-ERR [SYS/TEMP] shutting down\r\n")
    service.hang_up()


async def break_off(service: FaultyPop3, command: Command, fault: Fault) -> None:
    service.cut_text(fault.amount % 80)
    await service.obey(command)


async def cut_short(service: FaultyPop3, command: Command, fault: Fault) -> None:
    """End a text early, in good form, the first time that it is asked for in this way.

    Who asks in two ways is not told the same untruth twice: nobody could know.
    """
    earlier = service.unsay()
    await service.obey(command)
    answer = service.unsay()
    service.say(earlier)
    whole = isinstance(command, Retrieve) or (isinstance(command, Top) and command.lines)
    told = {command, (getattr(command, "number", None), fault.amount % 3)}
    if whole and not told & service._cut:
        service._cut |= told
        head, separator, text = answer.partition(b"\r\n")
        lines = text.removesuffix(b".\r\n").splitlines(keepends=True)
        answer = head + separator + b"".join(lines[: fault.amount % 3]) + b".\r\n"
    service.say(answer)


async def pretend(service: FaultyPop3, command: Command, fault: Fault) -> None:
    service._deleted.clear()
    await service.obey(command)


async def do_and_say_err(service: FaultyPop3, command: Command, fault: Fault) -> None:
    await service.obey(command)
    service.say(service.unsay().replace(b"+OK", b"-ERR"))


async def leave_a_line_out(service: FaultyPop3, command: Command, fault: Fault) -> None:
    await service.obey(command)
    lines = service.unsay().splitlines(keepends=True)
    if len(lines) > 2:
        del lines[1 + fault.amount % (len(lines) - 2)]
    service.say(b"".join(lines))


FAULTS = {
    "-ERR": Kind("the server refuses a command", EVERY, say_err),
    "-ERR [IN-USE]": Kind("somebody else reads the maildrop", ("pop3 Pass",), be_in_use),
    "-ERR [SYS/TEMP]": Kind("the server cannot do it now", EVERY, fail_for_now),
    "-ERR, leave": Kind("the server takes its leave", EVERY, leave),
    "POP3 text breaks off": Kind("the line breaks in the middle of a text", READING, break_off),
    "POP3 text cut": Kind("a text ends early, in good form", READING, cut_short),
    "QUIT deletes nothing": Kind(
        "the server says +OK and forgets what to delete", ("pop3 Quit",), pretend, ALL
    ),
    "-ERR, but deleted": Kind(
        "the server does it and says -ERR", ("pop3 Delete", "pop3 Quit"), do_and_say_err, ALL
    ),
    "line left out": Kind("a listing lacks a message", LISTING, leave_a_line_out, ALL_AGAIN),
}
