"""The mailhaul command from Dovecot into another mailbox of Dovecot, by APPEND."""

from __future__ import annotations

import imaplib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .corpus import CORPUS, simple
from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.dovecot_services import DovecotServices

pytestmark = pytest.mark.real

CORPUS_SIZE = len(CORPUS)
Stored = list[tuple[set[bytes], bytes, bytes]]
"""Flags, date and octets of each message."""

# Stands between mailhaul and an imapd, and acts once on the word that an APPEND was carried out:
# it swallows that word, and hangs up or kills mailhaul.
RELAY = """\
import os, select, signal, subprocess, sys
done, what, *imapd = sys.argv[1:]
server = subprocess.Popen(imapd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
while True:
    ready, _, _ = select.select([0, server.stdout], [], [])
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            break
        server.stdin.write(data)
    if server.stdout in ready:
        data = server.stdout.read(65536)
        if b"Append completed" in data and not os.path.exists(done):
            open(done, "w").close()
            if what == "kill":
                os.kill(os.getppid(), signal.SIGKILL)
            break
        if not data:
            break
        os.write(1, data)
server.stdin.close()
server.wait()
"""


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "append", certificates.good)
    with server.running():
        yield server


def stored(server: Dovecot, user: str, mailbox: str = "INBOX") -> Stored:
    """Return what a mailbox holds, as another client reads it."""
    found: Stored = []
    with imaplib.IMAP4("localhost", server.imap_port) as client:
        client.login(user, server.password)
        client.select(f'"{mailbox}"', readonly=True)
        numbers = client.search(None, "ALL")[1][0].split()
        for number in numbers:
            _, answer = client.fetch(number.decode(), "(FLAGS INTERNALDATE BODY.PEEK[])")
            (facts, text), *_ = [part for part in answer if isinstance(part, tuple)]
            flags = re.search(rb"FLAGS \(([^)]*)\)", facts)
            date = re.search(rb'INTERNALDATE "([^"]*)"', facts)
            assert flags
            assert date
            found.append((set(flags[1].split()) - {rb"\Recent"}, date[1], text))
    return found


def flag(server: Dovecot, user: str, number: int, flags: str) -> None:
    """Flag a message as another client does."""
    with imaplib.IMAP4("localhost", server.imap_port) as client:
        client.login(user, server.password)
        client.select()
        client.store(str(number), "+FLAGS.SILENT", flags)


def imap_rc(server: Dovecot, user: str, options: str, plugout: str = "") -> str:
    return (
        f"poll localhost no dns protocol IMAP port {server.imap_port} {plugout}\n"
        f"  user {user} password \"{server.password}\" sslproto '' {options}\n"
    )


def into(server: Dovecot, user: str, mailbox: str = "") -> str:
    """Return the options that store mail in the clear on this host."""
    url = f"imap://{user}@localhost:{server.imap_port}/{mailbox}"
    return f'append "{url}" appendpassword "{server.password}"'


@pytest.mark.parametrize("wrapped", [True, False], ids=["imaps", "imap"])
def test_a_mailbox_moves_with_octets_dates_and_flags(
    dovecot: Dovecot, certificates: Certificates, user: str, tmp_path: Path, wrapped: bool
) -> None:
    for age, make in enumerate(CORPUS.values()):
        dovecot.deliver(user, make())
        newest = dovecot.mailbox(user).files()[-1]
        os.utime(newest, (1_000_000_000 + age, 1_000_000_000 + age))
    flag(dovecot, user, 1, r"(\Seen \Answered $Forwarded)")
    flag(dovecot, user, 2, r"(\Flagged \Draft)")
    there, other = stored(dovecot, user), dovecot.new_user()
    options = into(dovecot, other)
    if wrapped:
        url = f"imaps://{other}@localhost:{dovecot.imaps_port}"
        options = f'append "{url}" appendpassword "{dovecot.password}" '
        options += f'sslcertfile "{certificates.authority}"'
    rc = imap_rc(dovecot, user, f"fetchall {options}")
    run = mailhaul(rc, tmp_path)
    assert (run.code, run.err) == (0, "")
    assert stored(dovecot, other) == there
    assert len(there) == CORPUS_SIZE
    assert stored(dovecot, user) == []
    assert mailhaul(rc, tmp_path).code == 1


