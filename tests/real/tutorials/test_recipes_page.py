"""Each entry in docs/recipes.md delivers mail, written as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailhaul import servers
from tests.docs.walkthrough import BLOCK

from ..servers.dovecot import Dovecot
from ..servers.exim import Exim
from ..servers.process import script
from ..servers.sshd import Sshd
from .reader import PAGES
from .setting import COUNT, Setting, gmail_for
from .stand_ins import SshHost, message, stand_ins

pytestmark = pytest.mark.real

RECIPES = {
    section.splitlines()[0]: section
    for section in (PAGES / "recipes.md").read_text().split("\n## ")[1:]
}
"""The sections, by their titles."""


def poll(setting: Setting, title: str, *arguments: str) -> str:
    """Write the recipe's entry and poll it once; return what is printed."""
    found = BLOCK.search(RECIPES[title])
    assert found
    return setting.poll(found[0], *arguments)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with stand_ins(tmp_path / "servers") as there:
        yield Setting(tmp_path, there)


def collector(path: Path, folder: Path) -> Path:
    """Write a command that stores its standard input in a folder."""
    folder.mkdir()
    return script(path, f"exec cat >{folder}/$$\n")


def test_smtp(setting: Setting) -> None:
    assert poll(setting, "From IMAP to the mail server on this machine") == ""
    assert [one.recipients for one in setting.there.taken.messages] == [(b"joe@localhost",)] * COUNT
    assert setting.box.messages == []


def test_maildir(setting: Setting) -> None:
    assert poll(setting, "From POP3 into a Maildir") == ""
    assert len([*(setting.joe.home / "Maildir" / "new").iterdir()]) == COUNT
    assert setting.box.messages == []


def test_ssh(setting: Setting, sshd: Sshd, dovecot: Dovecot, ssh_user: str, scratch: Path) -> None:
    for number in (1, 2):
        dovecot.deliver(ssh_user, message(number))
    far = SshHost(scratch / "recipe-in", sshd)
    far.reached_by(setting.joe.home, "centralserver.example.net")
    (setting.joe.home / ".ssh" / "mykey").symlink_to(sshd.mykey)
    assert poll(setting, "From an IMAP server over ssh", "centralserver.example.net") == ""
    assert len(setting.there.taken.messages) == COUNT
    assert dovecot.messages(ssh_user) == []


def test_sendmail_over_ssh(setting: Setting, sshd: Sshd, exim: Exim, scratch: Path) -> None:
    far = SshHost(scratch / "recipe-out", sshd)
    far.reached_by(setting.joe.home, "smtpserver.example.net")
    (setting.joe.home / ".ssh" / "myotherkey").symlink_to(sshd.myotherkey)
    assert poll(setting, "To a sendmail on another machine, over ssh") == ""
    assert len(exim.delivered()) == COUNT
    assert setting.box.messages == []


def test_lmtp(setting: Setting, dovecot: Dovecot) -> None:
    dovecot.clear("joe")
    setting.joe.replace["/run/dovecot/lmtp"] = str(dovecot.lmtp_socket)
    assert poll(setting, "By LMTP") == ""
    assert len(dovecot.messages("joe")) == COUNT


def test_commands(setting: Setting, tmp_path: Path) -> None:
    for shown in ("/usr/lib/sendmail", "/usr/local/bin/open-ticket"):
        name = Path(shown).name
        setting.joe.replace[shown] = str(collector(tmp_path / name, tmp_path / f"{name}-mail"))
    setting.there.imap(servers.Mailbox([message(3)]), "tickets.example.net")
    assert poll(setting, "To a command (MDA)") == ""
    assert len([*(tmp_path / "sendmail-mail").iterdir()]) == COUNT
    assert len([*(tmp_path / "open-ticket-mail").iterdir()]) == 1


def test_a_listener_far_away(setting: Setting) -> None:
    assert poll(setting, "To a listener far away") == ""
    assert len(setting.there.taken.messages) == COUNT


def test_append(setting: Setting) -> None:
    assert poll(setting, "Into a mailbox on another IMAP server") == ""
    assert [one.text for one in setting.archive.messages] == [message(1), message(2)]
    assert setting.box.messages == []


def test_gmail(setting: Setting) -> None:
    """The stand-in for Gmail; a token is there, as if the reader had signed in."""
    with gmail_for(setting, "1234-abc.apps.googleusercontent.com", "joe.doe@gmail.com") as gmail:
        assert 'mailhaul login joe.doe@gmail.com"' in poll(setting, "Into Gmail")
        gmail.sign_in()
        assert poll(setting, "Into Gmail") == ""
    assert gmail.stored == [message(1), message(2)]


def test_daemon(setting: Setting) -> None:
    """Polled once: tests/real/test_real_daemon.py lets it wait."""
    setting.joe.replace["        idle\n"] = "\n"
    setting.joe.replace["    idle\n"] = "\n"
    assert poll(setting, "As a daemon that fetches mail as soon as it arrives", "-d 0") == ""
    assert len(setting.there.taken.messages) == COUNT


TESTS: dict[str, Callable[..., None]] = {
    "From IMAP to the mail server on this machine": test_smtp,
    "From POP3 into a Maildir": test_maildir,
    "From an IMAP server over ssh": test_ssh,
    "To a sendmail on another machine, over ssh": test_sendmail_over_ssh,
    "By LMTP": test_lmtp,
    "To a command (MDA)": test_commands,
    "To a listener far away": test_a_listener_far_away,
    "Into a mailbox on another IMAP server": test_append,
    "Into Gmail": test_gmail,
    "As a daemon that fetches mail as soon as it arrives": test_daemon,
}


def test_every_recipe_has_a_test() -> None:
    assert RECIPES.keys() == TESTS.keys()
