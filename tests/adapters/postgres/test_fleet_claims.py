"""Accounts of the store: who may poll them, and when."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mailhaul.adapters.postgres.accounts import Accounts, NewAccount
from mailhaul.adapters.postgres.database import Database, Fenced
from mailhaul.adapters.postgres.fleet import FleetClaims
from mailhaul.adapters.postgres.listener import Listener
from mailhaul.adapters.postgres.records import Claim, RcEntry, Settlement
from mailhaul.adapters.postgres.schema import prepare
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.adapters.postgres.worker import Worker
from mailhaul.protocols.record import replace

pytestmark = pytest.mark.real
MANY = 1000


class Fleet:
    """A store with accounts, and machines that share it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, prepare)
        self.claims = FleetClaims(self.database)
        self.accounts = Accounts(self.database)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        def work(session: Any) -> Any:
            session.begin()
            return session.execute(statement, values)

        result = self.database.write(work)
        return result.fetchall() if "RETURNING" in statement or "SELECT" in statement else []

    def worker(self, seconds: float = 30.0) -> int:
        query = (
            "INSERT INTO worker (name, expires)"
            " VALUES ('w', now() + ? * interval '1 second') RETURNING id"
        )
        return int(self.sql(query, seconds)[0][0])

    def expire(self, worker: int) -> None:
        self.sql("UPDATE worker SET expires = now() - interval '1 second' WHERE id = ?", worker)

    def add(self, *names: str, host: str = "h", watched: bool = False) -> None:
        self.accounts.add([NewAccount(one, f"poll {host}", host, one, watched) for one in names])
        self.sql(
            "UPDATE account SET due = now() - interval '1 second' WHERE name = ANY (?)", [*names]
        )

    def claim(
        self, worker: int, polls: int = MANY, watches: int = MANY, most: int = MANY,
        own: Sequence[int] = (),
    ) -> list[Claim]:  # fmt: skip
        return list(self.claims.claim(worker, polls, watches, own, most))

    def settle(self, *claims: Claim, delay: float = 0.0, **more: Any) -> set[int]:
        some = [replace(Settlement(one.id, one.epoch, delay, 0, 0), **more) for one in claims]
        return set(self.claims.settle(some))


@pytest.fixture
def fleet(store_url: str) -> Iterator[Fleet]:
    fleet = Fleet(store_url)
    yield fleet
    fleet.database.close()


def names(claims: Sequence[Claim]) -> list[str]:
    return sorted(one.name for one in claims)


def test_an_account_is_claimed_by_one_worker_at_a_time(fleet: Fleet) -> None:
    fleet.add("a", "b", "c")
    one, other = fleet.worker(), fleet.worker()
    first = fleet.claim(one, polls=2)
    second = fleet.claim(other)
    assert len(first) == 2
    assert names([*first, *second]) == ["a", "b", "c"]
    assert fleet.claim(one) == []
    assert fleet.settle(*first) == {claim.id for claim in first}
    again = fleet.claim(other)
    assert names(again) == names(first)
    before = {one.id: one.epoch for one in first}
    assert all(one.epoch > before[one.id] for one in again)


def test_only_what_is_due_is_claimed_the_oldest_first(fleet: Fleet) -> None:
    fleet.add("a", "b", "later")
    fleet.sql("UPDATE account SET due = now() + interval '1 hour' WHERE name = 'later'")
    fleet.sql("UPDATE account SET due = now() - interval '1 hour' WHERE name = 'b'")
    [claim] = fleet.claim(fleet.worker(), polls=1)
    assert claim.name == "b"
    assert 3599 < claim.late < 3700
    assert names(fleet.claim(fleet.worker())) == ["a"]


def test_a_release_counts_in_its_own_epoch_alone(fleet: Fleet) -> None:
    fleet.add("a")
    dead, alive = fleet.worker(), fleet.worker()
    [old] = fleet.claim(dead)
    fleet.expire(dead)
    [new] = fleet.claim(alive)
    assert new.epoch > old.epoch
    assert fleet.settle(old, delay=3600.0) == set()
    assert fleet.claims.held(alive) == {new.id: new.epoch}
    assert fleet.settle(new) == {new.id}


