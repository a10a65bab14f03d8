"""A copy of a store reads as the store does, and leaves it alone."""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.rests import DayMeter, set_rest
from mailhaul.adapters.postgres.copy import StoreCopy
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance, Pending
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.source import Listed
from tests.real.servers.postgres import Postgres

pytestmark = pytest.mark.real

JOE, ANN, OLD = "imap joe@one", "imap ann@one", "imap joe@old"
SOME = Outcome(Verdict.POSTPONED, "", (("joe", Verdict.ACCEPTED), ("ann", Verdict.POSTPONED)))
TAKEN = Outcome(Verdict.ACCEPTED)


def counts(ledger: PostgresLedger) -> list[int]:
    tables = ("mailbox", "seen", "message", "sink", "rest", "traffic", "content", "left_out")
    query = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    return [*ledger.database.write(lambda db: db.execute(f"SELECT {query}").fetchall())[0]]


def test_it_has_what_the_store_has_and_writes_nothing(ledger: PostgresLedger) -> None:
    for account, sink in ((JOE, "smtp x"), (ANN, "mda y"), (OLD, "smtp x")):
        page = ledger.page(account, sink, "INBOX", 7)
        page.mark_seen([Listed(1, 10), Listed(b"two", 20)])
        page.reject(3, 30, SOME)
        page.accept([Acceptance(4, 40, Action.DELETE, TAKEN, b"mark")])
        page.reading().leave_out([Listed(5, 50)], b"rules")
    set_rest(ledger, JOE, 1500, "busy")
    before = counts(ledger)
    copy = StoreCopy(ledger.url, lambda: 1000.0)
    assert copy.knows(JOE)
    assert not copy.knows("imap nobody@one")
    assert copy.rest_of(JOE) == ledger.rest_of(JOE)
    mine = copy.page(JOE, "smtp x", "INBOX", 7)
    assert mine.compare([Listed(1, 10), Listed(b"two", 20), Listed(9, 9)]).new == (Listed(9, 9),)
    assert mine.pending() == [Pending(4, 40, Action.DELETE, b"mark")]
    assert mine.offer(3, 30).served == {b"joe"}
    assert {*mine.reading().left_out([Listed(5, 50)], (b"rules", b"rules"))} == {5}
    # What another account had is known when it is asked for, with other keys than in the store.
    hers = copy.page(ANN, "smtp x", "INBOX", 7)
    assert hers.compare([Listed(1, 10)]).known == 1
    assert [one.account for one in copy.relatives(JOE, "imap joe@", "INBOX", 7)] == [OLD]
    mine.mark_seen([Listed(9, 9)])
    assert DayMeter(copy, JOE, 100, lambda until: None).take([50]) == 1
    mine.make_durable()
    assert mine.compare([Listed(9, 9)]).new == ()
    copy.close()
    assert counts(ledger) == before
    assert ledger.page(JOE, "smtp x", "INBOX", 7).compare([Listed(9, 9)]).known == 0


def test_not_even_tables_are_made(postgres: Postgres) -> None:
    url = postgres.new_database()
    copy = StoreCopy(url)
    assert copy.page(JOE, "smtp x", "INBOX", 7).is_new
    copy.close()
    name = url.partition("@/")[2].partition("?")[0]
    assert postgres.sql("SELECT to_regnamespace('mailhaul') IS NULL", name) == "t\n"
