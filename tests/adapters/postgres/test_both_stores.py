"""Whatever is done with a ledger, both stores answer the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailhaul.adapters.ledger.alerts import AlertBook
from mailhaul.adapters.ledger.imported import count_known, fetched_uids, record_fetched
from mailhaul.adapters.ledger.quarantine import drop, retry, stuck
from mailhaul.adapters.ledger.renames import forget_account, rename_account
from mailhaul.adapters.ledger.rests import DayMeter, end_rest, set_rest
from mailhaul.adapters.ledger.results import entry_results, waiting
from mailhaul.adapters.ledger.retention import confirm, date_undated, mailboxes_of
from mailhaul.adapters.ledger.store import SqliteLedger, SqlLedger
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.flows.account import Action
from mailhaul.flows.alerts import Alert
from mailhaul.flows.ledger import Acceptance, Page
from mailhaul.flows.outcome import ExitCode, Outcome, PollCounts, Verdict
from mailhaul.flows.retention import Standing
from mailhaul.flows.row_states import WrongRow
from mailhaul.flows.source import Listed, Uid

pytestmark = pytest.mark.real

ACCOUNTS = ("imap joe@one", "imap joe@two", "imap j\udcf6@one", "pop3 joe@one")
SINKS = ("smtp here", "smtp there", "mda cat")
UIDS: tuple[Uid, ...] = (1, 2, 10, 2**32 - 1, b"1", b"a b", b"\xff")
Step = Callable[["Ledgers", SqlLedger], Any]


class InMemory(SqliteLedger):
    """The usual store, without a file."""

    def _open(self) -> sqlite3.Connection:
        self._connection = self._connect()
        return self._connection


class Ledgers:
    """The pages that steps use, for each store."""

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}
        self.now = 1_000_000_000.0

    def page(self, ledger: SqlLedger) -> Page:
        if id(ledger) not in self.pages:
            self.pages[id(ledger)] = ledger.page(ACCOUNTS[0], SINKS[0], "INBOX", 1)
        return self.pages[id(ledger)]


uids = st.sampled_from(UIDS)
sizes = st.sampled_from((0, 10, 20, 2**70))
listed = st.builds(Listed, uids, sizes)
several = st.lists(listed, max_size=4, unique_by=lambda one: one.uid)
some_uids = st.lists(uids, max_size=4, unique=True)
marks = st.sampled_from((b"", b"one", b"two\0"))
verdicts = st.sampled_from(list(Verdict))
outcomes = st.builds(
    Outcome,
    verdicts,
    st.sampled_from(("", "no\0", "n\udcf6")),
    st.lists(st.tuples(st.sampled_from(("joe", "j\udcf6")), verdicts), max_size=2).map(tuple),
)
actions = st.sampled_from(list(Action))
accounts, sinks = st.sampled_from(ACCOUNTS), st.sampled_from(SINKS)
acceptances = st.lists(st.builds(Acceptance, uids, sizes, actions, outcomes, marks), max_size=3)


def on_page(call: Callable[[Page, SqlLedger], Any]) -> Step:
    return lambda world, ledger: call(world.page(ledger), ledger)


def turn(account: str, sink: str, mailbox: str, uidvalidity: int) -> Step:
    def step(world: Ledgers, ledger: SqlLedger) -> Any:
        page = world.pages[id(ledger)] = ledger.page(account, sink, mailbox, uidvalidity)
        return page.is_new, page.was_put_off, page.is_renumbered

    return step


def relatives(account: str, parts: Sequence[Listed], *, take: bool) -> Step:
    def step(world: Ledgers, ledger: SqlLedger) -> Any:
        found = sorted(
            ledger.relatives(account, "imap joe@", "INBOX", 1), key=lambda one: one.account
        )
        alike = [ledger.resemblance(one, parts) for one in found]
        if take and found:
            ledger.take_over(found[0], account)
            world.pages.clear()
        return [(one.account, one.known, one.expected) for one in found], alike

    return step


def deduplicated(several: Sequence[Acceptance], contents: dict[Uid, bytes]) -> Step:
    def step(world: Ledgers, ledger: SqlLedger) -> Any:
        page = world.page(ledger)
        page.contents = contents
        page.accept(several)
        page.contents = {}
        known = ledger.page(ACCOUNTS[0], SINKS[0], "Other", 1).reading()
        return known.known_contents([b"c1", b"c2"])

    return step


def quarantined(act: Callable[[SqlLedger, Sequence[str]], None], at: int) -> Step:
    def step(world: Ledgers, ledger: SqlLedger) -> Any:
        found = sorted(stuck(ledger), key=lambda one: (one.account, one.sink, repr(one.uid)))
        if found:
            act(ledger, [found[at % len(found)].key])
        # The key is a random number.
        return [(one.account, one.sink, one.uid, one.tries, one.reason) for one in found]

    return step


def metered(account: str, sizes: Sequence[int]) -> Step:
    def step(world: Ledgers, ledger: SqlLedger) -> Any:
        full: list[float] = []
        taken = DayMeter(ledger, account, 100, full.append).take(sizes)
        return taken, full, ledger.rest_of(account)

    return step


def passing(seconds: float) -> Step:
    def step(world: Ledgers, ledger: SqlLedger) -> None:
        # Once for both.
        world.now += seconds / 2

    return step


def result(entry: str, code: ExitCode, words: str) -> Step:
    return lambda world, ledger: ledger.record_result(
        entry, world.now, code, words, PollCounts(), 0.25
    )


def all_of(ledger: SqlLedger) -> Any:
    """Return what the ledger knows, in an order that does not depend on its keys."""
    return (
        sorted(ledger.accounts()),
        entry_results(ledger),
        sorted(map(str, waiting(ledger))),
        sorted(map(str, AlertBook(ledger).told())),
        [[*fetched_uids(ledger, account)] for account in ACCOUNTS],
        [sorted((m.name, m.undated) for m in mailboxes_of(ledger, one)) for one in ACCOUNTS],
        [ledger.rest_of(account) for account in ACCOUNTS],
    )


def by_uid(offers: Any) -> Any:
    return {uid: (one.again, one.served, one.fingerprint) for uid, one in offers.items()}


def offered(page: Page, uid: Uid, size: int) -> Any:
    return by_uid({uid: page.offer(uid, size)})


steps = st.one_of(
    st.builds(turn, accounts, sinks, st.sampled_from(("INBOX", "L\udcff")), st.integers(1, 7)),
    several.map(lambda a: on_page(lambda page, _: page.compare(a))),
    several.map(lambda a: on_page(lambda page, _: page.mark_seen(a))),
    several.map(lambda a: on_page(lambda page, _: by_uid(page.reserve(a)))),
    several.map(lambda a: on_page(lambda page, _: page.delete_unread(a))),
    some_uids.map(lambda a: on_page(lambda page, _: page.fingerprints(a))),
    some_uids.map(lambda a: on_page(lambda page, _: page.keep_only([a[:2], a[2:]]))),
    some_uids.map(lambda a: on_page(lambda page, _: page.forget(a))),
    some_uids.map(lambda a: on_page(lambda page, _: page.count_tries(a, 1))),
    st.dictionaries(uids, marks, max_size=2).map(
        lambda a: on_page(lambda page, _: page.set_fingerprints(a))
    ),
    listed.map(lambda a: on_page(lambda page, _: offered(page, a.uid, a.size))),
    st.tuples(listed, outcomes.filter(lambda one: not one.accepted), marks).map(
        lambda a: on_page(lambda page, _: page.reject(a[0].uid, a[0].size, a[1], a[2]))
    ),
    listed.map(
        lambda a: on_page(
            lambda page, _: page.unreadable(a.uid, a.size, "why\udcff\0", counted=bool(a.size))
        )
    ),
    uids.map(lambda a: on_page(lambda page, _: page.set_aside(a))),
    acceptances.map(lambda a: on_page(lambda page, _: page.accept(a))),
    st.builds(deduplicated, acceptances, st.dictionaries(uids, st.sampled_from((b"c1", b"c2")))),
    st.sampled_from(
        [
            on_page(lambda page, _: page.pending()),
            on_page(lambda page, _: sorted(page.undelivered(), key=repr)),
            on_page(lambda page, _: page.count_seen()),
            on_page(lambda page, _: page.mark_compared()),
            on_page(lambda page, _: page.put_off()),
            on_page(lambda page, _: page.make_durable()),
            on_page(lambda page, _: sorted(page.reading().former())),
            on_page(lambda page, _: page.retention().look(60)),
            on_page(lambda page, _: page.retention().due(2_000_000_000, 3)),
        ]
    ),
    st.tuples(several, marks).map(
        lambda a: on_page(lambda page, _: page.reading().leave_out(a[0], a[1]))
    ),
    st.tuples(several, marks).map(
        lambda a: on_page(lambda page, _: {*page.reading().left_out(a[0], (b"", a[1]))})
    ),
    some_uids.map(lambda a: on_page(lambda page, _: page.reading().keep_left_out({*a}))),
    some_uids.map(lambda a: on_page(lambda page, _: sorted(page.reading().gone([a])))),
    st.tuples(several, marks).map(
        lambda a: on_page(lambda page, _: page.reading().add_seen([(one, a[1]) for one in a[0]]))
    ),
    st.tuples(several, actions).map(
        lambda a: on_page(lambda page, _: page.reading().accept_copies(*a))
    ),
    some_uids.map(lambda a: on_page(lambda page, _: page.retention().disown(a))),
    st.integers(0, 9).map(
        lambda a: on_page(lambda page, _: page.retention().note(Standing(60, a, 7, a, "held")))
    ),
    st.builds(relatives, accounts, several, take=st.booleans()),
    st.builds(quarantined, st.sampled_from((drop, retry)), st.integers(0, 3)),
    st.builds(metered, accounts, st.lists(st.sampled_from((30, 60, 200)), max_size=3)),
    st.sampled_from((1.0, 3600.0, 86400.0)).map(passing),
    st.builds(
        result,
        st.sampled_from(("joe", "j\udcf6")),
        st.sampled_from(list(ExitCode)),
        st.sampled_from(("", "w\udcff\0")),
    ),
    st.tuples(accounts, st.integers(0, 99)).map(
        lambda a: lambda world, ledger: set_rest(ledger, a[0], world.now + a[1], "r\udcff")
    ),
    accounts.map(lambda a: lambda world, ledger: end_rest(ledger, a)),
    accounts.map(
        lambda a: lambda world, ledger: AlertBook(ledger).tell(Alert(f"t {a}", a, 5, None))
    ),
    st.tuples(accounts, st.integers(0, 2)).map(
        lambda a: lambda world, ledger: AlertBook(ledger).say_once(a[0], "hook", a[1])
    ),
    accounts.map(lambda a: lambda world, ledger: AlertBook(ledger).over(a, "hook")),
    st.tuples(accounts, some_uids, st.booleans()).map(
        lambda a: (
            lambda world, ledger: (
                record_fetched(ledger, a[0], "INBOX", 1, a[1], is_complete=a[2]),
                count_known(ledger, a[0], "INBOX", 1, UIDS),
            )
        )
    ),
    st.tuples(accounts, accounts).map(
        lambda a: lambda world, ledger: (rename_account(ledger, *a), world.pages.clear())[:1]
    ),
    accounts.map(
        lambda a: lambda world, ledger: (forget_account(ledger, a), world.pages.clear())[:1]
    ),
    accounts.map(
        lambda a: (
            lambda world, ledger: date_undated(ledger, [one.key for one in mailboxes_of(ledger, a)])
        )
    ),
    accounts.map(
        lambda a: (
            lambda world, ledger: confirm(ledger, {one.key: 5 for one in mailboxes_of(ledger, a)})
        )
    ),
)


@settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(steps, min_size=8, max_size=30))
def test_both_stores_answer_the_same(
    ledger: PostgresLedger, tmp_path: Path, plan: list[Step]
) -> None:
    world = Ledgers()
    clock = lambda: world.now  # noqa: E731  it is one for both
    ledger.clock = clock
    ledger.database.write(delete_all)
    usual = InMemory(":memory:", clock)
    for number, step in enumerate(plan):
        answers = [answer(step, world, each) for each in (usual, ledger)]
        assert answers[0] == answers[1], number
    assert all_of(usual) == all_of(ledger)
    usual.close()


def answer(step: Step, world: Ledgers, ledger: SqlLedger) -> Any:
    """Return what a step returns; a step that the state of a row does not allow changes nothing."""
    try:
        return step(world, ledger)
    except WrongRow:
        return "not allowed"


def delete_all(db: Any) -> None:
    from tests.real.servers.postgres import delete_all

    delete_all(db)
