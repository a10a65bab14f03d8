"""Passwords are not in arguments, environments, files that others can read, or core files."""

from __future__ import annotations

import base64
import getpass
import os
import resource
from pathlib import Path

import pytest

from mailhaul.apps import main

from .peer import NASTY
from .running import SECRET, account, mailhaul, piped, script
from .scripted_imap import ScriptedImap, message
from .scripted_smtp import ScriptedSmtp
from .secret_places import KINDS, OTHER, PLACES, placed, shows

LOOK = (
    "tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$PPID/cmdline; "
    "tr '\\0' '\\n' </proc/$PPID/environ; env; ulimit -c"
)


def test_a_child_sees_no_password_in_arguments_or_environment(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    mda = script(tmp_path / "deliver", f"cat >/dev/null; ({LOOK}) >{seen}")
    with ScriptedImap(message(1)) as server:
        assert mailhaul(tmp_path, account(server.port, f'mda "{mda}"'), "-v").code == 0
    text = seen.read_text()
    assert "HOME=" in text
    assert "mailhaul" in text
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text


def test_a_plugin_sees_no_password_in_arguments_or_environment(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    plugin = script(tmp_path / "plugin", f"({LOOK}) >{seen}")
    mailhaul(tmp_path, piped(str(plugin)), "-v")
    assert "HOME=" in seen.read_text()
    assert SECRET not in seen.read_text()


def test_no_core_file_is_written(tmp_path: Path) -> None:
    """Only the soft limit is lowered, so that a child process can raise it again."""
    seen = tmp_path / "seen"
    plugin = script(tmp_path / "plugin", f"grep core /proc/$PPID/limits >{seen}")
    mailhaul(tmp_path, piped(str(plugin)))
    soft, hard = seen.read_text().split()[4:6]
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    assert (soft == "1") or most == 0
    assert hard == ("unlimited" if most == resource.RLIM_INFINITY else str(most))


def test_all_files_are_private_with_every_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = os.umask(0)
    try:
        with ScriptedImap(message(1), message(2)) as server:
            rc = account(server.port, f'maildir "{home}/Mail"')
            assert mailhaul(home, rc).code == 0
    finally:
        os.umask(before)
    ours = {"rc", "out", "err"}
    made = {path for path in home.rglob("*") if path.name not in ours}
    assert any(path.name == "ledger.db" for path in made)
    assert {path.name for path in made if path.stat().st_mode & 0o077} == set()


def test_the_password_for_the_listener_is_not_quoted(tmp_path: Path) -> None:
    echo = b"535 no user joe with password " + OTHER.encode() + NASTY
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({"AUTH": [echo, echo]}, (b"AUTH PLAIN LOGIN",)) as sink,
    ):
        login = f'timeout 2 esmtpname joe esmtppassword "{OTHER}"'
        rc = account(server.port, f"smtphost localhost/{sink.port}", server=login)
        run = mailhaul(tmp_path, rc, "-v", "-v")
    assert run.code == 10
    assert "with password *" in run.err
    said = run.out + run.err
    assert OTHER not in said
    for form in (OTHER, f"joe\0{OTHER}", f"\0joe\0{OTHER}"):
        assert base64.b64encode(form.encode()).decode() not in said


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_from_any_place_is_sent_and_not_shown(
    tmp_path: Path, kind: str, place: str
) -> None:
    option, starter, environment = placed(tmp_path, kind, place)
    echo = b" no user joe with password " + OTHER.encode() + NASTY
    refused = {"LOGIN": b"NO" + echo}
    login = f'password "{SECRET}"'
    with (
        ScriptedImap(message(1), answers=refused if kind == "password" else None) as server,
        ScriptedImap(answers=refused) as target,
        ScriptedSmtp({"AUTH": [b"535" + echo] * 2}, (b"AUTH PLAIN LOGIN",)) as listener,
    ):
        at_server, at_source, sink, code = {
            "password": ("", option, "mda cat", 3),
            "appendpassword": (
                "", login, f'append "imap://joe@localhost:{target.port}/Old" {option}', 10
            ),
            "esmtppassword": (
                f"esmtpname joe {option}", login, f"smtphost localhost/{listener.port}", 10
            ),
        }[kind]  # fmt: skip
        rc = (
            f"poll localhost port {server.port} protocol imap timeout 2 {at_server}\n"
            f"  user joe {at_source} is joe here sslproto '' {sink}\n"
        )
        trace = tmp_path / "transcript"
        run = mailhaul(
            *(tmp_path, rc, "-v", "-v", f"--transcript={trace}"),
            environment=environment,
            starter=starter,
        )
    assert run.code == code
    # The server heard the secret: it repeats it.
    assert "with password *" in run.err
    assert not shows(run.out + run.err, OTHER)
    assert "joe" in trace.read_text()
    assert not shows(trace.read_text(), OTHER)


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_runs_once_for_a_poll_with_mail(tmp_path: Path, kind: str) -> None:
    asked = tmp_path / "asked"
    option = f"{kind}eval \"echo x >>{asked}; echo '{OTHER}'\" batchlimit 1"
    with (
        ScriptedImap(message(1), message(2), message(3)) as server,
        ScriptedSmtp({}, (b"AUTH PLAIN",)) as listener,
        ScriptedImap(answers={"LOGIN": b"NO"}) as target,
    ):
        at_server, login = "", f'password "{SECRET}"'
        sink, code = f"smtphost localhost/{listener.port}", 0
        if kind == "appendpassword":
            sink, code = f'append "imap://joe@localhost:{target.port}/Old"', 10
        elif kind == "password":
            login, option = option, ""
        elif kind == "esmtppassword":
            at_server, option = option.replace(" batchlimit 1", ""), "batchlimit 1"
        rc = (
            f"poll localhost port {server.port} protocol imap timeout 2 {at_server}\n"
            f"  user joe {login} is joe here sslproto '' {sink} {option}\n"
        )
        assert mailhaul(tmp_path, rc).code == code
        assert listener.verbs.count("AUTH") == (3 if kind == "esmtppassword" else 0)
    assert asked.read_text() == "x\n"


@pytest.mark.parametrize(
    ("name", "machine", "login", "logs_in"),
    [
        ("esmtpname joe", "localhost", "joe", True),
        ("esmtpname joe", "elsewhere", "joe", False),
        ("esmtpname joe", "localhost", "ann", False),
        ("", "localhost", getpass.getuser(), False),
    ],
)
def test_netrc_is_for_a_listener_only_with_a_name_and_an_entry(
    tmp_path: Path, name: str, machine: str, login: str, logs_in: bool
) -> None:
    (tmp_path / ".netrc").write_text(f"machine {machine} login {login} password {OTHER}")
    (tmp_path / ".netrc").chmod(0o600)
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({"AUTH": [b"235 go on"]}, (b"AUTH PLAIN",)) as listener,
    ):
        sink = f"smtphost localhost/{listener.port}"
        run = mailhaul(tmp_path, account(server.port, sink, server=f"timeout 2 {name}"))
        assert (run.code, run.err) == (0, "")
        assert ("AUTH" in listener.verbs) == logs_in
        assert len(listener.accepted) == 1


