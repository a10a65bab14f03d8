"""Ledgers of older versions, made from those of today."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mailhaul.adapters.ledger.schema import VERSION

UNDO: dict[int, tuple[str, ...]] = {
    9: (
        *(f"DROP TABLE {table}" for table in ("retention", "left_out", "content")),
        "ALTER TABLE seen DROP COLUMN accepted",
    ),
    8: tuple(f"DROP TABLE {table}" for table in ("alert", "rest", "traffic")),
    7: (
        "CREATE TABLE success (post TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT INTO success SELECT entry, success FROM result WHERE success > 0",
        "DROP TABLE result",
    ),
    6: (
        "ALTER TABLE message DROP COLUMN upload",
        *(f"ALTER TABLE sink DROP COLUMN {column}" for column in ("rest_until", "rest_reason")),
    ),
}
"""What takes a ledger of the next version back to this one."""


def make_older(path: Path, version: int, *statements: str) -> None:
    """Turn a ledger of today into one of an older version, and execute more statements."""
    db = sqlite3.connect(path)
    for number in range(VERSION - 1, version - 1, -1):
        for statement in UNDO[number]:
            db.execute(statement)
    for statement in statements:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()
