"""Where the ledger is: what is wrong with ``set store`` is said without showing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import Configuration, load

ENTRY = "poll mail.example.org protocol imap user joe password some-pass-word\n"
URL = 'set store "postgresql://joe:hidden-horse@db.example.org/mail"\n'


def loaded(path: Path, text: str) -> Configuration:
    rc = path / "rc"
    rc.write_text(f"{text}{ENTRY}")
    rc.chmod(0o600)
    caller = Caller("me", rc.stat().st_uid, str(path), None, str(path))
    return load(["-f", str(rc)], caller, bytes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("set store hidden-horse\n", "the store is not a URL of PostgreSQL"),
        (f"{URL}set lease 4\n", "the lease must be at least 5 seconds"),
        ("set oauthstore store\n", "only if machines share it"),
        (f"{URL}set oauthstore store\n", 'add "set storekeyfile"'),
        ("set store\n", 'expected "sqlite" or the URL of a database'),
        ("set store hidden-horse hidden-horse\n", "a word that is not shown here"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, text)
    told = " ".join(map(str, caught.value.errors))
    assert words in told
    assert "hidden-horse" not in told
    assert f"{tmp_path}/rc:" in told


def test_a_store_is_a_secret(tmp_path: Path) -> None:
    found = loaded(tmp_path, f"{URL}set lease 1m\nset storekeyfile ~/key\nset oauthstore store\n")
    assert found.globals.store is not None
    assert found.globals.store.reveal().startswith(b"postgresql://joe:hidden-horse@")
    assert "hidden-horse" not in repr(found.globals)
    assert (found.globals.lease, found.globals.storekeyfile) == (60, f"{tmp_path}/key")
    usual = loaded(tmp_path, "set store SQLite\n").globals
    assert usual.lease == 30


def test_a_store_needs_psycopg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailhaul.adapters.config.ledger_sanity.find_spec", lambda name: None)
    with pytest.raises(ConfigErrors, match=r"pip install mailhaul\[postgres\]"):
        loaded(tmp_path, URL)
