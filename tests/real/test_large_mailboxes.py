"""Mailboxes of a million messages under ``keep``: only what is new is fetched, in little memory.

All but the last messages are in the ledger already, as after a first poll that took long.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.flows.source import Listed, Uid

from .peak import Measured, measured
from .servers.large_mailbox import SIZE, large_mailbox

pytestmark = pytest.mark.real

TOTAL = 1_000_000 if os.environ.get("MAILHAUL_SOAK") else 20_000
PART = 5000
NEW = 3
MOST_MEGABYTES = 96
OPTIONS = {"POP3": "keep", "IMAP": "keep fetchread"}


def poll(name: str, protocol: str, port: int, home: Path) -> Measured:
    """Poll once, and say how much memory and time that took."""
    start = time.monotonic()
    run = measured(
        f"set invisible\npoll {name} via 127.0.0.1 no dns protocol {protocol} port {port}\n"
        f"  user joe password sesame sslproto '' {OPTIONS[protocol]} maildir Mail\n",
        home,
    )
    print(f"peak {run.memory / 2**20:.1f} MB, {time.monotonic() - start:.1f} s, code {run.code}")
    assert run.memory < MOST_MEGABYTES * 2**20, run
    return run


def delivered(home: Path) -> set[bytes]:
    """Return the Message-IDs in the maildir, which must not hold one twice."""
    texts = [path.read_bytes() for path in (home / "Mail" / "new").glob("*")]
    found = [text.partition(b"Message-ID: ")[2].partition(b"\n")[0] for text in texts]
    assert len(found) == len({*found})
    return {*found}


def ids(first: int, last: int) -> set[bytes]:
    return {b"<%d@example.org>" % number for number in range(first, last + 1)}


def know_all(home: Path) -> None:
    """Mark as seen what is missing in the ledger, which a first poll of few messages has made."""
    (path,) = home.rglob("ledger.db")
    ledger = SqliteLedger(str(path))
    ((account, mailbox, _, _),) = ledger.accounts()
    is_pop3 = account.startswith("pop3")
    page = ledger.page(account, "maildir Mail", mailbox, 0 if is_pop3 else 1)
    for start in range(NEW + 1, TOTAL + 1, PART):
        part = range(start, min(start + PART, TOTAL + 1))
        page.mark_seen([Listed(uid_of(n, is_pop3=is_pop3), SIZE, n) for n in part])
    ledger.close()


def uid_of(number: int, *, is_pop3: bool) -> Uid:
    return b"id-%d" % number if is_pop3 else number


@pytest.mark.parametrize("protocol", OPTIONS)
def test_only_new_mail_is_fetched_from_a_large_mailbox(protocol: str, tmp_path: Path) -> None:
    with large_mailbox(protocol, NEW) as port:
        first = poll("first", protocol, port, tmp_path)
    assert (first.code, first.err) == (0, "")
    know_all(tmp_path)
    with large_mailbox(protocol, TOTAL + NEW, port):
        run = poll("first", protocol, port, tmp_path)
    assert (run.code, run.err) == (0, "")
    assert delivered(tmp_path) == ids(1, NEW) | ids(TOTAL + 1, TOTAL + NEW)


@pytest.mark.parametrize("protocol", OPTIONS)
def test_a_renamed_entry_fetches_nothing_of_a_large_mailbox_again(
    protocol: str, tmp_path: Path
) -> None:
    with large_mailbox(protocol, NEW) as port:
        poll("first", protocol, port, tmp_path)
    know_all(tmp_path)
    with large_mailbox(protocol, TOTAL, port):
        run = poll("second", protocol, port, tmp_path)
        assert run.code == 1
        assert f"{TOTAL} message(s) are known from" in run.err
        again = poll("second", protocol, port, tmp_path)
    assert (again.code, again.err) == (1, "")
    assert delivered(tmp_path) == ids(1, NEW)
