"""Workers, what they have claimed, and what a paused one can no longer do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailhaul.adapters.postgres import database
from mailhaul.adapters.postgres.claims import Claims, Entry, claim, release
from mailhaul.adapters.postgres.fleet import FleetClaims
from mailhaul.adapters.postgres.locks import SharedLock
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.adapters.postgres.worker import Worker
from mailhaul.flows.outcome import ExitCode, PollFailed
from tests.real.servers.postgres import Postgres

pytestmark = pytest.mark.real

JOE, ANN = Entry("joe@server", "server", "joe"), Entry("ann@server", "server", "ann")
ALWAYS = 3600.0


class Clock:
    """A clock set by the test."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def worker(
    url: str, name: str = "here:1", lease: float = ALWAYS, **more: object
) -> Iterator[Worker]:
    """Return a worker that has registered."""
    made = Worker(url, name, lease, **more)  # type: ignore[arg-type]  # what a test wants
    made.start()
    try:
        yield made
    finally:
        made.stop()


def expire(ledger: PostgresLedger, which: int) -> None:
    """Let the lease of a worker have expired, as if it had not renewed it."""
    query = "UPDATE worker SET expires = now() - interval '1 s' WHERE id = ?"
    ledger.database.write(lambda db: db.execute(query, (which,)))


def owners(ledger: PostgresLedger) -> dict[str, int | None]:
    query = "SELECT name, owner FROM account"
    return dict(ledger.database.write(lambda db: db.execute(query).fetchall()))


def test_an_entry_is_claimed_by_one_worker_at_a_time(ledger: PostgresLedger) -> None:
    with worker(ledger.url) as one, worker(ledger.url, "there:2") as two:
        found = claim(ledger.database, one.id, [JOE, ANN])
        assert found.epochs.keys() == {JOE.name, ANN.name}
        assert claim(ledger.database, two.id, [JOE]) == Claims({}, {JOE.name: "here:1"})
        assert release(ledger.database, JOE.name, found.epochs[JOE.name], ExitCode.NOMAIL)
        again = claim(ledger.database, two.id, [JOE, ANN])
        assert again.epochs[JOE.name] > found.epochs[JOE.name]
        assert again.others == {ANN.name: "here:1"}
        # Whoever is late gives back nothing.
        assert not release(ledger.database, JOE.name, found.epochs[JOE.name], None)
        assert owners(ledger) == {JOE.name: two.id, ANN.name: one.id}


def test_a_crash_of_the_database_gives_no_epoch_and_no_id_twice(
    postgres: Postgres, ledger: PostgresLedger
) -> None:
    one = Worker(ledger.url, "here:1", ALWAYS)
    one._register()
    postgres.crash()
    postgres.start()
    assert one.beat()
    found = claim(ledger.database, one.id, [JOE])
    postgres.crash()
    postgres.start()
    ledger.close()
    query = "SELECT owner, epoch FROM account"
    there = ledger.database.write(lambda db: db.execute(query).fetchall())
    assert there == [(one.id, found.epochs[JOE.name])]
    assert one.beat()
    one.stop()


def test_a_worker_that_ends_frees_what_it_has(ledger: PostgresLedger) -> None:
    with worker(ledger.url) as one:
        claim(ledger.database, one.id, [JOE])
        assert SharedLock(ledger.database, lambda: one.id, "imap joe@server", "INBOX").acquire()
    assert owners(ledger) == {JOE.name: None}
    with worker(ledger.url) as two:
        lock = SharedLock(ledger.database, lambda: two.id, "imap joe@server", "Other")
        assert lock.acquire()
        lock.release()
    query = "SELECT count(*) FROM worker"
    assert ledger.database.write(lambda db: db.execute(query).fetchone()) == (0,)
    SharedLock._held.clear()


def test_a_lease_that_has_expired_frees_everything(ledger: PostgresLedger) -> None:
    with worker(ledger.url) as one, worker(ledger.url, "there:2") as two:
        claim(ledger.database, one.id, [JOE])
        assert one.beat()
        expire(ledger, one.id)
        found = claim(ledger.database, two.id, [JOE])
        assert found.epochs.keys() == {JOE.name}
        before = one.id
        assert not one.beat()
        assert one.id != before
        assert one.beat()


