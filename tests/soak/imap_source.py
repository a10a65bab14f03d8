"""An IMAP server, source or sink, that goes wrong where it is told to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Sleep
from mailhaul.protocols.imap.commands import Command, UidFetch, UidStore
from mailhaul.protocols.imap.events import Code, Completed, Condition
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.servers.imap import Hangup, ImapService
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

from .dialogue import APPEND, IMAP
from .faults import ALL, Fault, Kind
from .quirks import Quirk, speak_as

if TYPE_CHECKING:
    from .world import World

EVERY = (*(f"imap {name}" for name in IMAP), *(f"append {name}" for name in APPEND))
OPENING = ("imap Login", "imap Select")
BUSY = ("imap UidSearch", "imap UidFetch", "imap UidStore")
CHANGES = ("imap UidStore", "imap UidExpunge", "imap Expunge")


class FaultyImap(ImapService):
    """One session of an IMAP server; ``place`` is "imap" at the source, "append" at the sink."""

    def __init__(
        self,
        channel: Channel[ImapServer],
        world: World,
        place: str,
        mailbox: Mailbox,
        capabilities: tuple[bytes, ...],
    ) -> None:
        mailboxes = Mailboxes({b"INBOX": mailbox})
        super().__init__(channel, mailboxes, {b"joe": b"sesame"}, capabilities)
        self.world = world
        self._place = place
        self._cut: set[object] = set()
        if place == "imap" and (quirk := world.quirk):
            self._quirk = quirk
            speak_as(channel.machine, quirk)

    _quirk = Quirk("none")

    async def _answer(self, command: Command) -> None:
        if type(command).__name__ in self._quirk.refuses:
            self.conclude(command, Condition.NO)
            return
        fault = self.world.due(f"{self._place} {type(command).__name__}")
        if fault is None:
            await self.obey(command)
        else:
            # What was said before is on its way.
            await Sleep(0)
            await self.world.act(fault)(self, command, fault)

    async def obey(self, heard: Any) -> None:
        """Do and answer what was asked, as usual."""
        await super()._answer(heard)
        if isinstance(heard, UidStore):
            self.world.check_marks()

    def say(self, words: bytes) -> None:
        """Send bytes as they are."""
        self._machine._outbox.put(words)

    def unsay(self) -> bytes:
        """Take back what has not left yet, as it was before any quirk."""
        return b"".join(ImapServer.data_to_send(self._machine))

    def hang_up(self) -> NoReturn:
        """End the session."""
        raise Hangup

    def conclude(self, command: Command, condition: Condition, code: Code | None = None) -> None:
        """Answer a command without doing it."""
        self._machine.send(Completed(command, condition, code, b"so it is"))

    def cut_text(self, octets: int) -> None:
        """Let the next texts break off behind so many octets."""
        self._octets_until_cut = {message.uid: octets for message in self.world.inbox.messages}


async def say_no(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.conclude(command, Condition.NO)


async def say_bad(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.conclude(command, Condition.BAD)


async def say_bye(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.say(b"* BYE [UNAVAILABLE] going down\r\n")
    service.hang_up()


async def do_and_say_bye(service: FaultyImap, command: Command, fault: Fault) -> None:
    await service.obey(command)
    service.say(b"* BYE going down\r\n")
    service.hang_up()


async def pretend(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.conclude(command, Condition.OK)


async def do_and_say_no(service: FaultyImap, command: Command, fault: Fault) -> None:
    await service.obey(command)
    service.say(service.unsay().replace(b" OK ", b" NO "))


async def use_a_wrong_tag(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.say(b"zz%d OK done\r\n" % fault.amount)
    await service.obey(command)


async def ask_for_more(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.say(b"+ go on\r\n")
    await service.obey(command)


async def break_off(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.cut_text(fault.amount % 80)
    await service.obey(command)


def is_text(heard: Any) -> bool:
    """Whether a message is asked for, and not what is known of it."""
    return isinstance(heard, UidFetch) and b"BODY.PEEK[]" in heard.items


def cut_literal(words: bytes, octets: Callable[[int], int]) -> bytes:
    """Announce and send less of a text than there is of it."""
    found = re.search(rb"BODY\[\] \{(\d+)\}\r\n", words)
    if found is None:
        return words
    size = int(found[1])
    left = octets(size)
    end = found.end()
    head = words[: found.start()] + b"BODY[] {%d}\r\n" % left
    return head + words[end : end + left] + words[end + size :]


def giving_less(octets: Callable[[int], int]) -> Callable[..., Any]:
    """Return what gives less of a text than there is, the first time that it is asked for."""

    async def act(service: FaultyImap, command: Command, fault: Fault) -> None:
        earlier = service.unsay()
        await service.obey(command)
        answer = service.unsay()
        service.say(earlier)
        if is_text(command) and command not in service._cut:
            service._cut.add(command)
            answer = cut_literal(answer, octets)
        service.say(answer)

    return act


async def give_nil(service: FaultyImap, command: Command, fault: Fault) -> None:
    earlier = service.unsay()
    await service.obey(command)
    words = service.unsay()
    service.say(earlier)
    found = re.search(rb"BODY\[\] \{(\d+)\}\r\n", words) if is_text(command) else None
    if found:
        end = found.end() + int(found[1])
        words = words[: found.start()] + b"BODY[] NIL" + words[end:]
    service.say(words)


async def alert(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.say(b"* OK [ALERT] the disk is nearly full\r\n* NO [X-QUOTA] full\r\n")
    await service.obey(command)


async def be_read_only(service: FaultyImap, command: Command, fault: Fault) -> None:
    await service.obey(command)
    service.say(service.unsay().replace(b"[READ-WRITE]", b"[READ-ONLY]"))


async def let_another_delete(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.world.others.delete_one(fault.amount)
    await service.obey(command)


async def let_mail_come(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.world.others.deliver()
    await service.obey(command)


async def let_another_read(service: FaultyImap, command: Command, fault: Fault) -> None:
    service.world.others.flag_one(fault.amount, rb"\Seen")
    await service.obey(command)


FAULTS = {
    "NO": Kind("the server refuses a command", EVERY, say_no),
    "BAD": Kind("the server does not understand a command", EVERY, say_bad),
    "BYE": Kind("the server takes its leave instead of an answer", EVERY, say_bye),
    "answer, BYE": Kind("the server answers and takes its leave", EVERY, do_and_say_bye),
    "OK, not done": Kind("the server says OK to a change and does nothing", CHANGES, pretend, ALL),
    "NO, but done": Kind(
        "the server does it and says NO", (*CHANGES, "append Append"), do_and_say_no, ALL
    ),
    "foreign tag": Kind("an answer to what was never asked", EVERY, use_a_wrong_tag),
    "stray +": Kind("a continuation that nobody waits for", EVERY, ask_for_more),
    "text breaks off": Kind(
        "the line breaks in the middle of a text", ("imap UidFetch",), break_off
    ),
    "NIL for a text": Kind("there is no text to be had", ("imap UidFetch",), give_nil),
    "empty text": Kind("no octets of a text", ("imap UidFetch",), giving_less(lambda size: 0)),
    "cut text": Kind("a third of a text", ("imap UidFetch",), giving_less(lambda n: n // 3)),
    "alert": Kind("untagged remarks come first", EVERY, alert),
    "read-only": Kind("the mailbox opens for reading only", ("imap Select",), be_read_only),
    "deleted meanwhile": Kind("another client removes a message", BUSY, let_another_delete),
    "mail meanwhile": Kind("a message comes in", (*BUSY, *OPENING), let_mail_come),
    "read meanwhile": Kind("another client reads a message", BUSY, let_another_read),
}
