"""Tokens over hours and days: renewed in time, never in a storm, never lost."""

from __future__ import annotations

import errno
import os
import signal
import stat
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

import pytest

from mailhaul.adapters.oauth.accounts import owner_of
from mailhaul.adapters.oauth.keeper import TokenKeeper
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.flows.outcome import ExitCode, PollFailed, RefusedHere
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


# Several mail servers share a token


IMAP, SMTP = "IMAP at mail.example", "SMTP at mail.example"


def keeper_for(world: World, server: str) -> TokenKeeper:
    return world.keeper(server=server)


async def use(keeper: TokenKeeper, *, accepted: bool) -> None:
    token = await keeper.token()
    if accepted:
        await keeper.accepted()
    else:
        await keeper.replacement(token)
        await keeper.refused("535 5.7.139 SmtpClientAuthentication is disabled")


def test_a_refusal_at_one_server_does_not_stop_another(world: World) -> None:
    world.run(refused_login(keeper_for(world, SMTP)))
    said: list[str] = []
    with pytest.raises(RefusedHere, match=r"refuses a new token \(SMTP at mail\.example: ") as rest:
        world.run(keeper_for(world, SMTP).token())
    assert "the next try is in 1 minute" in str(rest.value)
    noting = world.keeper(server=IMAP, note=lambda kind, sentence: said.append(kind))
    world.run(use(noting, accepted=True))
    assert said == [""]


def test_an_acceptance_at_one_server_does_not_end_the_rest_of_another(world: World) -> None:
    """Else a server that refuses everything would be tried after each login at another one."""
    tried: list[float] = []
    for world.now in range(int(START), int(START + 6 * HOUR), 60):
        world.run(use(keeper_for(world, IMAP), accepted=True))
        with suppress(RefusedHere):
            world.run(use(keeper_for(world, SMTP), accepted=False))
            tried.append(world.now)
    for first in tried:
        assert len([when for when in tried if first <= when < first + HOUR]) <= 5
    # One token for each hour, and one in place of that which SMTP refused.
    assert world.issuer.asked <= 8
    world.now += HOUR
    world.run(use(keeper_for(world, SMTP), accepted=True))
    assert world.store.load().refusal(SMTP).failures == 0


def test_a_server_that_changes_its_mind_does_not_use_up_tokens(world: World) -> None:
    for world.now in range(int(START), int(START + 2 * HOUR), 10):
        with suppress(RefusedHere):
            world.run(use(keeper_for(world, IMAP), accepted=world.now % 20 == 0))
    assert world.issuer.asked <= 12


def test_a_consent_ends_the_rest_of_every_server(world: World) -> None:
    world.run(refused_login(keeper_for(world, SMTP)))
    tokens = Tokens(Secret(b"access-9"), Secret(world.issuer.refresh.encode()), 3600)
    world.run(world.keeper().adopt(tokens, AuthorizationServer("https://issuer.example", "", "")))
    assert world.run(keeper_for(world, SMTP).token()).reveal() == b"access-9"


def test_what_a_server_repeats_of_the_token_is_not_kept(world: World) -> None:
    async def refused() -> None:
        keeper = keeper_for(world, IMAP)
        token = await keeper.token()
        await keeper.refused(f"no user with {token.reveal().decode()}")

    world.run(refused())
    assert world.store.load().refusal(IMAP).words == "no user with *"


# Grants without a consent


def scopes(world: World) -> list[str]:
    return [form["scope"] for form in world.issuer.forms]


def test_entries_that_share_a_token_ask_for_all_that_they_need(tmp_path: Path) -> None:
    world = World(tmp_path, grant="client", scope=("insert",))
    world.secrets["oauthsecret"] = b"word"
    both = world.keeper(account={"scope": ("insert", "labels")})
    assert world.token() == "access-1"
    # The token of another entry is not enough.
    assert world.run(both.token()).reveal() == b"access-2"
    assert world.token() == "access-2"
    world.now += HOUR
    assert world.token() == "access-3"
    assert scopes(world) == ["insert", "insert labels", "insert labels"]


def test_a_scope_that_is_no_longer_allowed_is_left_out_of_the_next_try(tmp_path: Path) -> None:
    world = World(tmp_path, grant="client", scope=("insert",))
    world.secrets["oauthsecret"] = b"word"
    both = world.keeper(account={"scope": ("insert", "labels")})
    world.run(both.token())
    world.issuer.answer = lambda form: (400, {"error": "invalid_scope"})
    world.now += HOUR
    failure(world)
    world.issuer.answer = None
    world.now += 60
    world.token()
    assert scopes(world)[-1] == "insert"


