"""Hears what changes in the store: LISTEN on a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg

from .database import StoreFault, connect, is_lost
from .faults import problem_text
from .fleet import CHANNEL
from .session import Row


class Listener:
    """One connection that listens. ``open`` and ``hear`` may block for a moment.

    All methods raise StoreFault when the connection is lost; then ``open`` it again.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None

    def open(self) -> int:
        """Connect and listen; return the descriptor that is readable when there is something."""
        self.close()
        try:
            self._connection = connect(self._url)
            self._connection.execute(f"LISTEN {CHANNEL}".encode())
            return self._connection.fileno()
        except psycopg.Error as error:
            raise self._fault(error) from None

    def hear(self) -> Sequence[str]:
        """Return the payloads of the notifications that have come."""
        if self._connection is None:
            raise StoreFault(self._url, "not connected", lost=True)
        library = self._connection.pgconn
        try:
            library.consume_input()
        except psycopg.Error as error:
            raise self._fault(error) from None
        found: list[str] = []
        while (one := library.notifies()) is not None:
            found.append(one.extra.decode("utf-8", "replace"))
        return found

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _fault(self, error: psycopg.Error) -> StoreFault:
        self.close()
        return StoreFault(self._url, problem_text(error, self._url), lost=is_lost(error))
