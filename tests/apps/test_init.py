"""``mailhaul init``: what it asks, what it writes, and that a failure leaves nothing."""

from __future__ import annotations

import os
import pty
import select
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailhaul import imap, pop3
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors, ConfigRefused
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.discovery import probe
from mailhaul.adapters.discovery.places import IMAP, POP3, Place
from mailhaul.adapters.discovery.probe import Unusable
from mailhaul.adapters.discovery.search import Tools
from mailhaul.apps.cli import init_place
from mailhaul.apps.cli.commands import Misused
from mailhaul.apps.cli.init import Setup, joined, program_path
from mailhaul.apps.cli.init_place import NO_PIN, Mailbox, PinNeeded, probe_all, try_login
from mailhaul.apps.cli.init_words import Terminal, password_from, read_wishes
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.requests import Sleep
from mailhaul.protocols.secret import Secret
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox as ServedMailbox
from mailhaul.servers.mailboxes import Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from tests.real.servers.certificates import Certificate
from tests.real.servers.ours import Secure, Session, listening

from .bad.running import SECRET, launch
from .bad.scripted_imap import ScriptedImap, message

JOE = "joe@example.org"
LOOPBACK = ("--host", "localhost")


class Script(Terminal):
    """A terminal at which the answers are known before; "" is an empty line."""

    def __init__(self, *answers: str) -> None:
        self.can_ask = bool(answers)
        self.answers = list(answers)
        self.text = ""

    def say(self, text: str) -> None:
        self.text += f"{text}\n"

    def ask(self, question: str, default: str = "") -> str:
        self.text += f"{question} [{default}]\n"
        return self._next() or default

    def ask_password(self, question: str) -> Secret:
        self.text += f"{question}\n"
        return Secret(self._next().encode())

    def _next(self) -> str:
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)


class Server:
    """Takes one login, and remembers the settings of all tries."""

    def __init__(self, user: str = JOE, password: str = SECRET, failure: str = "") -> None:
        self.user = user
        self.password = password
        self.failure = failure
        self.tries: list[AccountSettings] = []

    def __call__(self, settings: AccountSettings) -> Mailbox:
        self.tries.append(settings)
        if self.failure:
            raise PollFailed(ExitCode.SOCKET, self.failure)
        assert settings.password is not None
        if (settings.remote_user, settings.password.reveal()) != (
            self.user,
            self.password.encode(),
        ):
            raise PollFailed(ExitCode.AUTHFAIL, "Authorization failure")
        return Mailbox(12, 3)


class Run:
    """One run of the command with a terminal, a network and a server of ours."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        answers: Sequence[str] = (),
        log_in: Callable[[AccountSettings], Mailbox] | None = None,
        usable: Sequence[str] = ("imap.example.org", "localhost"),
    ) -> None:
        self.home = home
        self.server = log_in or Server()
        self.terminal = Script(*answers)
        caller = Caller("joe", os.geteuid(), str(home), None, str(home))
        tools = Tools(
            None, None, lambda places: ["" if one.host in usable else "no" for one in places]
        )
        self.lines = Lines(1)
        wishes = read_wishes(arguments, caller)
        self.setup = Setup(wishes, caller, self.lines, self.terminal, tools, self.server)

    def run(self) -> str:
        """Return what was printed."""
        assert self.setup.run() is ExitCode.SUCCESS
        assert self.terminal.answers == []
        return self.terminal.text

    def fail(self) -> PollFailed:
        with pytest.raises(PollFailed) as failure:
            self.setup.run()
        return failure.value

    @property
    def rc(self) -> str:
        return (self.home / ".fetchmailrc").read_text()


ENTRY = f"""\
poll imap.example.org protocol IMAP
    user "{JOE}"
    password "{SECRET}"
    ssl
    keep
    maildir "~/Maildir"
