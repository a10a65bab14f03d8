"""The recipes in people's rc files, run by the real command against real servers.

Each carries the whole corpus. What arrives is what was sent, octet for octet, but for the
fields that Way lists and the line ends that the receiver keeps on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .corpus import CORPUS, hostless_addresses, leading_dots, simple
from .entries import (
    CALLER,
    CENTRAL,
    piped_in,
    ssh_in,
    ssh_out,
    ssh_path,
    starttls_in,
    tls_in,
    trusting,
)
from .mailhaul import Run, Way, mailhaul, reading_line, status_lines
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.fetchmail import fetchmail
from .servers.process import script
from .servers.sshd import Sshd

pytestmark = pytest.mark.real

Corpus = Mapping[str, Callable[[], bytes]]


def fill(dovecot: Dovecot, user: str) -> None:
    dovecot.clear(user)
    for make in CORPUS.values():
        dovecot.deliver(user, make())


def corpus_lines(user: str, server: str) -> list[str]:
    total = len(CORPUS)
    whom = f"{user}@{server}"
    return [
        f"{total} messages for {user} at {server}.",
        *(
            reading_line(whom, number, total, make(), "flushed")
            for number, make in enumerate(CORPUS.values(), start=1)
        ),
    ]


def assert_all_went(run: Run, dovecot: Dovecot, user: str) -> None:
    assert (run.code, run.err, run.left) == (0, "", ())
    assert dovecot.messages(user) == []


def by_exim(server: str, recipient: str, address: str = "") -> Way:
    return Way(server, recipient, address, above=b"Received", ends_header=True)


def assert_in_exim(exim: Exim, way: Way, messages: Corpus = CORPUS) -> None:
    """These messages are there, with the right envelope."""
    delivered = exim.delivered()
    way.check_corpus((one.data for one in delivered), messages)
    assert {one.recipient for one in delivered} == {way.recipient}
    assert Counter(one.sender for one in delivered) == {
        "ann@example.net": len(messages) - 1,
        f"ann@{way.server}": 1,
    }


# IMAP behind ssh


def test_mail_behind_ssh_goes_to_smtp_without_user_password_or_name_service(
    sshd: Sshd, dovecot: Dovecot, exim: Exim, ssh_user: str, tmp_path: Path
) -> None:
    fill(dovecot, ssh_user)
    rc = ssh_in(sshd) + f"    smtphost localhost/{exim.port}\n"
    run = mailhaul(rc, tmp_path, CENTRAL, environment=ssh_path(sshd))
    assert_all_went(run, dovecot, ssh_user)
    assert_in_exim(exim, by_exim(CENTRAL, f"{CALLER}@localhost"))
    assert run.status_lines == corpus_lines(CALLER, CENTRAL)
    assert sshd.asked() == ["/usr/sbin/imapd"]


def test_mail_behind_ssh_goes_to_port_25_of_localhost_unless_told_otherwise(
    sshd: Sshd, dovecot: Dovecot, ssh_user: str, scratch: Path, tmp_path: Path
) -> None:
    fill(dovecot, ssh_user)
    exim = Exim(scratch / "exim25")
    exim.port = 25
    with exim.running():
        run = mailhaul(ssh_in(sshd), tmp_path, CENTRAL, environment=ssh_path(sshd))
        assert_all_went(run, dovecot, ssh_user)
        assert_in_exim(exim, by_exim(CENTRAL, f"{CALLER}@localhost"))


def test_mail_behind_ssh_goes_to_a_sendmail_behind_another_ssh(
    sshd: Sshd, dovecot: Dovecot, exim: Exim, ssh_user: str, tmp_path: Path
) -> None:
    fill(dovecot, ssh_user)
    rc = ssh_in(sshd) + ssh_out(sshd)
    run = mailhaul(rc, tmp_path, CENTRAL, environment=ssh_path(sshd))
    assert_all_went(run, dovecot, ssh_user)
    assert_in_exim(exim, by_exim(CENTRAL, f"{CALLER}@localhost"))
    assert sshd.asked() == ["/usr/sbin/imapd", "/usr/lib/sendmail -bs"]


def test_fetchmail_says_the_same_of_mail_behind_ssh(
    sshd: Sshd, dovecot: Dovecot, exim: Exim, ssh_user: str, tmp_path: Path
) -> None:
    rc = ssh_in(sshd) + f"    smtphost localhost/{exim.port}\n"
    # What fetchmail needs to work: no look-up of the name, no TLS on ssh's pipe.
    original = rc.replace("protocol", "no dns protocol") + "    sslproto ''\n"
    fill(dovecot, ssh_user)
    theirs = fetchmail(original, tmp_path, CENTRAL, environment=ssh_path(sshd))
    fill(dovecot, ssh_user)
    ours = mailhaul(rc, tmp_path, CENTRAL, environment=ssh_path(sshd))
    assert (ours.code, ours.status_lines) == (theirs.returncode, status_lines(theirs.stdout))


def test_a_key_that_opens_nothing_is_a_failed_connection_in_ssh_s_own_words(
    sshd: Sshd, dovecot: Dovecot, ssh_user: str, tmp_path: Path
) -> None:
    dovecot.deliver(ssh_user, simple())
    rc = ssh_in(sshd).replace(str(sshd.mykey), str(sshd.stranger))
    run = mailhaul(rc, tmp_path, CENTRAL, environment=ssh_path(sshd))
    assert (run.code, run.left) == (2, ())
    assert CENTRAL in run.err
    assert "Permission denied" in run.err
    assert dovecot.flags(ssh_user) == [""]


# An ordinary account over TLS


@pytest.mark.parametrize("trust", ["environment", "sslcertfile"])
@pytest.mark.parametrize("entry", [tls_in, starttls_in])
def test_an_account_with_a_password_goes_to_smtp(
    dovecot: Dovecot,
    certificates: Certificates,
    exim: Exim,
    user: str,
    tmp_path: Path,
    entry: Callable[[Dovecot, str], str],
    trust: str,
) -> None:
    fill(dovecot, user)
    rc = entry(dovecot, user) + f"    smtphost localhost/{exim.port}\n"
    if trust == "sslcertfile":
        rc += f'    sslcertfile "{certificates.authority}"\n'
    environment = trusting(certificates) if trust == "environment" else {}
    run = mailhaul(rc, tmp_path, "localhost", environment=environment)
    assert_all_went(run, dovecot, user)
    assert_in_exim(exim, by_exim("localhost", f"{CALLER}@localhost", "127.0.0.1"))
    assert run.status_lines == corpus_lines(user, "localhost")


def test_without_the_word_ssl_tls_is_started_before_the_password_goes_out(
    dovecot: Dovecot, certificates: Certificates, user: str, tmp_path: Path
) -> None:
    environment = trusting(certificates)
    run = mailhaul(starttls_in(dovecot, user), tmp_path, "-v", "localhost", environment=environment)
    assert run.code == 1
    said = [line.split("IMAP> ")[1] for line in run.out.splitlines() if "IMAP> " in line]
    words = [line.split()[1] for line in said]
    assert words.index("STARTTLS") < words.index("LOGIN")


@pytest.mark.parametrize("entry", [tls_in, starttls_in])
def test_a_server_that_nobody_vouches_for_gets_no_password(
    dovecot: Dovecot, user: str, tmp_path: Path, entry: Callable[[Dovecot, str], str]
) -> None:
    dovecot.deliver(user, simple())
    run = mailhaul(entry(dovecot, user), tmp_path, "-v", "localhost")
    assert (run.code, run.left) == (2, ())
    assert "certificate" in run.err
    assert "LOGIN " not in run.out
    assert dovecot.flags(user) == [""]


# Commands


def test_defaults_fetchall_and_no_keep_empty_the_mailbox_into_a_command(
    dovecot: Dovecot, certificates: Certificates, user: str, tmp_path: Path
) -> None:
    def refill() -> None:
        dovecot.clear(user)
        dovecot.deliver(user, simple(1), flags="S")
        dovecot.deliver(user, simple(2))
        dovecot.deliver(user, simple(3), flags="FS")

    rc = f'defaults fetchall no keep\n{tls_in(dovecot, user)}    mda "cat >>/dev/null"\n'
    environment = trusting(certificates)
    refill()
    theirs = fetchmail(rc, tmp_path, "localhost", environment=environment)
    refill()
    ours = mailhaul(rc, tmp_path, "localhost", environment=environment)
    assert_all_went(ours, dovecot, user)
    assert len(ours.status_lines) == 4
    assert (ours.code, ours.status_lines) == (theirs.returncode, status_lines(theirs.stdout))


def cut_at_the_lone_dot() -> bytes:
    """What sendmail keeps of this message, unless it is told -oi."""
    return leading_dots().partition(b"\r\n.\r\n")[0] + b"\r\n"


@pytest.mark.parametrize(
    ("option", "messages"),
    [("", {**CORPUS, "leading_dots": cut_at_the_lone_dot}), (" -oi", CORPUS)],
    ids=["-oem", "-oem -oi"],
)
def test_a_sendmail_command_is_told_sender_and_recipient(
    dovecot: Dovecot,
    certificates: Certificates,
    exim: Exim,
    user: str,
    tmp_path: Path,
    option: str,
    messages: Corpus,
) -> None:
    fill(dovecot, user)
    rc = f'{tls_in(dovecot, user)}    mda "{" ".join(exim.sendmail_argv)}{option} -f %F %T"\n'
    run = mailhaul(rc, tmp_path, "localhost", environment=trusting(certificates))
    assert_all_went(run, dovecot, user)
    assert_in_exim(exim, by_exim("localhost", f"{CALLER}@localhost", "127.0.0.1"), messages)


@pytest.mark.parametrize(
    ("message", "sender"),
    [
        (simple(), "ann@example.net"),
        (b"Return-Path: <>\r\n" + simple(), "<>"),
        (hostless_addresses(), "ann@mail.example.org"),
        (b"Sender: Sue <sue@example.net>\r\n" + simple(), "sue@example.net"),
        (simple().replace(b"ann@", b'"a;id\'b$(id)"@'), '"a;id\'b$(id)"@example.net'),
        (simple().replace(b"From:", b"X-From:"), ""),
    ],
    ids=["From", "Return-Path", "hostless", "Sender", "shell", "none"],
)
def test_an_mda_gets_the_envelope_as_two_arguments(
    dovecot: Dovecot, user: str, tmp_path: Path, message: bytes, sender: str
) -> None:
    show = script(tmp_path / "show", f'printf "%s\\n" "$#" "$@" >{tmp_path}/arguments\ncat >&2\n')
    dovecot.deliver(user, message)
    rc = piped_in(dovecot, user) + f'    is bob mda "{show} %F %T"\n'
    run = mailhaul(rc, tmp_path, "mail.example.org")
    assert (run.code, run.err) == (0, "")
    assert (tmp_path / "arguments").read_text() == f"2\n{sender}\nbob\n"


def test_a_program_opens_a_ticket_for_each_message_of_the_entries_that_are_named(
    dovecot: Dovecot, certificates: Certificates, tmp_path: Path
) -> None:
    folder = tmp_path / "tickets"
    folder.mkdir()
    ticket = script(tmp_path / "open-ticket", f"exec cat >{folder}/$$\n")
    queues = {queue: dovecot.new_user() for queue in ("desk", "sales", "private")}
    rc = ""
    for queue, user in queues.items():
        fill(dovecot, user)
        name = f"skip {queue}.example.org via localhost"
        entry = tls_in(dovecot, user).replace("skip localhost", name)
        rc += f'{entry}    is {queue} mda "{ticket}"\n'

    unnamed = mailhaul(rc, tmp_path, environment=trusting(certificates))
    assert (unnamed.code, unnamed.err) == (1, "")
    assert unnamed.out.startswith("mailhaul: nothing is polled: all entries in ")

    wanted = ["sales.example.org", "desk.example.org"]
    run = mailhaul(rc, tmp_path, *wanted, environment=trusting(certificates))
    assert (run.code, run.err, run.left) == (0, "", ())
    # They are polled side by side: whichever is done first is told of first.
    assert sorted(line for line in run.status_lines if "messages for" in line) == [
        f"{len(CORPUS)} messages for {queues[queue]} at {queue}.example.org."
        for queue in ("desk", "sales")
    ]
    tickets = [path.read_bytes() for path in folder.iterdir()]
    assert len(tickets) == 2 * len(CORPUS)
    for queue in ("desk", "sales"):
        way = Way("localhost", f"{queue}@localhost", "127.0.0.1", ends_lines=False)
        way.check_corpus(one for one in tickets if b"for <%b@" % queue.encode() in one)
        assert dovecot.messages(queues[queue]) == []
    assert dovecot.flags(queues["private"]) == [""] * len(CORPUS)


# LMTP


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_lmtp_stores_mail_in_another_mailbox(
    dovecot: Dovecot, certificates: Certificates, user: str, tmp_path: Path, way: str
) -> None:
    fill(dovecot, user)
    target = dovecot.new_user()
    listener = (
        f"lmtp smtphost localhost/{dovecot.lmtp_port}"
        if way == "tcp"
        else f'smtphost "{dovecot.lmtp_socket}"'
    )
    rc = f"{tls_in(dovecot, user)}    is {target} {listener}\n"
    run = mailhaul(rc, tmp_path, "localhost", environment=trusting(certificates))
    assert_all_went(run, dovecot, user)
    assert run.status_lines == corpus_lines(user, "localhost")
    Way("localhost", f"{target}@localhost", "127.0.0.1", above=b"Return-Path").check_corpus(
        dovecot.messages(target)
    )
