"""One authentication, over whichever protocol: challenges are answered until the server decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from ..protocols.sasl.client_mechanisms import ClientMechanism
from ..protocols.sasl.errors import SaslError
from ..protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
from .channel import Channel
from .requests import Call


class AuthenticatingMachine(Protocol):
    """The part of a client machine that an authentication needs."""

    def send(self, command: Any) -> None:
        """Send a command."""
        ...


async def authenticate(
    channel: Channel[Any],
    mechanism: ClientMechanism,
    hear: Callable[[], Awaitable[Any]],
    *,
    at_once: bool = True,
) -> tuple[Any, SaslError | None]:
    """Carry one exchange to its end. ``hear`` waits for a Challenge or for the server's decision.

    Return that decision, and what the server did wrong on the way, after which the exchange was
    cancelled. A decision in our favour counts only when ``mechanism.finish()`` agrees. With
    ``at_once`` False the server is to ask for the initial response.
    """
    machine: AuthenticatingMachine = channel.machine
    machine.send(Authenticate(mechanism.name, mechanism.initial_response(), at_once))
    fault: SaslError | None = None
    while isinstance(event := await hear(), Challenge):
        try:
            # SCRAM may hash for a second.
            response = await Call(partial(mechanism.respond, event.data))
        except SaslError as error:
            fault = error
            machine.send(CancelAuthentication())
        else:
            machine.send(Respond(response))
    return event, fault
