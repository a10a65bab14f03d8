"""The connection: what is durable, what is lost, and what is never written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from mailhaul.adapters.ledger.uploads import Uploads
from mailhaul.adapters.postgres.claims import Entry, claim
from mailhaul.adapters.postgres.database import Fenced, StoreFault
from mailhaul.adapters.postgres.session import Session, is_reading, translated
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance, Pending
from mailhaul.flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from tests.real.servers.postgres import Postgres

pytestmark = pytest.mark.real

TAKEN = Outcome(Verdict.ACCEPTED)
ENTRY = Entry("joe@server", "server", "joe")
KEY = ("imap joe@server", "smtp x", "INBOX", 7)


def claimed(ledger: PostgresLedger, worker: int = 1) -> PostgresLedger:
    """Return the ledger of a poll that has just claimed the entry, whoever had it before."""
    epoch = claim(ledger.database, worker, [ENTRY]).epochs[ENTRY.name]
    return ledger.fenced(ENTRY.name, epoch)


def accept(ledger: PostgresLedger, uid: int) -> None:
    ledger.page(*KEY).accept([Acceptance(uid, 10, Action.DELETE, TAKEN)])


def test_a_statement_of_sqlite_is_one_of_postgresql() -> None:
    assert translated("SELECT ? , '?', ?2, ?") == b"SELECT $1 , '?', $2, $3"
    assert is_reading("SELECT 1")
    assert not is_reading("SELECT 1 FROM x FOR UPDATE")
    assert not is_reading("INSERT INTO x SELECT 1")


@pytest.mark.parametrize("is_durable", [True, False])
def test_what_was_made_durable_outlives_a_crash_of_the_server(
    postgres: Postgres, store_url: str, is_durable: bool
) -> None:
    """The other half shows that the test would notice: what nobody waited for is gone."""
    ledger = PostgresLedger(store_url)
    page = ledger.page(*KEY)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    page.make_durable()
    page.accept([Acceptance(2, 10, Action.DELETE, TAKEN)])
    if is_durable:
        page.make_durable()
    postgres.crash()
    postgres.start()
    ledger.close()
    found = [one.uid for one in ledger.page(*KEY).pending()]
    ledger.close()
    assert found == ([1, 2] if is_durable else [1])


def test_a_commit_of_another_connection_is_durable_as_well(
    postgres: Postgres, ledger: PostgresLedger, other: PostgresLedger
) -> None:
    """The log is one: whoever waits for its end waits for what others wrote before."""
    other.page(*KEY).make_durable()
    accept(ledger, 1)
    other.make_durable()
    postgres.crash()
    postgres.start()
    ledger.close()
    assert [row.uid for row in ledger.page(*KEY).pending()] == [1]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_poll_ends_when_the_connection_was_lost(
    postgres: Postgres, ledger: PostgresLedger, how: signal.Signals
) -> None:
    """Rows that were not durable may be missing, so nothing may be deleted because of them."""
    own = claimed(ledger)
    page = own.page(*KEY)
    page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)])
    postgres.restart(how)
    # Another poll of this process has connected again.
    assert ledger.accounts() is not None
    for call in (page.make_durable, page.pending, lambda: page.offer(2, 10)):
        with pytest.raises(StoreFault, match="nothing more is deleted") as caught:
            call()
        assert caught.value.lost
    assert claimed(ledger).page(*KEY).pending() is not None
    ledger.close()


def test_an_unfenced_ledger_does_not_vouch_for_a_connection_that_was_lost(
    postgres: Postgres, ledger: PostgresLedger
) -> None:
    accept(ledger, 1)
    postgres.restart()
    with pytest.raises(StoreFault, match="connection was lost"):
        ledger.make_durable()
    # That is said once; what comes later is on the new connection.
    accept(ledger, 2)
    ledger.make_durable()
    ledger.close()


def test_an_upload_is_not_called_durable_after_its_connection_was_lost(
    ledger: PostgresLedger,
) -> None:
    """What remembers uploads is made before the poll has read anything."""
    found = claim(ledger.database, 1, [Entry("joe@server", "server", "joe")])
    uploads = Uploads(ledger.fenced("joe@server", found.epochs["joe@server"]), "gmail joe")
    uploads.set_upload("name", "where it goes")
    ledger.database.close()
    with pytest.raises(StoreFault, match="lost meanwhile"):
        uploads.make_durable()


def test_a_command_of_several_steps_ends_when_the_connection_was_lost(
    postgres: Postgres, ledger: PostgresLedger
) -> None:
    ledger.pin()
    accept(ledger, 1)
    ledger.make_durable()
    postgres.restart()
    for call in (ledger.accounts, ledger.make_durable):
        with pytest.raises(StoreFault, match="connection was lost"):
            call()
    ledger.close()
    assert len(ledger.accounts()) == 1


def test_between_polls_a_restart_is_not_noticed(
    postgres: Postgres, ledger: PostgresLedger, other: PostgresLedger
) -> None:
    ledger.record_result("joe", 1.0, ExitCode.NOMAIL)
    postgres.restart()
    assert ledger.last_success() == {"joe": 1}
    ledger.close()


def test_a_statement_that_fails_leaves_nothing_of_its_transaction(ledger: PostgresLedger) -> None:
    def work(db: Session) -> None:
        db.execute("INSERT INTO rest VALUES ('a', 1, '', 0)")
        db.execute("INSERT INTO rest VALUES ('a', 1, '', 0)")
        db.execute("INSERT INTO rest VALUES ('b', 1, '', 0)")

    with pytest.raises(StoreFault, match="duplicate key"):
        ledger.database.write(work)
    query = "SELECT count(*) FROM rest"
    assert ledger.database.write(lambda db: db.execute(query).fetchall()) == [(0,)]


def test_work_that_fails_leaves_nothing(ledger: PostgresLedger) -> None:
    def work(db: Session) -> None:
        db.execute("INSERT INTO rest VALUES ('a', 1, '', 0)")
        raise PollFailed(ExitCode.IOERR, "no")

    generation = ledger.database.generation
    with pytest.raises(PollFailed, match="no"):
        ledger.database.write(work)
    query = "SELECT count(*) FROM rest"
    assert ledger.database.write(lambda db: db.execute(query).fetchall()) == [(0,)]
    assert ledger.database.generation == generation + 1 == 1


class Stop(BaseException):
    """A signal."""


def test_a_signal_in_the_middle_leaves_nothing_and_no_answer_to_come(
    ledger: PostgresLedger,
) -> None:
    def work(db: Session) -> None:
        db.execute("INSERT INTO rest VALUES ('a', 1, '', 0)")
        raise Stop

    with pytest.raises(Stop):
        ledger.database.write(work)
    query = "SELECT count(*) FROM rest"
    assert ledger.database.write(lambda db: db.execute(query).fetchall()) == [(0,)]


# The fence


def test_an_old_epoch_writes_nothing(ledger: PostgresLedger, other: PostgresLedger) -> None:
    own = claimed(ledger)
    page = own.page(*KEY)
    page.reserve([])
    page.offer(1, 10)
    # The worker with the id 1 has never registered, so its lease is over.
    new = claimed(other, 2)
    for call in (
        lambda: page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)]),
        lambda: page.accept([Acceptance(uid, 10, Action.DELETE, TAKEN) for uid in (1, 2)]),
        lambda: page.offer(2, 10),
        lambda: page.forget([1]),
        lambda: own.record_result("joe", 1.0, ExitCode.NOMAIL),
        lambda: own.page("imap joe@server", "smtp y", "Other", 9),
    ):
        with pytest.raises(Fenced, match="another machine has taken over") as caught:
            call()
        assert caught.value.code is ExitCode.EXCLUDE
    assert [one.uid for one in new.page(*KEY).undelivered()] == [1]
    assert new.page(*KEY).pending() == []
    new.page(*KEY).accept([Acceptance(1, 10, Action.MARK, TAKEN)])
    assert new.page(*KEY).pending() == [Pending(1, 10, Action.MARK)]


def test_whoever_claims_waits_for_a_write_that_has_begun(
    ledger: PostgresLedger, other: PostgresLedger
) -> None:
    """So the old owner's write is before the claim, and the new owner sees it."""
    own = claimed(ledger)
    page = own.page(*KEY)
    epochs: list[int] = []

    def take_over() -> None:
        found = claim(other.database, 2, [ENTRY])
        epochs.extend(found.epochs.values())

    thread = threading.Thread(target=take_over)

    def work(db: Session) -> None:
        db.execute("UPDATE mailbox SET compared = 1")
        db.wait()
        # Rows that are locked are skipped: they are not free while somebody writes.
        thread.start()
        thread.join()

    own.write(work)  # type: ignore[arg-type]  # a session has more than statements
    assert epochs == []
    take_over()
    assert len(epochs) == 1
    with pytest.raises(Fenced):
        page.offer(1, 10)


def test_a_fenced_write_needs_one_round_trip(
    ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = claimed(ledger).page(*KEY)
    page.offer(1, 10)
    page.offer(2, 10)
    count = 0
    wait = Session.wait

    def counted(session: Session) -> None:
        nonlocal count
        count += session._waiting
        wait(session)

    monkeypatch.setattr(Session, "wait", counted)
    found: dict[str, int] = {}
    calls: dict[str, Callable[[], object]] = {
        "accept": lambda: page.accept([Acceptance(1, 10, Action.DELETE, TAKEN)]),
        "pending": page.pending,
        "durable": page.make_durable,
        "forget": lambda: page.forget([1]),
        "count": lambda: page.count_tries([1, 2], 1),
        "offer": lambda: page.offer(3, 10),
    }
    for name, call in calls.items():
        count = 0
        call()
        found[name] = count
    # An offer is made from what is there.
    assert found == {"offer": 2, **dict.fromkeys(found.keys() - {"offer"}, 1)}