# What takes long


def test_secrets_and_endpoints_are_got_before_signals_are_held(tmp_path: Path) -> None:
    happened: list[str] = []

    class Held:
        def __enter__(self) -> None:
            happened.append("held")

        def __exit__(self, *_: object) -> None:
            happened.append("free")

    async def read(name: str) -> Secret | None:
        happened.append(name)
        return Secret(b"refresh-0" if name == "oauthrefresh" else b"word")

    def noted(form: dict[str, str]) -> tuple[int, Any]:
        happened.append("asked")
        return 400, {"error": "invalid_grant"}

    world = World(tmp_path, read_secret=read)
    world.issuer.answer = noted
    with pytest.raises(PollFailed):
        world.run(world.keeper(hold=Held).token())
    assert world.issuer.discoveries == 2
    assert happened == ["oauthrefresh", "oauthsecret", "held", "asked", "free"]


def test_a_consent_is_stored_before_any_command_is_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.secrets["oauthrefresh"] = b"refresh-dead"

    async def story() -> None:
        keeper = world.keeper()
        await keeper.check()
        world.secrets.clear()
        tokens = Tokens(Secret(b"access-0"), Secret(b"refresh-0"), 3600)
        await keeper.adopt(tokens, AuthorizationServer("https://issuer.example", "", ""))

    world.run(story())
    world.secrets["oauthrefresh"] = b"refresh-dead"
    world.now += HOUR
    assert world.token() == "access-1"
    assert world.issuer.forms[0]["refresh_token"] == "refresh-0"


# Answers that cannot be used


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "\x00", "token_type": "Bearer"},
        {"token_type": "Bearer"},
        {"access_token": "access-1", "token_type": "mac"},
    ],
)
def test_the_next_refresh_token_is_kept_whatever_else_is_wrong(
    world: World, answer: dict[str, str]
) -> None:
    world.issuer.refresh = "refresh-1"
    world.issuer.answer = lambda form: (200, {**answer, "refresh_token": "refresh-1"})
    failure(world)
    world.issuer.answer = None
    world.now += HOUR
    assert world.token() == "access-1"
    assert world.issuer.forms[-1]["refresh_token"] == "refresh-1"


def test_an_answer_that_could_not_be_written_is_written_by_the_next_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patched.setattr(os, "write", full)
        assert "No space left" in str(failure(world))
    assert world.issuer.asked == 1
    assert world.token() == "access-1"
    world.now += HOUR
    assert world.token() == "access-2"


# Threads that hang


def test_a_thread_that_was_given_up_keeps_no_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, disk, real = Event(), Event(), os.open

    def slow(path: str, *values: Any, **named: Any) -> int:
        if path.endswith(".lock") and current_thread() is hung:
            entered.set()
            assert disk.wait(10.0)
        return real(path, *values, **named)

    monkeypatch.setattr(os, "open", slow)
    hung = Thread(target=world.store.turn(world.store.try_lock))
    hung.start()
    assert entered.wait(10.0)
    # The poll is over, and so is its interest in the lock.
    world.store.unlock()
    assert not world.store.try_lock()
    disk.set()
    hung.join()
    assert TokenStore(world.folder, world.account.owner).try_lock()


def test_a_thread_that_comes_too_late_does_nothing(world: World) -> None:
    late = world.store.turn(world.store.try_lock)
    world.store.unlock()
    with pytest.raises(PollFailed, match="too late"):
        late()
    assert TokenStore(world.folder, world.account.owner).try_lock()


def test_the_lock_is_held_while_a_thread_that_was_given_up_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, disk, real = Event(), Event(), os.open

    def slow(path: str, *values: Any, **named: Any) -> int:
        if path.endswith(".new"):
            entered.set()
            assert disk.wait(10.0)
        return real(path, *values, **named)

    assert world.store.try_lock()
    monkeypatch.setattr(os, "open", slow)
    hung = Thread(target=world.store.turn(world.store.prepare))
    hung.start()
    assert entered.wait(10.0)
    world.store.unlock()
    other = TokenStore(world.folder, world.account.owner)
    # It would truncate what the other process writes.
    assert not other.try_lock()
    disk.set()
    hung.join()
    assert other.try_lock()
