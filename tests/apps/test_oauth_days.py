"""A day of trouble with tokens: no storm of tries, one mail to the user, and no restart needed.

What is told, and when, is the same for every trouble: one mail after the third failed poll, and one
when mail is fetched again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.apps.daemon.view import live_of
from mailhaul.apps.polls.status import Live
from mailhaul.flows.outcome import ExitCode

from ..adapters.oauth.issuer import START
from .oauth_days import DAY, HOUR, MINUTE, TICK, OAuthDays, most_in_an_hour

FAILED = "mailhaul authentication failed on joe@mail.example"
WORKS = "mailhaul authentication OK on joe@mail.example"


@pytest.fixture
def transcript() -> None:
    """Record nothing, because there are thousands of polls."""


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OAuthDays:
    return OAuthDays(tmp_path, monkeypatch)


def live(scheduler: Scheduler) -> Live:
    return live_of(scheduler.jobs[0], time.time(), trio.current_time())


def gone(days: OAuthDays) -> None:
    days.issuer_is_down = True


def answering(status: int, document: Any) -> Callable[[OAuthDays], None]:
    def begin(days: OAuthDays) -> None:
        days.issuer.answer = lambda form: (status, document)

    return begin


def revoked(days: OAuthDays) -> None:
    days.issuer.revoke()


def refused_by_mail(days: OAuthDays) -> None:
    days.mail_refuses = True


def healed(days: OAuthDays) -> None:
    days.issuer_is_down = days.mail_refuses = False
    days.issuer.answer = None
    if days.issuer.revoked:
        days.log_in()


TROUBLES = {
    "the issuer is down": (gone, ExitCode.SOCKET),
    "503": (answering(503, b"<html>down"), ExitCode.SOCKET),
    "429": (answering(429, {"error": "slow_down"}), ExitCode.SOCKET),
    "nonsense": (answering(200, b"<html>sign in"), ExitCode.AUTHFAIL),
    "the client is unknown": (answering(401, {"error": "invalid_client"}), ExitCode.AUTHFAIL),
    "the consent is revoked": (revoked, ExitCode.AUTHFAIL),
    "the mail server refuses": (refused_by_mail, ExitCode.AUTHFAIL),
}


OFTEN = ("the issuer is down", "the consent is revoked", "the mail server refuses")
"""Troubles with polls every minute."""


@pytest.mark.parametrize(
    ("trouble", "interval"),
    [*((name, 10 * MINUTE) for name in TROUBLES), *((name, MINUTE) for name in OFTEN)],
)
def test_a_day_of_trouble_is_told_once_and_ends_without_a_restart(
    days: OAuthDays, trouble: str, interval: float
) -> None:
    begin, code = TROUBLES[trouble]
    told: list[float] = []

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        days.arrive()
        await trio.sleep(HOUR)
        assert days.delivered == 1
        assert days.notices == []
        begin(days)
        days.codes.clear()
        days.issuer.tried.clear()
        # Tokens are good until they expire; then it begins.
        while len([one for one in days.codes if one not in GOOD]) < 3:
            await trio.sleep(10.0)
        await trio.sleep(interval)
        assert days.notices == [FAILED]
        told.append(trio.current_time())
        days.arrive()
        await trio.sleep(DAY)
        assert days.notices == [FAILED]
        assert days.delivered == 1
        assert days.codes[-1] is code
        healed(days)
        longest = 1.2 * (HOUR if code is ExitCode.SOCKET else DAY)
        if begin is revoked:
            longest = TICK + MINUTE + 1
        healed_at = trio.current_time()
        while days.delivered < 2:
            await trio.sleep(MINUTE)
            assert trio.current_time() - healed_at < longest
        await trio.sleep(HOUR)
        assert days.notices == [FAILED, WORKS]

    days.live(story, interval)
    # Failed polls come no faster than the schedule lets them, and most ask nobody.
    assert most_in_an_hour(days.refused) <= 5
    troubled = [when for when in days.issuer.tried if when - START < told[0] + DAY]
    assert most_in_an_hour(troubled) <= 5


def test_a_token_that_fails_for_days_is_told_once_over_restarts_too(days: OAuthDays) -> None:
    async def fail(scheduler: Scheduler) -> None:
        revoked(days)
        while days.codes[-3:] != [ExitCode.AUTHFAIL] * 3:
            await trio.sleep(10.0)
        await trio.sleep(10 * MINUTE)
        assert days.notices == [FAILED]

    async def fail_on(scheduler: Scheduler) -> None:
        await trio.sleep(3 * DAY)
        assert days.notices == [FAILED]

    async def work_again(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(DAY)
        assert days.notices == [FAILED, WORKS]

    async def work_on(scheduler: Scheduler) -> None:
        await trio.sleep(HOUR)
        assert days.notices == [FAILED, WORKS]

    for story in (fail, fail_on, work_again, work_on):
        days.live(story, 10 * MINUTE)


GOOD = {ExitCode.SUCCESS, ExitCode.NOMAIL}


@pytest.mark.parametrize(
    "trouble", ["503", "the client is unknown", "the consent is revoked", "the mail server refuses"]
)
def test_waking_it_every_minute_makes_no_storm(days: OAuthDays, trouble: str) -> None:
    """As a script does, or a user who waits for mail."""
    begin, code = TROUBLES[trouble]

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(HOUR / 2)
        begin(days)
        days.issuer.tried.clear()
        for _ in range(240):
            scheduler.wake()
            await trio.sleep(MINUTE)
        assert days.codes[-1] is code
        assert days.notices == [FAILED]

    days.live(story, HOUR)
    assert most_in_an_hour(days.issuer.tried) <= 5
    assert most_in_an_hour(days.refused) <= 5


def test_a_new_consent_is_noticed_at_once(days: OAuthDays) -> None:
    """Even after the polls have become one a day."""

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(HOUR)
        revoked(days)
        await trio.sleep(2 * DAY)
        days.arrive()
        assert scheduler.jobs[0].schedule.parked
        assert live(scheduler).state == "consent needed"
        assert 'type "mailhaul login joe@mail.example"' in live(scheduler).token
        assert live(scheduler).consent
        days.log_in()
        await trio.sleep(TICK + 10.0)
        assert days.delivered == 1
        assert live(scheduler).state == "waiting"
        assert live(scheduler).token == ""
        assert not live(scheduler).consent
        assert days.notices == [FAILED, WORKS]

    days.live(story, MINUTE)


def test_the_mail_and_the_log_say_what_to_type(days: OAuthDays) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(HOUR)
        revoked(days)
        await trio.sleep(6 * HOUR)

    days.live(story, 10 * MINUTE)
    [text] = [one.text for one in days.sink.messages if b"authentication failed" in one.text]
    command = 'type "mailhaul login joe@mail.example"'
    assert command.encode() in text
    assert b"says invalid_grant: grant is gone" in text
    assert b"password" not in text
    assert any(command in line for line in days.said)
    assert any("tried once a day" in line and "mailhaul login" in line for line in days.said)


def test_who_never_signed_in_is_told_too(days: OAuthDays) -> None:
    async def story(scheduler: Scheduler) -> None:
        await trio.sleep(DAY)
        assert days.notices == [FAILED]
        assert days.issuer.tried == []
        days.arrive()
        days.log_in()
        await trio.sleep(TICK + 10.0)
        assert days.delivered == 1

    days.live(story, MINUTE)
    assert days.notices == [FAILED, WORKS]


def test_entries_with_one_token_are_told_once(days: OAuthDays) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(HOUR)
        revoked(days)
        await trio.sleep(2 * DAY)
        assert len(scheduler.jobs) == 3
        # The tries of three entries are those of one token.
        assert most_in_an_hour(days.issuer.tried) <= 5
        assert days.notices == [FAILED]
        days.log_in()
        await trio.sleep(TICK + MINUTE)

    days.live(story, 10 * MINUTE, "folder INBOX", "folder INBOX", "folder INBOX")
    assert days.notices == [FAILED, WORKS]


@pytest.mark.parametrize("wrong", [-10 * MINUTE, 10 * MINUTE])
def test_a_clock_that_is_wrong_does_not_matter(days: OAuthDays, wrong: float) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(HOUR / 2)
        days.offset = wrong
        for _ in range(9):
            days.arrive()
            await trio.sleep(HOUR)
        days.offset = 0.0
        await trio.sleep(2 * HOUR)

    days.live(story, MINUTE)
    assert days.delivered == days.sent
    # The jump makes a token look younger than it is: it is replaced in the poll that shows that.
    assert len(days.refused) <= 1
    assert days.said == []
    assert days.notices == []
    assert set(days.codes) == GOOD
    assert len(days.issuer.tried) <= 13


def test_a_token_of_an_hour_is_renewed_once_an_hour(days: OAuthDays) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        for _ in range(4):
            days.arrive()
            await trio.sleep(6 * HOUR)

    days.live(story, 5 * MINUTE)
    assert days.delivered == days.sent
    assert days.refused == []
    assert set(days.codes) == GOOD
    assert len(days.issuer.tried) <= 24 * 60 / 55 + 1
    assert days.said == []


def test_a_token_that_the_mail_server_no_longer_takes_is_replaced_in_the_same_poll(
    days: OAuthDays,
) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(10 * MINUTE)
        # Another password at the provider ends all access tokens, and not the consent.
        days.issuer.valid.clear()
        days.arrive()
        await trio.sleep(2 * MINUTE)

    days.live(story, MINUTE)
    assert days.delivered == 1
    assert len(days.refused) == 1
    assert set(days.codes) == GOOD
    assert days.said == []


def test_an_issuer_that_is_down_is_not_noticed_while_tokens_last(days: OAuthDays) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(10 * MINUTE)
        gone(days)
        days.arrive()
        await trio.sleep(45 * MINUTE)
        healed(days)
        await trio.sleep(HOUR)

    days.live(story, MINUTE)
    assert days.delivered == 1
    assert set(days.codes) == GOOD
    assert days.notices == []


def test_a_token_that_expires_during_a_poll_costs_nothing(days: OAuthDays) -> None:
    days.issuer.lifetime = 4
    days.ends_sessions = True

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        for _ in range(300):
            days.arrive()
        await trio.sleep(HOUR / 2)

    days.live(story, MINUTE)
    assert ExitCode.SOCKET in days.codes
    assert sorted(days.subjects(), key=int) == [str(n + 1) for n in range(300)]
    assert days.refused == []


def test_a_token_that_expires_during_idle_costs_nothing(days: OAuthDays) -> None:
    days.ends_sessions = True
    # The last ones come as the session ends, and before there is another one.
    days.arrivals = [n * HOUR / 4 for n in range(1, 24)]
    days.arrivals += [days.issuer.lifetime or 0, (days.issuer.lifetime or 0) + 2.0]

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        while trio.current_time() < 6 * HOUR:
            await trio.sleep(MINUTE)
        # Each message was fetched when it came.
        assert scheduler.jobs[0].polls >= len(days.arrivals)

    days.live(story, HOUR, "idle")
    assert days.sent == len(days.arrivals)
    assert days.delivered == days.sent
    assert days.refused == []
    assert days.notices == []
    # One login an hour, with a token of its own; the sessions between wait in IDLE.
    assert len(days.logins) <= 9
    assert len(days.issuer.tried) <= 9


def test_a_consent_that_ends_during_idle_is_told_and_given_again(days: OAuthDays) -> None:
    days.ends_sessions = True

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        days.issuer.revoked = True
        await trio.sleep(6 * HOUR)
        assert days.notices == [FAILED]
        assert most_in_an_hour(days.issuer.tried) <= 5
        days.arrive()
        days.log_in()
        await trio.sleep(2 * HOUR)
        assert days.delivered == 1

    days.live(story, 10 * MINUTE, "idle")
    assert days.notices == [FAILED, WORKS]
    assert days.refused == []