@pytest.mark.parametrize("has_row", [True, False])
def test_the_accounts_of_a_worker_that_is_forgotten_are_free(fleet: Fleet, has_row: bool) -> None:
    """All machines were off for a weekend, and the rows of dead workers are kept for a day."""
    fleet.add("a")
    dead = fleet.worker()
    [old] = fleet.claim(dead)
    if has_row:
        fleet.sql("UPDATE worker SET expires = now() - interval '2 days' WHERE id = ?", dead)
    else:
        fleet.sql("DELETE FROM worker WHERE id = ?", dead)
    alive = Worker(fleet.url, "new:1", 30.0)
    alive.start()
    try:
        [new] = fleet.claim(alive.id)
        assert new.epoch > old.epoch
        assert fleet.settle(old) == set()
    finally:
        alive.stop()


def test_the_accounts_of_a_dead_worker_are_taken_over_at_once(fleet: Fleet) -> None:
    fleet.add("a", "b", "c")
    dead = fleet.worker()
    fleet.claim(dead)
    assert fleet.claim(fleet.worker()) == []
    fleet.expire(dead)
    assert len(fleet.claim(fleet.worker())) == 3


def test_a_worker_that_has_expired_claims_nothing(fleet: Fleet) -> None:
    fleet.add("a")
    paused = fleet.worker()
    fleet.expire(paused)
    assert fleet.claim(paused) == []
    assert len(fleet.claim(fleet.worker())) == 1


def test_a_worker_that_registers_anew_keeps_what_nobody_has_claimed(fleet: Fleet) -> None:
    fleet.add("a", "b")
    before = fleet.worker()
    claims = fleet.claim(before)
    fleet.expire(before)
    other = fleet.worker()
    [taken] = fleet.claim(other, polls=1)
    now = fleet.worker()
    kept = fleet.claims.adopt(now, {one.id: one.epoch for one in claims})
    assert set(kept) == {one.id for one in claims} - {taken.id}
    assert fleet.claim(other) == []


def test_a_ledger_of_an_old_epoch_writes_nothing(fleet: Fleet) -> None:
    fleet.add("a")
    dead = fleet.worker()
    [old] = fleet.claim(dead)
    ledger = PostgresLedger(fleet.url, database=fleet.database)
    page = ledger.fenced("a", old.epoch).page("imap a@h", "smtp x", "INBOX", 1)
    page.offer(7, 100)
    fleet.expire(dead)
    fleet.claim(fleet.worker())
    with pytest.raises(Fenced):
        page.offer(8, 100)
    assert fleet.sql("SELECT count(*) FROM message") == [(1,)]


def test_a_host_is_polled_by_no_more_than_its_budget_over_all_workers(fleet: Fleet) -> None:
    fleet.add(*(f"big{number}" for number in range(20)), host="big")
    fleet.add("small1", "small2", host="small")
    one, other = fleet.worker(), fleet.worker()
    first = fleet.claim(one, polls=6, most=5)
    second = fleet.claim(other, polls=50, most=5)
    by_host = Counter(name.rstrip("0123456789") for name in names([*first, *second]))
    assert by_host == {"big": 5, "small": 2}
    assert fleet.claim(other, most=5) == []
    fleet.settle(*first, delay=100.0)
    third = fleet.claim(other, most=5)
    assert len(third) == sum(one.name.startswith("big") for one in first)
    assert not {one.name for one in third} & {one.name for one in [*first, *second]}


def test_accounts_that_wait_for_their_host_do_not_hide_the_others(fleet: Fleet) -> None:
    fleet.add(*(f"big{number}" for number in range(60)), host="big")
    fleet.sql("UPDATE account SET due = now() - interval '1 hour'")
    fleet.add("small", host="small")
    claimed = fleet.claim(fleet.worker(), polls=10, most=2)
    assert "small" in names(claimed)
    assert len(claimed) == 3


def test_connections_that_wait_for_news_are_not_counted(fleet: Fleet) -> None:
    fleet.add("a", "b", "c", watched=True)
    worker = fleet.worker()
    [first] = fleet.claim(worker, most=1)
    fleet.settle(first, keeps=True, watching=True, watched=True)
    [second] = fleet.claim(worker, most=1)
    assert second.name != first.name
    assert fleet.claims.held(worker).keys() == {first.id, second.id}


def test_a_kept_claim_stays_until_it_is_given_back(fleet: Fleet) -> None:
    fleet.add("a", watched=True)
    worker = fleet.worker()
    [claim] = fleet.claim(worker)
    for _ in range(2):
        assert fleet.settle(claim, keeps=True, watching=True, watched=True, code=0) == {claim.id}
        assert fleet.claim(fleet.worker()) == []
    fleet.settle(claim, watched=True)
    assert names(fleet.claim(fleet.worker())) == ["a"]


