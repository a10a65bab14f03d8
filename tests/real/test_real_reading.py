"""The mailhaul command and Dovecot: the tree of folders, mail that stays unread, and its end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from .corpus import simple
from .mailhaul import Run, mailhaul
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real

FOLDERS = (".Lists.python", ".Entw&APw-rfe", ".a b")
"""Folders of Dovecot, as it names them on its disk."""
DAYS = 40 * 24 * 3600


def haul(dovecot: Dovecot, user: str, home: Path, options: str) -> Run:
    return mailhaul(
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' {options}\n",
        home,
    )


def test_the_tree_is_stored_as_dovecot_stores_it(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple(1))
    for number, name in enumerate(FOLDERS, 2):
        folder = name.removeprefix(".")
        dovecot.mailbox(user, folder).deliver(simple(number))
    run = haul(dovecot, user, tmp_path, 'folder "*" keep-tree maildir Mail')
    assert (run.code, run.err) == (0, "")
    root = tmp_path / "Mail"
    stored = {path.parent.parent.name for path in root.glob(".*/new/*")}
    assert stored == {*FOLDERS}
    assert len([*(root / "new").iterdir()]) == 1
    assert all((root / name / "maildirfolder").exists() for name in FOLDERS)


def test_mail_stays_unread_and_goes_when_its_time_has_come(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    options = "leave-unread delete-after 30d maildir Mail"
    for number in (1, 2):
        dovecot.deliver(user, simple(number))
    assert haul(dovecot, user, tmp_path, options).code == 0
    assert dovecot.flags(user) == ["", ""]
    assert haul(dovecot, user, tmp_path, options).code == 1
    dovecot.deliver(user, simple(3))
    (path,) = tmp_path.rglob("ledger.db")
    ledger = sqlite3.connect(path)
    ledger.execute("UPDATE seen SET accepted = accepted - ?", (DAYS,))
    ledger.execute("UPDATE retention SET announced = 0")
    ledger.commit()
    ledger.close()
    assert haul(dovecot, user, tmp_path, options).code == 0
    (left,) = dovecot.messages(user)
    assert left.replace(b"\r\n", b"\n") == simple(3).replace(b"\r\n", b"\n")
    assert len([*(tmp_path / "Mail" / "new").iterdir()]) == 3
