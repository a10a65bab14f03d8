"""Limits the connections to one listener, and shares them among the mail servers.

A connection is held while a message arrives, and a slow server may take hours for one. So no server
takes the last places: some are left for servers that have none yet.
"""

from __future__ import annotations

from collections import Counter

import trio


class ListenerPlaces:
    """A number of places at one listener. ``share`` gives a server its access to them."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._kept = total // 2
        self._servers: set[str] = set()
        self._held: Counter[str] = Counter()
        self._waiting: dict[trio.Event, str] = {}

    def share(self, server: str) -> Share:
        """Return the limiter for connections that deliver mail of this server."""
        self._servers.add(server)
        return Share(self, server)

    async def take(self, server: str) -> None:
        """Wait for a place. Those that may have one get it in the order in which they asked."""
        await trio.lowlevel.checkpoint_if_cancelled()
        event = trio.Event()
        self._waiting[event] = server
        self._let_in()
        try:
            await event.wait()
        except trio.Cancelled:
            if self._waiting.pop(event, None) is None:
                self.give_back(server)
            raise

    def give_back(self, server: str) -> None:
        """Give a place back."""
        self._held[server] -= 1
        self._let_in()

    def _let_in(self) -> None:
        for event, server in list(self._waiting.items()):
            if self._has_room_for(server):
                self._held[server] += 1
                del self._waiting[event]
                event.set()

    def _has_room_for(self, server: str) -> bool:
        free = self._total - self._held.total()
        if not self._held[server]:
            return free > 0
        without = sum(not self._held[other] for other in self._servers)
        return free > min(without, self._kept)


class Share:
    """The places of a listener for one server. See ``mailhaul.runtimes.trio.Gate``."""

    def __init__(self, places: ListenerPlaces, server: str) -> None:
        self._places = places
        self._server = server

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """Wait for a place."""
        del borrower
        await self._places.take(self._server)

    def release_on_behalf_of(self, borrower: object) -> None:
        """Give it back."""
        del borrower
        self._places.give_back(self._server)
