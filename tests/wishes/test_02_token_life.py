"""Wish 2: tokens are renewed in time, kept, and replaced; if that ends, the user is told.

The first test is osTicket#6455 word for word: a token failed silently for ten days. Others:
osTicket#6299, itop-mail-to-ticket#224 (renewed at every poll), glpi PR#16830 (the new refresh token
was not kept), OfflineIMAP#536 (after suspend), imapsync#250 (in the middle of a run).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from mailhaul.apps.cli.status import status
from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.apps.daemon.view import View
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode
from tests.adapters.oauth.issuer import START
from tests.apps import oauth_days
from tests.apps.oauth_days import DAY, HOUR, MINUTE, OAuthDays
from tests.wishes.signing_world import SigningWorld

ACCOUNT = "joe@mail.example"
FAILED = f"mailhaul authentication failed on {ACCOUNT}"
WORKS = f"mailhaul authentication OK on {ACCOUNT}"
TYPE = f'type "mailhaul login {ACCOUNT}"'
TICK = 20 * MINUTE
"""Between two looks at the files with tokens; a daemon looks every five seconds."""


@pytest.fixture
def transcript() -> None:
    """Record nothing, because there are many polls."""


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OAuthDays:
    """Days whose state is where ``mailhaul status`` looks for it."""

    async def at_once(work: Callable[..., Any], *values: Any, **_: Any) -> Any:
        """Do the work of a thread, for which a virtual clock does not wait."""
        return work(*values)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    monkeypatch.setattr(oauth_days, "TICK", TICK)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    home = tmp_path / "mailhaul"
    home.mkdir(mode=0o700)
    return OAuthDays(home, monkeypatch)


def metric(text: str, name: str) -> float:
    """Return the value of a metric of the account."""
    [line] = [line for line in text.splitlines() if line.startswith(f"mailhaul_{name}{{")]
    return float(line.split()[-1])


def test_a_token_that_fails_for_ten_days_is_told_once_and_seen_everywhere(
    days: OAuthDays, capsys: pytest.CaptureFixture[str]
) -> None:
    async def works(scheduler: Scheduler) -> None:
        days.log_in()
        days.arrive()
        await trio.sleep(HOUR)
        assert days.delivered == 1

    async def fails(scheduler: Scheduler) -> None:
        days.issuer.revoke()
        days.arrive()
        await trio.sleep(10 * DAY)
        # One mail, which says what to do; and not one for each poll.
        assert days.notices == [FAILED]
        assert TYPE.encode() in days.sink.messages[-1].text
        assert len([line for line in days.said if TYPE in line]) < 20
        assert days.pool
        view = View(scheduler, days.pool, lambda: 600)
        [account] = (await view.document())["accounts"]
        assert (account["health"], account["state"]) == ("failing", "consent needed")
        assert TYPE in account["token"]
        metrics = await view.metrics()
        assert metric(metrics, "consent_needed") == 1
        assert metric(metrics, "consecutive_failures") >= 10
        # A rule such as "no success for a day" strikes.
        assert 0 < metric(metrics, "last_success_timestamp_seconds") - START < HOUR + MINUTE

    async def works_again(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(TICK + MINUTE)
        assert days.delivered == 2
        await trio.sleep(6 * HOUR)
        assert days.notices == [FAILED, WORKS]

    for story in (works, fails):
        days.live(story, 10 * MINUTE)
    # Without a daemon it is seen as well, by people and by monitoring.
    arguments = ("-f", str(days.home / "rc"))
    assert status([*arguments, "--json"], days.caller, Lines(1)) is ExitCode.ERROR
    [account] = json.loads(capsys.readouterr().out)["accounts"]
    assert account["health"] == "failing"
    assert TYPE in account["last_error"]["text"]
    assert account["last_success"] is not None
    days.live(works_again, 10 * MINUTE)
    assert status([*arguments, "--json"], days.caller, Lines(1)) is ExitCode.SUCCESS


def test_runs_from_cron_renew_a_token_once_an_hour_and_keep_what_they_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = SigningWorld(tmp_path, monkeypatch)
    world.write(
        "poll mail.x protocol IMAP auth oauth oauthissuer 'https://issuer.example' no dns\n"
        f'    oauthclient mailhaul user joe@contoso.example ssl maildir "{tmp_path}/Mail"\n'
    )
    world.log_in("joe@contoso.example", "--device")
    for _ in range(12):
        world.pass_seconds(25 * MINUTE)
        # This issuer takes back the whole consent if an old refresh token comes.
        assert world.poll() is ExitCode.NOMAIL, world.err.getvalue()
    # In these five hours.
    assert len(world.logins.tried) == 12
    assert 4 <= len(world.issuer.times) == len(set(world.logins.tried)) <= 6


def test_a_machine_that_was_asleep_has_a_new_token_at_once(days: OAuthDays) -> None:
    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        await trio.sleep(20 * MINUTE)
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(9 * HOUR)
        days.arrive()
        scheduler.renew()
        await trio.sleep(5.0)
        assert days.delivered == 1

    days.live(story, 10 * MINUTE)
    assert (days.refused, days.said) == ([], [])


def test_a_token_that_expires_in_the_middle_of_a_poll_costs_nothing(days: OAuthDays) -> None:
    days.issuer.lifetime = 4
    days.ends_sessions = True

    async def story(scheduler: Scheduler) -> None:
        days.log_in()
        for _ in range(150):
            days.arrive()
        await trio.sleep(10 * MINUTE)

    days.live(story, MINUTE)
    assert ExitCode.SOCKET in days.codes
    assert sorted(days.subjects(), key=int) == [str(n + 1) for n in range(150)]
    assert days.refused == []
