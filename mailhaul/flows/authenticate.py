"""One authentication, over any protocol: answer challenges until the server decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from .. import sasl
from .channel import Channel, Endpoint
from .requests import Call

DecisionT = TypeVar("DecisionT")


class AuthenticatingMachine(Endpoint, Protocol):
    """The part of a client machine that an authentication needs."""

    def send(
        self, command: sasl.Authenticate | sasl.Respond | sasl.CancelAuthentication, /
    ) -> None:
        """Send a command."""
        ...


async def authenticate(
    channel: Channel[AuthenticatingMachine],
    mechanism: sasl.ClientMechanism,
    next_event: Callable[[], Awaitable[DecisionT | sasl.Challenge]],
    *,
    at_once: bool = True,
) -> tuple[DecisionT, sasl.SaslError | None]:
    """Run one SASL exchange (RFC 4422) to its end.

    ``next_event`` waits for a Challenge or for the server's decision. Return the decision, and
    the error in the server's challenge if there was one; the exchange is then cancelled. A success
    counts only if ``mechanism.finish()`` agrees. If ``at_once`` is false, the initial response
    is not sent before the server asks for it.
    """
    machine = channel.machine
    machine.send(sasl.Authenticate(mechanism.name, mechanism.initial_response(), at_once))
    fault: sasl.SaslError | None = None
    while isinstance(event := await next_event(), sasl.Challenge):
        try:
            # The hashing of SCRAM may take a second.
            response = await Call(partial(mechanism.respond, event.data))
        except sasl.SaslError as error:
            fault = error
            machine.send(sasl.CancelAuthentication())
        else:
            machine.send(sasl.Respond(response))
    return event, fault
