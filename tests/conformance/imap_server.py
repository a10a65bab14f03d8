"""Our IMAP server in the simulated runtime, as the target of a case; whole or with a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailhaul.conformance.environment import Target, User
from mailhaul.conformance.imap.environment import ImapEnvironment
from mailhaul.conformance.judge import judge
from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Result
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Sleep, Tcp, Trust, UpgradeToTls
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import ALL_CAPABILITIES, ImapService
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

from .interposed import Answer, Change, Interposed

PLACE = Tcp("imap.example.org", 143)
TRUST = Trust("imap.example.org", verify=False)
JOE, ANN = User(b"joe", b"open sesame"), User(b"ann", b"abracadabra")
HANDSHAKE = 2.0
"""Seconds until the client begins with TLS."""
Factory = Callable[..., ImapService]


@dataclass(frozen=True)
class Mutant:
    """What breaks one requirement: faults on the wire, or another service or machine.

    ``preauth`` says that the server greets with PREAUTH, and ``wrapped`` that it begins with TLS.
    ``options`` are more arguments of the service, and ``target`` more of the target.
    """

    faults: Sequence[Answer | Change] = ()
    service: Factory = ImapService
    machine: Callable[[], ImapServer] = ImapServer
    capabilities: tuple[bytes, ...] = ALL_CAPABILITIES
    preauth: bool = False
    wrapped: bool = False
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    target: dict[str, Any] = field(default_factory=dict[str, Any])


def said(*faults: Answer | Change) -> Mutant:
    """Return a mutant with these faults on the wire."""
    return Mutant(faults)


class ImapWorld:
    """The mailboxes of two users, and a server for them that lasts as long as one simulation."""

    def __init__(self, mutant: Mutant) -> None:
        self.mailboxes = Mailboxes({b"INBOX": Mailbox([], uidvalidity=1)})
        self._mutant = mutant
        self._users = {user.name: user.password for user in (JOE, ANN)}

    async def serve(self, channel: Channel[Any]) -> None:
        async def secure() -> None:
            await UpgradeToTls(channel, TRUST, 5.0)

        mutant = self._mutant
        if mutant.wrapped:
            # A simulated handshake has no octets that a server could wait for.
            await Sleep(HANDSHAKE)
            await secure()
        service = mutant.service(
            channel,
            self.mailboxes,
            None if mutant.preauth else self._users,
            mutant.capabilities,
            secure,
            **mutant.options,
        )
        await service.run()


def result_of(name: str, mutant: Mutant | None = None) -> Result:
    """Return the result of a case against our server, or a mutant of it."""
    chosen = mutant or Mutant()
    world = ImapWorld(chosen)
    simulation = Simulation(round_trip=0.01)
    simulation.listen(PLACE, lambda: Interposed(chosen.machine(), chosen.faults), world.serve)
    target = Target("imap.example.org", PLACE, JOE, TRUST, other_user=ANN, **chosen.target)
    return simulation.run(judge(load_suite("imap").cases[name], ImapEnvironment(target)))
