"""The ledger: its records, the accounts they belong to, and unusable files."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.store import GENERATIONS, LedgerFault, SqliteLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance, Compared, Offer, Pending, Seen, Undelivered
from mailhaul.flows.outcome import ExitCode, Failures, Outcome, Verdict
from mailhaul.flows.source import Listed, ListedPart

from .conftest import Stores

TAKEN = Outcome(Verdict.ACCEPTED, "", (("joe", Verdict.ACCEPTED),))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "mailhaul" / "ledger.db")


def test_an_accepted_message_is_pending_until_it_is_settled(store: Stores) -> None:
    ledger = store()
    page = ledger.page("imap joe@server", "smtp localhost", "INBOX", 7)
    page.offer(1, 100)
    page.offer(2, 200)
    page.accept([Acceptance(1, 101, Action.DELETE, TAKEN)])
    page.accept([Acceptance(2, 200, Action.MARK, TAKEN)])
    page.offer(3, 300)
    assert page.pending() == [Pending(1, 101, Action.DELETE), Pending(2, 200, Action.MARK)]
    page.forget([1])
    assert page.pending() == [Pending(2, 200, Action.MARK)]
    ledger.close()


def test_another_process_finds_what_this_one_committed(path: str) -> None:
    code = (
        "import os, sys\n"
        "from mailhaul.adapters.ledger.store import SqliteLedger\n"
        "from mailhaul.flows.account import Action\n"
        "from mailhaul.flows.ledger import Acceptance\n"
        "from mailhaul.flows.outcome import Outcome, Verdict\n"
        "page = SqliteLedger(sys.argv[1]).page('a', 's', 'INBOX', 7)\n"
        "page.accept([Acceptance(5, 10, Action.DELETE, Outcome(Verdict.ACCEPTED))])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert killed.returncode == -9
    ledger = SqliteLedger(path)
    assert ledger.page("a", "s", "INBOX", 7).pending() == [Pending(5, 10, Action.DELETE)]
    ledger.close()


@pytest.mark.parametrize(
    "other", [("b", "s", "INBOX", 7), ("a", "s", "Spam", 7), ("a", "s", "INBOX", 8)]
)
def test_a_row_counts_for_its_account_mailbox_and_generation_only(
    store: Stores, other: tuple[str, str, str, int]
) -> None:
    ledger = store()
    page = ledger.page("a", "s", "INBOX", 7)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    page.mark_seen([Listed(2, 20)])
    assert ledger.page(*other).pending() == []
    assert ledger.page(*other).compare([Listed(2, 20)]).known == 0
    ledger.close()


def test_seen_and_pending_messages_belong_to_the_account_for_all_sinks(store: Stores) -> None:
    ledger = store()
    page = ledger.page("a", "smtp here", "INBOX", 7)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    page.mark_seen([Listed(2, 20)])
    page.reject(3, 30, NO)
    other = ledger.page("a", "maildir /there", "INBOX", 7)
    assert [row.uid for row in other.pending()] == [1]
    assert other.compare([Listed(2, 20)]).known == 1
    # What one sink refused, another one may take.
    assert other.undelivered() == []
    ledger.close()


def test_served_recipients_are_known_to_a_sink_of_the_same_kind(store: Stores) -> None:
    ledger = store()
    some = Outcome(Verdict.POSTPONED, "", (("joe", Verdict.ACCEPTED), ("ann", Verdict.POSTPONED)))
    ledger.page("a", "smtp localhost", "INBOX", 7).reject(1, 10, some)
    assert ledger.page("a", "smtp mx", "INBOX", 7).offer(1, 10).served == {b"joe"}
    assert ledger.page("a", "maildir /x", "INBOX", 7).offer(1, 10).served == frozenset()
    assert ledger.page("a", "smtp other", "INBOX", 7).offer(1, 99).served == frozenset()
    ledger.close()


def test_only_the_last_generations_of_a_mailbox_are_kept(store: Stores) -> None:
    ledger = store()
    pages = {
        mailbox: [ledger.page("a", "s", mailbox, generation) for generation in range(1, last + 1)]
        for mailbox, last in (("INBOX", GENERATIONS), ("Spam", 1))
    }
    for page in (*pages["INBOX"], *pages["Spam"]):
        page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    assert all(page.pending() for page in pages["INBOX"])
    ledger.page("a", "s", "INBOX", GENERATIONS + 1)
    assert [len(page.pending()) for page in pages["INBOX"]] == [0, *[1] * (GENERATIONS - 1)]
    assert pages["Spam"][0].pending()
    assert ledger.page("a", "s", "INBOX", 1).pending() == []
    ledger.close()


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.POSTPONED])
def test_a_message_that_was_not_accepted_has_no_action_pending(
    store: Stores, verdict: Verdict
) -> None:
    ledger = store()
    page = ledger.page("a", "s", "INBOX", 7)
    page.offer(1, 10)
    page.reject(1, 10, Outcome(verdict, "no"))
    assert page.pending() == []
    ledger.close()


def test_a_message_offered_again_is_no_longer_pending(store: Stores) -> None:
    ledger = store()
    page = ledger.page("a", "s", "INBOX", 7)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    page.offer(1, 10)
    assert page.pending() == []
    ledger.close()


def test_only_the_user_can_read_the_file(path: str) -> None:
    before = os.umask(0)
    try:
        ledger = SqliteLedger(path)
        ledger.page("a", "s", "INBOX", 7).offer(1, 10)
        modes = {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(os.path.dirname(path))}
        ledger.close()
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_durable_means_that_the_log_was_synced(path: str, tmp_path: Path) -> None:
    """Check the system calls: the log is synced by make_durable, not before."""
    code = (
        "import os, sys\n"
        "from mailhaul.adapters.ledger.store import SqliteLedger\n"
        "from mailhaul.flows.account import Action\n"
        "from mailhaul.flows.ledger import Acceptance\n"
        "from mailhaul.flows.outcome import Outcome, Verdict\n"
        "page = SqliteLedger(sys.argv[1]).page('a', 's', 'INBOX', 7)\n"
        "page.make_durable()\n"
        "os.write(2, b'ONE')\n"
        "page.accept([Acceptance(5, 10, Action.DELETE, Outcome(Verdict.ACCEPTED))])\n"
        "os.write(2, b'TWO')\n"
        "page.make_durable()\n"
        "os.write(2, b'SIX')\n"
        "os._exit(0)\n"
    )
    trace = tmp_path / "trace"
    argv = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(trace)]
    subprocess.run([*argv, sys.executable, "-c", code, path], check=True, capture_output=True)
    text = trace.read_text()
    accepting = text[text.index('"ONE"') : text.index('"TWO"')]
    making_durable = text[text.index('"TWO"') : text.index('"SIX"')]
    assert "sync(" not in accepting
    assert "ledger.db-wal>)" in "".join(
        line for line in making_durable.splitlines() if "sync(" in line
    )


def test_a_file_that_is_not_a_ledger_is_left_unchanged(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(b"this is somebody's letter " * 100)
    with pytest.raises(LedgerFault, match="damaged") as caught:
        SqliteLedger(path).page("a", "s", "INBOX", 7)
    assert caught.value.code is ExitCode.IOERR
    assert Path(path).read_bytes().startswith(b"this is somebody's letter")


def test_a_ledger_of_a_newer_mailhaul_is_left_unchanged(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerFault, match="newer mailhaul"):
        SqliteLedger(path).page("a", "s", "INBOX", 7)


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    path = str(tmp_path / "state" / "ledger.db")
    with pytest.raises(LedgerFault, match="state/ledger"):
        SqliteLedger(path).page("a", "s", "INBOX", 7)


def test_the_last_success_of_each_is_known_to_the_next_process(store: Stores) -> None:
    ledger = store()
    assert ledger.last_success() == {}
    ledger.record_result("joe@server", 1000.0, ExitCode.SUCCESS)
    ledger.record_result("joe@server", 2000.5, ExitCode.NOMAIL)
    ledger.record_result("ann@server (Lists)", 2000.0, ExitCode.NOMAIL)
    ledger.close()
    assert store().last_success() == {"joe@server": 2000, "ann@server (Lists)": 2000}


def test_an_offer_keeps_its_name_until_there_is_a_verdict(store: Stores) -> None:
    page = store().page("a", "s", "INBOX", 1)
    first = page.offer(1, 100)
    assert not first.again
    # A new run offers the message again, and gets the same name.
    page = store().page("a", "s", "INBOX", 1)
    assert page.offer(1, 100) == Offer(first.name, True)
    # Another size is another message; and what had its verdict begins anew.
    other = page.offer(1, 101)
    assert other.name != first.name
    assert not other.again
    page.reject(1, 101, Outcome(Verdict.POSTPONED, "later"))
    third = page.offer(1, 101)
    assert (third.again, third.name in {first.name, other.name}) == (False, False)


def test_served_recipients_are_known_at_the_next_offer_of_the_message(store: Stores) -> None:
    page = store().page("a", "s", "INBOX", 1)
    accepted, later = Verdict.ACCEPTED, Verdict.POSTPONED
    page.offer(1, 100)
    page.reject(1, 100, Outcome(later, "", (("joe@x y", accepted), ("ann", later))))
    assert page.offer(1, 100).served == {b"joe@x y"}
    # A kill between this offer and its verdict keeps the served recipients.
    assert page.offer(1, 100).served == {b"joe@x y"}
    page.reject(1, 100, Outcome(later, "", (("ann", accepted), ("tom\udcff", later))))
    assert page.offer(1, 100).served == {b"joe@x y", b"ann"}
    assert page.offer(1, 99).served == frozenset()


NO = Outcome(Verdict.REFUSED, "550 no")
LATER = Outcome(Verdict.POSTPONED, "451 later")


class Clock:
    """A clock set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_refusals_are_counted_from_the_first_one_on(store: Stores) -> None:
    clock = Clock()
    page = store(clock).page("a", "s", "INBOX", 1)
    page.offer(1, 100)
    assert page.reject(1, 100, NO) == Failures(1, 0)
    clock.now += 60
    page.offer(1, 100)
    assert page.reject(1, 100, NO) == Failures(2, 60)
    # A postponed message is not counted, and another size means another message.
    assert page.reject(1, 100, LATER) == Failures(2, 60)
    assert page.reject(1, 101, NO) == Failures(1, 0)


