"""Tokens over hours and days: renewed in time, never in a storm, never lost."""

from __future__ import annotations

import os
import signal
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.oauth.accounts import owner_of
from mailhaul.adapters.oauth.keeper import TokenKeeper
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.requests import Sleep, Tcp
from mailhaul.protocols.oauth.discovery import AuthorizationServer
from mailhaul.protocols.oauth.results import Tokens
from mailhaul.protocols.record import replace
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Killed

from ..http.peer import Peer
from .issuer import START, World

HOUR = 3600.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.consent()
    return made


def failure(world: World, **options: Any) -> PollFailed:
    with pytest.raises(PollFailed) as caught:
        world.token(**options)
    return caught.value


def test_a_token_is_got_once_in_its_lifetime_whatever_the_rate(world: World) -> None:
    tokens = [world.token() for world.now in range(int(START), int(START + 3 * HOUR), 10)]
    assert sorted(set(tokens)) == ["access-1", "access-2", "access-3", "access-4"]
    # Each is renewed five minutes before its end.
    assert world.issuer.asked == 4
    assert world.issuer.discoveries == 2


def test_a_refresh_sends_the_newest_token_and_no_scope(world: World) -> None:
    world.token()
    world.now += HOUR
    world.token()
    assert [form["refresh_token"] for form in world.issuer.forms] == ["refresh-0", "refresh-1"]
    assert world.issuer.forms[0] == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-0",
        "client_id": "mailhaul-id",
    }


@pytest.mark.parametrize("lifetime", [None, 60, 0])
def test_a_lifetime_may_be_short_or_unknown(world: World, lifetime: int | None) -> None:
    world.issuer.lifetime = lifetime
    assert world.token() == "access-1"
    world.now += 20
    assert world.token() == ("access-2" if lifetime == 0 else "access-1")


