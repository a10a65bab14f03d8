"""Our IMAP service and machine with one fault each in APPEND and literals, or with LITERAL-."""

from __future__ import annotations

from mailhaul.protocols.imap.commands import Append, AppendChunk, Command, Heard
from mailhaul.protocols.imap.events import Code, Condition
from mailhaul.protocols.imap.incoming_message import IncomingMessage
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.imap.strings import LITERAL_MINUS
from mailhaul.servers.imap import Hangup, ImapService


class AppendsSilently(ImapService):
    """APPEND to the selected mailbox sends no EXISTS."""

    _appending = False

    async def _answer(self, command: Command) -> None:
        self._appending = isinstance(command, Append)
        await super()._answer(command)

    def _send_updates(self, *, expunged: bool) -> None:
        if not self._appending:
            super()._send_updates(expunged=expunged)


class KeepsHalf(ImapService):
    """A message that is cut off is kept."""

    _target = b""
    _text = b""

    async def _append(self, command: Append) -> Code:
        self._target, self._text = command.mailbox, b""
        return await super()._append(command)

    async def _continuation(self) -> Heard:
        try:
            heard = await super()._continuation()
        except Hangup:
            self._mailboxes.target(self._target).append(self._text)
            raise
        if isinstance(heard, AppendChunk):
            self._text += heard.data
        return heard


class AsksForLiteralPlus(ImapServer):
    """A continuation is sent for {n+} too."""

    def _begin_literal(self, text: bytes, size: int, *, at_once: bool) -> None:
        super()._begin_literal(text, size, at_once=False)


class ReadsRefusedLiteralAsCommands(ImapServer):
    """What follows an APPEND that was refused is taken for commands."""

    def _complete(self, condition: Condition, code: Code | None, text: bytes) -> None:
        super()._complete(condition, code, text)
        self._message = None


class LiteralMinus(ImapServer):
    """A message that is sent at once may have 4096 octets; a larger one is read and refused."""

    code = b"[TOOBIG] "

    def _begin_append(self, tag: bytes, append: Append, *, waits: bool) -> list[Heard]:
        if waits or append.size <= LITERAL_MINUS:
            return super()._begin_append(tag, append, waits=waits)
        self._parts.forget()
        self._message = IncomingMessage(append.size, self._limits, waits=False)
        self._say(b"%b BAD %bthe literal is too large" % (tag, self.code))
        return []


class LiteralMinusWithoutCode(LiteralMinus):
    """The refusal has no code."""

    code = b""
