"""Every entry of an rc file on any page is polled, here or by a test that is named here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.docs.walkthrough import BLOCK

from ..daemon import until
from ..servers.process import script
from .reader import PAGES
from .setting import COUNT, Setting, gmail_for
from .stand_ins import message, stand_ins

pytestmark = pytest.mark.real

ENTRIES = {
    (page.name, number): block
    for page in sorted(PAGES.glob("*.md"))
    for number, block in enumerate(
        found[0]
        for found in BLOCK.finditer(page.read_text())
        if re.match(r" {4}(poll|skip|set|defaults) ", found[0])
    )
}
ELSEWHERE = {
    "recipes.md": "test_recipes_page.py",
    "oauth.md": "tests/real/test_real_sign_in.py",
    "secrets.md": "tests/real/test_real_secrets.py",
    "proxies.md": "tests/real/test_real_proxies.py",
}
"""Pages whose entries have tests of their own."""


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with stand_ins(tmp_path / "servers") as there:
        yield Setting(tmp_path, there)


def test_append_from_pop3(setting: Setting) -> None:
    assert setting.poll(ENTRIES["append.md", 0]) == ""
    assert [one.text for one in setting.archive.messages] == [message(1), message(2)]
    assert len(setting.box.messages) == COUNT
    assert setting.poll(ENTRIES["append.md", 0]) == ""
    assert len(setting.archive.messages) == COUNT


def test_append_folder_by_folder(setting: Setting) -> None:
    netrc = "machine imap.new-provider.example login joe password netrc-pass-word\n"
    setting.joe.write("~/.netrc", netrc)
    setting.joe.execute("chmod 600 ~/.netrc")
    setting.joe.replace["Archive/2025"] = "INBOX"
    assert setting.poll(ENTRIES["append.md", 1]) == ""
    assert [one.text for one in setting.archive.messages] == [message(1), message(2)]


def test_the_first_recipe_for_gmail(setting: Setting) -> None:
    with gmail_for(setting, "1234-abc.apps.googleusercontent.com", "joe.doe@gmail.com") as gmail:
        assert 'mailhaul login joe.doe@gmail.com"' in setting.poll(ENTRIES["gmail.md", 0])
        gmail.sign_in()
        assert setting.poll(ENTRIES["gmail.md", 0]) == ""
    assert gmail.stored == [message(1), message(2)]
    assert len(setting.box.messages) == COUNT


def test_the_daemon_of_two_accounts(setting: Setting) -> None:
    """Polled once: tests/real/test_real_daemon.py lets it wait."""
    setting.joe.replace |= {" ssl idle": " ssl"}
    assert setting.poll(ENTRIES["daemon.md", 0], "-d 0") == ""
    assert len(setting.there.taken.messages) == 2 * COUNT


def test_mail_that_is_deleted_later(setting: Setting) -> None:
    assert setting.poll(ENTRIES["reading.md", 0]) == ""
    assert len([*(setting.joe.home / "Maildir" / "new").iterdir()]) == COUNT
    assert len(setting.box.messages) == COUNT


def test_commands_for_failures(setting: Setting) -> None:
    script(setting.joe.bin / "notify-admin", f'echo "$1" >>{setting.joe.home}/told\n')
    setting.joe.replace["some-pass-word"] = '"wrong" ssl alertafter 1'
    assert "Authorization failure" in setting.poll(ENTRIES["alerts.md", 0])
    until((setting.joe.home / "told").exists)


@pytest.fixture
def with_store(setting: Setting, store_url: str) -> Setting:
    setting.joe.replace["postgresql://mailhaul@db.example.org/mail"] = store_url
    return setting


def test_a_ledger_in_postgresql(with_store: Setting) -> None:
    joe, box = with_store.joe, with_store.archive
    joe.write("~/.netrc", "machine imap.example.org login joe password netrc-pass-word\n")
    joe.execute("chmod 600 ~/.netrc")
    box.append(message(1))
    assert with_store.poll(ENTRIES["store.md", 0]) == ""
    assert box.messages == []
    assert not [*joe.home.rglob("ledger.db")]


def test_tokens_in_the_store(with_store: Setting) -> None:
    with_store.joe.write("~/.mailhaul.key", f"{Fernet.generate_key().decode()}\n")
    with_store.joe.execute("chmod 600 ~/.mailhaul.key")
    # After a consent: tests/adapters/postgres/test_tokens.py.
    assert 'mailhaul login joe@gmail.com"' in with_store.poll(ENTRIES["store.md", 1])


HERE = {
    ("store.md", 0): test_a_ledger_in_postgresql,
    ("store.md", 1): test_tokens_in_the_store,
    ("reading.md", 0): test_mail_that_is_deleted_later,
    ("alerts.md", 0): test_commands_for_failures,
    ("append.md", 0): test_append_from_pop3,
    ("append.md", 1): test_append_folder_by_folder,
    ("gmail.md", 0): test_the_first_recipe_for_gmail,
    ("daemon.md", 0): test_the_daemon_of_two_accounts,
    # With a token for IMAP: test_a_consent_is_also_for_append in tests/real/test_real_sign_in.py.
    ("gmail.md", 1): None,
}


def test_every_entry_is_polled_by_some_test() -> None:
    left = {entry for entry in ENTRIES if entry[0] not in ELSEWHERE} - HERE.keys()
    assert left == set(), "write a test here that polls this entry, or name one in ELSEWHERE"
