"""Limits what may happen at a time: a number of places, and those of a listener.

A connection to a listener is held while a message arrives, and a slow server may take hours for
one. So no server takes the last places: some are left for servers that have none yet.
"""

from __future__ import annotations

from ...flows.requests import Signal, Wait
from ...runtimes.gates import Gate


class Places:
    """A number of places. Those who ask get them in this order."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._waiting: dict[object, Signal] = {}

    @property
    def is_used(self) -> bool:
        """Whether a place is taken, or waited for."""
        return self._free < self._total or bool(self._waiting)

    def ask(self, holder: object) -> Signal:
        """Ask for a place; return what is set when there is one."""
        admitted = self._waiting[holder] = Signal()
        self._let_in()
        return admitted

    def give_back(self, holder: object) -> None:
        """Give the place back, or ask no longer."""
        if self._waiting.pop(holder, None) is None:
            self._free += 1
            self._let_in()

    def _let_in(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._waiting.pop(next(iter(self._waiting))).set()


class Holding:
    """Holds a place, for a flow: from ``begin`` to ``end``, or during an ``async with`` block."""

    __slots__ = ("_asked", "_gate")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._asked = False

    async def begin(self) -> None:
        """Wait for the place."""
        self._asked = True
        try:
            await is_set(self._gate.ask(self))
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Give the place back, if it was not given back before."""
        if self._asked:
            self._asked = False
            self._gate.give_back(self)

    async def __aenter__(self) -> None:
        await self.begin()

    async def __aexit__(self, *failure: object) -> None:
        self.end()


async def is_set(signal: Signal) -> None:
    """Wait until a signal is set."""
    if not signal.is_set:
        await Wait([signal], float("inf"))


class ListenerPlaces:
    """A number of places at one listener. ``share`` gives a server its access to them."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._kept = total // 2
        self._held: dict[str, int] = {}
        # Thousands of servers may share the places: those without one are counted, not looked for.
        self._without = 0
        self._waiting: dict[object, tuple[str, Signal]] = {}

    def share(self, server: str) -> Share:
        """Return the limiter for connections that deliver mail of this server."""
        if server not in self._held:
            self._held[server] = 0
            self._without += 1
        return Share(self, server)

    def ask(self, server: str, holder: object) -> Signal:
        """Ask for a place. Those that may have one get it in the order in which they asked."""
        admitted = Signal()
        # For those that wait already, nothing has changed.
        if self._has_room_for(server):
            self._take(server, admitted)
        else:
            self._waiting[holder] = server, admitted
        return admitted

    def give_back(self, server: str, holder: object) -> None:
        """Give a place back, or ask no longer."""
        if self._waiting.pop(holder, None) is None:
            self._free += 1
            self._held[server] -= 1
            self._without += not self._held[server]
            self._let_in()

    def resize(self, total: int) -> None:
        """Have so many places from now on. Those that are held are not taken away."""
        self._free += total - self._total
        self._total, self._kept = total, total // 2
        self._let_in()

    def _take(self, server: str, admitted: Signal) -> None:
        self._free -= 1
        self._without -= not self._held[server]
        self._held[server] += 1
        admitted.set()

    def _let_in(self) -> None:
        for holder, (server, admitted) in list(self._waiting.items()):
            if self._free <= 0:
                return
            # A flow that was let in may have given up.
            if holder in self._waiting and self._has_room_for(server):
                del self._waiting[holder]
                self._take(server, admitted)

    def _has_room_for(self, server: str) -> bool:
        if not self._held[server]:
            return self._free > 0
        return self._free > min(self._without, self._kept)


class Share:
    """The places of a listener for one server. See ``mailhaul.runtimes.gates.Gate``."""

    def __init__(self, places: ListenerPlaces, server: str) -> None:
        self._places = places
        self._server = server

    def ask(self, holder: object) -> Signal:
        """Ask for a place."""
        return self._places.ask(self._server, holder)

    def give_back(self, holder: object) -> None:
        """Give it back."""
        self._places.give_back(self._server, holder)
