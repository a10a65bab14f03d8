"""An SMTP session of a case: commands as octets, replies by the grammar of RFC 5321, 4.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..session import Session
from ..transcript import Transcript
from ..verdicts import fail, printable, require

SYNTAX_REFUSALS = frozenset({500, 501, 502, 504, 555})
"""Codes that say that a command is not understood; others are about policy or the mailbox."""
OUT_OF_ORDER = 503

MAX_LINES = 1000
"""Lines of a reply after which it is taken to have no end."""

LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
"""A line of a reply. A code without a text is a line too (RFC 5321, 4.2)."""
ENHANCED = re.compile(rb"([245])\.[0-9]{1,3}\.[0-9]{1,3}(?![^ ])")


@dataclass(frozen=True)
class Reply:
    """A reply of one or more ``lines``, each with its code and without its line end."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def positive(self) -> bool:
        """Whether the command was carried out."""
        return 200 <= self.code <= 299

    @property
    def refused(self) -> bool:
        """Whether the command was refused, for now or permanently."""
        return self.code >= 400

    @property
    def texts(self) -> list[bytes]:
        """What follows the code in each line."""
        return [line[4:] for line in self.lines]

    @property
    def enhanced(self) -> list[bytes]:
        """The class of the enhanced status code of each line, b"" where there is none."""
        found = [ENHANCED.match(text) for text in self.texts]
        return [match[1] if match else b"" for match in found]

    def __str__(self) -> str:
        return printable(b" / ".join(self.lines))


class SmtpSession(Session):
    """A connection to an SMTP server. ``extensions`` are what it has announced, in upper case."""

    greeting: Reply

    def __init__(self, number: int, peer: str, timeout: float, transcript: Transcript) -> None:
        super().__init__(number, peer, timeout, transcript)
        self.extensions: Mapping[bytes, bytes] = {}

    # Replies

    async def reply(self, command: bytes) -> Reply:
        """Return the next reply, which is to this command. Raises Broken."""
        shown = named(command)
        lines: list[bytes] = []
        codes: list[int] = []
        while True:
            line = await self.line(f"a reply to {shown}")
            match = LINE.fullmatch(line)
            if not match:
                fail(f"a three-digit code, and a blank or a dash, as the reply to {shown}", line)
            lines.append(line)
            codes.append(int(match[1]))
            require(
                codes[-1] == codes[0],
                f"the code {codes[0]} in each line of the reply to {shown}",
                line,
            )
            if match[2] != b"-":
                return Reply(codes[0], tuple(lines))
            require(len(lines) < MAX_LINES, f"an end of the reply to {shown}", line)

    async def replies(self, *commands: bytes) -> list[Reply]:
        """Return the replies to commands that have been sent together, in their order."""
        return [await self.reply(command) for command in commands]

    # Commands

    async def command(self, line: bytes) -> Reply:
        """Send one command; return its reply."""
        await self.send(line + b"\r\n")
        return await self.reply(line)

    async def together(self, *lines: bytes) -> list[Reply]:
        """Send commands in one segment; return their replies (RFC 2920)."""
        await self.send(b"".join(line + b"\r\n" for line in lines))
        return await self.replies(*lines)

    async def positive(self, line: bytes, *, lenient: bool = False) -> Reply:
        """Send a command and require 2yz."""
        reply = await self.command(line)
        require(reply.positive, f"2yz as the reply to {named(line)}", reply, lenient=lenient)
        return reply

    async def refused(self, line: bytes, *codes: int, lenient: bool = False) -> Reply:
        """Send a command and require a refusal; another code than these is only a warning."""
        reply = await self.command(line)
        require_refusal(reply, named(line), *codes, lenient=lenient)
        return reply

    async def out_of_order(self, line: bytes) -> Reply:
        """Send a command for which it is not the time, and require 503."""
        return await self.refused(line, OUT_OF_ORDER)

    async def understood(self, line: bytes, *, lenient: bool = False) -> Reply:
        """Send a command that is right by the grammar; it may be refused, but not as syntax."""
        reply = await self.command(line)
        require_understood(reply, line, lenient=lenient)
        return reply

    @property
    def unread(self) -> bytes:
        """What has come and has not been read."""
        return bytes(self.channel.machine.received)


def require_refusal(reply: Reply, what: str, *codes: int, lenient: bool = False) -> None:
    """Require 4yz or 5yz. Another code than these is a warning: few clients look at it."""
    wanted = " or ".join(map(str, codes)) or "4yz or 5yz"
    require(reply.refused, f"{wanted} as the reply to {what}", reply, lenient=lenient)
    require(
        not codes or reply.code in codes, f"{wanted} as the reply to {what}", reply, lenient=True
    )


def require_understood(reply: Reply, line: bytes, *, lenient: bool = False) -> None:
    """Require anything except a refusal that calls the command wrong."""
    require(
        reply.positive or (reply.refused and reply.code not in SYNTAX_REFUSALS),
        f"2yz, or a refusal that is not about syntax, as the reply to {named(line)}",
        reply,
        lenient=lenient,
    )


def named(line: bytes) -> str:
    """Return a command for a message, cut short and without what may be a secret."""
    verb, _, rest = line.partition(b" ")
    if verb.upper() == b"AUTH":
        mechanism = rest.split(b" ")[0]
        return printable(verb + b" " + mechanism)
    return printable(line[:SHOWN]) + "..." * (len(line) > SHOWN)


SHOWN = 60
"""Octets of a command that a message quotes."""
