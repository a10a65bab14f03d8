"""Messages in quarantine can be listed, retried and dropped."""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.quarantine import Stuck, drop, retry, stuck
from mailhaul.adapters.ledger.store import SqlLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Page, Pending
from mailhaul.flows.outcome import Failures, Outcome, Verdict

from .conftest import Stores

NO = Outcome(Verdict.REFUSED, "550 no")


@pytest.fixture
def ledger(store: Stores) -> SqlLedger:
    return store(lambda: 5000.0)


@pytest.fixture
def page(ledger: SqlLedger) -> Page:
    page = ledger.page("imap joe@server", "smtp localhost", "INBOX", 1)
    for uid in (1, b"a word"):
        page.offer(uid, 100)
        page.reject(uid, 100, NO)
        page.set_aside(uid)
    page.offer(3, 300)
    page.reject(3, 300, NO)
    return page


def test_the_quarantine_lists_all_details(ledger: SqlLedger, page: Page) -> None:
    first, second = stuck(ledger)
    assert first == Stuck(
        first.key, "imap joe@server", "smtp localhost", "INBOX", 1, 100, 1, 5000, 5000, "550 no"
    )
    assert second.uid == b"a word"
    assert {len(first.key), len(second.key)} == {8}
    assert first.key != second.key


def test_a_retry_resets_the_counters(ledger: SqlLedger, page: Page) -> None:
    first, second = stuck(ledger)
    retry(ledger, [first.key])
    assert stuck(ledger) == [second]
    assert {held.uid: held.set_aside for held in page.undelivered()} == {
        1: False,
        3: False,
        b"a word": True,
    }
    assert page.reject(1, 100, NO) == Failures(1, 0)


def test_a_dropped_message_has_a_deletion_pending(ledger: SqlLedger, page: Page) -> None:
    first, second = stuck(ledger)
    drop(ledger, [second.key])
    assert stuck(ledger) == [first]
    assert page.pending() == [Pending(b"a word", 100, Action.DELETE)]


def test_only_messages_in_quarantine_can_be_dropped(ledger: SqlLedger, page: Page) -> None:
    first, _ = stuck(ledger)
    retry(ledger, [first.key])
    drop(ledger, [first.key])
    assert page.pending() == []


def test_a_message_that_was_never_offered_has_its_own_key(ledger: SqlLedger, page: Page) -> None:
    for uid in (8, 9):
        page.unreadable(uid, 10, "it cannot be read")
        page.set_aside(uid)
    keys = [message.key for message in stuck(ledger)]
    assert len({*keys, ""}) == len(keys) + 1 == 5
    drop(ledger, [""])
    assert len(stuck(ledger)) == 4
