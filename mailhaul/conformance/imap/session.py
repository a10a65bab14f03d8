"""An IMAP session of a case: commands as octets with literals, responses by the grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...protocols.imap.values import Part, Text
from ..session import Hangup, Session, Silence
from ..verdicts import fail, require
from .responses import Answer, Response, ends_with_text, read_response

_LITERAL = re.compile(rb"~?\{(\d+)\}\Z")


@dataclass(frozen=True)
class Literal:
    """A literal of a command. With ``plus`` it is sent without waiting (RFC 7888)."""

    octets: bytes
    plus: bool = False

    @property
    def head(self) -> bytes:
        """What announces it, without the line end."""
        return b"{%d%b}" % (len(self.octets), b"+" if self.plus else b"")


class ImapSession(Session):
    """A connection to an IMAP server. Its tags are A1, A2 and so on."""

    greeting: Response
    mailbox: bytes
    """The mailbox that the environment has made for the session and selected."""
    _tags = 0

    async def response(self, expected: str = "a response") -> Response:
        """Return the next response, literals and all. Raises Broken."""
        parts: list[Part] = []
        line = await self.line(expected)
        if ends_with_text(line):
            return read_response([line])
        while found := _LITERAL.search(line):
            size = int(found[1])
            parts += [line[: found.start()], Text(await self.octets(size, f"{size} octets"))]
            line = await self.line("the rest of the response")
        return read_response([*parts, line])

    async def command(self, *parts: bytes | Literal) -> Answer:
        """Send one command, without tag and line end; return its answer.

        Before each literal without ``plus`` the continuation is awaited; if the server answers the
        command instead, the rest is not sent.
        """
        tag = self._next_tag()
        pending = tag + b" "
        untagged: list[Response] = []
        for part in parts:
            if not isinstance(part, Literal):
                pending += part
            elif part.plus:
                pending += part.head + b"\r\n" + part.octets
            else:
                await self.send(pending + part.head + b"\r\n")
                if ended := await self.continued(tag, untagged):
                    return ended
                pending = part.octets
        await self.send(pending + b"\r\n")
        return await self.answer(tag, untagged)

    def _next_tag(self) -> bytes:
        self._tags += 1
        return b"A%d" % self._tags

    async def begin(self, text: bytes, *, tag: bytes = b"") -> bytes:
        """Send a tag and the beginning of a command; return the tag."""
        tag = tag or self._next_tag()
        await self.send(tag + b" " + text)
        return tag

    async def continued(self, tag: bytes, before: list[Response] | None = None) -> Answer | None:
        """Wait for the continuation; return the answer if that comes instead."""
        untagged = [] if before is None else before
        while True:
            response = await self.response("a continuation (+)")
            if response.tag == b"+":
                return None
            if response.tag == tag:
                return Answer(response, untagged)
            untagged.append(response)

    async def continuation(self) -> Response:
        """Return the continuation that comes next; untagged responses are passed over."""
        while (response := await self.response("a continuation (+)")).tag == b"*":
            pass
        require(response.tag == b"+", "a continuation (+)", response.line)
        return response

    async def answer(self, tag: bytes, before: Sequence[Response] = ()) -> Answer:
        """Return the answer to the command with this tag. Raises Broken."""
        untagged = list(before)
        shown = tag.decode("ascii", "replace")
        while True:
            response = await self.response(f"the tagged response to {shown}")
            if response.tag == tag:
                require(
                    response.name in {b"OK", b"NO", b"BAD"},
                    f"OK, NO or BAD as the tagged response to {shown}",
                    response.line,
                )
                return Answer(response, untagged)
            if response.tag != b"*":
                fail(f"an untagged response, or the tagged one to {shown}", response.line)
            untagged.append(response)

    async def last_responses(self) -> list[Response] | None:
        """Wait for the end of the connection; return what came before it, or None if it stays."""
        responses: list[Response] = []
        try:
            while True:
                responses.append(await self.response("the end of the connection"))
        except Hangup:
            return responses
        except Silence:
            return None

    async def ok(self, *parts: bytes | Literal) -> Answer:
        """Send a command and require OK."""
        return await self._require({b"OK"}, *parts)

    async def no(self, *parts: bytes | Literal) -> Answer:
        """Send a command and require NO."""
        return await self._require({b"NO"}, *parts)

    async def bad(self, *parts: bytes | Literal) -> Answer:
        """Send a command and require BAD."""
        return await self._require({b"BAD"}, *parts)

    async def refused(self, *parts: bytes | Literal) -> Answer:
        """Send a command and require NO or BAD."""
        return await self._require({b"NO", b"BAD"}, *parts)

    async def _require(self, wanted: set[bytes], *parts: bytes | Literal) -> Answer:
        answer = await self.command(*parts)
        words = " or ".join(sorted(word.decode("ascii") for word in wanted))
        require(
            answer.condition in wanted,
            f"{words} as the answer to {named(parts)}",
            answer.tagged.line,
        )
        return answer


def named(parts: Sequence[bytes | Literal]) -> str:
    """Return a command for a message, without what may be a secret."""
    words = b"".join(part.head if isinstance(part, Literal) else part for part in parts)
    verb = words.split(b" ")[0]
    if verb.upper() in {b"LOGIN", b"AUTHENTICATE"}:
        words = verb
    return words[:100].decode("ascii", "replace")


def quoted(text: bytes) -> bytes:
    """Return a text as a quoted string."""
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
