"""ETRN: ask a mail server to send what waits for our domains (RFC 1985). Nothing is collected."""

from __future__ import annotations

from collections.abc import Sequence

from ..flows.channel import Channel, describe, next_event
from ..flows.host_names import ascii_host
from ..flows.outcome import ExitCode, PollFailed, code_of
from ..flows.pace import Pace
from ..flows.report import Report, Said
from ..flows.requests import Close, Open, RuntimeFault, UpgradeToTls
from ..protocols.errors import ProtocolError
from ..protocols.smtp.client import SmtpClient
from ..protocols.smtp.commands import Command, Ehlo, Etrn, Quit
from ..protocols.smtp.events import Answered, Greeted, Reply, SaidGoodbye
from .sources.access import Access, TlsMode

GOOD = {
    250: "Queuing for {} started",
    251: "No messages waiting for {}",
    252: "Pending messages for {} started",
    253: "Pending messages for {} started",
}
"""Replies that are no failure (RFC 1985, section 5), in fetchmail's words."""
NOTHING_WAITS = 251
BAD = {
    458: (ExitCode.PROTOCOL, "Unable to queue messages for node {}"),
    459: (ExitCode.AUTHFAIL, "Node {} not allowed"),
    500: (ExitCode.PROTOCOL, "ETRN syntax error for {}"),
    501: (ExitCode.PROTOCOL, "ETRN syntax error in parameters for {}"),
}


class EtrnPoll:
    """One session with one server. ``run`` is its story."""

    def __init__(
        self, access: Access, domains: Sequence[str], helo_name: str, report: Report
    ) -> None:
        self._access = access
        self._domains = domains
        self._helo_name = helo_name.encode("ascii", "replace")
        self._report = report
        machine = SmtpClient(trace=access.trace)
        pace = Pace(machine, access.timeout)
        self._channel: Channel[SmtpClient] = Channel(access.peer, machine, pace=pace)

    async def run(self) -> ExitCode:
        """Ask for every domain. Raises PollFailed for what the server refuses."""
        failure: PollFailed | None = None
        try:
            failure = await self._converse()
            await self._say(Quit())
        except (ProtocolError, RuntimeFault) as error:
            failure = failure or PollFailed(code_of(error), describe(self._channel, error))
        await Close(self._channel)
        if failure:
            raise failure
        return ExitCode.SUCCESS

    async def _converse(self) -> PollFailed | None:
        """Greet and ask; return what the server refuses."""
        try:
            await self._greet()
            for domain in self._domains:
                if not await self._ask_for(domain):
                    break
        except PollFailed as refusal:
            return refusal
        return None

    async def _greet(self) -> None:
        access, channel = self._access, self._channel
        await Open(channel, access.address, access.timeout)
        if access.tls is TlsMode.WRAPPED:
            await UpgradeToTls(channel, access.trust, access.timeout)
        greeting = await next_event(channel, access.timeout)
        if not isinstance(greeting, Greeted) or greeting.reply.code != 220:
            raise self._refusal(ExitCode.PROTOCOL, "the server turned us away")
        reply = await self._say(Ehlo(self._helo_name))
        if not reply.positive or b"ETRN" not in channel.machine.extensions:
            raise self._refusal(ExitCode.PROTOCOL, "the server does not support ETRN")

    async def _ask_for(self, domain: str) -> bool:
        """Ask for one domain; return whether to ask for the next one."""
        reply = await self._say(Etrn(ascii_host(domain).encode("ascii")))
        if reply.code in GOOD:
            self._report(Said(GOOD[reply.code].format(domain), error=False))
            return reply.code != NOTHING_WAITS
        code, words = BAD.get(reply.code, (ExitCode.PROTOCOL, "ETRN failed for {}"))
        text = b" ".join(reply.lines).decode("utf-8", "replace")
        raise self._refusal(code, f"{words.format(domain)}: {reply.code} {text}")

    def _refusal(self, code: ExitCode, problem: str) -> PollFailed:
        return PollFailed(code, f"{self._access.peer}: {problem}")

    async def _say(self, command: Command) -> Reply:
        self._channel.machine.send(command)
        while True:
            match await next_event(self._channel, self._access.timeout):
                case Answered(_, reply) | SaidGoodbye(reply):
                    return reply
                case _:
                    pass
