"""What is said about the accounts of a store, without the database."""

from __future__ import annotations

from ...protocols.record import Record


class Claim(Record):
    """An account that this machine polls now, until it is settled.

    ``text`` is its entry, None for an entry of the rc file. ``failures`` and ``refusals`` are those
    in a row so far; ``late`` is how many seconds ago it was due.
    """

    id: int
    name: str
    origin: str
    text: str | None
    epoch: int
    failures: int
    refusals: int
    late: float


class Settlement(Record):
    """What becomes of a claim: it is given back, or kept (``keeps``) to watch the server.

    ``delay`` is in seconds; ``code`` is that of the last poll, None if there was none. ``problem``
    says why this machine cannot poll it.
    """

    id: int
    epoch: int
    delay: float
    failures: int
    refusals: int
    code: int | None = None
    keeps: bool = False
    watching: bool = False
    watched: bool = False
    problem: str = ""


class RcEntry(Record):
    """An entry of this machine's rc file. ``interval`` is in seconds."""

    name: str
    host: str
    user: str
    watched: bool
    interval: float


class Totals(Record):
    """What the machines share: live workers, and accounts that want to be watched."""

    workers: int
    watched: int
