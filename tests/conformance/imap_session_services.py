"""Our IMAP service and machine with one fault each in the session: greeting, login and TLS."""

from __future__ import annotations

from mailhaul.flows.requests import Close, Sleep
from mailhaul.protocols.imap.commands import Login
from mailhaul.protocols.imap.events import Code, SaidBye
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.servers.imap import ImapService
from mailhaul.servers.imap_queries import Refused


class SaysBye(ImapService):
    """The server has no room: it greets with BYE and closes."""

    stays = 0.0

    async def run(self) -> None:
        self._machine.send(SaidBye(None, b"too many connections"))
        await Sleep(self.stays)
        await Close(self._channel)


class SaysByeAndStays(SaysBye):
    """The connection stays open after the BYE."""

    stays = 600.0


class DisablesLogin(ImapService):
    """LOGIN is refused, as LOGINDISABLED announces."""

    async def _log_in(self, command: Login | Authenticate) -> Code:
        if isinstance(command, Login):
            raise Refused("LOGIN is disabled")
        return await super()._log_in(command)


class TakesInjectedCommands(ImapServer):
    """What came in the clear after STARTTLS is run inside TLS."""

    def _grant_tls(self) -> None:
        injected = self._input.take(len(self._input))
        super()._grant_tls()
        self._input.append(injected)


class AlwaysAnnouncesStartTls(ImapService):
    """STARTTLS is announced in every state."""

    def _announced(self) -> frozenset[bytes]:
        return super()._announced() | {b"STARTTLS"}
