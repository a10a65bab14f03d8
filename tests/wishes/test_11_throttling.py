"""Wish 11: what a provider says about its limits is obeyed, and later it goes on where it stopped.

OVERQUOTA, "Suggested Backoff Time", and Gmail's 2.5 GB a day. imapsync#272, imapsync#212,
mailcow#1554, OfficeDocs-Exchange#483, imap-backup#218.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.scripted_imap import ScriptedImap, message, subjects
from tests.apps.bad.test_throttled_polls import BACKOFF, OVERQUOTA, Runs
from tests.apps.bad.test_throttled_polls import runs as runs  # noqa: PLC0414  # a fixture
from tests.apps.test_single_run_alerts import Cron
from tests.apps.test_single_run_alerts import cron as cron  # noqa: PLC0414  # a fixture

HOUR = 3600


def pass_time(ledger: SqliteLedger, seconds: int) -> None:
    """Let time pass: what the ledger knows becomes so much older."""
    with closing(ledger):
        ledger.write(lambda db: db.execute("UPDATE rest SET until = until - ?", (seconds,)))
        hours = seconds // HOUR
        ledger.write(lambda db: db.execute("UPDATE traffic SET hour = hour - ?", (hours,)))


def arrived(runs: Runs) -> list[int]:
    """Return the numbers of the messages that were delivered."""
    return sorted(subjects(path.read_bytes() for path in runs.home.glob("Mail0/new/*")))


@pytest.fixture
def server() -> Iterator[ScriptedImap]:
    with ScriptedImap(*(message(number) for number in range(1, 6))) as server:
        yield server


@pytest.mark.parametrize(
    ("words", "seconds"), [(OVERQUOTA, HOUR), (BACKOFF, 92)], ids=["OVERQUOTA", "Backoff Time"]
)
def test_in_the_middle_of_a_mailbox_it_rests_and_goes_on_later(
    runs: Runs, server: ScriptedImap, words: bytes, seconds: int
) -> None:
    server.answers = dict.fromkeys(("UID FETCH 3", "UID FETCH 4", "UID FETCH 5"), words)
    runs.run(server.port)
    assert arrived(runs) == [1, 2]
    assert "joe0@server0: the server wants a rest; not polled before" in runs.out.getvalue()
    server.answers = {}
    visits = server.visits
    pass_time(runs.ledger(), seconds // 2)
    assert runs.run(server.port) is ExitCode.SERVBUSY
    # The server is not asked at all, and says nothing that would count as a failure.
    assert (server.visits, arrived(runs)) == (visits, [1, 2])
    pass_time(runs.ledger(), seconds // 2 + 1)
    assert runs.run(server.port) is ExitCode.SUCCESS
    assert arrived(runs) == [1, 2, 3, 4, 5]
    assert server.mailbox == {}


def test_a_large_mailbox_is_fetched_in_shares_of_a_day(cron: Cron) -> None:
    """As with ``daylimit 2500m`` for Gmail; here a share is enough for two messages."""
    for _ in range(5):
        cron.arrive(1000)
    had: list[int] = []
    for _ in range(3):
        for _ in range(3):
            # Within the day further runs bring nothing, and do not visit the server.
            code = cron.run(cron.up, "daylimit 2500")
            had.append(5 - len(cron.inbox.messages))
        pass_time(cron.ledger(), 25 * HOUR)
    assert had == [2, 2, 2, 4, 4, 4, 5, 5, 5]
    assert code is ExitCode.NOMAIL
    assert cron.visits == 3 + 2
    # That is no failure of which the user would be told.
    assert len(list((cron.home / "Mail" / "new").glob("*"))) == 5
