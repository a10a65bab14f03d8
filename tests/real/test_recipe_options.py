"""What options and the command line change in a recipe; most are held against fetchmail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from .corpus import body_of, long_line, simple, unix
from .entries import piped_in, tls_in, trusting
from .mailhaul import Run, by_name, mailhaul, status_lines
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.fetchmail import fetchmail

pytestmark = pytest.mark.real

SERVER = "mail.example.org"


@pytest.fixture
def rc(dovecot: Dovecot, exim: Exim, user: str) -> str:
    """From a pipe to SMTP. A test appends options of the user."""
    return piped_in(dovecot, user) + f"    is bob smtphost localhost/{exim.port}\n"


@pytest.fixture
def refill(dovecot: Dovecot, exim: Exim, user: str) -> Callable[[], None]:
    """Put one old message, two new ones and a long one in the mailbox, and nothing elsewhere."""

    def refill() -> None:
        exim.clear()
        dovecot.clear(user)
        dovecot.deliver(user, simple(1), flags="S")
        dovecot.deliver(user, simple(2))
        dovecot.deliver(user, long_line())
        dovecot.deliver(user, simple(3))

    return refill


def names(exim: Exim) -> list[str]:
    """Return which messages were delivered, by the name in their Message-ID."""
    return sorted(by_name(one.data for one in exim.delivered()))


def whats_left(dovecot: Dovecot, user: str) -> list[tuple[str, str]]:
    """Return name and flags of each message in the mailbox."""
    left = by_name(map(unix, dovecot.messages(user)))
    return list(zip(left, dovecot.flags(user), strict=True))


OLD = ("simple", "S")
NEW = [("simple2", ""), ("long_line", ""), ("simple3", "")]
SEEN = [("simple2", "S"), ("long_line", "S"), ("simple3", "S")]
ALL_NEW = ["long_line", "simple2", "simple3"]


@pytest.mark.parametrize(
    ("options", "arguments", "code", "brought", "left"),
    [
        ("", [], 0, ALL_NEW, [OLD]),
        ("keep", [], 0, ALL_NEW, [OLD, *SEEN]),
        ("", ["-k"], 0, ALL_NEW, [OLD, *SEEN]),
        ("keep", ["-K"], 0, ALL_NEW, [OLD]),
        ("fetchall", [], 0, [*ALL_NEW[:1], "simple", *ALL_NEW[1:]], []),
        ("", ["-a"], 0, [*ALL_NEW[:1], "simple", *ALL_NEW[1:]], []),
        ("", ["-a", "-k"], 0, [*ALL_NEW[:1], "simple", *ALL_NEW[1:]], [OLD, *SEEN]),
        ("limit 10000", [], 0, ["simple2", "simple3"], [OLD, ("long_line", "")]),
        ("limit 10000 limitflush", [], 0, ["simple2", "simple3"], [OLD]),
        ("fetchlimit 2", [], 13, ["long_line", "simple2"], [OLD, ("simple3", "")]),
        ("fetchlimit 3", [], 0, ALL_NEW, [OLD]),
        ("flush", [], 0, ALL_NEW, []),
        ("expunge 2", [], 0, ALL_NEW, [OLD]),
        ("", ["-c"], 0, [], [OLD, *NEW]),
    ],
)
def test_an_option_decides_what_is_fetched_and_what_stays_as_with_fetchmail(
    dovecot: Dovecot,
    exim: Exim,
    user: str,
    rc: str,
    refill: Callable[[], None],
    tmp_path: Path,
    options: str,
    arguments: Sequence[str],
    code: int,
    brought: list[str],
    left: list[tuple[str, str]],
) -> None:
    rc += f"    {options}\n"
    refill()
    theirs = fetchmail(rc, tmp_path, *arguments, SERVER)
    assert (theirs.returncode, names(exim), whats_left(dovecot, user)) == (code, brought, left)
    refill()
    ours = mailhaul(rc, tmp_path, *arguments, SERVER)
    assert (ours.err, ours.left) == ("", ())
    assert (ours.code, names(exim), whats_left(dovecot, user)) == (code, brought, left)
    # fetchmail skips messages in passing, mailhaul those it need not read at one go.
    assert sorted(ours.status_lines) == sorted(status_lines(theirs.stdout))


def test_kept_mail_is_not_fetched_again(
    dovecot: Dovecot, exim: Exim, user: str, rc: str, tmp_path: Path
) -> None:
    rc += "    keep\n"
    dovecot.deliver(user, simple(1))
    dovecot.deliver(user, simple(2))
    assert mailhaul(rc, tmp_path, SERVER).code == 0
    again = mailhaul(rc, tmp_path, SERVER)
    assert (again.code, again.err) == (1, "")
    assert again.status_lines == [f"2 messages (2 seen) for {user} at {SERVER}."]
    assert names(exim) == ["simple", "simple2"]
    assert whats_left(dovecot, user) == [("simple", "S"), ("simple2", "S")]
    theirs = fetchmail(rc, tmp_path, SERVER)
    assert (theirs.returncode, status_lines(theirs.stdout)) == (1, again.status_lines)


@pytest.mark.parametrize("arguments", [[], ["-c"], ["-a"]])
def test_an_empty_mailbox_is_no_mail(
    user: str, rc: str, tmp_path: Path, arguments: list[str]
) -> None:
    run = mailhaul(rc, tmp_path, *arguments, SERVER)
    assert (run.code, run.err, run.left) == (1, "", ())
    assert run.out == f"mailhaul: No mail for {user} at {SERVER}\n"
    theirs = fetchmail(rc, tmp_path, *arguments, SERVER)
    assert (theirs.returncode, status_lines(theirs.stdout)) == (1, run.status_lines)


@pytest.mark.parametrize(("arguments", "code"), [(["-c"], 1), (["-c", "-a"], 0)])
def test_checking_counts_old_mail_only_when_all_is_asked_for(
    dovecot: Dovecot, user: str, rc: str, tmp_path: Path, arguments: list[str], code: int
) -> None:
    dovecot.deliver(user, simple(), flags="S")
    run = mailhaul(rc, tmp_path, *arguments, SERVER)
    theirs = fetchmail(rc, tmp_path, *arguments, SERVER)
    assert run.code == theirs.returncode == code
    assert run.status_lines == status_lines(theirs.stdout)
    assert whats_left(dovecot, user) == [OLD]


def test_folders_are_visited_in_their_order(
    dovecot: Dovecot, exim: Exim, user: str, rc: str, tmp_path: Path
) -> None:
    def refill() -> None:
        dovecot.clear(user)
        exim.clear()
        dovecot.deliver(user, simple(1))
        dovecot.mailbox(user, "lists/dev").deliver(simple(2))
        dovecot.mailbox(user, "lists/dev").deliver(simple(3))

    rc += "    folder lists/dev,INBOX\n"
    refill()
    theirs = fetchmail(rc, tmp_path, SERVER)
    refill()
    ours = mailhaul(rc, tmp_path, SERVER)
    assert (ours.code, ours.err) == (theirs.returncode, "")
    assert names(exim) == ["simple", "simple2", "simple3"]
    assert dovecot.messages(user) == []
    assert dovecot.mailbox(user, "lists/dev").messages() == []
    assert ours.status_lines == status_lines(theirs.stdout)
    assert ours.status_lines[0] == f"2 messages for {user} at {SERVER} (folder lists/dev)."


def test_a_folder_that_does_not_exist_ends_the_poll_and_is_named(
    dovecot: Dovecot, user: str, rc: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    run = mailhaul(rc + "    folder nowhere\n", tmp_path, SERVER)
    assert (run.code, run.left) == (7, ())
    assert "nowhere" in run.err
    assert whats_left(dovecot, user) == [("simple", "")]


def test_silence_is_complete_when_all_goes_well(
    exim: Exim, rc: str, refill: Callable[[], None], tmp_path: Path
) -> None:
    refill()
    run = mailhaul(rc, tmp_path, "-s", SERVER)
    assert (run.code, run.out, run.err) == (0, "", "")
    assert names(exim) == ALL_NEW


def dialogue(run: Run) -> list[str]:
    """Return the lines that show what was said to a server and by it."""
    return [line for line in run.out.splitlines() if "> " in line[:20] or "< " in line[:20]]


@pytest.mark.parametrize("sink", ["smtp", "lmtp", "mda"])
def test_the_dialogue_shows_neither_password_nor_mail(
    dovecot: Dovecot,
    certificates: Certificates,
    exim: Exim,
    user: str,
    tmp_path: Path,
    sink: str,
) -> None:
    dovecot.deliver(user, simple(1))
    dovecot.deliver(user, simple(2))
    words = {
        "smtp": f"smtphost localhost/{exim.port}",
        "lmtp": f"is {dovecot.new_user()} lmtp smtphost localhost/{dovecot.lmtp_port}",
        "mda": 'mda "cat >/dev/null"',
    }
    rc = f"{tls_in(dovecot, user)}    {words[sink]}\n"
    run = mailhaul(rc, tmp_path, "-v", "-v", "localhost", environment=trusting(certificates))
    assert (run.code, run.err) == (0, "")
    shown = dialogue(run)
    assert any("IMAP> " in line and "LOGIN" in line for line in shown)
    assert any("IMAP< " in line and "FETCH" in line for line in shown)
    if sink != "mda":
        assert any(f"{sink.upper()}> RCPT TO:" in line for line in shown)
    for secret in (dovecot.password, "Hello Bob", "this is number", "Subject:", "Ann Sender"):
        assert secret not in run.out


def test_a_wrong_password_is_exit_3_and_is_not_repeated_to_anybody(
    dovecot: Dovecot, certificates: Certificates, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    rc = tls_in(dovecot, user).replace(dovecot.password, "guessed-wrongly")
    run = mailhaul(rc, tmp_path, "-v", "-v", "localhost", environment=trusting(certificates))
    assert (run.code, run.left) == (3, ())
    assert f"Authorization failure on {user}@localhost" in run.err
    assert "guessed-wrongly" not in run.out + run.err
    assert dovecot.flags(user) == [""]


@pytest.mark.parametrize("arguments", [["-V"], ["-V", "-v", "-v"]])
def test_the_settings_are_shown_without_the_password(
    dovecot: Dovecot, user: str, tmp_path: Path, arguments: list[str]
) -> None:
    run = mailhaul(tls_in(dovecot, user), tmp_path, *arguments, "localhost")
    assert (run.code, run.err) == (0, "")
    assert f"Options for retrieving from {user}@localhost:" in run.out
    assert "Password is set." in run.out
    assert dovecot.password not in run.out


def test_an_rc_file_that_others_may_read_is_refused(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    rc = tls_in(dovecot, user)
    other = tmp_path / "open"
    other.write_text(rc)
    other.chmod(0o644)
    run = mailhaul(rc, tmp_path, "-f", str(other), "localhost")
    assert run.code == 6
    assert str(other) in run.err
    assert dovecot.password not in run.err


def test_bodies_survive_whatever_the_options(
    dovecot: Dovecot, exim: Exim, user: str, rc: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, long_line())
    run = mailhaul(rc + "    forcecr dropstatus dropdelivered no rewrite\n", tmp_path, SERVER)
    assert run.code == 0
    assert [body_of(one.data) for one in exim.delivered()] == [body_of(long_line())]
