"""Wish 21: no secret has to be in the rc file, whatever it is for, and no shell gets hold of it.

It may be in a file, the output of a command, a descriptor, a variable, the keyring, .netrc, or a
credential of systemd or Docker. fdm#44, vdirsyncer#228, vdirsyncer#278, vdirsyncer#285,
fetchmail_wakeup#2, profanity#480; metasploit#174 collects the passwords of rc files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.running import SECRET, Run, account, mailhaul
from tests.apps.bad.scripted_imap import ScriptedImap, message
from tests.apps.bad.scripted_smtp import ScriptedSmtp
from tests.apps.bad.secret_places import OTHER, PLACES, placed, shows

IN_RC = f'password "{SECRET}"'
CREDENTIAL = "credential of systemd"


def rc_with(home: Path, server: ScriptedImap, option: str) -> str:
    return account(server.port, f'maildir "{home}/Mail"').replace(IN_RC, option)


@pytest.mark.parametrize("place", [*PLACES, CREDENTIAL])
def test_the_password_comes_from_any_place_and_is_shown_nowhere(tmp_path: Path, place: str) -> None:
    if place == CREDENTIAL:
        credentials = tmp_path / "credentials"
        credentials.mkdir()
        (credentials / "mail").write_text(OTHER)
        (credentials / "mail").chmod(0o400)
        starter: list[str] = []
        option = "passwordfile mail"
        more = {"CREDENTIALS_DIRECTORY": str(credentials)}
    else:
        option, starter, more = placed(tmp_path, "password", place)
    with ScriptedImap(message(1)) as server:
        rc = rc_with(tmp_path, server, option)
        assert not shows(rc, OTHER)
        run = mailhaul(tmp_path, rc, "-v", "-v", environment=more, starter=starter)
    assert (run.code, run.err) == (0, "")
    assert f'LOGIN "joe" "{OTHER}"' in server.commands
    assert not shows(run.out, OTHER)


@pytest.mark.parametrize("kind", ["appendpassword", "esmtppassword"])
def test_so_do_the_passwords_at_the_place_of_delivery(tmp_path: Path, kind: str) -> None:
    option, starter, more = placed(tmp_path, kind, "eval")
    with (
        ScriptedImap(message(1)) as server,
        ScriptedImap(answers={"LOGIN": b"NO not you"}) as target,
        ScriptedSmtp({"AUTH": [b"235 welcome"]}, (b"AUTH PLAIN",)) as listener,
    ):
        sink, login = f'append "imap://joe@localhost:{target.port}/Old" {option}', ""
        if kind == "esmtppassword":
            sink, login = f"smtphost localhost/{listener.port}", f"esmtpname joe {option}"
        rc = account(server.port, sink, server=f"timeout 2 {login}")
        run = mailhaul(tmp_path, rc, environment=more, starter=starter)
    if kind == "esmtppassword":
        assert (run.code, len(listener.accepted), "AUTH" in listener.verbs) == (0, 1, True)
    else:
        assert f'LOGIN "joe" "{OTHER}"' in target.commands
    assert not shows(run.out + run.err, OTHER)


def test_a_password_full_of_words_for_a_shell_is_taken_as_it_is(tmp_path: Path) -> None:
    word = "$HOME `id` 'x' #\\n!%s"
    (tmp_path / "secret").write_text(f"{word}\n")
    (tmp_path / "secret").chmod(0o600)
    with ScriptedImap(message(1)) as server:
        rc = rc_with(tmp_path, server, f"passwordfile {tmp_path}/secret")
        assert mailhaul(tmp_path, rc).code == 0
        rc = rc_with(tmp_path, server, f"passwordeval 'cat {tmp_path}/secret'")
        assert mailhaul(tmp_path, rc).code == ExitCode.NOMAIL
    sent = word.replace("\\", "\\\\")
    assert server.commands.count(f'LOGIN "joe" "{sent}"') == 2


def test_a_locked_password_manager_is_not_a_wrong_password(tmp_path: Path) -> None:
    def poll(command: str) -> Run:
        return mailhaul(tmp_path, rc_with(tmp_path, server, f"passwordeval '{command}'"))

    with ScriptedImap(message(1)) as server:
        run = poll("echo locked >&2; exit 2")
        assert server.visits == 0
        again = poll("echo any")
    assert run.code == ExitCode.IOERR
    assert "rc:2:12: passwordeval: the command ended with status 2: locked" in run.complaint
    assert again.code == 0
