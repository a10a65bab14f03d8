"""Our SMTP and LMTP server in the simulated runtime, as the target of a case; whole or faulty."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from mailhaul.conformance.environment import Target, User
from mailhaul.conformance.judge import judge
from mailhaul.conformance.lmtp.session import LmtpEnvironment
from mailhaul.conformance.smtp.environment import SmtpEnvironment
from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Result
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import (
    Close,
    RuntimeFault,
    Tcp,
    TimedOut,
    TlsFailed,
    Trust,
    UpgradeToTls,
    Wait,
)
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.smtp.commands import Heard, Help, Mail, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.smtp import HangUp, MemorySink, Policy, SmtpService, Stall

from .interposed import Answer, Change, Interposed

PLACE = Tcp("mail.example.org", 25)
TRUST = Trust("mail.example.org", verify=False)
ROUND_TRIP = 0.01
JOE, ANN = User(b"joe", b"open sesame"), User(b"ann", b"abracadabra")
RECIPIENTS = [b"joe@example.org", b"ann@example.org"]
UNKNOWN, FULL = b"nobody@example.org", b"full@example.org"
KNOWN = {*RECIPIENTS, FULL}
EXTENSIONS: dict[bytes, bytes] = {
    b"PIPELINING": b"",
    b"SIZE": b"100000",
    b"8BITMIME": b"",
    b"ENHANCEDSTATUSCODES": b"",
    b"CHUNKING": b"",
    b"BINARYMIME": b"",
    b"SMTPUTF8": b"",
    b"DSN": b"",
}
TRACE = b"Return-Path: <%b>\r\nReceived: from client.example.org\r\n" + (
    b"\tby mail.example.org; Mon, 5 Jan 2026 10:00:01 +0000\r\n"
)
HELP = Reply(214, (b"2.0.0 RFC 5321", b"2.0.0 RFC 2033"))


@dataclass(frozen=True)
class Mutant:
    """What breaks one requirement, or the settings of a server that does not.

    ``extensions`` change what is announced, and None removes one. ``policy`` is asked before that
    of the server. ``kept`` is what the server makes of a text. With ``login_first`` mail is taken
    after AUTH only, ``wrapped`` demands TLS before the greeting, ``most`` is the number of
    recipients of a message, and ``port25`` an SMTP server where an LMTP server would be wrong.
    """

    faults: Sequence[Answer | Change] = ()
    service: type[SmtpService] = SmtpService
    machine: type[SmtpServer] = SmtpServer
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    extensions: Mapping[bytes, bytes | None] = field(default_factory=dict[bytes, bytes | None])
    policy: Callable[[], Policy] | None = None
    verdict: Callable[[bytes], Reply] | None = None
    trace: bytes = TRACE
    kept: Callable[[bytes], bytes] = bytes
    login_first: bool = False
    wrapped: bool = False
    talks_in_clear: bool = False
    most: int = 10_000
    port25: bool = False
    speaks_lmtp: bool = True


WHOLE = Mutant()
SETTINGS: dict[str, Mutant] = {
    "smtp/auth/6": Mutant(login_first=True),
    "smtp/tls/5": Mutant(wrapped=True),
    "smtp/rcpt/5": Mutant(most=120),
    "lmtp/port/1": Mutant(port25=True, speaks_lmtp=False),
}
"""Servers that are whole, for the cases that need another one than ``WHOLE``."""


def said(*faults: Answer | Change) -> Mutant:
    """Return a mutant with these faults on the wire."""
    return Mutant(faults)


class SmtpWorld:
    """A server with mailboxes for two users, for one simulation."""

    def __init__(self, mutant: Mutant, *, lmtp: bool) -> None:
        self.mutant = mutant
        self.lmtp = lmtp and mutant.speaks_lmtp
        self.sink = MemorySink(verdict=mutant.verdict or verdict)
        users = {user.name: user.password for user in (JOE, ANN)}
        self.logins = Logins(users, lambda: b"nonce")
        self.extensions = dict(EXTENSIONS)
        for name, value in mutant.extensions.items():
            self.extensions.pop(name, None)
            if value is not None:
                self.extensions[name] = value

    async def fill(self, user: User, messages: list[bytes]) -> None:
        raise NotImplementedError

    async def read(self, user: User) -> list[bytes]:
        address = user.name + b"@example.org"
        return [
            self.mutant.trace.replace(b"%b", message.sender) + self.mutant.kept(message.text)
            for message in self.sink.messages
            if address in message.recipients
        ]

    def machine(self) -> Interposed:
        machine = self.mutant.machine(self.lmtp, self.extensions)
        return Interposed(machine, deepcopy(list(self.mutant.faults)))

    async def serve(self, channel: Channel[Any]) -> None:
        async def secure() -> None:
            await self.shake_hands(channel)

        if self.mutant.wrapped:
            try:
                await secure()
            except RuntimeFault:
                await Close(channel)
                return
        # One policy for each session: it may remember what came before.
        policies = [house_rules(self.mutant)]
        if self.mutant.policy:
            policies.insert(0, self.mutant.policy())
        sink = replace(self.sink, policy=first_of(policies))
        options = self.mutant.options
        await self.mutant.service(channel, sink, self.logins, secure, **options).run()

    async def shake_hands(self, channel: Channel[Any]) -> None:
        """Take the handshake of a client; the simulated one has no octets, so text is no part."""
        try:
            if not self.mutant.talks_in_clear:
                await Wait([channel], ROUND_TRIP * 1.5)
        except TimedOut:
            await UpgradeToTls(channel, TRUST, 5.0)
        else:
            if not self.mutant.talks_in_clear:
                raise TlsFailed("text in place of a handshake")


def first_of(policies: Sequence[Policy]) -> Policy:
    """Return the policy that asks these until one has a reply."""

    def policy(heard: Heard) -> Reply | HangUp | Stall | None:
        for one in policies:
            if reply := one(heard):
                return reply
        return None

    return policy


def house_rules(mutant: Mutant) -> Policy:
    """Return the policy of one session: who may send, and to whom."""
    taken = 0
    logged_in = False

    def policy(heard: Heard) -> Reply | None:
        nonlocal taken, logged_in
        match heard:
            case Authenticate():
                logged_in = True
            case Mail():
                taken = 0
                if mutant.login_first and not logged_in:
                    return Reply(530, (b"5.7.0 authenticate first",))
            case Rcpt(recipient):
                if recipient not in KNOWN and not is_postmaster(recipient):
                    return Reply(550, (b"5.1.1 no such mailbox",))
                taken += 1
                if taken > mutant.most:
                    return Reply(452, (b"4.5.3 too many recipients",))
            case Help():
                return HELP
            case _:
                pass
        return None

    return policy


def is_postmaster(recipient: bytes) -> bool:
    return recipient.lower() in {b"postmaster", b"postmaster@example.org"}


def verdict(recipient: bytes) -> Reply:
    """Return the LMTP reply after the text for a recipient."""
    if recipient == FULL:
        return Reply(552, (b"5.2.2 over quota",))
    return Reply(250, (b"2.0.0 stored",))


def result_of(name: str, mutant: Mutant | None = None) -> Result:
    """Return the result of a case against our server, or a mutant of it."""
    protocol = name.split("/", maxsplit=1)[0]
    chosen = mutant or SETTINGS.get(name, WHOLE)
    lmtp = protocol == "lmtp"
    world = SmtpWorld(chosen, lmtp=lmtp)
    simulation = Simulation(round_trip=ROUND_TRIP)
    simulation.listen(PLACE, world.machine, world.serve)
    target = Target(
        *("mail.example.org", PLACE, JOE, TRUST),
        wrapped=chosen.wrapped,
        other_user=ANN,
        store=world,
        sender=b"eve@example.org",
        recipients=RECIPIENTS,
        unknown_recipient=UNKNOWN,
        failing_recipient=FULL,
        login_first=chosen.login_first,
        port25=chosen.port25,
    )
    environment = (LmtpEnvironment if lmtp else SmtpEnvironment)(target)
    case = load_suite(protocol).cases[name]
    return simulation.run(judge(case, environment))
