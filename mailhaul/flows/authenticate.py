"""One authentication, over any protocol: answer challenges until the server decides."""

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
    next_event: Callable[[], Awaitable[Any]],
    *,
    at_once: bool = True,
) -> tuple[Any, SaslError | None]:
    """Run one SASL exchange (RFC 4422) to its end.

    ``next_event`` waits for a Challenge or for the server's decision. Return the decision, and
    the error in the server's challenge if there was one; the exchange is then cancelled. A success
    counts only if ``mechanism.finish()`` agrees. If ``at_once`` is false, the initial response
    is not sent before the server asks for it.
    """
    machine: AuthenticatingMachine = channel.machine
    machine.send(Authenticate(mechanism.name, mechanism.initial_response(), at_once))
    fault: SaslError | None = None
    while isinstance(event := await next_event(), Challenge):
        try:
            # The hashing of SCRAM may take a second.
            response = await Call(partial(mechanism.respond, event.data))
        except SaslError as error:
            fault = error
            machine.send(CancelAuthentication())
        else:
            machine.send(Respond(response))
    return event, fault
