"""kill -9 at random moments, between real servers: nothing is lost, and little comes twice.

Few kills here, 500 for each way with ``make soak``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .course import Course, check
from .entries import piped_in
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim

pytestmark = pytest.mark.real

KILLS = 500 if os.environ.get("MAILHAUL_SOAK") else 15


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "kills", certificates.good)
    with server.running():
        yield server


def test_from_imap_into_a_maildir(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    box = tmp_path / "Mail" / "new"
    course = Course(
        tmp_path,
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' maildir Mail\n",
        dovecot,
        user,
        lambda: [path.read_bytes() for path in box.iterdir()],
    )
    arrived = course.endure(KILLS, course.kill_after)
    check(course, arrived, duplicates=0)


def test_from_pop3_to_smtp(services: DovecotServices, exim: Exim, tmp_path: Path) -> None:
    user = services.new_user()
    course = Course(
        tmp_path,
        f"poll localhost no dns protocol POP3 port {services.pop3_port}\n"
        f"  user {user} password \"{services.password}\" is bob here sslproto ''\n"
        f"  smtphost localhost/{exim.port}\n",
        services,
        user,
        lambda: [one.data for one in exim.delivered()],
    )
    arrived = course.endure(KILLS, course.kill_after)
    check(course, arrived, duplicates=course.hits)


def test_from_a_plugin_to_lmtp(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    other = dovecot.new_user()
    course = Course(
        tmp_path,
        piped_in(dovecot, user).replace("skip", "poll", 1)
        + f"    is {other} here lmtp smtphost 127.0.0.1/{dovecot.lmtp_port} smtpaddress x\n",
        dovecot,
        user,
        lambda: dovecot.messages(other),
    )
    arrived = course.endure(KILLS, course.kill_after)
    check(course, arrived, duplicates=course.hits)
