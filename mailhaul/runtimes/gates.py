"""Limits on connections: a flow waits before it opens one that is limited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..flows.requests import Address, Signal


class Gate(Protocol):
    """Limits connections. A place is given back by the ``holder`` for which it was asked."""

    def ask(self, holder: object) -> Signal:
        """Ask for a place; return what is set when there is one."""
        ...

    def give_back(self, holder: object) -> None:
        """Give the place back, or ask no longer."""
        ...


GateOf = Callable[[Address], Gate | None]
"""Returns what limits the connections to an address, or None."""


class ConnectionPlaces:
    """The places that the connections of one flow have."""

    __slots__ = ("_gate", "_held")

    def __init__(self, gate: GateOf | None) -> None:
        self._gate = gate
        self._held: dict[object, tuple[Gate, Address]] = {}

    def has_one_at(self, address: Address) -> bool:
        """Return whether a connection has or asks for a place at this address already."""
        return any(address == other for _, other in self._held.values())

    def ask(self, channel: object, address: Address) -> Signal | None:
        """Ask for a place for a connection; None if none is needed."""
        gate = self._gate(address) if self._gate else None
        if gate is None:
            return None
        self._held[channel] = gate, address
        return gate.ask(channel)

    def leave(self, channel: object) -> None:
        """Give the place of a connection back, if it has one."""
        if held := self._held.pop(channel, None):
            held[0].give_back(channel)

    def leave_all(self) -> None:
        """Give all places back."""
        for channel in tuple(self._held):
            self.leave(channel)
