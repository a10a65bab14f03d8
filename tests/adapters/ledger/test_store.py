"""The ledger: what it remembers, for whom, and what it does with a file it cannot use."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.lock import AccountLock
from mailhaul.adapters.ledger.store import GENERATIONS, STEPS, SUCCESS, LedgerFault, SqliteLedger
from mailhaul.flows.account import Action
from mailhaul.flows.memory import Held, Offer, Owed
from mailhaul.flows.outcome import ExitCode, Failures, Outcome, PollFailed, Verdict

TAKEN = Outcome(Verdict.ACCEPTED, "", (("joe", Verdict.ACCEPTED),))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "mailhaul" / "ledger.db")


def test_what_was_accepted_is_owed_until_it_is_settled(path: str) -> None:
    ledger = SqliteLedger(path)
    page = ledger.page("imap joe@server", "smtp localhost", "INBOX", 7)
    page.offered(1, 100)
    page.offered(2, 200)
    page.accepted(1, 101, Action.DELETE, TAKEN)
    page.accepted(2, 200, Action.MARK, TAKEN)
    page.offered(3, 300)
    assert page.owed() == [Owed(1, 101, Action.DELETE), Owed(2, 200, Action.MARK)]
    page.settled([1])
    assert page.owed() == [Owed(2, 200, Action.MARK)]
    ledger.close()


def test_another_process_finds_what_this_one_committed(path: str) -> None:
    code = (
        "import os, sys\n"
        "from mailhaul.adapters.ledger.store import SqliteLedger\n"
        "from mailhaul.flows.account import Action\n"
        "from mailhaul.flows.outcome import Outcome, Verdict\n"
        "page = SqliteLedger(sys.argv[1]).page('a', 's', 'INBOX', 7)\n"
        "page.accepted(5, 10, Action.DELETE, Outcome(Verdict.ACCEPTED))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert killed.returncode == -9
    ledger = SqliteLedger(path)
    assert ledger.page("a", "s", "INBOX", 7).owed() == [Owed(5, 10, Action.DELETE)]
    ledger.close()


@pytest.mark.parametrize(
    "other",
    [("b", "s", "INBOX", 7), ("a", "t", "INBOX", 7), ("a", "s", "Spam", 7), ("a", "s", "INBOX", 8)],
)
def test_a_row_counts_for_its_account_sink_mailbox_and_generation_only(
    path: str, other: tuple[str, str, str, int]
) -> None:
    ledger = SqliteLedger(path)
    ledger.page("a", "s", "INBOX", 7).accepted(1, 10, Action.DELETE, TAKEN)
    assert ledger.page(*other).owed() == []
    ledger.close()


def test_only_the_last_generations_of_a_mailbox_are_kept(path: str) -> None:
    ledger = SqliteLedger(path)
    pages = {
        mailbox: [ledger.page("a", "s", mailbox, generation) for generation in range(1, last + 1)]
        for mailbox, last in (("INBOX", GENERATIONS), ("Spam", 1))
    }
    for page in (*pages["INBOX"], *pages["Spam"]):
        page.accepted(1, 10, Action.DELETE, TAKEN)
    assert all(page.owed() for page in pages["INBOX"])
    ledger.page("a", "s", "INBOX", GENERATIONS + 1)
    assert [len(page.owed()) for page in pages["INBOX"]] == [0, *[1] * (GENERATIONS - 1)]
    assert pages["Spam"][0].owed()
    assert ledger.page("a", "s", "INBOX", 1).owed() == []
    ledger.close()


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.POSTPONED])
def test_what_was_not_accepted_owes_nothing(path: str, verdict: Verdict) -> None:
    ledger = SqliteLedger(path)
    page = ledger.page("a", "s", "INBOX", 7)
    page.offered(1, 10)
    page.rejected(1, 10, Outcome(verdict, "no"))
    assert page.owed() == []
    ledger.close()


def test_a_message_offered_again_is_no_longer_owed(path: str) -> None:
    ledger = SqliteLedger(path)
    page = ledger.page("a", "s", "INBOX", 7)
    page.accepted(1, 10, Action.DELETE, TAKEN)
    page.offered(1, 10)
    assert page.owed() == []
    ledger.close()


def test_nobody_else_can_read_the_file(path: str) -> None:
    before = os.umask(0)
    try:
        ledger = SqliteLedger(path)
        ledger.page("a", "s", "INBOX", 7).offered(1, 10)
        modes = {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(os.path.dirname(path))}
        ledger.close()
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_durable_means_that_the_log_was_synced(path: str, tmp_path: Path) -> None:
    """Look at the system calls: a sync of the log comes with make_durable, not before."""
    code = (
        "import os, sys\n"
        "from mailhaul.adapters.ledger.store import SqliteLedger\n"
        "from mailhaul.flows.account import Action\n"
        "from mailhaul.flows.outcome import Outcome, Verdict\n"
        "page = SqliteLedger(sys.argv[1]).page('a', 's', 'INBOX', 7)\n"
        "page.make_durable()\n"
        "os.write(2, b'ONE')\n"
        "page.accepted(5, 10, Action.DELETE, Outcome(Verdict.ACCEPTED))\n"
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


def test_a_file_that_is_no_ledger_is_left_alone(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(b"this is somebody's letter " * 100)
    with pytest.raises(LedgerFault, match="damaged") as caught:
        SqliteLedger(path).page("a", "s", "INBOX", 7)
    assert caught.value.code is ExitCode.IOERR
    assert Path(path).read_bytes().startswith(b"this is somebody's letter")


def test_a_ledger_of_a_newer_mailhaul_is_left_alone(path: str) -> None:
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


def test_two_processes_that_poll_one_account_exclude_each_other(tmp_path: Path) -> None:
    folder = str(tmp_path / "locks")
    code = (
        "import sys\n"
        "from mailhaul.adapters.ledger.lock import AccountLock\n"
        "with AccountLock(sys.argv[1], 'imap joe@server'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(PollFailed, match=f"process {other.pid}") as caught,
            AccountLock(folder, "imap joe@server"),
        ):
            pass
        with AccountLock(folder, "imap ann@server"):
            pass
        other.communicate()
    assert caught.value.code is ExitCode.EXCLUDE
    with AccountLock(folder, "imap joe@server"):
        pass


def test_one_process_may_hold_a_lock_several_times_until_the_last_has_let_go(
    tmp_path: Path,
) -> None:
    folder = str(tmp_path / "locks")
    try_it = (
        "import sys\n"
        "from mailhaul.adapters.ledger.lock import AccountLock\n"
        "AccountLock(sys.argv[1], 'imap joe@server').__enter__()\n"
    )

    def taken() -> bool:
        argv = [sys.executable, "-c", try_it, folder]
        return subprocess.run(argv, check=False, capture_output=True).returncode != 0

    with AccountLock(folder, "imap joe@server"):
        with AccountLock(folder, "imap joe@server"):
            assert taken()
        assert taken()
    assert not taken()


def test_a_dead_holder_never_blocks(tmp_path: Path) -> None:
    folder = str(tmp_path / "locks")
    code = (
        "import os, sys\n"
        "from mailhaul.adapters.ledger.lock import AccountLock\n"
        "AccountLock(sys.argv[1], 'imap joe@server').__enter__()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, folder], check=False)
    with AccountLock(folder, "imap joe@server"):
        pass


def test_what_was_seen_is_remembered_and_owes_nothing(path: str) -> None:
    ledger = SqliteLedger(path)
    page = ledger.page("pop3 joe@host", "smtp", "INBOX", 0)
    page.offered(b"uid-1", 10)
    page.accepted(b"uid-1", 10, Action.MARK, Outcome(Verdict.ACCEPTED))
    page.offered(b"uid-2", 20)
    assert page.known() == {b"uid-1": None, b"uid-2": None}
    page.seen([b"uid-1", b"uid-3"])
    assert page.known() == {b"uid-1": 10, b"uid-2": None, b"uid-3": 0}
    assert page.owed() == []
    page.settled([b"uid-1", b"uid-2", b"uid-3"])
    assert page.known() == {}
    ledger.close()


def test_a_word_and_a_number_are_different_uids(path: str) -> None:
    ledger = SqliteLedger(path)
    page = ledger.page("a", "s", "m", 0)
    page.seen([7, b"7"])
    assert page.known() == {7: 0, b"7": 0}
    ledger.close()


FIRST_SCHEMA = """
CREATE TABLE page (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL, sink TEXT NOT NULL, mailbox TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    UNIQUE (account, sink, mailbox, uidvalidity)
);
CREATE TABLE message (
    page INTEGER NOT NULL REFERENCES page (id),
    uid INTEGER NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('offered', 'accepted', 'refused', 'postponed')),
    action TEXT,
    recipients TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (page, uid)
) WITHOUT ROWID;
CREATE TABLE sync (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
INSERT INTO sync VALUES (1, 0);
INSERT INTO page VALUES (1, 'imap joe@host', 'smtp', 'INBOX', 7);
INSERT INTO message VALUES (1, 5, 100, 'accepted', 'delete', '');
PRAGMA user_version = 1;
"""


def test_a_ledger_of_the_first_version_is_read_on(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    old = sqlite3.connect(path)
    old.executescript(FIRST_SCHEMA)
    old.close()
    for _ in range(2):
        ledger = SqliteLedger(path)
        page = ledger.page("imap joe@host", "smtp", "INBOX", 7)
        assert page.owed() == [Owed(5, 100, Action.DELETE)]
        page.seen([b"a word"])
        ledger.close()


def test_the_last_success_of_each_is_known_to_the_next_process(path: str) -> None:
    ledger = SqliteLedger(path)
    assert ledger.last_success() == {}
    ledger.went_well({"joe@server": 1000.0})
    ledger.went_well({"joe@server": 2000.5, "ann@server (Lists)": 2000.0})
    ledger.close()
    assert SqliteLedger(path).last_success() == {"joe@server": 2000, "ann@server (Lists)": 2000}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_ledger_of_any_version_learns_of_success(path: str, version: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    old = sqlite3.connect(path)
    old.executescript(FIRST_SCHEMA)
    for step in range(1, version):
        old.executescript(STEPS[step].replace(SUCCESS, "") + f"PRAGMA user_version = {step + 1};")
    old.close()
    ledger = SqliteLedger(path)
    ledger.went_well({"joe@server": 1.0})
    assert ledger.page("imap joe@host", "smtp", "INBOX", 7).owed() == [Owed(5, 100, Action.DELETE)]
    ledger.close()


def test_an_offer_keeps_its_name_until_there_is_a_verdict(tmp_path: Path) -> None:
    page = SqliteLedger(str(tmp_path / "ledger.db")).page("a", "s", "INBOX", 1)
    first = page.offered(1, 100)
    assert not first.again
    # A new run asks again, and is told what the message was called.
    page = SqliteLedger(str(tmp_path / "ledger.db")).page("a", "s", "INBOX", 1)
    assert page.offered(1, 100) == Offer(first.name, True)
    # Another size is another message; and what had its verdict begins anew.
    other = page.offered(1, 101)
    assert other.name != first.name
    assert not other.again
    page.rejected(1, 101, Outcome(Verdict.POSTPONED, "later"))
    third = page.offered(1, 101)
    assert (third.again, third.name in {first.name, other.name}) == (False, False)


def test_a_size_that_is_not_told_leaves_what_is_known_of_a_message(tmp_path: Path) -> None:
    page = SqliteLedger(str(tmp_path / "ledger.db")).page("a", "s", "INBOX", 1)
    fates = (("joe", Verdict.ACCEPTED), ("ann", Verdict.POSTPONED))
    page.rejected(1, 100, Outcome(Verdict.POSTPONED, "", fates))
    page.rejected(1, 0, Outcome(Verdict.REFUSED, "it cannot be read"))
    assert page.offered(1, 100).served == {b"joe"}
    page.rejected(2, 0, Outcome(Verdict.REFUSED, "it cannot be read"))
    assert [(held.uid, held.size) for held in page.held()] == [(2, 0)]


def test_who_was_served_is_known_at_the_next_offer_of_the_same_message(tmp_path: Path) -> None:
    page = SqliteLedger(str(tmp_path / "ledger.db")).page("a", "s", "INBOX", 1)
    accepted, later = Verdict.ACCEPTED, Verdict.POSTPONED
    page.offered(1, 100)
    page.rejected(1, 100, Outcome(later, "", (("joe@x y", accepted), ("ann", later))))
    assert page.offered(1, 100).served == {b"joe@x y"}
    # A kill between this offer and its verdict forgets nobody.
    assert page.offered(1, 100).served == {b"joe@x y"}
    page.rejected(1, 100, Outcome(later, "", (("ann", accepted), ("tom\udcff", later))))
    assert page.offered(1, 100).served == {b"joe@x y", b"ann"}
    assert page.offered(1, 99).served == frozenset()


def test_a_ledger_from_before_names_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    SqliteLedger(str(path)).page("a", "s", "INBOX", 1).offered(7, 100)
    with sqlite3.connect(path) as connection:
        connection.executescript("ALTER TABLE message DROP COLUMN name; PRAGMA user_version = 2;")
    connection.close()
    page = SqliteLedger(str(path)).page("a", "s", "INBOX", 1)
    offer = page.offered(7, 100)
    assert (offer.again, bool(offer.name)) == (False, True)


NO = Outcome(Verdict.REFUSED, "550 no")
LATER = Outcome(Verdict.POSTPONED, "451 later")


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_refusals_are_counted_from_the_first_one_on(tmp_path: Path) -> None:
    clock = Clock()
    page = SqliteLedger(str(tmp_path / "ledger.db"), clock).page("a", "s", "INBOX", 1)
    page.offered(1, 100)
    assert page.rejected(1, 100, NO) == Failures(1, 0)
    clock.now += 60
    page.offered(1, 100)
    assert page.rejected(1, 100, NO) == Failures(2, 60)
    # What is put off says nothing about the message, and another size is another message.
    assert page.rejected(1, 100, LATER) == Failures(2, 60)
    assert page.rejected(1, 101, NO) == Failures(1, 0)


def test_what_no_sink_took_is_held_and_what_one_took_is_not(tmp_path: Path) -> None:
    clock = Clock()
    page = SqliteLedger(str(tmp_path / "ledger.db"), clock).page("a", "s", "INBOX", 1)
    page.rejected(1, 100, NO)
    page.rejected(2, 200, LATER)
    page.rejected(3, 300, NO)
    page.accepted(3, 300, Action.DELETE, TAKEN)
    assert page.held() == [Held(1, 100, 0, False), Held(2, 200, 0, False)]
    clock.now = 2000
    page.rejected(1, 100, NO)
    page.set_aside(1)
    assert page.held() == [Held(1, 100, 2000, True), Held(2, 200, 0, False)]


def test_a_ledger_from_before_refusals_were_counted_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    offer = SqliteLedger(str(path)).page("a", "s", "INBOX", 1).offered(7, 100)
    with sqlite3.connect(path) as connection:
        for column in ("tries", "since", "tried", "reason"):
            connection.execute(f"ALTER TABLE message DROP COLUMN {column}")
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    page = SqliteLedger(str(path)).page("a", "s", "INBOX", 1)
    assert page.offered(7, 100) == Offer(offer.name, True)
    page.set_aside(7)
    assert [held.set_aside for held in page.held()] == [True]


def test_what_cannot_be_read_for_once_is_known_again_by_the_name_of_its_offer(
    tmp_path: Path,
) -> None:
    """A sink may have accepted it without being able to say so."""
    page = SqliteLedger(str(tmp_path / "ledger.db")).page("a", "s", "INBOX", 1)
    offer = page.offered(1, 100)
    assert page.unreadable(1, 100, "not now").tries == 1
    assert page.offered(1, 100) == Offer(offer.name, True)
    assert page.unreadable(2, 200, "not now").tries == 1
    assert page.unreadable(2, 200, "not now").tries == 2
    assert [held.uid for held in page.held()] == [2]
