"""Accounts that a worker has claimed: their epochs, and how they are given back.

A claim counts up the epoch of the account, and that is the only thing that decides who may write
(``session.Fence``). Claims are durable before they are used, so a crash of the database server does
not give an epoch twice. A failover to a standby server that has not got the last claims could; so
the epoch grows by a random number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ...flows.outcome import ExitCode
from ...protocols.record import Record
from .database import Database
from .session import Session

STEPS = 1 << 20
"""Epochs grow by at most this."""
FREE_NOW = """
owner IS NULL OR NOT EXISTS (SELECT 1 FROM worker WHERE worker.id = owner AND expires > now())
"""
"""Whether an account has no owner, or one whose lease has expired."""
ADD = """
INSERT INTO account (name, host, remote) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING
"""
CLAIM = f"""
UPDATE account SET owner = ?1, epoch = epoch + ?2
    FROM (SELECT id AS free FROM account WHERE name = ANY (?3) AND ({FREE_NOW})
        FOR UPDATE SKIP LOCKED) AS chosen
    WHERE id = free RETURNING name, epoch
"""  # noqa: S608  the condition is ours
HOLDERS = """
SELECT account.name, worker.name FROM account JOIN worker ON worker.id = owner
    WHERE account.name = ANY (?)
"""
RELEASE = """
UPDATE account SET owner = NULL, watching = false,
    last_poll = CASE WHEN CAST(?1 AS bigint) IS NULL THEN last_poll ELSE now() END,
    last_code = coalesce(?1, last_code) WHERE name = ?2 AND epoch = ?3
"""
# The epoch alone decides; with the owner in it, the planner would use the wrong index.


class Entry(Record):
    """An entry of an rc file: its key (``keys_for``), its server and its user there."""

    name: str
    host: str
    remote: str


class Claims(Record):
    """The epochs of the entries that were claimed, and who has the others, or "" if unknown."""

    epochs: Mapping[str, int]
    others: Mapping[str, str]


def claim(database: Database, worker: int, entries: Sequence[Entry]) -> Claims:
    """Claim those entries that are free, and make that durable. Raises StoreFault.

    Entries that the store does not know are added to it.
    """
    # In one order, so that two machines that add the same ones do not wait for each other.
    ordered = sorted(entries, key=lambda one: one.name)
    names = [one.name for one in ordered]

    def work(db: Session) -> dict[str, int]:
        db.executemany(ADD, [(one.name, one.host, one.remote) for one in ordered])
        return dict(db.execute(CLAIM, (worker, next_step(), names)).fetchall())

    epochs = database.write(work)
    database.commit_durably()
    rest = [name for name in names if name not in epochs]
    if not rest:
        return Claims(epochs, {})
    holders: dict[str, str] = dict(
        database.write(lambda db: db.execute(HOLDERS, (rest,)).fetchall())
    )
    return Claims(epochs, {name: holders.get(name, "") for name in rest})


def release(database: Database, entry: str, epoch: int, code: ExitCode | None) -> bool:
    """Give an entry back, with how its last poll ended; return False if another has it by now.

    Without a code nothing is noted of a poll. Raises StoreFault.
    """
    values = (None if code is None else int(code), entry, epoch)
    return database.write(lambda db: db.execute(RELEASE, values), alone=True).rowcount == 1


def next_step() -> int:
    """Return by how much the epochs grow that are claimed together."""
    return 1 + int.from_bytes(os.urandom(4), "big") % STEPS