def test_a_file_that_others_can_read_is_reported_by_the_program(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o644)
    with ScriptedImap() as server:
        rc = account(server.port, "mda cat")
        rc = rc.replace(f'password "{SECRET}"', f'passwordfile "{tmp_path}/secret"')
        run = mailhaul(tmp_path, rc, "-s")
        assert run.code == 1
        assert run.complaint.startswith(f"{tmp_path}/secret: warning: other users can read")
        both = mailhaul(tmp_path, rc + rc.replace("user joe", "user ann"), "-s")
    assert both.complaints == run.complaints


@pytest.mark.parametrize("kind", KINDS)
def test_a_variable_with_a_secret_is_in_no_environment(tmp_path: Path, kind: str) -> None:
    seen = tmp_path / "seen"
    mda = script(tmp_path / "deliver", f"cat >/dev/null; ({LOOK}) >{seen}")
    option, _, environment = placed(tmp_path, kind, "env")
    login = "" if kind == "password" else f'password "{SECRET}"'
    at_server, at_source = (option, "") if kind == "esmtppassword" else ("", option)
    with ScriptedImap(message(1)) as server:
        rc = (
            f"poll localhost port {server.port} protocol imap timeout 2 {at_server}\n"
            f"  user joe {login} {at_source} is joe here sslproto '' mda \"{mda}\"\n"
        )
        assert mailhaul(tmp_path, rc, environment=environment).code == 0
    assert "HOME=" in seen.read_text()
    assert not shows(seen.read_text(), OTHER)


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_fails_is_no_refused_login(tmp_path: Path, kind: str) -> None:
    option = f'{kind}eval "echo {OTHER}; echo agent: locked, {OTHER} >&2; exit 2"'
    login = "" if kind == "password" else f'password "{SECRET}"'
    with ScriptedImap(message(1)) as server, ScriptedSmtp() as listener:
        at_server, rest = (option, "") if kind == "esmtppassword" else ("", option)
        sink = f"smtphost localhost/{listener.port}"
        if kind == "appendpassword":
            sink = f'append "imap://joe@localhost:{server.port}/Other"'
        rc = (
            f"poll localhost port {server.port} protocol imap timeout 2 {at_server}\n"
            f"  user joe {login} is joe here sslproto '' {sink} {rest}\n"
        )
        run = mailhaul(tmp_path, rc)
        assert list(server.mailbox) == [1]
        assert listener.verbs == []
    assert run.code == 6
    before = rc[: rc.index(f"{kind}eval")]
    place = f"{tmp_path}/rc:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert run.complaint == (
        f"{place}: {kind}eval: the command ended with status 2: agent: locked, *; "
        "run the command in a shell to find out why"
    )


def test_an_empty_poll_asks_for_no_password_of_the_sink(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    with ScriptedImap() as server:
        option = f'appendpasswordeval "touch {asked}; echo x"'
        rc = account(server.port, f'append "imap://joe@localhost:{server.port}/Other" {option}')
        assert mailhaul(tmp_path, rc).code == 1
    assert not asked.exists()


@pytest.mark.parametrize("option", ["-V", "--configdump=json,passwords"])
@pytest.mark.parametrize("place", PLACES)
def test_no_dump_reads_a_secret_from_its_place(tmp_path: Path, place: str, option: str) -> None:
    named, starter, environment = placed(tmp_path, "password", place)
    rc = f"poll localhost protocol imap user joe {named}\n"
    run = mailhaul(tmp_path, rc, option, environment=environment, starter=starter)
    assert (run.code, run.err) == (0, "")
    assert OTHER not in run.out
    if named:
        assert f"password{place}" in run.out


@pytest.mark.parametrize("fault", [ValueError(SECRET), RuntimeError(f"b'{SECRET}'")])
def test_an_unexpected_exception_is_reported_without_its_data(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(main, "load", fail)
    monkeypatch.setattr(main, "leave_no_core", lambda: None)

    assert main.main(["-vv"]) == 23

    said = "".join(capsys.readouterr())
    assert type(fault).__name__ in said
    assert SECRET not in said
