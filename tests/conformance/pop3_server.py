"""Our POP3 server in the simulated runtime, as the target of a case; whole or with a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailhaul.conformance.environment import Target, User
from mailhaul.conformance.judge import judge
from mailhaul.conformance.pop3.greeting import SEEN_AT_ONCE
from mailhaul.conformance.pop3.session import Pop3Environment
from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Result
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Sleep, Tcp, Trust, UpgradeToTls
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox
from mailhaul.servers.pop3 import Maildrop, Pop3Service

from .interposed import Answer, Change, Interposed

PLACE = Tcp("pop.example.org", 110)
TRUST = Trust("pop.example.org", verify=False)
JOE, ANN = User(b"joe", b"open sesame"), User(b"ann", b"abracadabra")
Factory = Callable[..., Pop3Service]


@dataclass(frozen=True)
class Mutant:
    """What breaks one requirement: faults on the wire, or another service or machine.

    ``timestamp`` returns that of a connection by its number. ``wrapped`` is a server that waits for
    the handshake, and ``target`` are fields of the target.
    """

    faults: Sequence[Answer | Change] = ()
    service: Factory = Pop3Service
    machine: Callable[[], Pop3Server] = Pop3Server
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    timestamp: Callable[[int], bytes] | None = None
    wrapped: bool = False
    target: dict[str, Any] = field(default_factory=dict[str, Any])


def said(*faults: Answer | Change) -> Mutant:
    """Return a mutant with these faults on the wire."""
    return Mutant(faults)


class Pop3World:
    """Two maildrops, and a server for them that lasts as long as one simulation."""

    def __init__(self, mutant: Mutant) -> None:
        self.maildrops = {user: Maildrop(Mailbox([], uidvalidity=1)) for user in (JOE, ANN)}
        self._mutant = mutant
        passwords = {user.name: user.password for user in (JOE, ANN)}
        self._logins = Logins(passwords, nonces=lambda: b"nonce")
        self._connections = 0

    async def fill(self, user: User, messages: list[bytes]) -> None:
        mailbox = self.maildrops[user].mailbox
        mailbox.discard(list(mailbox.messages))
        for text in messages:
            mailbox.append(text)

    async def read(self, user: User) -> list[bytes]:
        return [message.text for message in self.maildrops[user].mailbox.messages]

    async def serve(self, channel: Channel[Any]) -> None:
        async def secure() -> None:
            await UpgradeToTls(channel, TRUST, 5.0)

        mutant, options = self._mutant, dict(self._mutant.options)
        self._connections += 1
        if mutant.timestamp:
            options["timestamp"] = mutant.timestamp(self._connections)
        if mutant.wrapped:
            # A simulated handshake does not wait for the client.
            await Sleep(2 * SEEN_AT_ONCE)
            await secure()
        service = mutant.service(channel, self.maildrops[JOE], self._logins, secure, **options)
        await service.run()


def result_of(name: str, mutant: Mutant | None = None, *, cut: bool = False) -> Result:
    """Return the result of a case against our server, or a mutant of it.

    ``cut`` is a network that hands over random pieces.
    """
    chosen = mutant or Mutant()
    world = Pop3World(chosen)
    simulation = Simulation(round_trip=0.01, cut=cut)
    simulation.listen(PLACE, lambda: Interposed(chosen.machine(), chosen.faults), world.serve)
    fields: dict[str, Any] = {"other_user": ANN, "store": world, **chosen.target}
    target = Target("pop.example.org", PLACE, JOE, TRUST, **fields)
    return simulation.run(judge(load_suite("pop3").cases[name], Pop3Environment(target)))
