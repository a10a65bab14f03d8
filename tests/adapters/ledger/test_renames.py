"""An account that gets another name keeps its rests, its traffic, its results and its alerts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailhaul.adapters.ledger.alerts import AlertBook
from mailhaul.adapters.ledger.renames import entry_of, rename_account
from mailhaul.adapters.ledger.rests import HOUR, DayMeter, rests, set_rest
from mailhaul.adapters.ledger.results import entry_results
from mailhaul.adapters.ledger.store import Rest, SqlLedger
from mailhaul.flows.alerts import Alert
from mailhaul.flows.outcome import ExitCode, PollCounts
from mailhaul.flows.source import Listed

from .conftest import Stores

NOW = 1_790_000_000.0
SINK = "smtp localhost"
OLD, NEW = "imap joe@Old.example.org".lower(), "imap joe@new.example.org"
WAS, IS = "joe@Old.example.org", "joe@new.example.org"


@pytest.fixture
def ledger(store: Stores) -> SqlLedger:
    ledger = store(lambda: NOW)
    for mailbox in ("INBOX", "Lists"):
        ledger.page(OLD, SINK, mailbox, 1).mark_seen([Listed(1, 10)])
    return ledger


def by_command(ledger: SqlLedger) -> None:
    rename_account(ledger, OLD, NEW)


def by_a_poll(ledger: SqlLedger) -> None:
    for mailbox in ("INBOX", "Lists"):
        ledger.page(NEW, SINK, mailbox, 1)
        (relative,) = ledger.relatives(NEW, "imap joe@", mailbox, 1)
        ledger.take_over(relative, NEW)


ways = pytest.mark.parametrize("way", [by_command, by_a_poll])
Way = Callable[[SqlLedger], None]


@ways
@pytest.mark.parametrize("other", [None, 100, 900])
def test_it_rests_as_long_as_before(ledger: SqlLedger, way: Way, other: int | None) -> None:
    set_rest(ledger, OLD, NOW + 500, "the server wants it")
    if other:
        set_rest(ledger, NEW, NOW + other, "wanted too")
    set_rest(ledger, "imap ann@old.example.org", NOW + 70, "another one")
    way(ledger)
    longest = (
        Rest(NOW + 900, "wanted too") if other == 900 else Rest(NOW + 500, "the server wants it")
    )
    assert rests(ledger, NOW) == {
        NEW: longest,
        "imap ann@old.example.org": Rest(NOW + 70, "another one"),
    }


@ways
def test_what_it_has_fetched_in_a_day_still_counts(ledger: SqlLedger, way: Way) -> None:
    def meter(account: str) -> DayMeter:
        return DayMeter(ledger, account, 1000, lambda until: None)

    assert meter(OLD).take([400]) == 1
    assert meter(NEW).take([300]) == 1
    ledger.clock = lambda: NOW + HOUR
    assert meter(OLD).take([200]) == 1
    way(ledger)
    assert meter(NEW).take([101]) == 0
    assert meter(NEW).take([100]) == 1
    assert meter(OLD).take([999]) == 1


@ways
@pytest.mark.parametrize("detail", ["", " (Lists)", " imap:1143", " #2"])
def test_its_entries_keep_their_results(ledger: SqlLedger, way: Way, detail: str) -> None:
    counts = PollCounts()
    counts.fetched, counts.delivered = 3, 2
    ledger.record_result(WAS + detail, NOW - 50, ExitCode.SUCCESS, "", counts, 1.5)
    ledger.record_result(WAS + detail, NOW - 40, ExitCode.SOCKET, "no route")
    others = ["joe@old.example.org.uk", "bjoe@old.example.org", "ann@old.example.org"]
    for name in others:
        ledger.record_result(name, NOW, ExitCode.NOMAIL)
    way(ledger)
    found = entry_results(ledger)
    assert {*found} == {IS + detail, *others}
    one = found[IS + detail]
    assert (one.success, one.failures, one.error_words) == (NOW - 50, 1, "no route")
    assert (one.polls, one.fetched, one.delivered, one.seconds) == (2, 3, 2, 1.5)


@ways
def test_the_results_of_both_names_are_added_up(ledger: SqlLedger, way: Way) -> None:
    counts = PollCounts()
    counts.fetched, counts.delivered = 3, 2
    ledger.record_result(WAS, NOW - 90, ExitCode.SUCCESS, "", counts, 1.0)
    ledger.record_result(WAS, NOW - 80, ExitCode.SOCKET, "no route")
    ledger.record_result(IS, NOW - 10, ExitCode.AUTHFAIL, "refused", counts, 2.0)
    way(ledger)
    (one,) = entry_results(ledger).values()
    assert (one.entry, one.time, one.code) == (IS, NOW - 10, ExitCode.AUTHFAIL)
    assert (one.failures, one.since, one.success) == (2, NOW - 80, NOW - 90)
    assert (one.error_time, one.error_words) == (NOW - 10, "refused")
    assert one.codes == {"SUCCESS": 1, "SOCKET": 1, "AUTHFAIL": 1}
    assert (one.polls, one.fetched, one.seconds) == (3, 6, 3.0)
    ledger.record_result(IS, NOW, ExitCode.NOMAIL)
    (one,) = entry_results(ledger).values()
    assert (one.polls, one.failures) == (4, 0)


@ways
def test_a_success_of_the_new_name_ends_the_failures(ledger: SqlLedger, way: Way) -> None:
    ledger.record_result(WAS, NOW - 80, ExitCode.SOCKET, "no route")
    ledger.record_result(IS, NOW - 10, ExitCode.NOMAIL)
    way(ledger)
    (one,) = entry_results(ledger).values()
    assert (one.failures, one.since, one.error_words) == (0, 0, "no route")


@ways
def test_what_the_user_was_told_is_not_told_again(ledger: SqlLedger, way: Way) -> None:
    book = AlertBook(ledger)
    told = [
        Alert("login joe@old.example.org", WAS, 5, ExitCode.AUTHFAIL),
        Alert(f"entry {WAS} 0", f"{WAS} (Lists)", 6, ExitCode.SOCKET),
        Alert("token issuer client", WAS, 7, ExitCode.AUTHFAIL),
        Alert("login ann@old.example.org", "ann@old.example.org", 8, None),
    ]
    for alert in told:
        book.tell(alert)
    assert book.say_once(WAS, "on-failure", 5)
    way(ledger)
    assert {*book.told()} == {
        Alert("login joe@new.example.org", IS, 5, ExitCode.AUTHFAIL),
        Alert(f"entry {IS} 0", f"{IS} (Lists)", 6, ExitCode.SOCKET),
        Alert("token issuer client", IS, 7, ExitCode.AUTHFAIL),
        told[-1],
    }
    assert not book.say_once(IS, "on-failure", 5)
    assert book.say_once(WAS, "on-failure", 5)


def test_the_entry_of_another_protocol_keeps_its_own(ledger: SqlLedger) -> None:
    """Entries of both are told apart by their protocols; another one may be either's."""
    ledger.page("pop3 joe@old.example.org", SINK, "INBOX", 0)
    for name in (WAS, f"{WAS} imap", f"{WAS} pop3"):
        ledger.record_result(name, NOW, ExitCode.NOMAIL)
    rename_account(ledger, OLD, NEW)
    assert {*entry_results(ledger)} == {WAS, f"{IS} imap", f"{WAS} pop3"}


def test_an_account_that_has_mail_under_its_old_name_keeps_its_results(
    ledger: SqlLedger,
) -> None:
    ledger.record_result(WAS, NOW, ExitCode.NOMAIL)
    (relative,) = ledger.relatives(NEW, "imap joe@", "Lists", 1)
    ledger.take_over(relative, NEW)
    assert {*entry_results(ledger)} == {WAS}


@pytest.mark.parametrize(
    ("account", "entry"),
    [
        ("imap joe@host", "joe@host"),
        ("imap joe@host:1143", "joe@host"),
        ("pop3 joe@work@host", "joe@work@host"),
        ("imap joe@2001:db8::1", "joe@2001:db8::1"),
        ("imap joe@localhost:1143 (work)", "joe@work"),
        ("imap joe@host (work: ssh host imapd)", "joe@work"),
    ],
)
def test_an_entry_is_a_user_at_a_server(account: str, entry: str) -> None:
    assert entry_of(account) == entry
