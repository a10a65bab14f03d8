"""A copy of the ledger reads as the ledger does, and leaves it and its folder alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.ledger.copy import LedgerCopy
from mailhaul.adapters.ledger.store import LedgerFault, SqliteLedger
from mailhaul.flows.source import Listed

ONE, TWO = Listed(b"one", 10, 1), Listed(b"two", 20, 2)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_it_has_what_the_ledger_has_and_writes_nothing(tmp_path: Path, is_open: bool) -> None:
    path = str(tmp_path / "odd ?#%name.db")
    ledger = SqliteLedger(path)
    ledger.page("pop3 joe@server", "smtp x", "INBOX", 0).mark_seen([ONE])
    if not is_open:
        ledger.close()
    before = contents(tmp_path)
    copy = LedgerCopy(path)
    page = copy.page("pop3 joe@server", "smtp x", "INBOX", 0)
    assert page.compare([ONE, TWO]).new == (TWO,)
    page.mark_seen([TWO])
    page.make_durable()
    assert page.compare([ONE, TWO]).new == ()
    copy.close()
    after = contents(tmp_path)
    # The index of the log is shared memory: readers have a place in it.
    assert {n: t for n, t in after.items() if not n.endswith("-shm")} == {
        n: t for n, t in before.items() if not n.endswith("-shm")
    }
    assert after.keys() == before.keys()
    again = SqliteLedger(path)
    assert again.page("pop3 joe@server", "smtp x", "INBOX", 0).compare([ONE, TWO]).new == (TWO,)
    again.close()
    ledger.close()


def test_without_a_ledger_it_is_empty_and_no_file_is_created(tmp_path: Path) -> None:
    copy = LedgerCopy(str(tmp_path / "state" / "ledger.db"))
    page = copy.page("pop3 joe@server", "smtp x", "INBOX", 0)
    assert page.compare([ONE]).new == (ONE,)
    assert page.is_new
    assert contents(tmp_path) == {}


def test_a_damaged_ledger_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerFault, match="damaged"):
        LedgerCopy(str(path)).page("pop3 joe@server", "smtp x", "INBOX", 0)
    assert path.read_bytes() == b"no database" * 1000
