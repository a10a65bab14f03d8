"""Tokens in the keyring: none of them in a file, none lost by a kill or by a keyring that fails."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mailhaul.adapters.oauth import vault
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.adapters.oauth.store import TokenStore, all_tokens
from mailhaul.adapters.oauth.vault import SERVICE, KeyringStore
from mailhaul.flows.outcome import PollFailed
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Killed

from .issuer import World

HOUR = 3600.0


class FakeKeyring(ModuleType):
    """The package keyring, whose entries are in memory. ``broken`` is raised by every write."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.entries: dict[tuple[str, str], str] = {}
        self.broken: Exception | None = None
        self.forgetful = False
        self.locked: Exception | None = None

    def get_password(self, service_name: str, username: str) -> str | None:
        if self.locked:
            raise self.locked
        return self.entries.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        if self.broken:
            raise self.broken
        if not self.forgetful:
            self.entries[service_name, username] = password

    def delete_password(self, service_name: str, username: str) -> None:
        del self.entries[service_name, username]


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    made = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


class KeyringWorld(World):
    """A world whose tokens are in the keyring."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.warnings: list[str] = []
        self.make_store = lambda place, owner: KeyringStore(place, owner, self.warnings.append)
        self.store = self.make_store(self.folder, self.account.owner)

    @property
    def files(self) -> str:
        """The contents of all files."""
        return "".join(path.read_text() for path in Path(self.folder).iterdir())


@pytest.fixture
def world(keyring: FakeKeyring, tmp_path: Path) -> KeyringWorld:
    made = KeyringWorld(tmp_path)
    made.consent()
    return made


def test_no_file_has_a_token_and_the_keyring_has_one_entry(
    world: KeyringWorld, keyring: FakeKeyring
) -> None:
    for number in range(1, 4):
        assert world.token() == f"access-{number}"
        assert "access-" not in world.files
        assert "refresh-" not in world.files
        assert [service for service, _ in keyring.entries] == [SERVICE]
        world.now += HOUR
    assert world.warnings == []
    # What another program has to know is in the file.
    [(owner, shown)] = all_tokens(world.folder)
    assert owner == world.account.owner
    assert shown.access is not None
    assert shown.access.reveal() == b""


def test_a_look_does_not_ask_the_keyring(world: KeyringWorld, keyring: FakeKeyring) -> None:
    world.token()
    keyring.locked = RuntimeError()
    shown = world.store.peek()
    assert shown.refresh is not None
    assert shown.expires > world.now


def test_a_locked_keyring_is_noticed_before_the_issuer_is_asked(
    world: KeyringWorld, keyring: FakeKeyring
) -> None:
    class KeyringLocked(Exception):
        pass

    keyring.locked = KeyringLocked()
    with pytest.raises(PollFailed, match="the keyring is locked; unlock it"):
        world.token()
    assert world.issuer.asked == 0
    keyring.locked = None
    assert world.token() == "access-1"


@pytest.mark.parametrize("forgetful", [True, False])
def test_a_keyring_that_takes_no_token_costs_no_consent(
    world: KeyringWorld, keyring: FakeKeyring, forgetful: bool
) -> None:
    keyring.forgetful = forgetful
    keyring.broken = None if forgetful else OSError("full")
    assert world.token() == "access-1"
    assert "refresh-1" in world.files
    assert "this file has the token, since the keyring fails" in world.warnings[0]
    keyring.forgetful, keyring.broken = False, None
    world.now += HOUR
    assert world.token() == "access-2"
    assert "refresh-" not in world.files


def test_tokens_move_into_the_keyring(keyring: FakeKeyring, tmp_path: Path) -> None:
    before = World(tmp_path)
    before.consent()
    assert before.token() == "access-1"
    world = KeyringWorld(tmp_path)
    world.issuer = before.issuer
    assert world.token() == "access-1"
    world.now += HOUR
    assert world.token() == "access-2"
    assert "refresh-" not in world.files
    with pytest.raises(PollFailed, match='write "set oauthstore keyring", or remove the file'):
        TokenStore(world.folder, world.account.owner).load()


def test_an_entry_that_somebody_removed_is_named(world: KeyringWorld, keyring: FakeKeyring) -> None:
    keyring.entries.clear()
    with pytest.raises(PollFailed, match="its tokens are not in the keyring"):
        world.token()


def test_a_program_that_renews_meanwhile_does_not_disturb(
    world: KeyringWorld, keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is gone that the file named when it was read."""
    usual, other = keyring.get_password, world.make_store(world.folder, world.account.owner)

    def renew_first(service_name: str, username: str) -> str | None:
        monkeypatch.setattr(keyring, "get_password", usual)
        assert other.try_lock()
        other.save(SavedToken(refresh=Secret(b"newer")))
        other.unlock()
        return usual(service_name, username)

    monkeypatch.setattr(keyring, "get_password", renew_first)
    # As the keyring is asked by one at a time, the other program is told apart from this one.
    monkeypatch.setattr(vault, "in_keyring", lambda work, patience: work(keyring))
    found = world.store.load().refresh
    assert found
    assert found.reveal() == b"newer"


def test_a_removed_token_leaves_nothing(world: KeyringWorld, keyring: FakeKeyring) -> None:
    world.token()
    world.run(world.keeper().forget())
    assert keyring.entries == {}
    assert not list(Path(world.folder).glob("*.json"))


@pytest.mark.parametrize("name", ["open", "fchmod", "pwrite", "write", "fsync", "rename", "close"])
def test_a_kill_at_any_call_leaves_the_old_or_the_new_token(
    world: KeyringWorld, keyring: FakeKeyring, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in range(1, 8):
        calls = 0
        real = getattr(os, name)

        def killed(*values: Any, call: int = call, real: Any = real, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                raise Killed
            return real(*values, **named)

        store = world.make_store(world.folder, world.account.owner)
        assert store.try_lock()
        former = store.load().refresh
        assert former
        with monkeypatch.context() as patched:
            patched.setattr(os, name, killed)
            with suppress(Killed):
                store.save(SavedToken(refresh=Secret(b"newer-%d" % call)))
        kept = [text for text in keyring.entries.values() if f"newer-{call}" in text]
        store.unlock()
        other = world.make_store(world.folder, world.account.owner)
        found = other.load().refresh
        assert found
        # What the keyring has taken is not forgotten.
        assert found.reveal() == (b"newer-%d" % call if kept else former.reveal())
        assert other.try_lock()
        other.unlock()
    # Whatever the kills have left behind goes with the next token.
    world.consent()
    assert len(keyring.entries) == 1


def test_a_keyring_that_hangs_has_a_deadline(
    world: KeyringWorld, keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "READ_SECONDS", 0.1)
    from mailhaul.adapters.config import secret_keyring

    with (
        secret_keyring._one_at_a_time,
        pytest.raises(PollFailed, match=r"did not answer within 0\.1"),
    ):
        world.store.load()