def test_messages_that_no_sink_accepted_are_undelivered(store: Stores) -> None:
    clock = Clock()
    page = store(clock).page("a", "s", "INBOX", 1)
    page.reject(1, 100, NO)
    page.reject(2, 200, LATER)
    page.reject(3, 300, NO)
    page.accept([Acceptance(3, 300, Action.DELETE, TAKEN)])
    assert page.undelivered() == [Undelivered(1, 100, 0, False), Undelivered(2, 200, 0, False)]
    clock.now = 2000
    page.reject(1, 100, NO)
    page.set_aside(1)
    assert page.undelivered() == [Undelivered(1, 100, 2000, True), Undelivered(2, 200, 0, False)]


def test_an_unreadable_message_keeps_the_name_of_its_offer(
    store: Stores,
) -> None:
    """A sink may have accepted it before a kill."""
    page = store().page("a", "s", "INBOX", 1)
    offer = page.offer(1, 100)
    assert page.unreadable(1, 100, "not now").tries == 1
    assert page.offer(1, 100) == Offer(offer.name, True)
    assert page.unreadable(2, 200, "not now").tries == 1
    assert page.unreadable(2, 200, "not now").tries == 2
    assert [(row.uid, row.set_aside) for row in page.undelivered()] == [(1, False), (2, False)]


