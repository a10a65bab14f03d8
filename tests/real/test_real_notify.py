"""The daemon watches several folders of one account at a real Dovecot, with NOTIFY and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from smtplib import LMTP

import pytest

from .corpus import simple
from .daemon import Daemon, box, entry, until
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real

TO_FOLDERS = """
lmtp_save_to_detail_mailbox = yes
recipient_delimiter = +
lda_mailbox_autocreate = yes
"""
WITHOUT_NOTIFY = "imap_capability = IMAP4rev1 IDLE UIDPLUS LITERAL+ UNSELECT ENABLE NAMESPACE\n"


def running(folder: Path, certificates: Certificates, more: str) -> Iterator[Dovecot]:
    server = Dovecot(folder, certificates.good)
    with server.configuration.open("a") as configuration:
        configuration.write(more)
    with server.running():
        yield server


@pytest.fixture(scope="module")
def notifying(scratch: Path, certificates: Certificates) -> Iterator[Dovecot]:
    """A Dovecot that offers NOTIFY, and delivers for user+folder into the folder."""
    yield from running(scratch / "notifying", certificates, TO_FOLDERS)


@pytest.fixture(scope="module")
def idling(scratch: Path, certificates: Certificates) -> Iterator[Dovecot]:
    """A Dovecot that offers IDLE alone."""
    yield from running(scratch / "idling", certificates, TO_FOLDERS + WITHOUT_NOTIFY)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log.read_text()
    assert "internal error" not in daemon.log.read_text()


def send(dovecot: Dovecot, user: str, folder: str, number: int) -> None:
    """Deliver by LMTP into a folder, which is made where there is none."""
    with LMTP("127.0.0.1", dovecot.lmtp_port, "localhost") as client:
        client.sendmail("ann@example.net", [f"{user}+{folder}@example.org"], simple(number))


def logins(dovecot: Dovecot, user: str) -> int:
    # The words of Dovecot 2.3 and of 2.4.
    return len(re.findall(rf"(?:Login|Logged in): user=<{user}>", dovecot.log()))


def start(daemon: Daemon, dovecot: Dovecot, user: str, folders: str) -> None:
    options = f'folder {folders} idle maildir "{daemon.home}/Mail"'
    daemon.configure(entry(dovecot, user, options))
    daemon.start()


def test_one_connection_watches_four_folders_and_mail_in_each_is_there_within_a_second(
    daemon: Daemon, notifying: Dovecot
) -> None:
    user = notifying.new_user()
    # What LMTP calls A&B is A&-B in IMAP.
    for number, folder in enumerate(("Lists", "A&B"), 1):
        send(notifying, user, folder, number)
    notifying.mailbox(user, "Entw&APw-rfe").deliver(simple(3))
    start(daemon, notifying, user, 'INBOX,Lists,"A&-B","Entwürfe"')
    until(lambda: daemon.states() == {f"{user}@localhost": "watching"})
    assert len(box(daemon)) == 3
    took: list[float] = []
    for number, folder in enumerate(("INBOX", "Lists", "A&B", "Lists", "INBOX"), 4):
        began = time.monotonic()
        send(notifying, user, folder, number)
        until(lambda number=number: len(box(daemon)) == number)  # type: ignore[misc]
        took.append(time.monotonic() - began)
    # Dovecot collects news for half a second before it tells of them.
    assert max(took) < 1.5
    assert logins(notifying, user) == 1


def test_a_server_without_notify_gets_a_connection_for_each_folder(
    daemon: Daemon, idling: Dovecot
) -> None:
    user = idling.new_user()
    other = idling.mailbox(user, "Other")
    other.deliver(simple(1))
    start(daemon, idling, user, "INBOX,Other")
    until(lambda: list(daemon.states().values()) == ["watching", "watching"])
    assert len(box(daemon)) == 1
    other.deliver(simple(2))
    idling.deliver(user, simple(3))
    until(lambda: len(box(daemon)) == 3)
    assert logins(idling, user) == 1 + 2


def test_in_the_foreground_too_a_server_without_notify_is_watched(
    daemon: Daemon, idling: Dovecot
) -> None:
    user = idling.new_user()
    other = idling.mailbox(user, "Other")
    other.deliver(simple(1))
    options = f'folder INBOX,Other idle maildir "{daemon.home}/Mail"'
    daemon.configure(entry(idling, user, options))
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "-f", str(daemon.rc)],
        cwd=daemon.home,
        env={"PATH": os.defpath, "HOME": str(daemon.home)},
    )
    try:
        until(lambda: len(box(daemon)) == 1)
        until(lambda: logins(idling, user) == 1 + 2)
        other.deliver(simple(2))
        idling.deliver(user, simple(3))
        until(lambda: len(box(daemon)) == 3)
    finally:
        process.terminate()
        process.wait()


def test_a_folder_that_is_not_there_does_not_stop_the_others(
    daemon: Daemon, notifying: Dovecot
) -> None:
    user = notifying.new_user()
    send(notifying, user, "Lists", 1)
    start(daemon, notifying, user, "INBOX,Nowhere,Lists")
    until(lambda: sorted(daemon.states().values()) == ["waiting", "watching", "watching"])
    until(lambda: len(box(daemon)) == 1)
    send(notifying, user, "Lists", 2)
    send(notifying, user, "INBOX", 3)
    until(lambda: len(box(daemon)) == 3)