def test_a_worker_knows_by_its_own_clock_that_it_may_have_expired(store_url: str) -> None:
    clock = Clock()
    with worker(store_url, clock=clock) as one:
        assert one.is_current()
        clock.now += ALWAYS
        assert not one.is_current()
        assert one.beat()
        assert one.is_current()


def test_the_thread_renews_registers_again_and_says_so(
    postgres: Postgres, ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is short, so this needs no more than its third."""
    from threading import Event

    monkeypatch.setattr(database, "RETRY_SECONDS", 0.05)
    said: list[str] = []
    heard, lost = Event(), Event()

    def say(text: str) -> None:
        said.append(text)
        heard.set()

    with worker(ledger.url, lease=0.3, say=say, lost=lost.set) as one:
        expire(ledger, one.id)
        assert lost.wait(10)
        assert "longer than the lease of 0.3 seconds" in said[0]
        heard.clear()
        postgres.stop()
        assert heard.wait(10)
        heard.clear()
        postgres.start()
        assert heard.wait(10)
    assert "nothing is begun until it is there again" in said[1]
    assert any("the store is there again" in text for text in said[2:])


# Locks


def lock_of(ledger: PostgresLedger, who: Worker) -> SharedLock:
    return SharedLock(ledger.database, lambda: who.id, "imap joe@server", "INBOX")


def test_two_machines_exclude_each_other_from_one_mailbox(ledger: PostgresLedger) -> None:
    with worker(ledger.url, "here:1") as one, worker(ledger.url, "there:2") as two:
        first = lock_of(ledger, one)
        assert first.acquire()
        # Another poll of this process waits; other processes have their own list.
        assert not lock_of(ledger, one).acquire()
        SharedLock._held.clear()
        with pytest.raises(PollFailed, match="here:1") as caught:
            lock_of(ledger, two).acquire()
        assert caught.value.code is ExitCode.EXCLUDE
        assert "another mailhaul (here:1) is polling this mailbox" in str(caught.value)
        first.release()
        second = lock_of(ledger, two)
        assert second.acquire()
        second.release()


@pytest.mark.parametrize("is_free", [False, True])
def test_who_takes_the_lock_of_an_expired_worker_fences_it_off(
    ledger: PostgresLedger, is_free: bool
) -> None:
    """Its poll was of another entry, which nobody may claim for a long time."""
    with worker(ledger.url, "here:1") as one, worker(ledger.url, "there:2") as two:
        own = fenced(ledger, one, JOE)
        page = own.page("imap joe@server", "smtp x", "INBOX", 7)
        assert own.lock("", "imap joe@server", "INBOX").acquire()
        expire(ledger, one.id)
        SharedLock._held.clear()
        others = fenced(ledger, two, ANN)
        if is_free:
            # A claim of the fleet frees what expired workers have.
            FleetClaims(ledger.database).claim(two.id, 0, 0, [], 1)
            assert owners(ledger)[JOE.name] is None
        lock = others.lock("", "imap joe@server", "INBOX")
        assert lock.acquire()
        with pytest.raises(PollFailed, match="another machine has taken over"):
            page.offer(1, 10)
        lock.release()


def test_a_worker_that_registers_again_keeps_the_locks_of_what_it_keeps(
    ledger: PostgresLedger,
) -> None:
    claims = FleetClaims(ledger.database)
    with worker(ledger.url, "here:1") as one, worker(ledger.url, "there:2") as two:
        own = fenced(ledger, one, JOE)
        page = own.page("imap joe@server", "smtp x", "INBOX", 7)
        lock = own.lock("", "imap joe@server", "INBOX")
        assert lock.acquire()
        held = claims.held(one.id)
        expire(ledger, one.id)
        assert not one.beat()
        assert claims.adopt(one.id, held) == held.keys()
        mine, SharedLock._held = SharedLock._held, set()  # as another process
        other = fenced(ledger, two, ANN).lock("", "imap joe@server", "INBOX")
        with pytest.raises(PollFailed, match="here:1"):
            other.acquire()
        page.offer(1, 10)
        SharedLock._held = mine
        lock.release()
        assert other.acquire()
        other.release()


def test_a_poll_whose_account_another_machine_has_takes_no_lock(ledger: PostgresLedger) -> None:
    with worker(ledger.url, "here:1") as one, worker(ledger.url, "there:2") as two:
        own = fenced(ledger, one, JOE)
        expire(ledger, one.id)
        fenced(ledger, two, JOE)
        with pytest.raises(PollFailed, match="another machine has taken over"):
            own.lock("", "imap joe@server", "INBOX").acquire()


def fenced(ledger: PostgresLedger, who: Worker, entry: Entry) -> PostgresLedger:
    """Claim an entry; return the ledger of its poll."""
    own = ledger.fenced(entry.name, claim(ledger.database, who.id, [entry]).epochs[entry.name])
    own.worker = who
    return own


PAUSED = """
import os, sys
from mailhaul.adapters.postgres.claims import Entry, claim
from mailhaul.adapters.postgres.locks import SharedLock
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.adapters.postgres.worker import Worker
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance
from mailhaul.flows.outcome import Outcome, PollFailed, Verdict

ledger = PostgresLedger(sys.argv[1])
worker = Worker(sys.argv[1], "paused:3", 3600.0)
worker.start()
entry = Entry("joe@server", "server", "joe")
own = ledger.fenced(entry.name, claim(ledger.database, worker.id, [entry]).epochs[entry.name])
assert SharedLock(ledger.database, lambda: worker.id, "imap joe@server", "INBOX").acquire()
page = own.page("imap joe@server", "smtp x", "INBOX", 7)
page.offer(1, 10)
print(worker.id, flush=True)
sys.stdin.readline()
try:
    page.accept([Acceptance(1, 10, Action.DELETE, Outcome(Verdict.ACCEPTED))])
    print("written")
except PollFailed as failure:
    print(failure.code.name, failure)
"""


@contextmanager
def paused_process(url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Return a process that has claimed an entry and a lock, and offers a message."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PAUSED, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout
        yield process, int(process.stdout.readline())


def test_a_process_that_was_paused_writes_nothing_more(ledger: PostgresLedger) -> None:
    with paused_process(ledger.url) as (process, paused), worker(ledger.url, "there:2") as two:
        assert claim(ledger.database, two.id, [JOE]) == Claims({}, {JOE.name: "paused:3"})
        with pytest.raises(PollFailed, match="paused:3"):
            lock_of(ledger, two).acquire()
        process.send_signal(signal.SIGSTOP)
        # What its lease would come to, without the waiting.
        expire(ledger, paused)
        new = ledger.fenced(JOE.name, claim(ledger.database, two.id, [JOE]).epochs[JOE.name])
        lock = lock_of(ledger, two)
        assert lock.acquire()
        page = new.page("imap joe@server", "smtp x", "INBOX", 7)
        [offered] = page.undelivered()
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate("go on\n")
        assert output.startswith("EXCLUDE joe@server: another machine has taken over")
        assert page.pending() == []
        # The message is offered once more, under the same name.
        assert page.offer(offered.uid, 10).again
        lock.release()


def test_a_process_that_was_killed_holds_nothing_after_its_lease(ledger: PostgresLedger) -> None:
    with paused_process(ledger.url) as (process, killed), worker(ledger.url, "there:2") as two:
        process.kill()
        process.wait()
        assert claim(ledger.database, two.id, [JOE]).epochs == {}
        expire(ledger, killed)
        assert claim(ledger.database, two.id, [JOE]).epochs.keys() == {JOE.name}
        lock = lock_of(ledger, two)
        assert lock.acquire()
        lock.release()


def test_a_transaction_of_a_paused_process_does_not_keep_others_waiting(
    ledger: PostgresLedger, other: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends it, and with it the share of the account's row."""
    setting = "idle_in_transaction_session_timeout"
    # Long enough for a process that only waits for its turn on a busy machine.
    monkeypatch.setitem(database.SETTINGS, setting, "800ms")
    with worker(ledger.url) as one, worker(ledger.url, "there:2") as two:
        own = ledger.fenced(JOE.name, claim(ledger.database, one.id, [JOE]).epochs[JOE.name])
        expire(ledger, one.id)

        def work(db: object) -> None:
            db.execute("UPDATE mailbox SET compared = 1")  # type: ignore[attr-defined]
            db.wait()  # type: ignore[attr-defined]
            while not claim(other.database, two.id, [JOE]).epochs:
                pass

        with pytest.raises(PollFailed, match="closed the connection unexpectedly; it was"):
            own.write(work)
    assert list(owners(other).values()) == [None]