"""


def test_an_address_and_a_password_are_all_that_is_asked(tmp_path: Path) -> None:
    run = Run(tmp_path, answers=[JOE, SECRET])
    text = run.run()
    assert run.rc == ENTRY
    assert (tmp_path / ".fetchmailrc").stat().st_mode & 0o777 == 0o600
    assert "Found imap.example.org, port 993 (IMAP, TLS), by a connection." in text
    assert "12 messages in INBOX, 3 of them new" in text
    assert "    mailhaul\n" in text
    assert "mailhaul -d 300" in text
    assert SECRET not in text


def test_nothing_is_asked_if_everything_is_said(tmp_path: Path) -> None:
    descriptor, writer = os.pipe()
    os.write(writer, f"{SECRET}\r\nnext line\n".encode())
    os.close(writer)
    run = Run(
        tmp_path,
        *("--address", JOE, "--host=localhost:1993", "--protocol", "POP3", "--user", "jo e"),
        *("--passwordfd", str(descriptor), "--maildir", "Mail", "-f", "other rc"),
        log_in=Server("jo e"),
    )
    text = run.run()
    os.close(descriptor)
    assert (tmp_path / "other rc").read_text() == (
        'poll "localhost" protocol POP3 service 1993\n'
        f'    user "jo e"\n    password "{SECRET}"\n    ssl\n    keep\n'
        f'    maildir "{tmp_path}/Mail"\n'
    )
    assert f"mailhaul -f '{tmp_path}/other rc'\n" in text
    assert "12 messages in INBOX." in text


def test_a_command_is_run_and_written_in_place_of_the_password(tmp_path: Path) -> None:
    (tmp_path / "pass word").write_text(SECRET)
    run = Run(tmp_path, JOE, "--password-command", f'cat "{tmp_path}/pass word"')
    assert SECRET not in run.run()
    assert f'    passwordeval "cat \\x22{tmp_path}/pass word\\x22"\n' in run.rc
    assert "password " not in run.rc.replace("pass word", "")


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    failure = Run(tmp_path, JOE, "--password-command", "false").fail()
    assert failure.code is ExitCode.IOERR
    assert "the command ended with status 1" in str(failure)
    assert os.listdir(tmp_path) == []


def test_a_wrong_password_may_be_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path, JOE, answers=["wrong-one", "joe", SECRET], log_in=Server("joe"))
    run.run()
    assert 'user "joe"' in run.rc
    assert "Authorization failure" in capsys.readouterr().err


def test_after_three_wrong_passwords_nothing_is_written(tmp_path: Path) -> None:
    run = Run(tmp_path, JOE, answers=["one", "", "two", "", "three"])
    assert run.fail().code is ExitCode.AUTHFAIL
    assert (run.terminal.answers, os.listdir(tmp_path)) == ([], [])


def test_another_failure_is_not_tried_again(tmp_path: Path) -> None:
    server = Server(failure="imap.example.org: connection refused")
    failure = Run(tmp_path, JOE, answers=[SECRET, "more"], log_in=server).fail()
    assert (failure.code, len(server.tries)) == (ExitCode.SOCKET, 1)
    assert os.listdir(tmp_path) == []


def test_a_dry_run_shows_the_entry_and_writes_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, JOE, "--dry")
    assert ENTRY.replace(SECRET, "(not shown)") in run.run()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ends", [0, 1])
def test_an_end_of_the_input_leaves_nothing(tmp_path: Path, ends: int) -> None:
    run = Run(tmp_path, answers=[JOE, SECRET][:ends] or ["x"])
    if not ends:
        run.terminal.answers.clear()
    with pytest.raises(EOFError):
        run.setup.run()
    assert os.listdir(tmp_path) == []


def test_a_server_that_is_not_found_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(
        tmp_path,
        "joe@nowhere.example",
        answers=["localhost:1993", SECRET],
        log_in=Server("joe@nowhere.example"),
    )
    run.run()
    assert 'poll "localhost" protocol IMAP service 1993\n' in run.rc
    said = capsys.readouterr().err
    assert "no mail server of nowhere.example was found" in said
    # What is asked next needs no option.
    assert said.endswith("; ask your provider for its name\n")
    for answer, code in (("no where", ExitCode.SYNTAX), ("nowhere.example", ExitCode.SOCKET)):
        assert Run(tmp_path, "joe@nowhere.example", "-f", "x", answers=[answer]).fail().code is code


def test_names_that_do_not_exist_are_one_reason() -> None:
    reasons = [
        "imap.a.example: cannot find the address of imap.a.example: Name or service not known",
        "pop.a.example: cannot find the address of pop.a.example: Name or service not known",
        "mail.a.example: certificate refused",
    ]
    assert joined(reasons) == [
        "mail.a.example: certificate refused",
        "Name or service not known: imap.a.example, pop.a.example",
    ]


# Without a terminal every question is an error with the next step.


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 5, 'write "mailhaul init joe@example.org"'),
        ([JOE], 3, 'give "--password-command COMMAND"'),
        (["joe"], 5, "it looks like joe@example.org"),
        (["joe@nowhere.example"], 2, 'write "--host NAME"'),
        ([JOE, "--host", "nowhere.example"], 2, "ask your provider for host and port"),
        (["joe@tuta.com"], 5, "neither IMAP nor POP3"),
        (["joe@outlook.com"], 3, 'type "mailhaul init joe@outlook.com --oauthclient ID"'),
        ([JOE, "--oauthclient", "x"], 3, "its issuer is not known here"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    failure = Run(tmp_path, *arguments).fail()
    assert failure.code == code
    assert str(failure).startswith("init: ")
    assert words in str(failure)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a@b", "c@d"], "one address"),
        (["a@b", "--address", "c@d"], "one address"),
        (["--hots", "x"], 'unknown option "--hots"'),
        (["--host"], "--host needs a value"),
        (["--host="], "the value of host is empty"),
        (["--host", "a:b:c"], ""),
        (["--host", "a:0"], "not a port number"),
        (["--protocol", "jmap"], "give imap or pop3"),
        (["--passwordfd", "x"], "the number of an open descriptor"),
        (["--passwordfd", "3", "--password-command", "x"], "exclude each other"),
        (["-f", "-"], "standard input"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], words: str) -> None:
    caller = Caller("joe", os.geteuid(), "/home/joe", None, "/")
    if not words:
        assert read_wishes(arguments, caller).host == "a:b:c"
        return
    with pytest.raises(Misused, match=words):
        read_wishes(arguments, caller)


def test_a_descriptor_without_a_password_is_an_error() -> None:
    with pytest.raises(PollFailed, match="give it as in: 987<FILE") as closed:
        password_from(987)
    assert closed.value.code is ExitCode.AUTHFAIL
    descriptor = os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(PollFailed, match="no password in it"):
        password_from(descriptor)
    os.close(descriptor)


# DNS alone is no proof.


def uncertain(run: Run) -> Run:
    place = Place(IMAP, "mail.hoster.example", 993, True, JOE, "from DNS", certain=False)
    run.setup._tools = Tools(None, lambda address: [place], lambda places: [""] * len(places))
    return run


def test_a_host_that_dns_alone_names_needs_consent(tmp_path: Path) -> None:
    failure = uncertain(Run(tmp_path, JOE)).fail()
    assert 'write "--host mail.hoster.example:993"' in str(failure)
    refused = uncertain(Run(tmp_path, JOE, answers=["n"])).fail()
    assert 'give the right host by "--host NAME"' in str(refused)
    assert os.listdir(tmp_path) == []
    run = uncertain(Run(tmp_path, JOE, answers=["", SECRET]))
    run.run()
    assert "poll mail.hoster.example" in run.rc


# A file that exists


OLD = 'set daemon 300\npoll mail.example.net protocol POP3 user "ann" password "x"'


def old_rc(home: Path, text: str = OLD, mode: int = 0o600) -> Path:
    path = home / ".fetchmailrc"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_that_exists_is_not_changed_without_consent(tmp_path: Path) -> None:
    path = old_rc(tmp_path)
    failure = Run(tmp_path, JOE).fail()
    assert failure.code is ExitCode.SYNTAX
    assert 'with 1 entry, and is not changed; "mailhaul init --append"' in str(failure)
    assert "Nothing was written" in Run(tmp_path, JOE, answers=[""]).run()
    assert path.read_text() == OLD


@pytest.mark.parametrize("arguments", [["--append"], []])
def test_an_entry_is_appended_with_consent(tmp_path: Path, arguments: list[str]) -> None:
    path = old_rc(tmp_path, mode=0o700)
    run = Run(tmp_path, JOE, *arguments, answers=[SECRET] if arguments else ["y", SECRET])
    run.run()
    assert run.rc == f"{OLD}\n\n{ENTRY}"
    assert path.stat().st_mode & 0o777 == 0o700
    again = Run(tmp_path, JOE, "--append", answers=[SECRET]).fail()
    assert 'already; "mailhaul -c imap.example.org" tries it' in str(again)
    assert run.rc == f"{OLD}\n\n{ENTRY}"


def test_a_bad_file_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    old_rc(tmp_path, "pol mail.example.net\n")
    with pytest.raises(ConfigErrors, match='did you mean "poll"'):
        Run(tmp_path, JOE, "--append", answers=[SECRET]).setup.run()
    old_rc(tmp_path, mode=0o644)
    with pytest.raises(ConfigRefused, match="0700"):
        Run(tmp_path, JOE, "--append", answers=[SECRET]).setup.run()


def test_defaults_that_contradict_the_entry_are_said(tmp_path: Path) -> None:
    path = old_rc(tmp_path, "defaults mda cat\n")
    with pytest.raises(ConfigErrors, match='"maildir" together with "mda"'):
        Run(tmp_path, JOE, "--append", answers=[SECRET]).setup.run()
    assert path.read_text() == "defaults mda cat\n"


def test_a_file_made_meanwhile_is_not_changed(tmp_path: Path) -> None:
    def log_in(settings: AccountSettings) -> Mailbox:
        old_rc(tmp_path)
        return Mailbox(0, 0)

    run = Run(tmp_path, JOE, answers=[SECRET], log_in=log_in)
    assert "made meanwhile" in str(run.fail())
    assert run.rc == OLD


# Tokens


def test_a_client_secret_is_named_by_its_file(tmp_path: Path) -> None:
    secret = ("--oauthclient", "1234", "--oauthsecretfile", "secret")
    run = Run(tmp_path, "joe@gmail.com", *secret)
    assert "app password" not in run.run()
    assert f'oauthclient "1234" oauthsecretfile "{tmp_path}/secret"\n' in run.rc


def test_an_account_with_tokens_is_written_for_mailhaul_login(tmp_path: Path) -> None:
    run = Run(tmp_path, "joe@outlook.com", "--oauthclient", "1234-abc")
    text = run.run()
    assert run.rc == (
        'poll outlook.office365.com protocol IMAP auth oauth oauthissuer "microsoft" '
        'oauthclient "1234-abc"\n'
        '    user "joe@outlook.com"\n    ssl\n    keep\n    maildir "~/Maildir"\n'
    )
    assert "    mailhaul login joe@outlook.com\n    mailhaul\n" in text


# A server on this machine may have a certificate of its own.


def test_a_certificate_of_this_machine_is_pinned(tmp_path: Path) -> None:
    pin = ":".join(["AB"] * 32)
    usual = Server()

    def log_in(settings: AccountSettings) -> Mailbox:
        if settings.sslfingerprint == NO_PIN:
            raise PinNeeded(pin)
        if settings.sslfingerprint != pin or settings.sslcertck:
            raise PollFailed(ExitCode.SOCKET, "localhost: certificate refused: self-signed")
        return usual(settings)

    run = Run(tmp_path, JOE, *LOOPBACK, answers=[SECRET], log_in=log_in)
    run.run()
    assert f'    no sslcertck\n    sslfingerprint "{pin}"\n' in run.rc
    elsewhere = Run(tmp_path, JOE, "-f", "other", answers=[SECRET], log_in=log_in)
    assert "certificate refused" in str(elsewhere.fail())


def test_the_line_for_cron_has_a_path_only_if_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mailhaul"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert program_path() == str(program)
    monkeypatch.setattr(sys, "argv", ["/x/mailhaul/__main__.py"])
    assert program_path() == "mailhaul"


# The whole program, with servers on real sockets


@pytest.fixture(scope="module")
def issuer() -> trustme.CA:
    return trustme.CA()


def imaps(certificate: trustme.LeafCert, *, wrapped: bool = False) -> ScriptedImap:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    capabilities = b"IMAP4rev1 UIDPLUS STARTTLS"
    return ScriptedImap(
        message(1), message(2), capabilities=capabilities, tls=context, wrapped=wrapped
    )


def environment(issuer: trustme.CA, home: Path) -> dict[str, str]:
    path = home / "authority.pem"
    issuer.cert_pem.write_to_path(str(path))
    return {"SSL_CERT_FILE": str(path), "FETCHMAILHOME": str(home)}


@pytest.mark.parametrize("wrapped", [True, False], ids=["tls", "starttls"])
def test_the_file_that_is_written_polls(tmp_path: Path, issuer: trustme.CA, wrapped: bool) -> None:
    known = environment(issuer, tmp_path)
    (tmp_path / "password").write_text(SECRET)
    with imaps(issuer.issue_cert("localhost"), wrapped=wrapped) as server:
        place = ("--host", f"localhost:{server.port}", "--protocol", "imap")
        command = ("--password-command", f"cat {tmp_path}/password")
        done = launch(tmp_path, "init", JOE, *place, *command, environment=known).finish()
        assert (done.code, done.err) == (0, "")
        assert "2 messages in INBOX, 2 of them new" in done.out
        assert server.changes == []
        polled = launch(tmp_path, environment=known).finish()
        assert (polled.code, polled.err) == (0, "")
        assert len(list((tmp_path / "Maildir" / "new").iterdir())) == 2
        assert "EXPUNGE" not in " ".join(server.commands)


@pytest.mark.parametrize("wrapped", [True, False], ids=["tls", "starttls"])
def test_a_self_made_certificate_on_this_machine_is_pinned(tmp_path: Path, wrapped: bool) -> None:
    (tmp_path / "password").write_text(SECRET)
    with imaps(trustme.CA().issue_cert("localhost"), wrapped=wrapped) as server:
        place = ("--host", f"localhost:{server.port}", "--protocol", "imap")
        command = ("--password-command", f"cat {tmp_path}/password")
        known = {"FETCHMAILHOME": str(tmp_path)}
        done = launch(tmp_path, "init", JOE, *place, *command, environment=known).finish()
    assert (done.code, done.err) == (0, "")
    assert 'sslfingerprint "' in (tmp_path / "fetchmailrc").read_text()


def test_a_probe_connects_and_names_nobody(issuer: trustme.CA, tmp_path: Path) -> None:
    with imaps(issuer.issue_cert("localhost"), wrapped=True) as server:
        places = [
            Place(IMAP, "localhost", server.port, True, JOE, ""),
            Place(IMAP, "127.0.0.1", 1, True, JOE, ""),
            Place(POP3, "no-such-host.invalid", 995, True, JOE, ""),
        ]
        closed, unknown, good = probe_all([*places[1:], places[0]])
        assert "Connection refused" in closed
        assert "cannot find the address" in unknown
        assert (good, server.commands) == ("", [])


@pytest.mark.parametrize("protocol", [IMAP, POP3])
def test_a_trial_login_counts_the_messages_and_changes_nothing(
    tmp_path: Path, issuer: trustme.CA, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    mailbox = ServedMailbox([message(1), message(2)])
    users = {JOE.encode(): SECRET.encode()}

    def serve(channel: Channel[Any], secure: Secure) -> Session:
        if protocol == POP3:
            return serve_pop3(channel, Maildrop(mailbox), Logins(users))
        return serve_imap(channel, Mailboxes({b"INBOX": mailbox}), users)

    certificate = Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")
    leaf = issuer.issue_cert("localhost")
    leaf.cert_chain_pems[0].write_to_path(str(certificate.chain))
    leaf.private_key_pem.write_to_path(str(certificate.key))
    monkeypatch.setenv("SSL_CERT_FILE", environment(issuer, tmp_path)["SSL_CERT_FILE"])
    make = pop3.Server if protocol == POP3 else imap.Server
    with listening(make, serve, certificate, implicit_tls=True) as port:
        arguments = (JOE, "--host", f"localhost:{port}", "--protocol", protocol)
        run = Run(tmp_path, *arguments, answers=[SECRET], log_in=try_login)
        assert "The login works: 2 messages in INBOX" in run.run()
        answers = ["wrong-one", "", "wrong-two", "", "wrong-three"]
        wrong = Run(tmp_path, *arguments, "-f", "x", answers=answers, log_in=try_login)
        assert wrong.fail().code is ExitCode.AUTHFAIL
    assert [one.flags for one in mailbox.messages] == [set(), set()]


def test_a_place_that_is_silent_is_not_waited_for_if_a_better_one_answers(
    issuer: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", environment(issuer, tmp_path)["SSL_CERT_FILE"])
    with imaps(issuer.issue_cert("localhost"), wrapped=True) as server:
        good = Place(IMAP, "localhost", server.port, True, JOE, "")
        silent = Place(IMAP, "localhost", server.port, False, JOE, "")
        closed = Place(IMAP, "localhost", 1, True, JOE, "")
        begun = time.monotonic()
        reasons = probe_all([closed, good, silent])
        assert time.monotonic() - begun < probe.SECONDS
        assert "Connection refused" in reasons[0]
        assert reasons[1:] == ["", "it was not tried"]


@pytest.mark.parametrize(("usable", "tried"), [(None, 30), (29, 30), (9, 24), (7, 8), (0, 20)])
def test_only_a_few_places_are_tried_at_a_time_and_the_preferred_ones_first(
    monkeypatch: pytest.MonkeyPatch, usable: int | None, tried: int
) -> None:
    """An autoconfig document may name any number of places, at servers of others too."""
    begun: list[int] = []
    running = most = 0

    async def fake(place: Place) -> None:
        nonlocal running, most
        begun.append(place.port)
        running += 1
        most = max(most, running)
        # The first ones take longest.
        for _ in range(40 - place.port):
            await Sleep(0.0)
        running -= 1
        if place.port != usable:
            raise Unusable("closed")

    monkeypatch.setattr(init_place, "probe", fake)
    reasons = probe_all([Place(IMAP, "host", port, True, JOE, "") for port in range(30)])
    assert (begun, most) == ([*range(len(begun))], 8)
    assert len(begun) <= tried
    closed = [*range(30 if usable is None else usable)]
    assert [reasons[port] for port in closed] == ["host: closed"] * len(closed)
    if usable is not None:
        assert reasons[usable] == ""
        assert set(reasons[tried:]) <= {"it was not tried"}
    else:
        assert len(begun) == 30


def test_at_a_terminal_the_password_is_not_shown(tmp_path: Path, issuer: trustme.CA) -> None:
    with imaps(issuer.issue_cert("localhost"), wrapped=True) as server:
        place = ("--host", f"localhost:{server.port}", "--protocol", "imap")
        with Typing(tmp_path, "init", *place, **environment(issuer, tmp_path)) as typing:
            typing.answer("Your mail address: ", JOE)
            typing.answer("(not shown): ", SECRET)
            code, text = typing.end()
    assert code == 0
    assert "The login works" in text
    assert SECRET not in text
    assert f'password "{SECRET}"' in (tmp_path / "fetchmailrc").read_text()


def test_an_interrupt_at_the_password_leaves_nothing(tmp_path: Path, issuer: trustme.CA) -> None:
    with imaps(issuer.issue_cert("localhost"), wrapped=True) as server:
        place = ("--host", f"localhost:{server.port}", "--protocol", "imap")
        with Typing(tmp_path, "init", JOE, *place, **environment(issuer, tmp_path)) as typing:
            typing.answer("(not shown): ", "\x03", end="")
            code, text = typing.end()
    assert code == 23
    assert "init: stopped; nothing was written" in text
    assert "Traceback" not in text
    assert sorted(os.listdir(tmp_path)) == ["authority.pem"]


class Typing:
    """Runs mailhaul at a terminal of its own."""

    def __init__(self, home: Path, *arguments: str, **variables: str) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mailhaul", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509  # no other thread runs Python then
            env={**os.environ, "HOME": str(home), **variables},
        )
        os.close(slave)
        self.text = ""

    def __enter__(self) -> Typing:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 20)
        try:
            data = os.read(self._master, 4096) if ready else b""
        except OSError:
            data = b""
        self.text += data.decode()
        return bool(data)

    def answer(self, question: str, line: str, end: str = "\n") -> None:
        """Wait for a question and type a line."""
        asked = time.monotonic()
        while question not in self.text:
            assert self._read(), self.text
            assert time.monotonic() - asked < 20
        os.write(self._master, f"{line}{end}".encode())

    def end(self) -> tuple[int, str]:
        """Return the exit code, and all that the terminal showed."""
        while self._read():
            pass
        return self._process.wait(20), self.text


def take_terminal() -> None:
    """Make standard input the controlling terminal."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