def test_a_listing_is_compared_with_what_was_seen(store: Stores) -> None:
    page = store().page("a", "s", "INBOX", 0)
    page.offer(b"a", 10)
    page.accept([Acceptance(b"a", 10, Action.MARK, TAKEN, b"fields")])
    page.mark_seen([Listed(b"a"), Listed(b"b"), Listed(b"c", 30)])
    assert page.pending() == []
    # A size of 0 is unknown.
    listed = [Listed(b"a", 11), Listed(b"b", 20), Listed(b"c"), Listed(b"d", 40)]
    assert page.compare(listed) == Compared(
        (Listed(b"d", 40),), (Seen(Listed(b"a", 11), 10, b"fields"),), 3
    )
    assert page.count_seen() == 3


def test_a_listing_is_compared_among_many_other_seen_messages(store: Stores) -> None:
    """Its UIDs lie far apart, and between them are those of messages that are gone."""
    page = store().page("a", "s", "INBOX", 0)
    page.mark_seen([Listed(uid, 10) for uid in range(1, 1200)])
    listed = [Listed(1199, 10), Listed(2000, 10), Listed(2, 11), Listed(600, 10)]
    found = page.compare(listed)
    assert (found.new, found.known) == ((listed[1],), 3)
    assert found.changed == (Seen(listed[2], 10, b""),)
    part = ListedPart(*zip(*[(one.uid, one.size, one.number) for one in listed], strict=True))
    assert page.compare(part) == found
    assert page.compare(part[:1]) == page.compare(listed[:1]) == Compared((), (), 1)
    assert page.compare(part[1:2]) == Compared((listed[1],), (), 0)
    assert page.compare([]) == Compared((), (), 0)


