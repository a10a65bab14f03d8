"""The private sshd does what tests rely on: keys open one program each, strangers nothing."""

from __future__ import annotations

import os
import subprocess

import pytest

from .corpus import simple
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.sshd import Sshd

pytestmark = pytest.mark.real

IMAP_TALK = b"a SELECT INBOX\r\nb LOGOUT\r\n"


def talk(
    words: list[str], said: bytes, path: str = os.defpath
) -> subprocess.CompletedProcess[bytes]:
    """Run a command that cannot ask anybody anything."""
    return subprocess.run(
        words,
        input=said,
        capture_output=True,
        check=False,
        timeout=30,
        start_new_session=True,
        env={"PATH": path, "HOME": "/nonexistent"},
    )


def test_mykey_opens_a_preauthenticated_imapd(sshd: Sshd, dovecot: Dovecot, ssh_user: str) -> None:
    dovecot.deliver(ssh_user, simple())
    done = talk([*sshd.command(sshd.mykey).split(), "/usr/sbin/imapd"], IMAP_TALK)
    assert done.returncode == 0
    assert done.stdout.startswith(b"* PREAUTH ")
    assert b"* 1 EXISTS\r\n" in done.stdout
    assert sshd.asked() == ["/usr/sbin/imapd"]


def test_myotherkey_opens_an_smtp_server(sshd: Sshd, exim: Exim) -> None:
    done = talk(
        [*sshd.command(sshd.myotherkey).split(), "/usr/lib/sendmail", "-bs"],
        b"EHLO here\r\nMAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@localhost>\r\nDATA\r\n"
        + simple()
        + b".\r\nQUIT\r\n",
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"220 ")
    assert [one.recipient for one in exim.delivered()] == ["bob@localhost"]
    assert sshd.asked() == ["/usr/lib/sendmail -bs"]


def test_a_recipe_reaches_the_server_as_its_author_wrote_it(sshd: Sshd) -> None:
    recipe = f"ssh -i {sshd.mykey} joeuser@mail.example.net /usr/sbin/imapd"
    done = talk(["/usr/bin/env", *recipe.split()], IMAP_TALK, path=f"{sshd.bin}:{os.defpath}")
    assert done.stdout.startswith(b"* PREAUTH ")


def test_a_key_that_is_not_authorized_opens_nothing(sshd: Sshd) -> None:
    done = talk([*sshd.command(sshd.stranger).split(), "/usr/sbin/imapd"], IMAP_TALK)
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"Permission denied" in done.stderr
    assert sshd.asked() == []


def test_an_unknown_host_key_is_not_accepted_unasked(sshd: Sshd) -> None:
    done = talk([*sshd.unknown_host_command(sshd.mykey).split(), "/usr/sbin/imapd"], IMAP_TALK)
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"Host key verification failed" in done.stderr
    assert sshd.asked() == []
