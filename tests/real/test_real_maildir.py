"""The mailhaul command from Dovecot into a Maildir and into batched SMTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import CORPUS, body_of, simple, unix
from .mailhaul import mailhaul
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real


def rc(dovecot: Dovecot, user: str, options: str) -> str:
    return (
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' {options}\n"
    )


def test_every_message_arrives_in_the_maildir(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    messages = [make() for make in CORPUS.values()]
    for message in messages:
        dovecot.deliver(user, message)
    run = mailhaul(rc(dovecot, user, "maildir Mail"), tmp_path)
    assert (run.code, run.err) == (0, "")
    stored = [path.read_bytes() for path in (tmp_path / "Mail" / "new").iterdir()]
    assert sorted(map(body_of, stored)) == sorted(unix(body_of(one)) for one in messages)
    assert dovecot.messages(user) == []
    assert mailhaul(rc(dovecot, user, "maildir Mail"), tmp_path).code == 1


def test_a_folder_that_cannot_be_written_keeps_the_mail(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    (tmp_path / "Mail").write_text("a file")
    run = mailhaul(rc(dovecot, user, "maildir Mail"), tmp_path)
    assert run.code == 6
    assert str(tmp_path / "Mail") in run.err
    assert len(dovecot.messages(user)) == 1


def test_a_batch_holds_every_message(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    for number in (1, 2):
        dovecot.deliver(user, simple(number))
    assert mailhaul(rc(dovecot, user, "bsmtp batch"), tmp_path).code == 0
    batch = (tmp_path / "batch").read_bytes()
    assert batch.count(b"\r\nRCPT TO:<bob@localhost>\r\nDATA\r\n") == 2
    assert batch.endswith(b"\r\n.\r\n")


def test_two_places_are_an_error(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    run = mailhaul(rc(dovecot, user, "maildir Mail mda cat"), tmp_path)
    assert run.code == 5
    assert "one destination only" in run.err
