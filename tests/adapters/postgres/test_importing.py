"""A ledger of SQLite moves into a store, and nothing that is kept is fetched again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.ledger.alerts import AlertBook
from mailhaul.adapters.ledger.rests import set_rest
from mailhaul.adapters.ledger.results import entry_results
from mailhaul.adapters.ledger.store import SqliteLedger, SqlLedger
from mailhaul.adapters.postgres.importing import import_ledger
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.flows.account import Action
from mailhaul.flows.alerts import Alert
from mailhaul.flows.ledger import Acceptance
from mailhaul.flows.outcome import ExitCode, Outcome, Verdict
from mailhaul.flows.source import Listed, Uid

pytestmark = pytest.mark.real

ODD = "imap j\udcf6@one"
MANY = 4500
KEPT: tuple[Uid, ...] = (1, 7, b"a b", b"\xff")
TAKEN = Outcome(Verdict.ACCEPTED, "", (("j\udcf6", Verdict.ACCEPTED),))


def fill(ledger: SqlLedger) -> None:
    page = ledger.page(ODD, "mda cat >\udcff", "L\udcfc", 7)
    page.mark_seen([Listed(uid, 10) for uid in KEPT])
    page.mark_compared()
    page.reject(20, 5, Outcome(Verdict.REFUSED, "no"))
    page.contents = {30: b"content"}
    page.accept([Acceptance(30, 6, Action.DELETE, TAKEN, b"mark")])
    page.reading().leave_out([Listed(40, 3)], b"rules")
    other = ledger.page("pop3 joe@two", "smtp here", "INBOX", 0)
    other.mark_seen([Listed(b"%d" % number, number) for number in range(MANY)])
    ledger.record_result("joe@two", 100.0, ExitCode.AUTHFAIL, "words")
    set_rest(ledger, ODD, 1500, "busy")
    AlertBook(ledger).tell(Alert("t", "j\udcf6@one", 5, ExitCode.SOCKET))


def facts(ledger: SqlLedger) -> object:
    page = ledger.page(ODD, "mda cat >\udcff", "L\udcfc", 7)
    pop3 = ledger.page("pop3 joe@two", "smtp here", "INBOX", 0)
    return (
        sorted(ledger.accounts()),
        (page.is_new, page.compare([Listed(uid, 10) for uid in KEPT]).known),
        (page.pending(), page.undelivered(), page.offer(20, 5).fingerprint),
        page.reading().left_out([Listed(40, 3)], (b"rules", b"rules")),
        ledger.page(ODD, "mda cat >\udcff", "Other", 1).reading().known_contents([b"content"]),
        pop3.compare([Listed(b"%d" % number, number) for number in range(0, MANY, 100)]),
        entry_results(ledger),
        ledger.rest_of(ODD),
        [*AlertBook(ledger).told()],
    )


def test_everything_is_there_afterwards(ledger: PostgresLedger, tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    old = SqliteLedger(path, lambda: 1000.0)
    fill(old)
    before = Path(path).read_bytes()
    done = import_ledger(path, ledger)
    assert (done.mailboxes, done.known) == (2, [])
    assert done.rows == len(KEPT) + MANY + 4
    assert Path(path).read_bytes() == before
    assert facts(ledger) == facts(old)
    old.close()
    # Once more does no harm: what has changed since counts.
    ledger.page("pop3 joe@two", "smtp here", "INBOX", 0).forget([b"1"])
    again = import_ledger(path, ledger)
    assert (again.mailboxes, sorted(again.known)) == (0, [ODD, "pop3 joe@two"])
    assert ledger.page("pop3 joe@two", "smtp here", "INBOX", 0).count_seen() == MANY - 1
