"""What a sink remembers in the ledger: uploads that are not finished, and until when it rests.

An upload belongs to the row of its message, so it ends with it: it is kept while the message is
offered, postponed or refused, and forgotten when the message is accepted or gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .names import stored

if TYPE_CHECKING:
    from .statements import Statements
    from .store import SqlLedger


class Uploads:
    """The uploads of one sink, by the names of the offers. ``sink`` is its name in the ledger.

    Every method may block, and raises LedgerFault; flows call them in a LedgerCall.
    """

    def __init__(self, ledger: SqlLedger, sink: str) -> None:
        self._ledger = ledger
        self._sink = stored(sink)

    @property
    def make_durable(self) -> Callable[[], None]:
        """What makes durable everything that was recorded so far; see ``durable_call``."""
        return self._ledger.durable_call()

    def now(self) -> float:
        """Return the Unix time."""
        return self._ledger.clock()

    def upload(self, name: str) -> str:
        """Return what was recorded of the upload of this offer, or ""."""

        def look(db: Statements) -> str:
            found = db.execute(
                "SELECT upload FROM message JOIN sink ON sink.id = message.sink"
                " WHERE sink.name = ? AND message.name = ?",
                (self._sink, name),
            ).fetchone()
            return str(found[0]) if found else ""

        return self._ledger.write(look)

    def set_upload(self, name: str, text: str) -> None:
        """Record something about the upload of this offer; "" forgets it.

        A message that is not in the ledger, such as a notice, is not recorded.
        """
        self._ledger.write(
            lambda db: db.execute(
                "UPDATE message SET upload = ? WHERE name = ?"
                " AND sink = (SELECT id FROM sink WHERE name = ?)",
                (text, name, self._sink),
            )
        )

    def rest(self) -> tuple[float, str]:
        """Return the Unix time until which nothing may be sent, and the reason."""
        found = self._ledger.write(
            lambda db: db.execute(
                "SELECT rest_until, rest_reason FROM sink WHERE name = ?", (self._sink,)
            ).fetchone()
        )
        return (float(found[0]), str(found[1])) if found else (0.0, "")

    def set_rest(self, until: float, reason: str) -> None:
        """Record that nothing may be sent before this Unix time."""
        self._ledger.write(
            lambda db: db.execute(
                "UPDATE sink SET rest_until = ?, rest_reason = ? WHERE name = ?",
                (int(until), reason, self._sink),
            )
        )