def test_a_word_and_a_number_are_different_uids(store: Stores) -> None:
    page = store().page("a", "s", "INBOX", 0)
    page.mark_seen([Listed(7, 1), Listed(b"7", 2)])
    assert page.compare([Listed(7, 1), Listed(b"7", 2), Listed(b"07", 2)]).known == 2


def test_messages_missing_from_a_complete_listing_are_forgotten(store: Stores) -> None:
    page = store().page("a", "s", "INBOX", 0)
    page.mark_seen([Listed(uid, 10) for uid in range(2000)])
    page.reject(5000, 10, NO)
    page.reject(1500, 10, NO)
    page.keep_only([range(1000), range(1400, 1600)])
    assert page.count_seen() == 1200
    assert [row.uid for row in page.undelivered()] == [1500]
    page.keep_only([])
    assert (page.count_seen(), page.undelivered()) == (0, [])


def test_a_window_of_offers_touches_no_row_that_has_a_verdict(store: Stores) -> None:
    ledger = store()
    page = ledger.page("a", "s", "INBOX", 0)
    page.reject(1, 10, NO)
    page.reject(2, 10, LATER)
    before = page.offer(3, 10)
    window = page.reserve([Listed(uid, 10) for uid in (1, 2, 3, 4)])
    assert window.keys() == {3, 4}
    assert window[3] == Offer(before.name, True)
    assert not window[4].again
    assert [(row.uid, row.failed_again) for row in page.undelivered()] == [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
    ]
    assert page.reject(1, 10, NO).tries == 2


def test_each_request_for_a_pending_action_is_counted(store: Stores) -> None:
    clock = Clock()
    page = store(clock).page("a", "s", "INBOX", 0)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN, b"fields")])
    page.count_tries([1], 1)
    clock.now += 50
    assert page.pending() == [Pending(1, 10, Action.DELETE, b"fields", 1, 50)]


def test_an_unknown_size_does_not_replace_a_recorded_one(store: Stores) -> None:
    page = store().page("a", "s", "INBOX", 1)
    fates = (("joe", Verdict.ACCEPTED), ("ann", Verdict.POSTPONED))
    page.reject(1, 100, Outcome(Verdict.POSTPONED, "", fates))
    page.reject(1, 0, Outcome(Verdict.REFUSED, "it cannot be read"))
    assert page.offer(1, 100).served == {b"joe"}


