"""The program as a whole, where no server is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENTRY = 'poll mail.example.org protocol imap user joe password "sesame"\n'


def mailhaul(home: Path, *arguments: str, rc: str = ENTRY) -> subprocess.CompletedProcess[str]:
    path = home / "rc"
    path.write_text(rc)
    path.chmod(0o600)
    return subprocess.run(
        [sys.executable, "-m", "mailhaul", "-f", str(path), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(home)},
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


def test_what_this_version_cannot_do_is_said_and_nothing_is_polled(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "--monitor", "eth0")
    assert (done.returncode, done.stdout) == (5, "")
    assert "not supported yet" in done.stderr


def test_where_no_daemon_runs_none_can_be_ended(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, "-q", "--pidfile", str(tmp_path / "pid"))
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr == "mailhaul: no other mailhaul is running\n"


def test_skipped_entries_are_left_alone(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, rc=ENTRY.replace("poll", "skip"))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_missing_password_is_asked_for_only_on_a_terminal(tmp_path: Path) -> None:
    done = mailhaul(tmp_path, rc="poll mail.example.org protocol imap user joe\n")
    assert done.returncode == 3
    assert "can't find a password for joe@mail.example.org." in done.stderr


def test_closed_standard_descriptors_are_no_trap(tmp_path: Path) -> None:
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
def test_an_empty_name_does_not_stand_for_all_accounts(tmp_path: Path, action: str) -> None:
    done = command(tmp_path, action, "")
    assert (done.returncode, done.stdout) == (5, "")
    assert "the name of an account is empty" in done.stderr


@pytest.mark.parametrize("words", [["status", "--jsn"], ["replay"], ["quarantine", "eat"]])
def test_usage_texts_have_lines(tmp_path: Path, words: list[str]) -> None:
    done = command(tmp_path, *words)
    assert done.returncode == 5
    assert "\\n" not in done.stderr
    assert any(line.startswith("usage: mailhaul") for line in done.stderr.splitlines())
