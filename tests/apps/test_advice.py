"""What follows the cause of a failure: the next command to type, for this account."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.apps.polls.accounts import account_of
from mailhaul.apps.polls.advice import WHAT_FOLLOWS, advised, what_follows
from mailhaul.flows.fate import Fate
from mailhaul.flows.outcome import ExitCode, Outcome, PollFailed, Refusal, Verdict

CALLER = Caller("joe", 1000, "/home/joe", None, "/home/joe")
RC = 'poll {host} protocol IMAP {server}\n    user "joe@example.org" password "x" {user}\n'


def settings(
    *arguments: str, host: str = "mail.example.org", server: str = "", user: str = "ssl"
) -> AccountSettings:
    rc = RC.format(host=host, server=server, user=user).encode()
    [found] = load(["-f", "-", *arguments], CALLER, lambda: rc).accounts
    return found


def step(code: ExitCode, sentence: str, account: AccountSettings) -> str:
    """Return what was added to a sentence."""
    line = advised(PollFailed(code, sentence), account)
    assert line.startswith(sentence.removesuffix("."))
    return line.removeprefix(sentence.removesuffix(".")).removeprefix("; ")


@pytest.mark.parametrize(
    ("code", "sentence", "words"),
    [
        (ExitCode.DNS, "cannot find the address", '"mailhaul init --dry joe@example.org" finds it'),
        (ExitCode.SOCKET, "connection to x:1 failed: refused", "check host and port (standard in"),
        (ExitCode.SOCKET, "certificate refused: expired", "x509 -noout -dates"),
        (ExitCode.SOCKET, "certificate refused: Hostname mismatch", "-ext subjectAltName"),
        (ExitCode.SOCKET, "certificate refused: self-signed", "-fingerprint -sha256"),
        (ExitCode.SOCKET, "x: tlsv1 alert protocol version", '"sslproto tls1+" allows them'),
        (ExitCode.SOCKET, "x: sslv3 alert handshake failure", '"sslproto tls1+" allows them'),
        (ExitCode.SOCKET, "the peer does not speak TLS on this port (x)", 'remove "ssl"'),
        (ExitCode.AUTHFAIL, "Authorization failure on joe@x: no", '"mailhaul -c mail.example.org"'),
        (ExitCode.AUTHFAIL, "no: IMAP access is disabled", "switch IMAP on"),
        (ExitCode.AUTHFAIL, "no: Please enable POP3/IMAP access", "switch IMAP on"),
        (ExitCode.AUTHFAIL, "no: use an app password", "make an app password"),
        (ExitCode.AUTHFAIL, 'no; write "auth oauth"', '"mailhaul login joe@example.org"'),
        (ExitCode.PROTOCOL, "the greeting is none", "is this an IMAP server?"),
        (ExitCode.LOCKBUSY, "in use", 'then type "mailhaul mail.example.org"'),
        (ExitCode.SMTP, "SMTP connect to localhost/25: refused", '"maildir ~/Maildir"'),
        (ExitCode.IOERR, "Maildir: No space left on device", "make room there"),
        (ExitCode.BSMTP, "bsmtp: Disk quota exceeded", "make room there"),
    ],
)
def test_a_failure_has_a_next_step(code: ExitCode, sentence: str, words: str) -> None:
    assert words in step(code, sentence, settings())


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (ExitCode.SOCKET, "the server sent BYE"),
        (ExitCode.PROTOCOL, "a reply is not valid"),
        (ExitCode.SMTP, "20 messages in a row were postponed"),
        (ExitCode.IOERR, "Permission denied"),
        (ExitCode.UNDEFINED, "?"),
        (ExitCode.EXCLUDE, "another mailhaul is running"),
        (ExitCode.AUTHFAIL, 'consent needed: "mailhaul login joe"'),
        (ExitCode.AUTHFAIL, "the server offers no login method"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(code: ExitCode, sentence: str) -> None:
    assert step(code, sentence, settings()) == ""


def test_the_provider_is_known_by_its_server() -> None:
    gmail = settings(host="imap.gmail.com")
    advice = step(ExitCode.AUTHFAIL, "Authorization failure: Invalid credentials", gmail)
    assert "https://myaccount.google.com/apppasswords" in advice
    # Posteo has no such rules.
    posteo = settings(host="posteo.de")
    assert "correct the user or the password" in step(
        ExitCode.AUTHFAIL, "Authorization failure on x", posteo
    )


def test_a_token_is_no_password() -> None:
    account = settings(host="imap.gmail.com", server="auth xoauth2")
    assert step(ExitCode.AUTHFAIL, "Authorization failure on x: no", account) == ""


def test_the_command_for_a_certificate_fits_the_port() -> None:
    wrapped = step(ExitCode.SOCKET, "certificate refused: expired", settings())
    assert "-connect mail.example.org:993 </dev/null" in wrapped
    upgraded = step(ExitCode.SOCKET, "certificate refused: expired", settings(user=""))
    assert "-connect mail.example.org:143 -starttls imap </dev/null" in upgraded


def test_a_silent_server_may_wait_for_tls() -> None:
    silent = "timeout after 300 seconds"
    other_port = settings(server="port 993", user="")
    assert 'write "ssl"' in step(ExitCode.SOCKET, silent, other_port)
    for server, user in (("", ""), ("", "ssl"), ("port 993", "ssl"), ("port 1", "sslproto ''")):
        assert step(ExitCode.SOCKET, silent, settings(server=server, user=user)) == ""


def test_a_plugin_is_tried_in_a_shell() -> None:
    account = settings(server='plugin "sshpass -p hunter2 ssh %h imapd"')
    advice = step(ExitCode.SOCKET, "it ended", account)
    assert 'try the command of "plugin" (' in advice
    # It may contain a password, and this line goes to logs and mails.
    assert "hunter2" not in advice
    assert "ssh-copy-id" in step(ExitCode.SOCKET, "Permission denied (publickey).", account)
    assert step(ExitCode.DNS, "no such host", account) == ""


def test_a_server_that_is_not_in_the_file_is_no_entry() -> None:
    account = settings("wrok")
    sentence = "can't find a password for joe@wrok"
    assert 'no entry of the rc file; "mailhaul -V" lists them' in step(
        ExitCode.AUTHFAIL, sentence, account
    )
    assert '"mailhaul -V" lists' in step(ExitCode.DNS, "cannot find the address", account)


def test_a_listener_that_was_chosen_is_named() -> None:
    account = settings(user="smtphost mx.example.org")
    advice = step(ExitCode.SMTP, "SMTP connect to mx.example.org/25: refused", account)
    assert "start this listener or name another one" in advice


def test_another_rc_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "my rc"
    path.write_text("poll mail.example.org protocol IMAP user joe password x ssl\n")
    path.chmod(0o600)
    caller = Caller("joe", os.geteuid(), "/home/joe", None, "/home/joe")
    [account] = load(["-f", str(path)], caller, bytes).accounts
    assert f"mailhaul -f '{path}' mail.example.org" in step(ExitCode.LOCKBUSY, "in use", account)


@pytest.mark.parametrize(
    ("reason", "status", "fate", "helped"),
    [
        ("552 mailbox is full", b"", Fate.KEEP, True),
        ("452 4.2.2 try later", b"4.2.2", Fate.KEEP, True),
        ("Maildir: No space left on device", b"", Fate.KEEP, True),
        ("552 mailbox is full", b"", Fate.RETURN, False),
        ("550 no such user", b"5.1.1", Fate.KEEP, False),
    ],
)
def test_a_full_mailbox_needs_room(reason: str, status: bytes, fate: Fate, helped: bool) -> None:
    refusal = Refusal(552, reason.encode(), status)
    outcome = Outcome(Verdict.REFUSED, reason, refusals=(refusal,))
    account = account_of(settings(), check=False)
    more = '; make room there, then type "mailhaul mail.example.org"' if helped else ""
    assert what_follows(outcome, fate, account) == f"{WHAT_FOLLOWS[fate]}{more}"
