"""A daemon uses a password that was changed in its file, in .netrc or by its command."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.apps.daemon import service as service_module
from mailhaul.apps.daemon.service import with_known_password
from mailhaul.apps.polls import limited
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.tokens import oauth_account
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.protocols.secret import Secret

from .daemon_here import DaemonHere

ENTRY = "set daemon 3600 poll h protocol imap user joe"


class Daemon(DaemonHere):
    """A daemon whose server accepts one password."""

    def __init__(self, home: Path, accepted: bytes = b"new") -> None:
        super().__init__(home)
        self.accepted = accepted
        self.passwords: list[bytes] = []

    async def poll(self, settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
        if settings.password is None:
            raise PollFailed(ExitCode.AUTHFAIL, "no password")
        self.passwords.append(settings.password.reveal())
        right = self.passwords[-1] == self.accepted
        return ExitCode.NOMAIL if right else ExitCode.AUTHFAIL


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = Daemon(tmp_path)
    monkeypatch.setattr(limited, "poll_account", daemon.poll)
    monkeypatch.setattr(service_module, "TICK", 0.02)
    monkeypatch.setattr(service_module, "CALM", 0.0)
    return daemon


@pytest.mark.parametrize(
    ("name", "option", "content"),
    [
        ("secret", "passwordfile secret", "{}\n"),
        (".netrc", "", "machine h login joe password {}\n"),
    ],
)
def test_a_corrected_file_ends_the_wait_after_a_refused_login(
    daemon: Daemon, name: str, option: str, content: str
) -> None:
    async def story() -> None:
        await daemon.until(lambda: daemon.job.last_code is ExitCode.AUTHFAIL)
        await trio.sleep(0.3)
        # The schedule waits for minutes, and then for a day.
        assert daemon.passwords == [b"old"]
        daemon.write(name, content.format("new"))
        await daemon.until(lambda: daemon.job.last_code is ExitCode.NOMAIL)
        daemon.write(name, content.format("newer"))
        await trio.sleep(0.3)

    daemon.write(name, content.format("old"))
    daemon.live(f"{ENTRY} {option}\n", story)
    # After a success the next poll has time.
    assert daemon.passwords == [b"old", b"new"]
    assert "joe@h: the file with its password has changed" in daemon.out.getvalue()


@pytest.mark.parametrize(
    ("options", "user"),
    [
        ("auth oauth oauthissuer gmail oauthclient id user joe", "joe"),
        ("oauthissuer gmail oauthclient id user joe pass x gmail ann@x", "ann@x"),
    ],
)
def test_a_consent_ends_the_wait_of_an_account_with_oauth(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, options: str, user: str
) -> None:
    codes: list[ExitCode] = []

    async def poll(settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
        account = oauth_account(settings, context, user)
        store = TokenStore(context.tokens, account.owner)
        stores.append(store)
        kind = "" if store.load().refresh else "consent"
        context.note_token(account.label, kind, kind and "consent needed")
        codes.append(ExitCode.AUTHFAIL if kind else ExitCode.NOMAIL)
        return codes[-1]

    async def story() -> None:
        await daemon.until(lambda: daemon.job.last_code is ExitCode.AUTHFAIL)
        await trio.sleep(0.2)
        assert len(codes) == 1
        assert daemon.job.needs_consent
        # A program that failed as well has no new token.
        keep(SavedToken(refresh=Secret(b"old"), failures=1, kind="consent"))
        await trio.sleep(0.2)
        assert len(codes) == 1
        # What "mailhaul login" does.
        keep(SavedToken(refresh=Secret(b"new")))
        await daemon.until(lambda: daemon.job.last_code is ExitCode.NOMAIL)
        assert not daemon.job.needs_consent

    def keep(token: SavedToken) -> None:
        assert stores[0].try_lock()
        stores[0].save(token)
        stores[0].unlock()

    stores: list[TokenStore] = []
    monkeypatch.setattr(limited, "poll_account", poll)
    daemon.live(f"set daemon 3600 poll h protocol imap {options}\n", story)
    assert codes == [ExitCode.AUTHFAIL, ExitCode.NOMAIL]
    assert "joe@h: there is a new token" in daemon.out.getvalue()


def test_a_file_that_appears_ends_the_wait_too(daemon: Daemon) -> None:
    async def story() -> None:
        await daemon.until(lambda: daemon.job.last_code is ExitCode.IOERR)
        daemon.write("secret", "new\n")
        await daemon.until(lambda: daemon.job.last_code is ExitCode.NOMAIL)

    daemon.live(f"{ENTRY} passwordfile secret\n", story)
    assert daemon.passwords == [b"new"]


def test_a_file_that_is_written_again_and_again_causes_no_series_of_refusals(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "CALM", 30.0)

    async def story() -> None:
        await daemon.until(lambda: daemon.job.last_code is ExitCode.AUTHFAIL)
        for number in range(10):
            daemon.write("secret", f"wrong {number}\n")
            await trio.sleep(0.03)
        assert len(daemon.passwords) == 1
        daemon.job.last_poll = time.time() - 31.0
        await daemon.until(lambda: len(daemon.passwords) == 2)

    daemon.write("secret", "old\n")
    daemon.live(f"{ENTRY} passwordfile secret\n", story)


def test_each_poll_asks_the_command_again(daemon: Daemon) -> None:
    async def story() -> None:
        await daemon.until(lambda: daemon.job.last_code is ExitCode.AUTHFAIL)
        daemon.write("secret", "new\n")
        daemon.service.scheduler.wake()
        await daemon.until(lambda: daemon.job.last_code is ExitCode.NOMAIL)

    daemon.write("secret", "old\n")
    daemon.live(f'{ENTRY} passwordeval "cat {daemon.home}/secret"\n', story)
    assert daemon.passwords == [b"old", b"new"]


def test_only_a_typed_password_outlives_a_reload() -> None:
    before = AccountSettings({"pollname": "h", "remote_user": "joe", "protocol": "imap"})
    in_file = before.with_password(Secret(b"removed from the file"))
    typed = before.with_password(Secret(b"typed"), typed=True)
    assert with_known_password(before, [in_file]).password is None
    kept = with_known_password(before, [in_file, typed])
    assert kept.password
    assert kept.password.reveal() == b"typed"
    assert with_known_password(before, [kept]).password
