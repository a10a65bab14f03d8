"""When a user is told that an entry fails, and that it works again."""

from __future__ import annotations

import pytest

from mailhaul.flows.alerts import (
    Alert,
    Change,
    State,
    change_of,
    ended_by,
    login_topic,
    topic_of,
)
from mailhaul.flows.outcome import ExitCode
from mailhaul.protocols.record import replace

JOE, LOGIN = "joe@server", "login joe@server"
DOWN = State(JOE, ExitCode.SOCKET, 3, f"entry {JOE}", LOGIN)
TOLD = Alert(f"entry {JOE}", JOE, 100, ExitCode.SOCKET)
LOCKED_OUT = replace(DOWN, code=ExitCode.AUTHFAIL, topic=LOGIN)
WORKS = replace(DOWN, code=ExitCode.NOMAIL, failures=0)


def fails(entry: str) -> bool:
    return entry != "gone"


@pytest.mark.parametrize(
    ("failures", "after", "change"),
    [(1, 3, None), (2, 3, None), (3, 3, Change.FAILURE), (9, 3, Change.FAILURE),
     (1, 1, Change.FAILURE), (9, 0, None)],
)  # fmt: skip
def test_it_is_told_after_so_many_failures_in_a_row(
    failures: int, after: int, change: Change | None
) -> None:
    assert change_of(replace(DOWN, failures=failures), after, [], fails) is change


def test_it_is_told_once_whatever_fails_next() -> None:
    assert change_of(DOWN, 3, [TOLD], fails) is None
    assert change_of(LOCKED_OUT, 3, [TOLD], fails) is None


def test_a_recovery_is_told_only_after_a_failure_was() -> None:
    assert change_of(WORKS, 3, [], fails) is None
    assert change_of(WORKS, 3, [replace(TOLD, entry="ann@server", topic="x")], fails) is None
    assert change_of(WORKS, 3, [TOLD], fails) is Change.RECOVERY
    # Also if the user has switched alerts off meanwhile: an alert has an end.
    assert change_of(WORKS, 0, [TOLD], fails) is Change.RECOVERY
    assert ended_by(WORKS, [TOLD]) == [TOLD]


def test_another_mailhaul_at_work_is_no_change() -> None:
    busy = replace(DOWN, code=ExitCode.EXCLUDE)
    assert change_of(busy, 3, [], fails) is None
    assert change_of(busy, 3, [TOLD], fails) is None


@pytest.mark.parametrize("topic", [LOGIN, "token gmail joe"])
def test_entries_that_share_a_password_or_a_token_are_told_once(topic: str) -> None:
    other = Alert(topic, "joe@server (Lists)", 100, ExitCode.AUTHFAIL)
    mine = replace(LOCKED_OUT, topic=topic)
    assert change_of(mine, 3, [other], fails) is None
    # But an entry that is no longer in the rc file does not silence the others.
    assert change_of(mine, 3, [replace(other, entry="gone")], fails) is Change.FAILURE


def test_an_accepted_login_ends_what_was_told_about_it_by_any_entry() -> None:
    other = Alert(LOGIN, "joe@server (Lists)", 100, ExitCode.AUTHFAIL)
    assert ended_by(WORKS, [other, replace(other, topic="token x")]) == [other]


def test_the_topic_is_the_token_the_login_or_the_entry() -> None:
    login = login_topic("joe", "server")
    assert login == LOGIN
    assert topic_of(JOE, login, ExitCode.SOCKET, "t") == "token t"
    assert topic_of(JOE, login, ExitCode.AUTHFAIL, "") == LOGIN
    assert topic_of(JOE, login, ExitCode.SMTP, "") == f"entry {JOE}"