def test_files_are_private_and_hold_what_is_needed(world: World) -> None:
    world.token()
    for name in os.listdir(world.folder):
        assert stat.S_IMODE(os.stat(os.path.join(world.folder, name)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(world.folder).st_mode) == 0o700
    saved = world.store.load()
    assert "access" in repr(saved)
    assert "access-1" not in repr(saved)
    assert saved.refresh
    assert saved.refresh.reveal() == b"refresh-1"


def test_without_a_consent_the_command_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = failure(world)
    assert said.code is ExitCode.AUTHFAIL
    assert str(said) == (
        'joe@x.example: consent needed: there is no token yet; type "mailhaul login joe@x.example"'
    )
    assert world.issuer.asked == 0


def test_a_consent_that_has_ended_says_so_and_recovers_without_restart(world: World) -> None:
    world.issuer.revoked = True
    said = str(failure(world))
    assert "consent needed: https://issuer.example says invalid_grant: grant is gone" in said
    assert 'type "mailhaul login joe@x.example"' in said
    # Meanwhile nothing is asked, and the same is said.
    world.now += 30
    assert "invalid_grant" in str(failure(world))
    assert world.issuer.asked == 1
    world.issuer.revoked = False
    world.consent(refresh=Secret(world.issuer.refresh.encode()))
    assert world.token() == "access-1"


def refused_for_ever(form: dict[str, str]) -> tuple[int, Any]:
    return 400, {"error": "invalid_grant"}


def down(form: dict[str, str]) -> tuple[int, Any]:
    return 503, b"<html>down"


@pytest.mark.parametrize("answer", [refused_for_ever, down])
def test_there_are_at_most_five_tries_in_any_hour(world: World, answer: Any) -> None:
    tried: list[float] = []

    def noted(form: dict[str, str]) -> tuple[int, Any]:
        tried.append(world.now)
        found: tuple[int, Any] = answer(form)
        return found

    world.issuer.answer = noted
    for world.now in range(int(START), int(START + 24 * HOUR), 60):
        failure(world)
    for first in tried:
        assert len([when for when in tried if first <= when < first + HOUR]) <= 5
    assert len(tried) >= 24
    # The issuer is back: within 21 minutes there is a token.
    world.issuer.answer = None
    world.now += 1260
    assert world.token() == "access-1"
    assert world.store.load().failures == 0


def test_an_issuer_that_is_down_does_not_matter_while_the_token_is_valid(world: World) -> None:
    world.token()
    world.now += HOUR - 250
    # Nothing listens; the poll goes on with the old token.
    assert world.token(reachable=False) == "access-1"
    world.now += 60
    assert world.token(reachable=False) == "access-1"
    world.now += 300
    said = failure(world, reachable=False)
    assert said.code is ExitCode.SOCKET
    assert "issuer.example gives no token now (no answer: issuer.example: " in str(said)
    world.now += 900
    assert world.token() == "access-2"


def test_the_issuer_may_ask_us_to_wait(world: World) -> None:
    world.issuer.answer = lambda form: (429, {"error": "slow_down"})
    failure(world)
    assert world.store.load().next_try == world.now + 60
    world.issuer.answer = None
    world.now += 30
    failure(world)
    world.now += 31
    assert world.token() == "access-1"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("invalid_client", "rc:1:1: joe@x.example: https://issuer.example says invalid_client; "),
        ("invalid_scope", "rc:1:1: joe@x.example: https://issuer.example says invalid_scope; "),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(world: World, error: str, words: str) -> None:
    world.issuer.answer = lambda form: (400, {"error": error})
    said = failure(world)
    assert str(said).startswith(words)
    assert said.code is ExitCode.AUTHFAIL


def test_a_clock_that_was_wrong_does_not_keep_a_dead_token(world: World) -> None:
    world.now += 600
    world.token()
    # Ten minutes back: the token looks as if it came from the future.
    world.now -= 600
    assert world.token() == "access-2"


def test_microsoft_is_asked_for_what_it_has_granted_and_for_the_next_refresh_token(
    tmp_path: Path,
) -> None:
    owner = owner_of("microsoft", "contoso.example", "id", "joe@contoso.example", "code")
    world = World(tmp_path, owner=owner)
    granted = "https://outlook.office.com/IMAP.AccessAsUser.All"
    world.consent(scope=(granted,))
    address = Tcp("login.microsoftonline.com", 443)
    for _ in range(2):
        simulation = world.simulation(reachable=False)
        simulation.listen(address, Peer, world.issuer.serve)
        simulation.run(world.keeper().token())
        world.now += HOUR
    assert [form["scope"] for form in world.issuer.forms] == [f"{granted} offline_access"] * 2


def test_a_signal_waits_until_the_token_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like the handler of a run: it raises wherever the program is."""

    def interrupt(number: int, frame: object) -> None:
        raise Killed

    def sync(file: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        fsync(file)

    before = signal.signal(signal.SIGTERM, interrupt)
    fsync = os.fsync
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", sync)
            with pytest.raises(Killed):
                world.token()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert world.token() == "access-1"
    assert world.issuer.asked == 1


# The mail server refuses the token


def test_a_refused_token_is_replaced_once(world: World) -> None:
    async def poll() -> list[str]:
        keeper = world.keeper()
        first = await keeper.token()
        second = await keeper.replacement(first)
        assert second
        third = await keeper.replacement(second)
        assert third is None
        return [first.reveal().decode(), second.reveal().decode()]

    assert world.run(poll()) == ["access-1", "access-2"]
    assert world.issuer.asked == 2


async def refused_login(keeper: TokenKeeper) -> int:
    """Log in at a server that refuses every token; return how often that was tried."""
    token = await keeper.token()
    other = await keeper.replacement(token)
    await keeper.refused("AUTHENTICATE failed.")
    return 1 if other is None else 2


def test_a_mail_server_that_refuses_everything_is_not_stormed(world: World) -> None:
    polls: list[float] = []
    reasons: set[str] = set()
    logins = 0
    for world.now in range(int(START), int(START + 12 * HOUR), 60):
        try:
            logins += world.run(refused_login(world.keeper()))
        except PollFailed as said:
            reasons.add(str(said).partition(" (")[0])
            continue
        polls.append(world.now)
    for first in polls:
        assert len([when for when in polls if first <= when < first + HOUR]) <= 5
    assert reasons == {"joe@x.example: the mail server refuses a new token"}
    # Two tokens at first, then one login at each try.
    assert logins <= len(polls) + 2
    assert world.issuer.asked <= 14

    async def accepted_login() -> None:
        keeper = world.keeper()
        await keeper.token()
        await keeper.accepted()

    world.now += HOUR
    world.run(accepted_login())
    assert not any(refusal.failures for _, refusal in world.store.load().refusals)


def test_an_accepted_login_writes_nothing(world: World) -> None:
    world.token()
    before = os.stat(world.store.path).st_mtime_ns

    async def login() -> None:
        keeper = world.keeper()
        await keeper.token()
        await keeper.accepted()

    world.run(login())
    assert os.stat(world.store.path).st_mtime_ns == before


# Several programs


def test_two_programs_never_use_the_same_refresh_token(world: World) -> None:
    other = world.keeper()

    async def first() -> str:
        assert await_lock(world)
        await Sleep(3.0)
        world.store.unlock()
        return (await other.token()).reveal().decode()

    assert world.run(first()) == "access-1"
    assert world.run(other.token()).reveal() == b"access-1"
    assert world.issuer.asked == 1


def await_lock(world: World) -> bool:
    return world.store.try_lock()


def test_what_another_program_has_got_is_used(world: World) -> None:
    first = world.token()

    async def refused_meanwhile() -> str:
        keeper, other = world.keeper(), world.keeper()
        token = await keeper.token()
        await other.replacement(Secret(first.encode()))
        found = await keeper.replacement(token)
        assert found
        return found.reveal().decode()

    assert world.run(refused_meanwhile()) == "access-2"
    assert world.issuer.asked == 2


def test_a_lock_that_is_never_given_back_is_an_error(world: World) -> None:
    assert world.store.try_lock()
    said = failure(world)
    assert said.code is ExitCode.LOCKBUSY
    world.store.unlock()
    assert world.token() == "access-1"


# Kills


@pytest.mark.parametrize("grace", [False, True])
def test_a_kill_at_any_step_loses_no_answer_that_has_arrived(tmp_path: Path, grace: bool) -> None:
    unfinished = World(tmp_path / "whole")
    unfinished.consent()
    whole = unfinished.simulation()
    whole.run(unfinished.keeper().token())
    lost: list[int] = []
    for step in range(1, whole.steps + 1):
        world = World(tmp_path / str(step))
        world.issuer.grace = grace
        world.consent()
        with suppress(Killed):
            world.run(world.keeper().token(), kill_at=step)
        world.now += HOUR
        try:
            world.token()
        except PollFailed:
            lost.append(step)
    # The issuer takes the old token back when it answers. While the answer is under way, which is a
    # few steps of the network, nobody has the new one; the step that reads it also stores it.
    assert whole.steps > 30
    assert len(lost) <= (0 if grace else 5)


@pytest.mark.parametrize("name", ["open", "fchmod", "write", "fsync", "rename", "close", "unlink"])
def test_a_kill_in_the_middle_of_storing_leaves_the_old_or_the_new_token(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in range(1, 10):
        world.consent()
        calls = 0
        real = getattr(os, name)

        def killed(*values: Any, call: int = call, real: Any = real, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                raise Killed
            return real(*values, **named)

        saved = world.store.load()
        with monkeypatch.context() as patched:
            patched.setattr(os, name, killed)
            with suppress(Killed):
                world.store.save(replace(saved, refresh=Secret(b"newer")))
        found = world.store.load().refresh
        assert found
        assert found.reveal() in {world.issuer.refresh.encode(), b"newer"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": {}}', "x" * 100])
def test_a_damaged_file_is_named(world: World, content: str) -> None:
    Path(world.store.path).write_text(content)
    said = failure(world)
    assert said.code is ExitCode.IOERR
    assert world.store.path in str(said)


# Other grants and stores


def test_a_refresh_token_may_come_from_outside(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.secrets["oauthrefresh"] = b"refresh-0"
    assert world.token() == "access-1"
    world.now += HOUR
    # The rotated one is used, though the one outside is still the old one.
    assert world.token() == "access-2"
    world.issuer.revoked = True
    world.now += HOUR
    failure(world)
    # A new one from outside takes its place.
    world.issuer.revoked = False
    world.issuer.refresh = "refresh-new"
    world.secrets["oauthrefresh"] = b"refresh-new"
    world.now += HOUR
    assert world.token() == "access-3"


def test_a_consent_is_newer_than_the_refresh_token_from_outside(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.secrets["oauthrefresh"] = b"refresh-dead"
    tokens = Tokens(Secret(b"access-0"), Secret(b"refresh-0"), 3600)
    world.run(world.keeper().adopt(tokens, AuthorizationServer("https://issuer.example", "", "")))
    world.now += HOUR
    assert world.token() == "access-1"
    assert world.issuer.forms[0]["refresh_token"] == "refresh-0"


def test_client_credentials_need_no_consent(tmp_path: Path) -> None:
    world = World(tmp_path, grant="client", scope=("https://x/.default",))
    world.secrets["oauthsecret"] = b"word"
    assert world.token() == "access-1"
    assert world.issuer.forms[0] == {
        "grant_type": "client_credentials",
        "scope": "https://x/.default",
    }


def test_client_credentials_without_a_secret_are_a_wrong_setting(tmp_path: Path) -> None:
    world = World(tmp_path, grant="client")
    assert "needs a secret or a certificate" in str(failure(world))
