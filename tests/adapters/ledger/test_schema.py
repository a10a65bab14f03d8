"""Ledgers of older versions: all records are kept, even if the upgrade is interrupted."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger import schema
from mailhaul.adapters.ledger.quarantine import stuck
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance, Offer, Pending
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.source import Listed

from .older import UNDO, make_older

PAGED = """
CREATE TABLE page (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL, sink TEXT NOT NULL, mailbox TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    UNIQUE (account, sink, mailbox, uidvalidity)
);
CREATE TABLE message (
    page INTEGER NOT NULL REFERENCES page (id),
    uid NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL,
    action TEXT,
    recipients TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL DEFAULT 0,
    tried INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (page, uid)
) WITHOUT ROWID;
CREATE TABLE sync (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
INSERT INTO sync VALUES (1, 0);
CREATE TABLE success (post TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
"""
MISSING = {
    1: {"name", "tries", "since", "tried", "reason"},
    2: {"name", "tries", "since", "tried", "reason"},
    3: {"tries", "since", "tried", "reason"},
    4: set[str](),
    5: set[str](),
}


def write_paged(path: Path, version: int) -> None:
    """Write a ledger of that version: one account under several names, and several sinks."""
    db = sqlite3.connect(path)
    db.executescript(PAGED)
    pages = [
        (1, "pop3 joe@Mail.example.org", "smtp localhost", "INBOX", 0),
        (2, "pop3 joe@mail.example.org:110", "smtp 127.0.0.1", "INBOX", 0),
        (3, "imap joe@mail.example.org", "mda cat  >>x", "inbox", 7),
    ]
    db.executemany("INSERT INTO page VALUES (?, ?, ?, ?, ?)", pages)
    rows: list[tuple[Any, ...]] = [(1, b"uid-%d" % n, 100 + n, "seen", None) for n in range(500)]
    rows += [(2, b"uid-%d" % n, 100 + n, "seen", None) for n in range(400, 900)]
    rows += [
        (2, b"owed", 5, "accepted", "delete"),
        (3, 1, 10, "accepted", "mark"),
        (3, 2, 20, "offered", None),
        (3, 3, 30, "refused", None),
        (3, 4, 40, "quarantined", None),
        (3, 5, 50, "quarantined", None),
    ]
    db.executemany(
        "INSERT INTO message (page, uid, size, state, action) VALUES (?, ?, ?, ?, ?)", rows
    )
    db.execute("UPDATE message SET name = '9.Rabcdef0123456789', tries = 3 WHERE uid IN (2, 4)")
    for column in MISSING[version]:
        db.execute(f"ALTER TABLE message DROP COLUMN {column}")
    if version < 5:
        db.execute("DROP TABLE success")
    else:
        db.execute("INSERT INTO success VALUES ('joe@mail', 77)")
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()


def check(path: Path, version: int) -> None:
    ledger = SqliteLedger(str(path))
    page = ledger.page("pop3 joe@mail.example.org", "smtp localhost", "INBOX", 0)
    listed = [Listed(b"uid-%d" % n, 100 + n) for n in range(1000)]
    found = page.compare(listed)
    assert (found.known, found.changed, page.is_new) == (900, (), False)
    assert page.pending() == [Pending(b"owed", 5, Action.DELETE)]
    page = ledger.page("imap joe@mail.example.org", "mda cat >>x", "INBOX", 7)
    assert page.pending() == [Pending(1, 10, Action.MARK)]
    if "name" not in MISSING[version]:
        assert page.offer(2, 20).again
    aside = {row.uid: row.set_aside for row in page.undelivered() if row.uid != 2}
    assert aside == {3: False, 4: True, 5: True}
    assert len({message.key for message in stuck(ledger)}) == 2
    assert ledger.last_success() == ({"joe@mail": 77} if version == 5 else {})
    ledger.close()


@pytest.mark.parametrize("version", sorted(MISSING))
def test_the_records_of_an_older_version_are_kept(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.db"
    write_paged(path, version)
    for _ in range(2):
        check(path, version)


@pytest.mark.parametrize("version", sorted(UNDO))
def test_a_file_without_times_of_delivery_gets_them_from_now_on(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "ledger.db"
    write_paged(path, 5)
    SqliteLedger(str(path)).last_success()
    make_older(path, version)
    check(path, 5)
    ledger = SqliteLedger(str(path), lambda: 1_790_000_000.0)
    page = ledger.page("imap joe@mail.example.org", "mda cat >>x", "INBOX", 7)
    outcome = Outcome(Verdict.ACCEPTED, "", (("joe", Verdict.ACCEPTED),))
    page.accept([Acceptance(3, 30, Action.MARK, outcome)])
    # It was accepted by a version that did not record by whom, or by nobody.
    page.mark_seen([Listed(1), Listed(3)])
    found = page.retention().look(0)
    ledger.close()
    assert (found.delivered, found.oldest) == (1, 1_790_000_000)


def test_an_offer_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write_paged(path, 5)
    page = SqliteLedger(str(path)).page("imap joe@mail.example.org", "mda cat >>x", "INBOX", 7)
    assert page.reserve([Listed(2, 20)]) == {2: Offer("9.Rabcdef0123456789", True)}


KILLED = """
import os, sqlite3, sys
from mailhaul.adapters.ledger.store import SqliteLedger

left = int(sys.argv[2])

class Killing(sqlite3.Connection):
    def execute(self, *arguments):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
        return super().execute(*arguments)

connect = sqlite3.connect
sqlite3.connect = lambda *a, **b: connect(*a, factory=Killing, **b)
SqliteLedger(sys.argv[1]).last_success()
"""


def test_a_kill_at_any_step_of_the_upgrade_loses_nothing(tmp_path: Path) -> None:
    steps = 0
    killed = True
    while killed:
        steps += 1
        path = tmp_path / f"{steps}.db"
        write_paged(path, 5)
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(steps)], check=False)
        killed = done.returncode == -9
        check(path, 5)
    assert steps > 20


def test_a_fault_during_the_upgrade_leaves_the_file_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    write_paged(path, 5)
    upgrade: Callable[..., None] = schema.upgrade_rows

    def fail(*arguments: Any) -> None:
        upgrade(*arguments)
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "upgrade_rows", fail)
        with pytest.raises(Exception, match="make room"):
            SqliteLedger(str(path)).last_success()
    check(path, 5)


def test_several_processes_upgrade_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write_paged(path, 5)
    code = (
        "import sys\n"
        "from mailhaul.adapters.ledger.store import SqliteLedger\n"
        "sys.stdin.read(1)\n"
        "SqliteLedger(sys.argv[1]).last_success()\n"
    )
    many = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE)
        for _ in range(8)
    ]
    for one in many:
        assert one.stdin
        one.stdin.close()
    assert [one.wait() for one in many] == [0] * len(many)
    check(path, 5)
