"""Passwords are not in arguments, environments, files that others can read, or core files."""

from __future__ import annotations

import base64
import os
import resource
from pathlib import Path

import pytest

from mailhaul.apps import main

from .peer import NASTY
from .running import SECRET, account, mailhaul, piped, script
from .scripted_imap import ScriptedImap, message
from .scripted_smtp import ScriptedSmtp

LOOK = (
    "tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$PPID/cmdline; "
    "tr '\\0' '\\n' </proc/$PPID/environ; env; ulimit -c"
)
OTHER = "esmtp-open-5Wq-sesame"


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
