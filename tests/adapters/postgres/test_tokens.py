"""Tokens in the store: encrypted, renewed by one machine at a time, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from mailhaul.adapters.oauth.accounts import TokenOwner
from mailhaul.adapters.oauth.saved import NOTHING, SavedToken
from mailhaul.adapters.postgres.store import PostgresLedger
from mailhaul.adapters.postgres.tokens import SharedTokenStore, TokenKeys, shared_tokens
from mailhaul.flows.outcome import PollFailed
from mailhaul.protocols.record import replace
from mailhaul.protocols.secret import Secret
from tests.real.servers.postgres import Postgres

pytestmark = pytest.mark.real

JOE = TokenOwner("gmail", "", "client", "joe@example.org", "code")
ANN = TokenOwner("gmail", "", "client", "ann@example.org", "code")
OLD = SavedToken(access=Secret(b"access-1"), refresh=Secret(b"refresh-1"), obtained=100.0)
NEW = SavedToken(access=Secret(b"access-2"), refresh=Secret(b"refresh-2"), obtained=200.0)


class Machine:
    """What one machine has: its ledger, its folder, its copy of the key."""

    def __init__(self, url: str, folder: Path, keys: bytes) -> None:
        folder.mkdir()
        self.folder = folder
        self.key_file = folder / "key"
        self.key_file.write_bytes(keys)
        self.key_file.chmod(0o600)
        self.ledger = PostgresLedger(url)
        self.said: list[str] = []

    def store(self, owner: TokenOwner = JOE) -> SharedTokenStore:
        keys = TokenKeys(str(self.key_file))
        return SharedTokenStore(
            str(self.folder / "tokens"), owner, self.ledger, keys, self.said.append
        )

    def save(self, token: SavedToken, owner: TokenOwner = JOE) -> None:
        store = self.store(owner)
        assert store.try_lock()
        try:
            store.prepare()
            store.save(token)
        finally:
            store.unlock()


KEY, LATER_KEY = Fernet.generate_key(), Fernet.generate_key()


def revealed(token: SavedToken) -> tuple[bytes, bytes]:
    assert token.access
    assert token.refresh
    return token.access.reveal(), token.refresh.reveal()


@pytest.fixture
def machines(store_url: str, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    one = Machine(store_url, tmp_path / "one", KEY + b"\n")
    two = Machine(store_url, tmp_path / "two", b"# a comment\n" + KEY + b"\n")
    yield one, two
    one.ledger.close()
    two.ledger.close()


def test_what_one_machine_saves_another_one_has(
    machines: tuple[Machine, Machine], postgres: Postgres
) -> None:
    one, two = machines
    assert two.store().load() == NOTHING
    one.save(OLD)
    assert revealed(two.store().load()) == (b"access-1", b"refresh-1")
    two.save(NEW)
    assert revealed(one.store().peek()) == (b"access-2", b"refresh-2")
    assert not (one.folder / "tokens").exists()
    [(owner, token)] = shared_tokens(one.ledger, TokenKeys(str(one.key_file)))
    assert (owner, revealed(token)) == (JOE, (b"access-2", b"refresh-2"))
    # The database has neither the tokens nor the name of the user.
    shown = postgres.sql("SELECT label, data FROM mailhaul.token")
    raw = bytes.fromhex(shown.partition("\\x")[2].strip())
    assert not any(part in raw for part in (b"access", b"refresh", b"joe"))
    assert "joe" not in shown
    store = one.store()
    assert store.try_lock()
    store.remove()
    store.unlock()
    assert two.store().load() == NOTHING


def test_one_machine_at_a_time_renews(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    first, second = one.store(), two.store()
    assert first.try_lock()
    # As another process: the list of those that this one holds does not matter.
    from mailhaul.adapters.postgres.locks import SharedLock

    SharedLock._held.clear()
    assert not second.try_lock()
    first.unlock()
    assert second.try_lock()
    second.unlock()


def test_another_key_opens_nothing_and_says_so(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    one.save(OLD)
    two.key_file.write_bytes(LATER_KEY)
    with pytest.raises(PollFailed, match=r"none of the keys in .*two/key fits"):
        two.store().load()


def test_a_new_key_is_put_before_the_old_one(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    one.save(OLD)
    for machine in machines:
        machine.key_file.write_bytes(LATER_KEY + b"\n" + KEY)
    assert revealed(two.store().load()) == (b"access-1", b"refresh-1")
    two.save(NEW)
    one.key_file.write_bytes(LATER_KEY)
    assert revealed(one.store().load()) == (b"access-2", b"refresh-2")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0o600, "No such file"),
        (b"", 0o600, "has no key; make one"),
        (b"short", 0o600, "line 1 is not a key"),
        (KEY, 0o644, "chmod 600"),
    ],
    ids=["missing", "empty", "short", "open to others"],
)
def test_a_key_file_that_cannot_be_used_is_named(
    machines: tuple[Machine, Machine], content: bytes | None, mode: int, words: str
) -> None:
    one, _ = machines
    if content is None:
        one.key_file.unlink()
    else:
        one.key_file.write_bytes(content)
        one.key_file.chmod(mode)
    with pytest.raises(PollFailed, match=r"one/key") as caught:
        one.store().prepare()
    assert words in str(caught.value)
    assert KEY.decode() not in str(caught.value)


def test_a_row_of_another_user_is_not_taken(
    machines: tuple[Machine, Machine], postgres: Postgres
) -> None:
    """Nobody who can write to the database gets a user's mail by exchanging rows."""
    one, _ = machines
    one.save(OLD)
    one.save(NEW, ANN)
    postgres.sql(
        "UPDATE mailhaul.token SET data = (SELECT data FROM mailhaul.token AS other"
        f" WHERE label = '{ANN.file_name}') WHERE label = '{JOE.file_name}'"
    )
    with pytest.raises(PollFailed, match="is that of another user"):
        one.store().load()


def test_a_token_that_cannot_be_stored_is_kept_in_a_file(
    machines: tuple[Machine, Machine], postgres: Postgres
) -> None:
    """The issuer may have replaced the refresh token: without it the user has to sign in again."""
    one, two = machines
    one.save(OLD)
    store = one.store()
    assert store.try_lock()
    store.prepare()
    postgres.stop()
    store.save(NEW)
    store.unlock()
    [sentence] = one.said
    assert "the token is kept in" in sentence
    postgres.start()
    one.ledger.database._failed = None
    assert revealed(one.store().load()) == (b"access-2", b"refresh-2")
    assert revealed(two.store().load()) == (b"access-1", b"refresh-1")
    # With the lock it goes to where others find it.
    again = one.store()
    postgres.sql("DELETE FROM mailhaul.lock")
    assert again.try_lock()
    again.unlock()
    assert revealed(two.store().load()) == (b"access-2", b"refresh-2")
    assert [*(one.folder / "tokens").glob("*.json")] == []


def test_an_older_token_does_not_replace_a_newer_one(machines: tuple[Machine, Machine]) -> None:
    """A machine that was paused while it renewed comes too late."""
    one, two = machines
    two.save(NEW)
    store = one.store()
    store.save(replace(OLD, words="late"))
    assert revealed(one.store().load()) == (b"access-2", b"refresh-2")
