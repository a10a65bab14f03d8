"""Wish 30: two copies of the program never poll an account together, and a killed one is replaced.

MailFathom#1290 (one replica for an account, and another within a lease period), MailKit#1232,
emailjs-imap-client#113.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.peer import SILENCE
from tests.apps.bad.running import account, launch, mailhaul
from tests.apps.bad.scripted_imap import ScriptedImap, message
from tests.real.daemon import until

OTHER = ("--pidfile", "other-pid")
"""A copy that shares nothing with the first one but the ledger."""


def rc_for(server: ScriptedImap, home: Path) -> str:
    return account(server.port, f'maildir "{home}/Mail"', server="timeout 60")


@contextmanager
def daemon_for(server: ScriptedImap, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon with the usual rc file."""
    log, rc = home / "log", home / ".fetchmailrc"
    log.touch()
    rc.write_text(f'set daemon 300 set logfile "{log}"\n{rc_for(server, home)}')
    rc.chmod(0o600)
    process = launch(home, "--pidfile", str(home / "pid"), "-N").process
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_copy_leaves_the_account_alone_and_takes_over_after_a_kill(
    tmp_path: Path,
) -> None:
    with ScriptedImap(message(1), answers={"UID FETCH 1": SILENCE}) as server:
        rc = rc_for(server, tmp_path)
        with daemon_for(server, tmp_path) as daemon:
            until(lambda: any(line.startswith("UID FETCH 1") for line in server.commands))
            second = mailhaul(tmp_path, rc, *OTHER)
            assert second.code == ExitCode.EXCLUDE
            assert str(daemon.pid) in second.complaint
            assert server.visits == 1
        assert daemon.returncode == -signal.SIGKILL
        server.answers.clear()
        # There is no lease that has to end first.
        third = mailhaul(tmp_path, rc, *OTHER)
        assert (third.code, third.err) == (0, "")
        assert list(server.mailbox) == []
    assert len([*(tmp_path / "Mail" / "new").iterdir()]) == 1


def test_a_second_start_wakes_the_daemon_instead(tmp_path: Path) -> None:
    with ScriptedImap() as server, daemon_for(server, tmp_path) as daemon:
        until(lambda: "LOGOUT" in server.commands)
        second = launch(tmp_path, "--pidfile", str(tmp_path / "pid")).finish()
        assert (second.code, second.err) == (0, "")
        assert second.out == f"mailhaul: background mailhaul at {daemon.pid} awakened.\n"
        until(lambda: server.visits == 2)
