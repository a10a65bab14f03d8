"""What counts as delivered, and what never does, whatever the user adopts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailhaul.adapters.ledger.imported import record_fetched
from mailhaul.adapters.ledger.renames import rename_account
from mailhaul.adapters.ledger.retention import date_undated, mailboxes_of
from mailhaul.adapters.ledger.store import SqlLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance, Page
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.retention import Delivered, Standing
from mailhaul.flows.source import Listed

from .conftest import Stores

ACCOUNT, SINK = "pop3 joe@server", "smtp localhost"
NOW = 1_790_000_000
FOR_EVER = 1 << 40
MARK, OTHER = b"fingerp1", b"fingerp2"
GOT = Outcome(Verdict.ACCEPTED, "", (("joe", Verdict.ACCEPTED),))
NO = Outcome(Verdict.REFUSED, "no", (("joe", Verdict.REFUSED),))
LATER = Outcome(Verdict.POSTPONED, "later", (("joe", Verdict.POSTPONED),))
ONE = Listed(b"a", 100)


@pytest.fixture
def ledger(store: Stores) -> SqlLedger:
    return store(lambda: NOW)


def inbox(ledger: SqlLedger, sink: str = SINK) -> Page:
    return ledger.page(ACCOUNT, sink, "INBOX", 0)


def delivered(ledger: SqlLedger, page: Page) -> None:
    page.offer(ONE.uid, ONE.size)
    page.accept([Acceptance(ONE.uid, ONE.size, Action.MARK, GOT, MARK)])
    page.mark_seen([ONE])


def undated(ledger: SqlLedger, page: Page) -> None:
    """As an earlier version has left it."""
    delivered(ledger, page)
    ledger.write(lambda db: db.execute("UPDATE seen SET accepted = 0"))


def bounced(ledger: SqlLedger, page: Page) -> None:
    page.offer(ONE.uid, ONE.size)
    page.reject(ONE.uid, ONE.size, NO, MARK)
    page.accept([Acceptance(ONE.uid, ONE.size, Action.MARK, NO, MARK)])
    page.mark_seen([ONE])


def read_by_others(ledger: SqlLedger, page: Page) -> None:
    page.offer(ONE.uid, ONE.size)
    page.reject(ONE.uid, ONE.size, LATER, MARK)
    page.mark_seen([ONE])


def set_aside(ledger: SqlLedger, page: Page) -> None:
    page.offer(ONE.uid, ONE.size)
    page.reject(ONE.uid, ONE.size, NO, MARK)
    page.set_aside(ONE.uid)
    page.mark_seen([ONE])


def renumbered(ledger: SqlLedger, page: Page) -> None:
    page.reading().add_seen([(ONE, MARK)])


def disowned(ledger: SqlLedger, page: Page) -> None:
    delivered(ledger, page)
    page.retention().disown([ONE.uid])


def disowned_of_old(ledger: SqlLedger, page: Page) -> None:
    undated(ledger, page)
    page.retention().disown([ONE.uid])


def imported_and_refused(ledger: SqlLedger, page: Page) -> None:
    record_fetched(ledger, ACCOUNT, "INBOX", 0, [ONE.uid])
    read_by_others(ledger, page)


def old_and_refused(ledger: SqlLedger, page: Page) -> None:
    """With fetchall it was offered again; that it was seen before proves no delivery."""
    undated(ledger, page)
    read_by_others(ledger, page)


def another_under_the_same_uid(ledger: SqlLedger, page: Page) -> None:
    """The first was delivered, the second of the same size was refused."""
    delivered(ledger, page)
    page.offer(ONE.uid, ONE.size)
    page.reject(ONE.uid, ONE.size, NO, OTHER)
    page.mark_seen([ONE])


def read_first(ledger: SqlLedger, page: Page) -> None:
    page.mark_seen([ONE])


NEVER = [
    *(bounced, read_by_others, set_aside, renumbered, disowned, disowned_of_old),
    *(imported_and_refused, old_and_refused, another_under_the_same_uid, read_first),
]


@pytest.mark.parametrize("story", NEVER)
@pytest.mark.parametrize("marked_again", [False, True])
def test_mail_that_was_not_delivered_is_never_due(
    ledger: SqlLedger, story: Callable[[SqlLedger, Page], None], *, marked_again: bool
) -> None:
    page = inbox(ledger)
    story(ledger, page)
    if marked_again:
        page.mark_seen([ONE])
    (mailbox,) = mailboxes_of(ledger, ACCOUNT)
    assert mailbox.undated == 0
    assert date_undated(ledger, [mailbox.key]) == 0
    assert page.retention().due(FOR_EVER, 10) == []
    assert page.retention().look(0).delivered == 0
    # It is known all the same.
    assert page.count_seen() == 1


@pytest.mark.parametrize("marked_again", [False, True])
def test_mail_of_an_earlier_version_waits_until_it_is_adopted(
    ledger: SqlLedger, *, marked_again: bool
) -> None:
    page = inbox(ledger)
    undated(ledger, page)
    if marked_again:
        page.mark_seen([ONE])
    (mailbox,) = mailboxes_of(ledger, ACCOUNT)
    assert page.retention().due(FOR_EVER, 10) == []
    assert (mailbox.undated, date_undated(ledger, [mailbox.key])) == (1, 1)
    assert page.retention().due(FOR_EVER, 10) == [Delivered(ONE.uid, ONE.size, MARK, NOW)]


def test_a_clock_before_all_versions_gives_no_time(ledger: SqlLedger) -> None:
    """Without a battery a clock may begin in 1970: then the message would be due at once."""
    page = inbox(ledger)
    ledger.clock = lambda: 86_400 * 3
    delivered(ledger, page)
    ledger.clock = lambda: NOW
    assert page.retention().due(NOW, 10) == []
    (mailbox,) = mailboxes_of(ledger, ACCOUNT)
    assert mailbox.undated == 1


def test_what_was_delivered_once_stays_delivered(ledger: SqlLedger) -> None:
    """A second sink that refuses the same message takes nothing back."""
    page = inbox(ledger)
    delivered(ledger, page)
    other = inbox(ledger, "smtp elsewhere")
    other.offer(ONE.uid, ONE.size)
    other.reject(ONE.uid, ONE.size, NO, MARK)
    page.mark_seen([ONE])
    assert page.retention().due(FOR_EVER, 10) == [Delivered(ONE.uid, ONE.size, MARK, NOW)]


def test_a_consent_is_not_extended_to_the_mail_of_another_account(ledger: SqlLedger) -> None:
    """The user has confirmed what one account had; then both become one."""
    page = inbox(ledger)
    page.retention().note(Standing(1, NOW, NOW, confirmed=NOW + 10))
    other = ledger.page("pop3 joe@other", SINK, "INBOX", 0)
    delivered(ledger, other)
    rename_account(ledger, "pop3 joe@other", ACCOUNT)
    found = inbox(ledger).retention().look(0)
    assert (found.due, found.unconfirmed) == (1, 1)
    rename_account(ledger, ACCOUNT, "pop3 joe@third")
    inbox(ledger).retention().note(Standing(1, NOW, NOW, confirmed=NOW + 10))
    rename_account(ledger, ACCOUNT, "pop3 joe@third")
    found = ledger.page("pop3 joe@third", SINK, "INBOX", 0).retention().look(0)
    assert (found.due, found.unconfirmed) == (1, 1)
