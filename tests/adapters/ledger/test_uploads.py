"""Uploads that are not finished are in the ledger as long as their messages, and no longer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.schema import VERSION
from mailhaul.adapters.ledger.store import SqliteLedger, SqlLedger
from mailhaul.adapters.ledger.uploads import Uploads
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance, Page, Pending
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.source import Listed

from .conftest import Stores

SINK = "gmail ann@example.org"
POSTPONED = Outcome(Verdict.POSTPONED, "later")
REFUSED = Outcome(Verdict.REFUSED, "never")
ACCEPTED = Outcome(Verdict.ACCEPTED)

VERSION_6 = """
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY, account NOT NULL, name NOT NULL, uidvalidity INTEGER NOT NULL,
    compared INTEGER NOT NULL DEFAULT 0, UNIQUE (account, name, uidvalidity)
);
CREATE TABLE sink (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE);
CREATE TABLE seen (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id), uid NOT NULL, size INTEGER NOT NULL,
    fingerprint BLOB NOT NULL DEFAULT x'', PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
CREATE TABLE message (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id), sink INTEGER NOT NULL REFERENCES sink (id),
    uid NOT NULL, size INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('offered', 'accepted', 'refused', 'postponed', 'quarantined')),
    action TEXT, recipients TEXT NOT NULL DEFAULT '', name TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL DEFAULT 0,
    tried INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    fingerprint BLOB NOT NULL DEFAULT x'', PRIMARY KEY (mailbox, uid, sink)
) WITHOUT ROWID;
CREATE TABLE sync (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
INSERT INTO sync VALUES (1, 0);
CREATE TABLE success (post TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO mailbox VALUES (1, 'imap joe@mail', 'INBOX', 7, 1);
INSERT INTO sink VALUES (1, 'gmail ann@example.org');
INSERT INTO message (mailbox, sink, uid, size, state, name, fingerprint)
    VALUES (1, 1, 2, 20, 'offered', '9.Rabcdef0123456789', x'01');
INSERT INTO message (mailbox, sink, uid, size, state, action, name)
    VALUES (1, 1, 1, 10, 'accepted', 'mark', 'x');
INSERT INTO seen VALUES (1, 3, 30, x'02');
INSERT INTO success VALUES ('joe', 77);
PRAGMA user_version = 6;
"""


def page_of(ledger: SqlLedger) -> Page:
    return ledger.page("imap joe@mail", SINK, "INBOX", 7)


@pytest.fixture
def ledger(store: Stores) -> SqlLedger:
    return store(clock=lambda: 1000.0)


def test_an_upload_is_kept_until_the_message_is_accepted(ledger: SqlLedger) -> None:
    page, uploads = page_of(ledger), Uploads(ledger, SINK)
    name = page.reserve([Listed(1, 10)])[1].name
    assert uploads.upload(name) == ""
    uploads.set_upload(name, "somewhere")
    assert uploads.upload(name) == "somewhere"
    # After a kill the message keeps its name.
    assert page.reserve([Listed(1, 10)])[1].name == name
    for outcome in (POSTPONED, REFUSED):
        page.reject(1, 10, outcome)
        name = page.offer(1, 10).name
        assert uploads.upload(name) == "somewhere"
    page.accept([Acceptance(1, 10, Action.MARK, ACCEPTED)])
    again = page.offer(1, 10).name
    assert [uploads.upload(one) for one in (name, again)] == ["", ""]


def test_an_upload_of_a_refused_message_ends_with_its_acceptance(ledger: SqlLedger) -> None:
    page, uploads = page_of(ledger), Uploads(ledger, SINK)
    uploads.set_upload(page.offer(1, 10).name, "somewhere")
    page.reject(1, 10, REFUSED)
    page.accept([Acceptance(1, 10, Action.MARK, ACCEPTED)])
    assert uploads.upload(page.offer(1, 10).name) == ""


def test_an_upload_is_of_one_message_and_one_sink(ledger: SqlLedger) -> None:
    page, uploads = page_of(ledger), Uploads(ledger, SINK)
    names = {uid: offer.name for uid, offer in page.reserve([Listed(1, 10), Listed(2, 9)]).items()}
    uploads.set_upload(names[1], "somewhere")
    assert uploads.upload(names[2]) == ""
    assert Uploads(ledger, "gmail bob@example.org").upload(names[1]) == ""
    # Another message has got the UID.
    assert uploads.upload(page.offer(1, 11).name) == ""
    uploads.set_upload("a notice", "elsewhere")
    assert uploads.upload("a notice") == ""


def test_a_rest_is_of_one_sink(ledger: SqlLedger) -> None:
    uploads = Uploads(ledger, SINK)
    assert uploads.rest() == (0.0, "")
    page_of(ledger)
    uploads.set_rest(2000.5, "enough")
    assert uploads.rest() == (2000.0, "enough")
    assert Uploads(ledger, "gmail bob@example.org").rest() == (0.0, "")
    assert uploads.now() == 1000.0


def write_6(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript(VERSION_6)
    db.close()


def check(path: Path) -> None:
    ledger = SqliteLedger(str(path))
    page, uploads = page_of(ledger), Uploads(ledger, SINK)
    assert page.pending() == [Pending(1, 10, Action.MARK)]
    offer = page.offer(2, 20)
    assert (offer.name, offer.again, offer.fingerprint) == ("9.Rabcdef0123456789", True, b"\1")
    assert (uploads.upload(offer.name), uploads.rest()) == ("", (0.0, ""))
    uploads.set_upload(offer.name, "somewhere")
    assert uploads.upload(offer.name) == "somewhere"
    uploads.set_upload(offer.name, "")
    assert page.fingerprints([3]) == {3: b"\2"}
    assert ledger.last_success() == {"joe": 77}
    version = ledger.write(lambda db: db.execute("PRAGMA user_version").fetchone()[0])
    assert version == VERSION
    ledger.close()


def test_the_rows_of_version_6_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write_6(path)
    for _ in range(2):
        check(path)


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
    steps, killed = 0, True
    while killed:
        steps += 1
        path = tmp_path / f"{steps}.db"
        write_6(path)
        run = [sys.executable, "-c", KILLED, str(path), str(steps)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        killed = subprocess.run(run, env=environment, check=False).returncode == -9
        check(path)
    assert steps > 8
