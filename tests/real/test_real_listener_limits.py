"""A real Exim that takes so many messages from one connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import simple
from .entries import piped_in
from .mailhaul import mailhaul
from .servers.dovecot import Dovecot
from .servers.exim import Exim

pytestmark = pytest.mark.real


def test_messages_beyond_the_limit_are_sent_over_a_new_connection(
    scratch: Path, tmp_path: Path, dovecot: Dovecot, user: str
) -> None:
    exim = Exim(scratch / "exim-limited")
    text = exim.configuration.read_text()
    exim.configuration.write_text(f"smtp_accept_max_per_connection = 4\n{text}")
    for number in range(10):
        dovecot.deliver(user, simple(number))
    rc = piped_in(dovecot, user) + f"    smtphost localhost/{exim.port}\n"
    with exim.running():
        run = mailhaul(rc, tmp_path, "mail.example.org")
        assert (run.code, run.err) == (0, "")
        assert len(exim.delivered()) == 10
    assert dovecot.mailbox(user).files() == []
