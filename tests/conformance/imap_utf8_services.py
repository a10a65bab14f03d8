"""Our IMAP service with UTF8=ACCEPT (RFC 6855), whole and with one fault each."""

from __future__ import annotations

from typing import Any

from mailhaul.protocols.imap.arguments import BadSyntax
from mailhaul.protocols.imap.commands import (
    AppendChunk,
    AppendEnd,
    AskStatus,
    Command,
    CreateMailbox,
    Enable,
    Heard,
    ListMailboxes,
)
from mailhaul.protocols.imap.events import Code, Enabled, Event, Listed
from mailhaul.protocols.imap.mailbox_names import decode_mailbox, encode_name
from mailhaul.servers.imap import ImapService
from mailhaul.servers.imap_mailboxes import MailboxCommands
from mailhaul.servers.imap_queries import Refused


class Utf8Service(ImapService):
    """Names are UTF-8 for a client that has enabled it, as far as the cases need it."""

    _utf8 = False
    _text = b""

    def __init__(self, channel: Any, mailboxes: Any, *more: Any, **options: Any) -> None:
        super().__init__(channel, mailboxes, *more, **options)
        self._mailboxes = MailboxCommands(mailboxes, self._send_name)

    def shows_utf8(self) -> bool:
        return self._utf8

    def encoded(self, name: bytes) -> bytes:
        """Return a name as it is stored. Raises BadSyntax for what is not UTF-8."""
        try:
            return name if name.isascii() else encode_name(name.decode())
        except UnicodeDecodeError:
            raise BadSyntax("a name that is not UTF-8") from None

    def refuse_header(self, header: bytes) -> None:
        """Raise Refused for octets above 127 that were not enabled."""
        if not header.isascii() and not self._utf8:
            raise Refused("UTF-8 in the header has not been enabled")

    async def _do(self, command: Command) -> Code | None:
        match command:
            case Enable(names) if b"UTF8=ACCEPT" in names:
                self._utf8 = True
                self._machine.send(Enabled(frozenset({b"UTF8=ACCEPT"})))
                return None
            case CreateMailbox(name) if self._utf8:
                command = CreateMailbox(self.encoded(name))
            case AskStatus(name, items) if self._utf8:
                command = AskStatus(self.encoded(name), items)
            case ListMailboxes(reference, patterns) if self._utf8:
                command = ListMailboxes(reference, tuple(map(self.encoded, patterns)))
            case _:
                pass
        return await super()._do(command)

    async def _continuation(self) -> Heard:
        heard = await super()._continuation()
        match heard:
            case AppendChunk(data):
                self._text += data
            case AppendEnd():
                header, self._text = self._text.partition(b"\r\n\r\n")[0], b""
                self.refuse_header(header)
            case _:
                pass
        return heard

    def _send_name(self, event: Event) -> None:
        if isinstance(event, Listed) and self.shows_utf8():
            name = decode_mailbox(event.mailbox).encode()
            event = Listed(name, event.delimiter, event.attributes)
        self._machine.send(event)


class NeverShowsUtf8(Utf8Service):
    """LIST gives modified UTF-7 in every session."""

    def shows_utf8(self) -> bool:
        return False


class AlwaysShowsUtf8(Utf8Service):
    """LIST gives UTF-8 in every session."""

    def shows_utf8(self) -> bool:
        return True


class TakesLatin1(Utf8Service):
    """What is not UTF-8 is taken for something else."""

    def encoded(self, name: bytes) -> bytes:
        try:
            return super().encoded(name)
        except BadSyntax:
            return encode_name(name.decode("latin-1"))


class TakesEveryHeader(Utf8Service):
    """APPEND takes UTF-8 in headers in every session."""

    def refuse_header(self, header: bytes) -> None:
        """Refuse nothing."""
