"""ETRN: ask a mail server to send the mail queued for our domains by SMTP (RFC 1985)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import smtp
from ..flows.channel import Channel, describe
from ..flows.host_names import ascii_host
from ..flows.outcome import ExitCode, PollFailed, code_of
from ..flows.pace import Pace
from ..flows.report import Remark, Report
from ..flows.requests import Close, RuntimeFault
from ..protocols.errors import ProtocolError
from .login.access import Access, TlsMode
from .login.smtp import RefusedByServer, ask, connect, introduce, start_tls

SUCCESSES = {
    250: "Queuing for {} started",
    251: "No messages waiting for {}",
    252: "Pending messages for {} started",
    253: "Pending messages for {} started",
}
"""Replies that are not failures (RFC 1985, section 5), with fetchmail's messages."""
TLS_HINT = 'use "ssl" for TLS from the first byte, or "sslproto \'\'" to go without'
NOTHING_WAITS = 251
FAILED = {
    458: (ExitCode.PROTOCOL, "Unable to queue messages for node {}"),
    459: (ExitCode.AUTHFAIL, "Node {} not allowed"),
    500: (ExitCode.PROTOCOL, "ETRN syntax error for {}"),
    501: (ExitCode.PROTOCOL, "ETRN syntax error in parameters for {}"),
}


class EtrnPoll:
    """One session with one server. Call ``run`` once."""

    def __init__(
        self, access: Access, domains: Sequence[str], helo_name: str, report: Report
    ) -> None:
        self._access = access
        self._domains = domains
        self._helo_name = helo_name.encode("ascii", "replace")
        self._report = report
        machine = smtp.Client(tap=access.tap)
        pace = Pace(machine, access.timeout)
        self._channel: Channel[smtp.Client] = Channel(access.peer, machine, pace=pace)

    async def run(self) -> ExitCode:
        """Send ETRN for every domain. Raises PollFailed if the server refuses."""
        failure: PollFailed | None = None
        try:
            failure = await self._run_session()
            await self._send(smtp.Quit())
        except (ProtocolError, RuntimeFault) as error:
            failure = failure or PollFailed(code_of(error), describe(self._channel, error))
        await Close(self._channel)
        if failure:
            raise failure
        return ExitCode.SUCCESS

    async def _run_session(self) -> PollFailed | None:
        """Greet the server and send the commands; return its refusal, if any."""
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
        wrapped = access.trust if access.tls is TlsMode.WRAPPED else None
        try:
            await connect(channel, access.address, access.timeout, wrapped)
            await introduce(channel, self._helo_name, access.timeout)
            await self._secure()
        except RefusedByServer as refusal:
            problem = f"the server refuses the connection: {refusal}"
            raise self._refusal(ExitCode.PROTOCOL, problem) from None
        if b"ETRN" not in channel.machine.capabilities:
            raise self._refusal(ExitCode.PROTOCOL, "the server does not support ETRN")

    async def _secure(self) -> None:
        """Start TLS if the user asked for it. Raises PollFailed (SOCKET) if it is not possible.

        TLS is required only if the user asks for it, since no secret is sent; fetchmail never uses
        TLS here.
        """
        access, channel = self._access, self._channel
        required = access.tls is TlsMode.REQUIRED and access.tls_asked
        offered = b"STARTTLS" in channel.machine.capabilities
        if channel.tls or not (required or (access.tls is TlsMode.OFFERED and offered)):
            return
        if not offered:
            problem = (
                f"the server offers no STARTTLS, which your configuration requires; {TLS_HINT}"
            )
            raise self._refusal(ExitCode.SOCKET, problem)
        try:
            await start_tls(channel, access.trust, self._helo_name, access.timeout)
        except RefusedByServer as refusal:
            if required:
                problem = f"the server refuses STARTTLS ({refusal}); {TLS_HINT}"
                raise self._refusal(ExitCode.SOCKET, problem) from None

    async def _ask_for(self, domain: str) -> bool:
        """Send ETRN for one domain; return whether to continue with the next one."""
        reply = await self._send(smtp.Etrn(ascii_host(domain).encode("ascii")))
        if reply.code in SUCCESSES:
            self._report(Remark(SUCCESSES[reply.code].format(domain), error=False))
            return reply.code != NOTHING_WAITS
        code, problem = FAILED.get(reply.code, (ExitCode.PROTOCOL, "ETRN failed for {}"))
        text = b" ".join(reply.lines).decode("utf-8", "replace")
        raise self._refusal(code, f"{problem.format(domain)}: {reply.code} {text}")

    def _refusal(self, code: ExitCode, problem: str) -> PollFailed:
        return PollFailed(code, f"{self._access.peer}: {problem}")

    async def _send(self, command: smtp.Command) -> smtp.Reply:
        return await ask(self._channel, command, self._access.timeout)