def test_a_certificate_of_somebody_else_keeps_the_mail(
    dovecot: Dovecot, dovecot_wrong_name: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    url = f"imaps://x@localhost:{dovecot_wrong_name.imaps_port}"
    run = mailhaul(imap_rc(dovecot, user, f'append "{url}" appendpassword x'), tmp_path)
    assert run.code == 10
    assert "append: localhost: " in run.err
    assert "certificate" in run.err
    assert len(dovecot.messages(user)) == 1


def test_a_pop3_account_moves_with_octets_and_the_date_of_arrival(
    services: DovecotServices, tmp_path: Path
) -> None:
    user, other = services.new_user(), services.new_user()
    hop = b"Received: from a by b; Tue, 03 Mar 2020 10:00:0%d -0800 (PST)\r\n"
    messages = [hop % (n % 10) + make() for n, make in enumerate(CORPUS.values())]
    for message in messages:
        services.deliver(user, message)
    rc = (
        f"poll localhost no dns protocol POP3 port {services.pop3_port}\n"
        f"  user {user} password \"{services.password}\" sslproto ''\n"
        f"  {into(services, other, 'Old%20mail/Köln')}\n"
    )
    run = mailhaul(rc, tmp_path)
    assert (run.code, run.err) == (0, "")
    got = stored(services, other, "Old mail/K&APY-ln")
    ended = [text if text.endswith(b"\r\n") else text + b"\r\n" for text in messages]
    assert [text for _, _, text in got] == ended
    assert {flags == set() for flags, _, _ in got} == {True}
    utc = b"03-Mar-2020 18:00:0%d +0000"
    assert [date for _, date, _ in got] == [utc % (n % 10) for n in range(CORPUS_SIZE)]
    assert services.messages(user) == []


def relayed(dovecot: Dovecot, user: str, other: str, folder: Path, what: str) -> str:
    """Return an rc file whose plugout acts once when the server says that an APPEND is done."""
    (folder / "relay.py").write_text(RELAY)
    words = [sys.executable, str(folder / "relay.py"), str(folder / "done"), what]
    plugout = " ".join([*words, *dovecot.preauth_argv(other)])
    return imap_rc(dovecot, user, f'append "imap://{other}@mail.example"', f'plugout "{plugout}"')


def test_when_the_answer_is_lost_the_message_is_found_and_not_appended_again(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        dovecot.deliver(user, simple(number))
    there, other = stored(dovecot, user), dovecot.new_user()
    run = mailhaul(relayed(dovecot, user, other, tmp_path, "hang-up"), tmp_path)
    assert (run.code, run.err) == (0, "")
    assert (tmp_path / "done").exists()
    assert stored(dovecot, other) == there
    assert stored(dovecot, user) == []


def test_what_was_appended_right_before_a_kill_is_not_appended_again(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        dovecot.deliver(user, simple(number))
    there, other = stored(dovecot, user), dovecot.new_user()
    rc = relayed(dovecot, user, other, tmp_path, "kill")
    assert mailhaul(rc, tmp_path).code == -9
    assert len(stored(dovecot, other)) == 1
    assert len(stored(dovecot, user)) == 3
    run = mailhaul(rc, tmp_path)
    assert (run.code, run.err) == (0, "")
    assert stored(dovecot, other) == there
    assert stored(dovecot, user) == []


def test_an_imapd_behind_a_command_needs_no_password(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    there, other = stored(dovecot, user), dovecot.new_user()
    plugout = f'plugout "{" ".join(dovecot.preauth_argv(other))}"'
    options = f'append "imap://{other}@mail.example.org"'
    run = mailhaul(imap_rc(dovecot, user, options, plugout), tmp_path)
    assert (run.code, run.err) == (0, "")
    assert stored(dovecot, other) == there


def test_a_wrong_password_is_named_and_the_mail_stays(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    other = dovecot.new_user()
    rc = imap_rc(dovecot, user, into(dovecot, other).replace(dovecot.password, "qZ7wrong"))
    run = mailhaul(rc, tmp_path, "-v", "-v")
    assert run.code == 10
    assert f"append: Authorization failure on {other}@localhost" in run.err
    assert "qZ7wrong" not in run.err + run.out
    assert len(dovecot.messages(user)) == 1