def test_names_and_addresses_that_are_not_utf_8_are_recognised(store: Stores) -> None:
    account, sink, mailbox = "imap j\udcf6rg@server", "mda cat >\udcf6", "Entw\udcfcrfe"
    some = (("j\udcf6rg", Verdict.ACCEPTED), ("ann", Verdict.POSTPONED))
    for offered_before in (False, True):
        ledger = store()
        assert ledger.knows(account) == offered_before
        page = ledger.page(account, sink, mailbox, 1)
        page.reject(1, 100, Outcome(Verdict.POSTPONED, "no\udcff", some))
        assert page.offer(1, 100).served == {b"j\xf6rg"}
        ledger.record_result(account, 5.0, ExitCode.NOMAIL)
        assert ledger.last_success() == {account: 5}
        assert ledger.accounts() == [(account, mailbox, 0, 1)]
        ledger.close()


def test_first_starts_at_once_all_find_a_ledger(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from mailhaul.adapters.ledger.store import SqliteLedger\n"
        "sys.stdin.read(1)\n"
        "SqliteLedger(sys.argv[1]).page('a', 's', 'INBOX', 1).offer(int(sys.argv[2]), 1)\n"
    )
    path = str(tmp_path / "ledger.db")
    many = [
        subprocess.Popen([sys.executable, "-c", code, path, str(n)], stdin=subprocess.PIPE)
        for n in range(12)
    ]
    for one in many:
        assert one.stdin
        one.stdin.close()
    assert [one.wait() for one in many] == [0] * len(many)
    assert len(SqliteLedger(path).page("a", "s", "INBOX", 1).undelivered()) == len(many)


ROWS = ("none", "offered", "another size", "refused", "served before", "accepted")


@pytest.mark.parametrize("row", ROWS)
def test_one_acceptance_and_several_leave_the_same_rows(tmp_path: Path, row: str) -> None:
    found: list[object] = []
    for count in (1, 2):
        path = str(tmp_path / f"ledger{count}.db")
        ledger = SqliteLedger(path, lambda: 1000.0)
        page = ledger.page("a", "s", "INBOX", 7)
        if row != "none":
            page.offer(5, 11 if row == "another size" else 10)
        if row == "refused":
            page.reject(5, 10, Outcome(Verdict.REFUSED), b"")
        if row == "served before":
            page.reject(5, 10, Outcome(Verdict.POSTPONED, "", (("ann", Verdict.ACCEPTED),)), b"")
        if row == "accepted":
            page.accept([Acceptance(5, 10, Action.MARK, TAKEN)])
        page.accept([Acceptance(5, 10, Action.DELETE, TAKEN, b"12345678")] * count)
        with sqlite3.connect(path) as other:
            columns = "uid, size, state, action, recipients, tries, since, tried, fingerprint"
            found.append(other.execute(f"SELECT {columns} FROM message").fetchall())
        ledger.close()
    assert found[0] == found[1] != []


def test_an_acceptance_takes_one_statement_and_is_committed(path: str) -> None:
    ledger = SqliteLedger(path)
    page = ledger.page("a", "s", "INBOX", 7)
    page.reserve([Listed(1, 10), Listed(2, 20)])
    statements: list[str] = []
    connection = ledger._connection
    assert connection
    connection.set_trace_callback(statements.append)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    assert [each.split()[0] for each in statements] == ["UPDATE"]
    with sqlite3.connect(path) as other:
        states = other.execute("SELECT uid, state FROM message ORDER BY uid").fetchall()
    assert states == [(1, "accepted"), (2, "offered")]
    page.accept([Acceptance(each, 9, Action.DELETE, TAKEN) for each in (3, 4)])
    assert not connection.in_transaction
    ledger.close()
