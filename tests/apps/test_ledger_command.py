"""``mailhaul ledger``: list, rename and forget accounts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.flows.source import Listed

OLD, NEW = "pop3 joe@old.example.org", "pop3 joe@new.example.org"


def ledger(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("XDG_STATE_HOME", None)
    argv = [sys.executable, "-m", "mailhaul", "ledger", *words]
    return subprocess.run(argv, env=environment, capture_output=True, check=False, text=True)


@pytest.fixture
def store(tmp_path: Path) -> SqliteLedger:
    store = SqliteLedger(str(tmp_path / ".local" / "state" / "mailhaul" / "ledger.db"))
    page = store.page(OLD, "smtp localhost", "INBOX", 0)
    page.mark_seen([Listed(b"a", 1), Listed(b"b", 2)])
    page.offer(b"c", 3)
    store.page(NEW, "smtp localhost", "INBOX", 0).mark_seen([Listed(b"b", 2), Listed(b"d", 4)])
    return store


def test_without_a_poll_listing_creates_no_ledger(tmp_path: Path) -> None:
    done = ledger(tmp_path)
    assert (done.returncode, done.stdout) == (1, "the ledger has no accounts\n")
    assert list(tmp_path.iterdir()) == []


def test_list_shows_all_records(tmp_path: Path, store: SqliteLedger) -> None:
    done = ledger(tmp_path, "list")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["ACCOUNT", "MAILBOX", "SEEN", "OPEN"],
        [*NEW.split(), "INBOX", "2", "0"],
        [*OLD.split(), "INBOX", "2", "1"],
    ]


def test_a_renamed_account_keeps_its_records(tmp_path: Path, store: SqliteLedger) -> None:
    assert ledger(tmp_path, "rename", OLD, NEW).returncode == 0
    assert store.accounts() == [(NEW, "INBOX", 3, 1)]
    listed = [Listed(uid, 0) for uid in (b"a", b"b", b"c", b"d")]
    page = store.page(NEW, "smtp localhost", "INBOX", 0)
    assert [one.uid for one in page.compare(listed).new] == [b"c"]


def test_an_account_is_forgotten(tmp_path: Path, store: SqliteLedger) -> None:
    assert ledger(tmp_path, "forget", OLD).returncode == 0
    assert [account for account, *_ in store.accounts()] == [NEW]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["forget", "pop3 nobody@nowhere"], 7),
        (["forget", ""], 5),
        (["forget"], 5),
        (["rename", OLD], 5),
        (["rename", OLD, "imap joe@new.example.org"], 5),
        (["remove", OLD], 5),
    ],
)
def test_an_unknown_request_does_nothing(
    tmp_path: Path, store: SqliteLedger, words: list[str], code: int
) -> None:
    before = store.accounts()
    done = ledger(tmp_path, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert "ledger:" in done.stderr
    assert store.accounts() == before
