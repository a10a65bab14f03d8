"""POP3 services and machines with faults that faults on the wire cannot express."""

from __future__ import annotations

import re

from mailhaul.protocols.pop3.commands import Apop, Command, Delete, Pass, Top
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.servers.mailboxes import Message
from mailhaul.servers.pop3 import Pop3Service, Refusal

# Services


class SharesMaildrop(Pop3Service):
    """Lets several sessions have the maildrop."""

    async def _log_in(self, command: Pass | Apop | Authenticate) -> bytes:
        self._maildrop.busy = False
        return await super()._log_in(command)


class LocksTooEarly(Pop3Service):
    """Locks the maildrop before it looks at the password."""

    async def _log_in(self, command: Pass | Apop | Authenticate) -> bytes:
        try:
            return await super()._log_in(command)
        except Refusal:
            self._maildrop.busy = True
            raise


class KeepsLock(Pop3Service):
    """Does not release the maildrop at QUIT."""

    def _update(self) -> None:
        super()._update()
        self._open = False


class DeletesAtOnce(Pop3Service):
    """Removes a message at DELE and not at QUIT."""

    async def _do_in_maildrop(self, command: Command) -> None:
        await super()._do_in_maildrop(command)
        if isinstance(command, Delete):
            self._update()


class UpdatesAtTheEnd(Pop3Service):
    """Removes marked messages however the session ends."""

    async def run(self) -> None:
        await super().run()
        self._update()


class Impatient(Pop3Service):
    """Closes after 5 minutes."""

    inactivity_timeout = 300.0


class DeletesAtTop(Pop3Service):
    """Marks a message as deleted when its header is read."""

    async def _do_in_maildrop(self, command: Command) -> None:
        await super()._do_in_maildrop(command)
        if isinstance(command, Top):
            self._deleted.add(command.number)


class NumbersAsIds(Pop3Service):
    """Uses the message numbers of the session as unique ids."""

    def _uid(self, message: Message) -> bytes:
        return b"id-%d" % (self._messages.index(message) + 1)


class ForgetsSasl(Pop3Service):
    """Does not list SASL after the login."""

    def _announced(self) -> tuple[tuple[bytes, bytes], ...]:
        found = super()._announced()
        return tuple(pair for pair in found if not self._open or pair[0] != b"SASL")


class ListsStlsAfterLogin(Pop3Service):
    """Lists STLS where it is not permitted."""

    def _announced(self) -> tuple[tuple[bytes, bytes], ...]:
        return (*super()._announced(), *([(b"STLS", b"")] if self._open else []))


# Machines


class TakesPieces(Pop3Server):
    """Takes every piece that comes from the network as a command."""

    def receive_data(self, data: bytes) -> None:
        super().receive_data(data if data.endswith(b"\n") else data + b"\r\n")


class CutsLines(Pop3Server):
    """Cuts lines at 128 octets, and takes the rest as another command."""

    def receive_data(self, data: bytes) -> None:
        super().receive_data(re.sub(rb"([^\r\n]{128})(?=[^\r\n])", rb"\1\r\n", data))


class ForgetsPipelined(Pop3Server):
    """Takes the first command of a segment and drops the others."""

    def receive_data(self, data: bytes) -> None:
        super().receive_data(data[: data.find(b"\n") + 1])


class QuitsFirst(Pop3Server):
    """Obeys QUIT before the commands that came with it."""

    def receive_data(self, data: bytes) -> None:
        super().receive_data(b"QUIT\r\n" * data.endswith(b"QUIT\r\n") + data)


class IgnoresBadCharacters(Pop3Server):
    """Reads base64 without the characters that do not belong there."""

    def receive_data(self, data: bytes) -> None:
        super().receive_data(re.sub(rb"(?<=\w)[!.=]+(?=\w)", b"", data))


class KeepsPlainInput(Pop3Server):
    """Executes inside TLS what came in the clear after STLS."""

    def _grant_tls(self) -> None:
        kept = self._input.take(len(self._input))
        super()._grant_tls()
        self._input.append(kept)
