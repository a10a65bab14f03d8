"""The mailhaul command from Dovecot into a mailbox file."""

from __future__ import annotations

import mailbox
import re
from pathlib import Path

import pytest

from .corpus import CORPUS, body_of, simple, unix
from .mailhaul import mailhaul
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real


def rc(dovecot: Dovecot, user: str, path: str = "inbox") -> str:
    return (
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' mbox {path}\n"
    )


def bodies(path: Path) -> list[bytes]:
    box = mailbox.mbox(path, create=False)
    try:
        return [
            re.sub(rb"(?m)^>(>*From )", rb"\1", body_of(box.get_bytes(key)))
            for key in box.iterkeys()
        ]
    finally:
        box.close()


def test_every_message_arrives_in_the_mailbox_file(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    messages = [make() for make in CORPUS.values()]
    for message in messages:
        dovecot.deliver(user, message)
    run = mailhaul(rc(dovecot, user), tmp_path)
    assert (run.code, run.err) == (0, "")
    sent = [unix(body_of(message)) for message in messages]
    ended = [body + b"\n" * (bool(body) and not body.endswith(b"\n")) for body in sent]
    assert sorted(bodies(tmp_path / "inbox")) == sorted(ended)
    assert dovecot.messages(user) == []


def test_a_place_that_takes_no_lock_keeps_the_mail(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    run = mailhaul(rc(dovecot, user, "nowhere/inbox"), tmp_path)
    assert run.code == 6
    assert str(tmp_path / "nowhere" / "inbox.lock") in run.err
    assert len(dovecot.messages(user)) == 1
