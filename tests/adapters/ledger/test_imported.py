"""Messages that another program fetched, in the ledger; and back."""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.imported import count_known, fetched_uids, record_fetched
from mailhaul.adapters.ledger.store import SqlLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.source import Listed

from .conftest import Stores

ACCOUNT, SINK = "pop3 joe@pop.example.org", "smtp localhost"
IMAP = "imap joe@imap.example.org"


@pytest.fixture
def ledger(store: Stores) -> SqlLedger:
    return store()


def test_recorded_messages_are_not_new(ledger: SqlLedger) -> None:
    assert record_fetched(ledger, ACCOUNT, "INBOX", 0, [b"a", b"b", b"a"]) == 2
    assert record_fetched(ledger, ACCOUNT, "INBOX", 0, [b"b", b"c"]) == 1
    assert count_known(ledger, ACCOUNT, "INBOX", 0, [b"a", b"c", b"z"]) == 2
    page = ledger.page(ACCOUNT, SINK, "INBOX", 0)
    found = page.compare([Listed(uid, 7) for uid in (b"a", b"b", b"c", b"d")])
    assert ([one.uid for one in found.new], found.changed) == ([b"d"], ())


def test_a_message_under_way_keeps_its_row(ledger: SqlLedger) -> None:
    """It may have been refused: then it was not delivered, whatever the other program knows."""
    page = ledger.page(ACCOUNT, SINK, "INBOX", 0)
    page.offer(b"a", 7)
    page.reject(b"a", 7, Outcome(Verdict.REFUSED, "no"))
    assert record_fetched(ledger, ACCOUNT, "INBOX", 0, [b"a"]) == 0
    assert [one.uid for one in page.undelivered()] == [b"a"]
    assert [one.uid for one in page.compare([Listed(b"a", 7)]).new] == [b"a"]


def test_after_a_complete_list_the_flags_of_the_server_do_not_matter(ledger: SqlLedger) -> None:
    record_fetched(ledger, IMAP, "Lists", 17, [4], is_complete=True)
    assert not ledger.page(IMAP, SINK, "Lists", 17).is_new
    record_fetched(ledger, IMAP, "Other", 17, [4])
    assert ledger.page(IMAP, SINK, "Other", 17).is_new


def test_what_was_delivered_is_exported(ledger: SqlLedger) -> None:
    page = ledger.page(ACCOUNT, SINK, "INBOX", 0)
    page.mark_seen([Listed(b"kept", 1), Listed(b"twice (1 of 2)", 1)])
    for uid in (b"owed", b"refused"):
        page.offer(uid, 1)
    page.accept([Acceptance(b"owed", 1, Action.DELETE, Outcome(Verdict.ACCEPTED))])
    page.reject(b"refused", 1, Outcome(Verdict.REFUSED, "no"))
    assert list(fetched_uids(ledger, ACCOUNT)) == [b"kept", b"owed"]
    assert list(fetched_uids(ledger, IMAP)) == []
