"""When accounts are polled, over weeks of virtual time."""

from __future__ import annotations

import pytest

from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.schedule import (
    AFTER_REFUSALS,
    JITTER,
    MAX_SECONDS,
    MAX_SECONDS_AFTER,
    PARKED_SECONDS,
    Schedule,
)


def made(interval: float = 60.0, chance: float = 0.5) -> Schedule:
    return Schedule(interval, lambda: chance)


def test_the_first_poll_is_due_at_once() -> None:
    assert made().due < 0


@pytest.mark.parametrize("code", [ExitCode.SUCCESS, ExitCode.NOMAIL, ExitCode.MAXFETCH])
def test_the_interval_counts_from_the_end_of_a_poll(code: ExitCode) -> None:
    schedule = made()
    assert schedule.ended(1000.0, code) == ""
    assert schedule.due == 1060.0


def test_one_failure_changes_nothing_and_more_extend_the_interval_up_to_an_hour() -> None:
    schedule = made()
    delays: list[float] = []
    for _ in range(12):
        schedule.ended(0.0, ExitCode.SOCKET)
        delays.append(schedule.due)
    assert delays[:4] == [60.0, 120.0, 240.0, 480.0]
    assert delays[-1] == MAX_SECONDS
    schedule.ended(0.0, ExitCode.NOMAIL)
    assert schedule.due == 60.0


@pytest.mark.parametrize("code", MAX_SECONDS_AFTER)
def test_after_a_dns_failure_or_a_lock_the_interval_grows_less(
    code: ExitCode,
) -> None:
    schedule = made()
    for _ in range(100):
        schedule.ended(0.0, code)
    assert schedule.due == MAX_SECONDS_AFTER[code]
    schedule.ended(0.0, ExitCode.SOCKET)
    assert schedule.due == MAX_SECONDS
    slow = made(3 * MAX_SECONDS)
    for _ in range(5):
        slow.ended(0.0, code)
    assert slow.due == 3 * MAX_SECONDS


def test_the_login_delay_of_a_server_is_respected_up_to_an_hour() -> None:
    schedule = made()
    for wanted, given in ((900.0, 900.0), (30.0, 60.0), (1e9, MAX_SECONDS), (0.0, 60.0)):
        schedule.wait_between(wanted)
        schedule.ended(0.0, ExitCode.NOMAIL)
        assert schedule.due == given
    schedule.wait_between(900.0)
    schedule.ended(0.0, ExitCode.SOCKET)
    assert schedule.due == 900.0


def test_an_interval_of_hours_is_not_made_shorter() -> None:
    schedule = made(3 * MAX_SECONDS)
    for _ in range(5):
        schedule.ended(0.0, ExitCode.SOCKET)
    assert schedule.due == 3 * MAX_SECONDS


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1 - JITTER), (1.0, 1 + JITTER)])
def test_delays_vary_randomly(chance: float, factor: float) -> None:
    schedule = made(chance=chance)
    schedule.ended(0.0, ExitCode.DNS)
    schedule.ended(0.0, ExitCode.DNS)
    assert schedule.due == pytest.approx(120.0 * factor)


def test_a_wrong_password_is_tried_a_few_times_and_then_once_a_day() -> None:
    schedule = made()
    now, tries, said = 0.0, 0, []
    while now < 30 * 24 * 3600:
        said.append(schedule.ended(now, ExitCode.AUTHFAIL))
        now = schedule.due
        tries += 1
    assert tries <= len(AFTER_REFUSALS) + 31
    (once,) = filter(None, said)
    assert "tried once a day" in once
    assert schedule.parked


def test_after_an_outage_that_looks_like_a_wrong_password_polls_resume() -> None:
    schedule = made()
    schedule.ended(0.0, ExitCode.AUTHFAIL)
    assert not schedule.parked
    assert schedule.ended(schedule.due, ExitCode.NOMAIL) == "the login is accepted again"
    assert schedule.ended(1000.0, ExitCode.AUTHFAIL) == ""
    assert schedule.due == 1000.0 + AFTER_REFUSALS[0]


def test_a_wake_up_resets_refused_logins() -> None:
    schedule = made()
    for _ in range(10):
        schedule.ended(0.0, ExitCode.AUTHFAIL)
    assert schedule.due == PARKED_SECONDS
    schedule.wake()
    assert schedule.due < 0
    schedule.ended(0.0, ExitCode.AUTHFAIL)
    assert schedule.due == AFTER_REFUSALS[0]


def test_another_mailhaul_at_the_account_is_no_failure() -> None:
    schedule = made()
    for _ in range(5):
        schedule.ended(0.0, ExitCode.EXCLUDE)
    assert schedule.due == 60.0
