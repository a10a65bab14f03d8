"""One token for several mail servers, entries and threads; and answers that cannot be used."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

import pytest

from mailhaul.adapters.oauth.keeper import TokenKeeper
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.flows.outcome import PollFailed, RefusedHere
from mailhaul.protocols.oauth.discovery import AuthorizationServer
from mailhaul.protocols.oauth.results import Tokens
from mailhaul.protocols.secret import Secret

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
    world.run(use(keeper_for(world, SMTP), accepted=False))
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
    world.run(use(keeper_for(world, SMTP), accepted=False))
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
