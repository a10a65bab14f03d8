"""Wish 30: two copies of the program never poll an account together, and a killed one is replaced.

MailFathom#1290 (one replica for an account, and another within a lease period), MailKit#1232,
emailjs-imap-client#113.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.peer import SILENCE
from tests.apps.bad.running import account, launch, mailhaul, start
from tests.apps.bad.scripted_imap import ScriptedImap, message
from tests.real.daemon import until

OTHER = ("--pidfile", "other-pid")
"""A copy that knows nothing of the first one, but its ledger."""


def rc_for(server: ScriptedImap, home: Path, more: str = "") -> str:
    return more + account(server.port, f'maildir "{home}/Mail"', server="timeout 60")


def reading(server: ScriptedImap) -> Callable[[], bool]:
    return lambda: any(line.startswith("UID FETCH 1") for line in server.commands)


def test_a_second_copy_leaves_the_account_alone_and_takes_over_after_a_kill(
    tmp_path: Path,
) -> None:
    with ScriptedImap(message(1), answers={"UID FETCH 1": SILENCE}) as server:
        daemon = start(tmp_path, rc_for(server, tmp_path, "set daemon 300\n"), "-N")
        until(reading(server))
        rc = rc_for(server, tmp_path)
        second = mailhaul(tmp_path, rc, *OTHER)
        assert second.code == ExitCode.EXCLUDE
        assert f"{daemon.process.pid}" in second.complaint
        assert server.visits == 1
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
        server.answers.clear()
        began = time.monotonic()
        third = mailhaul(tmp_path, rc, *OTHER)
        assert (third.code, third.err) == (0, "")
        assert list(server.mailbox) == []
    # There is no lease that has to end first.
    assert time.monotonic() - began < 10
    assert len([*(tmp_path / "Mail" / "new").iterdir()]) == 1


def test_a_second_start_wakes_the_daemon_instead(tmp_path: Path) -> None:
    with ScriptedImap() as server:
        rc = tmp_path / ".fetchmailrc"
        rc.write_text(rc_for(server, tmp_path, "set daemon 300\n"))
        rc.chmod(0o600)
        pidfile = ("--pidfile", str(tmp_path / "pid"))
        daemon = launch(tmp_path, *pidfile, "-N")
        until(lambda: "LOGOUT" in server.commands)
        second = launch(tmp_path, *pidfile).finish()
        assert (second.code, second.err) == (0, "")
        assert f"background mailhaul at {daemon.process.pid} awakened" in second.out
        until(lambda: server.visits == 2)
        daemon.process.terminate()
        assert daemon.process.wait() == 0
