"""What any server may do wrong in its dialogue, whichever protocol it speaks."""

from __future__ import annotations

from typing import Any, Protocol

from mailhaul.flows.requests import Sleep

from .faults import ALL, Fault, Kind

IMAP = (
    *("Capability", "Login", "Select", "UidSearch", "UidFetch", "UidStore", "UidExpunge"),
    *("Expunge", "Logout"),
)
POP3 = ("Capa", "User", "Pass", "Stat", "Uidl", "List", "Top", "Retrieve", "Delete", "Quit")
APPEND = ("Capability", "Login", "Append", "Select", "UidSearch", "UidFetch", "Logout")
SMTP = ("Ehlo", "Mail", "Rcpt", "Data", "BodyChunk", "EndOfData", "Bdat", "Rset", "Quit")

SOURCES = (*(f"imap {name}" for name in IMAP), *(f"pop3 {name}" for name in POP3))
SINKS = (*(f"smtp {name}" for name in SMTP), *(f"append {name}" for name in APPEND))
EVERYWHERE = (*SOURCES, *SINKS)
ANSWERED = tuple(at for at in EVERYWHERE if at != "smtp BodyChunk")
"""Operations that have an answer."""
IN_TURN = tuple(at for at in ANSWERED if at not in {"pop3 Top", "pop3 Retrieve"})
"""Those whose answer tells what it is about. POP3 tells a text by its turn alone: where the server
leaves one out, or sends it twice, nobody can know."""
TAGGED = tuple(at for at in ANSWERED if not at.startswith("pop3"))
"""Those where one answer too many does not pass for that to the next command: IMAP has tags, and
SMTP lets a text follow on 354 only."""
IN_LINES = tuple(at for at in IN_TURN if not at.endswith("UidFetch"))
"""Those whose answer is no text: what a server makes of that, nobody else can know."""


class Service(Protocol):
    """A server as its faults see it."""

    async def obey(self, heard: Any) -> None:
        """Do and answer what was asked, as usual."""
        ...

    def say(self, words: bytes) -> None:
        """Send bytes as they are."""
        ...

    def unsay(self) -> bytes:
        """Take back what has not left yet."""
        ...

    def hang_up(self) -> None:
        """Close the connection: raises what ends the session."""
        ...


async def hang_up(service: Service, heard: Any, fault: Fault) -> None:
    service.hang_up()


async def hang_up_behind(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    service.hang_up()


async def lose_answer(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    service.unsay()
    service.hang_up()


async def swallow_answer(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    service.unsay()


async def fall_silent(service: Service, heard: Any, fault: Fault) -> None:
    await Sleep(4000.0)
    service.hang_up()


async def be_slow(service: Service, heard: Any, fault: Fault) -> None:
    await Sleep(1.0 + fault.amount % 15)
    await service.obey(heard)


async def be_late(service: Service, heard: Any, fault: Fault) -> None:
    await Sleep(700.0 + fault.amount)
    await service.obey(heard)


async def babble(service: Service, heard: Any, fault: Fault) -> None:
    service.say(b"\0\xff?! 17\r\n")
    await service.obey(heard)


async def say_nothing_first(service: Service, heard: Any, fault: Fault) -> None:
    service.say(b"\r\n")
    await service.obey(heard)


async def never_end_a_line(service: Service, heard: Any, fault: Fault) -> None:
    service.say(b"* 250-+OK" + b"x" * 200_000)
    await service.obey(heard)


async def say_half(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    words = service.unsay()
    service.say(words[: fault.amount % (len(words) + 1)])
    service.hang_up()


async def say_half_and_wait(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    words = service.unsay()
    service.say(words[: fault.amount % (len(words) + 1)])
    await Sleep(4000.0)
    service.hang_up()


async def say_it_twice(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    words = service.unsay()
    service.say(words + words)


async def drop_returns(service: Service, heard: Any, fault: Fault) -> None:
    await service.obey(heard)
    service.say(service.unsay().replace(b"\r\n", b"\n"))


DIALOGUE = {
    "hang up": Kind("the server closes the connection instead of an answer", EVERYWHERE, hang_up),
    "answer, hang up": Kind(
        "the server answers and closes the connection", EVERYWHERE, hang_up_behind
    ),
    "lost answer": Kind(
        "the server does what was asked, and the line breaks before the answer",
        EVERYWHERE,
        lose_answer,
    ),
    "swallowed answer": Kind(
        "the server does it and never says so", IN_TURN, swallow_answer, deafens=True
    ),
    "silence": Kind("the server does nothing for an hour", EVERYWHERE, fall_silent, deafens=True),
    "slow": Kind("the server takes some seconds", EVERYWHERE, be_slow),
    "late": Kind(
        "the server does it when nobody waits any more", EVERYWHERE, be_late, deafens=True
    ),
    "babble": Kind("a line that is no answer comes first", ANSWERED, babble),
    "empty line": Kind("an empty line comes first", ANSWERED, say_nothing_first),
    "endless line": Kind("a line of 200,000 octets comes first", ANSWERED, never_end_a_line),
    "half an answer": Kind("the line breaks in the middle of the answer", ANSWERED, say_half),
    "half an answer, silence": Kind(
        "the server stops in the middle of the answer", ANSWERED, say_half_and_wait, deafens=True
    ),
    "answer twice": Kind("the same answer comes twice", TAGGED, say_it_twice, ALL),
    "bare line feeds": Kind("the lines of the answer end in LF only", IN_LINES, drop_returns),
}
