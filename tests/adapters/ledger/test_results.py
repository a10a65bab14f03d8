"""How the polls of each entry ended, as the ledger has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailhaul.adapters.ledger.results import (
    EntryResult,
    Waiting,
    entry_result,
    entry_results,
    waiting,
    with_result,
)
from mailhaul.adapters.ledger.schema import VERSION
from mailhaul.adapters.ledger.store import SqliteLedger, SqlLedger
from mailhaul.flows.outcome import ExitCode, Outcome, PollCounts, PollResult, Verdict
from mailhaul.protocols.record import replace

from .conftest import Stores
from .older import make_older

JOE = "joe@server"


@pytest.fixture
def ledger(store: Stores) -> SqlLedger:
    return store()


def counts(**each: int) -> PollCounts:
    made = PollCounts()
    for name, count in each.items():
        setattr(made, name, count)
    return made


def test_an_entry_that_was_never_polled_has_an_empty_result(ledger: SqlLedger) -> None:
    assert entry_results(ledger) == {}
    assert entry_result(ledger, JOE) == EntryResult(JOE)


def test_failures_in_a_row_are_counted_until_a_success(ledger: SqlLedger) -> None:
    for when in (100, 200, 300):
        ledger.record_result(JOE, when, ExitCode.AUTHFAIL, f"refused at {when}")
    found = entry_result(ledger, JOE)
    assert (found.failures, found.since, found.success) == (3, 100, 0)
    assert (found.time, found.code, found.words) == (300, ExitCode.AUTHFAIL, "refused at 300")
    ledger.record_result(JOE, 400, ExitCode.NOMAIL)
    found = entry_result(ledger, JOE)
    assert (found.failures, found.since, found.success) == (0, 0, 400)
    assert (found.code, found.words) == (ExitCode.NOMAIL, "")
    # What went wrong last is known afterwards as well.
    last = (found.error_time, found.error_code, found.error_words)
    assert last == (300, ExitCode.AUTHFAIL, "refused at 300")
    ledger.record_result(JOE, 500, ExitCode.SOCKET, "no route")
    found = entry_result(ledger, JOE)
    assert (found.failures, found.since, found.error_words) == (1, 500, "no route")


@pytest.mark.parametrize("code", list(ExitCode))
def test_each_code_is_a_success_a_failure_or_neither(ledger: SqlLedger, code: ExitCode) -> None:
    ledger.record_result(JOE, 100, code, "words")
    found = entry_result(ledger, JOE)
    good = code in {ExitCode.SUCCESS, ExitCode.NOMAIL, ExitCode.MAXFETCH}
    neutral = code is ExitCode.EXCLUDE
    assert found.success == (100 if good else 0)
    assert found.failures == (0 if good or neutral else 1)
    assert found.codes == {code.name: 1}


def test_another_mailhaul_at_work_changes_no_count_of_failures(ledger: SqlLedger) -> None:
    ledger.record_result(JOE, 100, ExitCode.SOCKET, "down")
    ledger.record_result(JOE, 200, ExitCode.EXCLUDE, "another mailhaul")
    found = entry_result(ledger, JOE)
    assert (found.failures, found.since, found.time) == (1, 100, 200)
    assert (found.code, found.error_words) == (ExitCode.EXCLUDE, "down")


def test_the_counts_of_all_polls_are_added_up(ledger: SqlLedger) -> None:
    some = counts(fetched=3, delivered=1, octets=500, refused=1, postponed=1)
    ledger.record_results(
        [
            PollResult(JOE, 100.0, ExitCode.SUCCESS, "", some, 1.5),
            PollResult("ann@server", 100.0, ExitCode.NOMAIL, "", counts()),
            PollResult(JOE, 200.0, ExitCode.SUCCESS, "", counts(fetched=1, spam=1), 0.25),
        ]
    )
    found = entry_results(ledger)
    assert sorted(found) == ["ann@server", JOE]
    joe = found[JOE]
    assert (joe.polls, joe.seconds, joe.codes) == (2, 1.75, {"SUCCESS": 2})
    assert (joe.fetched, joe.delivered, joe.octets) == (4, 1, 500)
    assert (joe.refused, joe.postponed, joe.spam) == (1, 1, 1)
    assert found["ann@server"].polls == 1


def test_a_result_is_one_statement(tmp_path: Path) -> None:
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.record_result(JOE, 100, ExitCode.NOMAIL)
    statements: list[str] = []
    assert ledger._connection
    ledger._connection.set_trace_callback(statements.append)
    statements.clear()
    ledger.record_result(JOE, 200, ExitCode.NOMAIL)
    ledger.record_results([PollResult(JOE, 300.0, ExitCode.NOMAIL, "", counts())])
    assert [one.split()[0] for one in statements] == ["INSERT", "INSERT"]


def test_names_and_words_may_hold_any_octets(ledger: SqlLedger) -> None:
    name = "j\udcf6rg@server"
    ledger.record_result(name, 100, ExitCode.AUTHFAIL, "n\udcf6 \N{SNOWMAN}")
    found = entry_results(ledger)[name]
    assert found == entry_result(ledger, name)
    assert found.words == "n\\udcf6 \N{SNOWMAN}"


def test_a_code_of_a_newer_version_is_an_unknown_one(ledger: SqlLedger) -> None:
    ledger.record_result(JOE, 100, ExitCode.NOMAIL)
    ledger.write(lambda db: db.execute("UPDATE result SET code = 99"))
    assert entry_result(ledger, JOE).code is None


def test_what_waits_is_counted_for_each_mailbox(store: Stores) -> None:
    ledger = store(lambda: 5000.0)
    page = ledger.page("imap joe@server", "mda cat", "INBOX", 7)
    for uid, verdict in ((1, Verdict.REFUSED), (2, Verdict.POSTPONED)):
        page.offer(uid, 10)
        page.reject(uid, 10, Outcome(verdict, "no"))
    page.offer(3, 10)
    other = ledger.page("imap joe@server", "mda cat", "Lists", 7)
    other.offer(1, 10)
    assert list(waiting(ledger)) == [
        Waiting("imap joe@server", "INBOX", 2, 1, 0, 5000),
        Waiting("imap joe@server", "Lists", 1, 0, 0, 5000),
    ]


def test_last_successes_of_version_7_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    SqliteLedger(str(path)).last_success()
    make_older(path, 7, "INSERT INTO success VALUES ('joe@server', 77)")
    ledger = SqliteLedger(str(path))
    found = entry_result(ledger, JOE)
    assert (found.success, found.time, found.code, found.polls) == (77, 77, None, 0)
    assert ledger.write(lambda db: db.execute("PRAGMA user_version").fetchone()) == (VERSION,)
    ledger.record_result(JOE, 100, ExitCode.SOCKET, "down")
    found = entry_result(ledger, JOE)
    assert (found.success, found.failures, found.polls) == (77, 1, 1)


def test_the_size_of_the_ledger_is_that_of_its_files(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(str(path))
    assert ledger.octets() == 0
    ledger.record_result(JOE, 100, ExitCode.NOMAIL)
    assert ledger.octets() >= path.stat().st_size > 0


def test_the_size_of_the_ledger_is_known(ledger: SqlLedger) -> None:
    ledger.record_result(JOE, 100, ExitCode.NOMAIL)
    assert ledger.octets() > 4096


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(ExitCode)), st.text(max_size=4), st.integers(0, 9), st.floats(0, 9)
        ),
        max_size=6,
    )
)
def test_a_copy_in_memory_is_always_what_the_ledger_has(
    ledger: SqlLedger, polls: list[tuple[ExitCode, str, int, float]]
) -> None:
    ledger.write(lambda db: db.execute("DELETE FROM result"))
    copy = EntryResult(JOE)
    for when, (code, words, count, took) in enumerate(polls, 100):
        some = counts(fetched=count, octets=10 * count, delivered=count // 2, spam=count % 2)
        result = PollResult(JOE, when, code, words, some, took)
        ledger.record_results([result])
        copy = with_result(copy, result)
    found = entry_result(ledger, JOE)
    assert replace(found, seconds=0.0) == replace(copy, seconds=0.0)
    assert found.seconds == pytest.approx(copy.seconds)