def test_a_worker_takes_no_more_accounts_to_watch_than_its_share(fleet: Fleet) -> None:
    fleet.add("w1", "w2", "w3", watched=True)
    fleet.add("p1", "p2")
    worker = fleet.worker()
    assert len([one for one in fleet.claim(worker, watches=2) if one.name[0] == "w"]) == 2
    assert fleet.claim(worker, watches=0) == []
    assert len(fleet.claim(fleet.worker(), watches=1)) == 1


def test_entries_of_an_rc_file_are_claimed_by_those_who_have_them(fleet: Fleet) -> None:
    ids = fleet.claims.put(
        [RcEntry("a", "h", "a", False, 60.0), RcEntry("b", "h", "b", False, 60.0)]
    )
    assert ids.keys() == {"a", "b"}
    fleet.sql("UPDATE account SET due = now()")
    worker = fleet.worker()
    assert fleet.claim(worker) == []
    [claim] = fleet.claim(worker, own=[ids["b"]])
    assert (claim.name, claim.text, claim.origin) == ("b", None, "rc")
    assert fleet.claims.put([RcEntry("b", "other", "b", False, 60.0)]) == {"b": ids["b"]}
    assert fleet.sql("SELECT host FROM account WHERE name = 'b'") == [("other",)]


def test_an_account_of_the_store_wins_over_an_entry_of_the_same_name(fleet: Fleet) -> None:
    fleet.add("a")
    assert fleet.claims.put([RcEntry("a", "h", "a", False, 60.0)]) == {}


def test_the_first_polls_of_many_new_entries_are_spread(fleet: Fleet) -> None:
    fleet.claims.put([RcEntry(f"a{n}", "h", "u", False, 60.0) for n in range(2000)])
    [(early, late)] = fleet.sql(
        "SELECT count(*) FILTER (WHERE due < now() + interval '10 seconds'),"
        " count(*) FILTER (WHERE due > now() + interval '50 seconds') FROM account"
    )
    assert 200 < early < 1000
    assert 100 < late < 600


def test_failures_and_refusals_are_those_of_the_row(fleet: Fleet) -> None:
    fleet.add("a")
    [claim] = fleet.claim(fleet.worker())
    fleet.settle(claim, failures=3, refusals=2, code=3)
    [again] = fleet.claim(fleet.worker())
    assert (again.failures, again.refusals) == (3, 2)
    [row] = fleet.accounts.find(["a"])
    assert (row.last_code, row.state) == (3, "polling")


def test_a_host_that_refuses_gets_fewer_connections_on_all_machines(fleet: Fleet) -> None:
    fleet.add(*(f"a{number}" for number in range(20)))
    worker = fleet.worker()
    first = fleet.claim(worker, polls=8, most=10)
    fleet.claims.refused(["h"], 10)
    fleet.claims.refused(["h"], 10)  # the same minute
    fleet.settle(*first)
    assert len(fleet.claim(worker, most=10)) == 4


def test_pausing_resuming_waking_and_removing(fleet: Fleet) -> None:
    fleet.add("a", "b")
    worker = fleet.worker()
    assert fleet.accounts.pause(["a", "x"], paused=True) == ["a"]
    [b] = fleet.claim(worker)
    assert b.name == "b"
    assert [one.state for one in fleet.accounts.find()] == ["paused", "polling"]
    assert fleet.accounts.remove(["a", "b"]) == ["a"]
    fleet.settle(b, delay=100.0, failures=3)
    assert fleet.claim(worker) == []
    fleet.accounts.wake(["b"])
    [b] = fleet.claim(worker)
    assert b.failures == 0
    fleet.settle(b)
    fleet.accounts.pause(["b"], paused=True)
    fleet.accounts.pause(["b"], paused=False)
    assert names(fleet.claim(worker)) == ["b"]


def test_changes_are_heard(fleet: Fleet) -> None:
    fleet.add("a")
    listener = Listener(fleet.url)
    listener.open()
    fleet.accounts.pause(["a"], paused=True)
    [(key,)] = fleet.sql("SELECT id FROM account")
    assert list(listener.hear()) == [str(key)]
    assert fleet.claims.look([key]) == {key: (True, "poll h")}
    listener.close()


def test_workers_that_claim_at_the_same_time_share_everything_once(fleet: Fleet) -> None:
    fleet.add(*(f"a{number}" for number in range(300)), host="h")
    found: list[Claim] = []

    def run() -> None:
        own = Fleet(fleet.url)
        worker = own.worker()
        for _ in range(12):
            found.extend(own.claim(worker, polls=10, most=200))
        own.database.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert len({one.id for one in found}) == 200
