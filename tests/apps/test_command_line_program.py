"""The whole program, in cases that need no server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mailhaul as package
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.settings import GlobalSettings
from mailhaul.apps.cli.slips import is_slip
from mailhaul.apps.polls import state_folder
from mailhaul.apps.polls.state_folder import socket_path
from mailhaul.flows.outcome import PollFailed

ROOT = Path(package.__file__).parents[1]

ENTRY = 'poll mail.example.org protocol imap user joe password "sesame"\n'


def mailhaul(
    home: Path, *arguments: str, rc: str = ENTRY, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = home / "rc"
    path.write_bytes(rc.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    return subprocess.run(
        [sys.executable, "-m", "mailhaul", "-f", str(path), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(home), **environment},
    )


def test_version_shows_accounts_without_their_passwords(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "-V")
    assert done.returncode == 0
    assert "Options for retrieving from joe@mail.example.org:" in done.stdout
    assert "sesame" not in done.stdout + done.stderr


def test_help_lists_the_options(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--fetchmailrc" in done.stdout


def test_unsupported_options_are_reported_and_nothing_is_polled(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "--monitor", "eth0")
    assert (done.returncode, done.stdout) == (5, "")
    assert "not supported yet" in done.stderr


def test_without_a_daemon_quit_fails(tmp_path: Path) -> None:
    pidfile = ("--pidfile", str(tmp_path / "pid"))
    for words in (
        ("-q",),
        ("-sq",),
        ("-d300", "-q"),
        ("--keep", "--quit"),
        ("a.example.org", "-q"),
    ):
        done = mailhaul(tmp_path, *pidfile, *words)
        assert (done.returncode, done.stdout) == (8, "")
        assert done.stderr == "mailhaul: no other mailhaul is running\n"


def test_a_poll_after_quit_follows_it(tmp_path: Path) -> None:
    pidfile = ("--pidfile", str(tmp_path / "pid"))
    for words in (("-qs",), ("--qui", "-s"), ("-q", "a.example.org"), ("-q", "-N")):
        done = mailhaul(tmp_path, *pidfile, *words, rc="skip a.example.org user joe\n")
        asked_for_one = "a.example.org" in words
        assert done.returncode == (3 if asked_for_one else 1)
        assert "no other mailhaul" not in done.stderr


def test_if_all_entries_are_skipped_a_run_says_so(tmp_path: Path) -> None:
    rc = ENTRY.replace("poll", "skip")
    done = mailhaul(tmp_path, rc=rc)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        f'mailhaul: nothing is polled: all entries in {tmp_path}/rc begin with "skip" '
        f'(mail.example.org); name one, as in "mailhaul -f {tmp_path}/rc mail.example.org"\n'
    )
    done = mailhaul(tmp_path, "-s", rc=rc)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    said = mailhaul(tmp_path, "-V", rc=rc).stdout
    assert said.endswith("\nPolled only when named (skip): mail.example.org\n")
    assert "is missing" not in said


def test_a_missing_password_is_prompted_for_only_on_a_terminal(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, rc="poll mail.example.org protocol imap user joe\n")
    assert done.returncode == 3
    assert "can't find a password for joe@mail.example.org." in done.stderr


def test_closed_standard_descriptors_are_handled(tmp_path: Path) -> None:
    script = f"exec {sys.executable} -m mailhaul -V -f /dev/null <&- >&- 2>&-"
    done = subprocess.run(
        ["sh", "-c", script], check=False, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert done.returncode == 0


def test_the_settings_are_dumped_as_fetchmail_does(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "--configdump")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fetchmailrc = {" in done.stdout
    json = mailhaul(tmp_path, "--configdump=json")
    assert (json.returncode, json.stdout[:1]) == (0, "{")


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailhaul", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "HOME": str(home)},
    )


@pytest.mark.parametrize("action", ["poll", "pause", "resume"])
def test_an_empty_name_does_not_mean_all_accounts(tmp_path: Path, action: str) -> None:
    done = command(tmp_path, action, "")
    assert (done.returncode, done.stdout) == (5, "")
    assert "the name of an account is empty" in done.stderr


@pytest.mark.parametrize("words", [["status", "--jsn"], ["replay"], ["quarantine", "eat"]])
def test_usage_texts_have_lines(tmp_path: Path, words: list[str]) -> None:
    done = command(tmp_path, *words)
    assert done.returncode == 5
    assert "\\n" not in done.stderr
    assert any(line.startswith("mailhaul: usage: ") for line in done.stderr.splitlines())


LATIN = (
    'set properties "\xfc" set postmaster "\xfc"\n'
    'poll "h\xf6st" via "h\xf6st" aka "\xfc" localdomains "\xfc" proto imap plugin "nc \xfcx %h"\n'
    '  envelope "X-\xfc" qvirtual "\xfc" esmtpname "\xfc" esmtppassword "\xfc"\n'
    '  user "j\xf6rg" password "p\xf6" is "l\xf6c" "\xfc"="\xe4" here folder "Entw\xfcrfe" "\xe4"\n'
    '  smtphost "\xe4" smtpname "\xfc" properties "\xfc" preconnect "\xfc" postconnect "\xe4"\n'
    '  sslcert "\xfc" sslkey "\xfc" sslcertfile "\xfc" sslcertpath "\xfc" sslcommonname "\xfc"\n'
).encode("latin-1")
"""Every text option in ISO 8859-1, in an entry that has no sink of its own yet."""


@pytest.mark.parametrize("sink", ["mda", "maildir", "mbox", "bsmtp"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    "option", ["-V", "--configdump", "--configdump=json", "--configdump=json,passwords"]
)
def test_octets_that_are_not_utf8_are_shown(
    tmp_path: Path, sink: str, encoding: str, option: str
) -> None:
    rc = LATIN + f'{sink} "f\xfcr"\n'.encode("latin-1")
    for text in (rc, rc.decode("latin-1").encode()):
        done = mailhaul(
            tmp_path, option, rc=text.decode("utf-8", "surrogateescape"), PYTHONIOENCODING=encoding
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "udc" not in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("maildir /m", "Messages will be stored in the Maildir /m."),
        ("mbox /m", "Messages will be appended to the mailbox file /m."),
        ("bsmtp /b", "Messages will be written as batched SMTP to /b."),
        ('append "imaps://u@h/m"', "Messages will be stored in imaps://u@h/m."),
        ("mda 'cat %T'", 'Messages will be delivered with "cat %T".'),
        ("smtphost a b lmtp", "Messages will be LMTP-forwarded to: a b."),
        ('smtphost "/run/lmtp"', "Messages will be LMTP-forwarded to: /run/lmtp."),
    ],
)
def test_version_names_where_mail_goes(tmp_path: Path, options: str, sentence: str) -> None:
    done = mailhaul(tmp_path, "-V", rc=f"{ENTRY} {options}\n")
    assert f"  {sentence}\n" in done.stdout
    assert done.stdout.count("Messages will be") == 1


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["staus"], "status"),
        (["stauts"], "status"),
        (["statuss"], "status"),
        (["Status"], "status"),
        (["quarantin", "list"], "quarantine"),
        (["-s", "status"], "status"),
        (["-d", "300", "puase"], "pause"),
        (["a.example.org", "resune"], "resume"),
    ],
)
def test_a_mistyped_command_is_not_taken_for_a_server(
    tmp_path: Path, words: list[str], command: str
) -> None:
    done = mailhaul(tmp_path, *words, rc="set daemon 300 poll a.example.org user u password p")
    assert (done.returncode, done.stdout) == (5, "")
    assert f'write "mailhaul {command}" for the command, "mailhaul -- ' in done.stderr
    assert not (tmp_path / ".mailhaul.pid").exists()


def test_an_account_is_not_taken_for_a_server(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "joe@mail.example.org")
    assert (done.returncode, done.stdout) == (5, "")
    assert '; "mailhaul mail.example.org" polls all accounts of this server' in done.stderr


@pytest.mark.parametrize(
    ("words", "rc"),
    [
        (["--", "u@status"], ""),
        (["-u", "u", "u@status"], ""),
        (["u@status"], "skip u@status proto imap user u"),
        (["staus"], "poll staus proto imap user u"),
        (["-s", "status"], "skip status proto imap user u"),
        (["--", "status"], ""),
        (["-s", "--", "staus"], ""),
        (["staus.example.org"], ""),
        (["mail"], ""),
        (["pop"], ""),
    ],
)
def test_a_server_may_be_called_like_a_command(tmp_path: Path, words: list[str], rc: str) -> None:
    done = mailhaul(tmp_path, *words, rc=rc)
    assert done.returncode == 3
    assert "can't find a password" in done.stderr


@pytest.mark.parametrize(
    ("word", "other", "slip"),
    [
        ("abcd", "abcd", True),
        ("abdc", "abcd", True),
        ("bacd", "abcd", True),
        ("abc", "abcd", True),
        ("bcd", "abcd", True),
        ("abxcd", "abcd", True),
        ("abxd", "abcd", True),
        ("abx", "abcd", False),
        ("badc", "abcd", False),
        ("cbad", "abcd", False),
        ("abcdxy", "abcd", False),
        ("", "a", True),
        ("", "ab", False),
    ],
)
def test_a_slip_is_one_letter(word: str, other: str, slip: bool) -> None:
    assert is_slip(word, other) is slip
    assert is_slip(other, word) is slip


def test_a_current_folder_that_was_removed_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = (
        f"cd {tmp_path}/gone && rmdir ../gone && exec {sys.executable} -m mailhaul -V -f /dev/null"
    )
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_daemon_whose_home_is_anothers_listens_where_its_ledger_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_folder, "may_write", lambda folder: "data" in folder)
    caller = Caller("joe", os.getuid(), str(tmp_path / "home"), account_home=str(tmp_path))
    settings = GlobalSettings({"idfile": str(tmp_path / "data" / "ids"), "pidfile": None})
    assert socket_path(caller, settings) == f"{tmp_path}/data/mailhaul/control"
    with pytest.raises(PollFailed, match="XDG_STATE_HOME"):
        socket_path(caller)
