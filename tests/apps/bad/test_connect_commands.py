"""preconnect and postconnect run before and after a poll, even if it fails."""

from __future__ import annotations

import time
from pathlib import Path

from .running import account, mailhaul, script
from .scripted_imap import ScriptedImap, message


def test_both_commands_run_around_the_poll_with_the_users_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    entry = (
        f"mda 'echo mda >>{log}' preconnect 'echo pre >>{log}; echo hello' "
        f"postconnect 'echo post >>{log}'"
    )
    with ScriptedImap(message(1)) as server:
        run = mailhaul(tmp_path, account(server.port, entry))
    assert run.code == 0
    assert log.read_text().split() == ["pre", "mda", "post"]
    assert "hello" in run.out


def test_a_preconnect_that_fails_prevents_the_poll(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ScriptedImap(message(1)) as server:
        entry = f"mda cat preconnect 'exit 3' postconnect 'echo post >>{log}'"
        run = mailhaul(tmp_path, account(server.port, entry))
        assert server.kept == [1]
    assert (run.code, run.complaint) == (5, "pre-connection command failed with status 3")
    assert not log.exists()


def test_a_failed_postconnect_is_reported_but_the_mail_was_delivered(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat postconnect 'kill -9 $$'"))
        assert server.kept == []
    assert (run.code, run.complaint) == (5, "post-connection command died of signal 9")


def test_postconnect_runs_after_a_failure_whose_code_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    entry = f"mda cat postconnect 'echo post >>{log}; exit 1'"
    run = mailhaul(tmp_path, account(1, entry))
    assert run.code == 2
    assert log.read_text() == "post\n"


def test_what_preconnect_leaves_in_the_background_goes_on(tmp_path: Path) -> None:
    later = tmp_path / "later"
    background = script(tmp_path / "background", f"sleep 1; touch {later}")
    entry = f"mda cat preconnect 'setsid {background} >/dev/null 2>&1 </dev/null &'"
    with ScriptedImap(message(1)) as server:
        run = mailhaul(tmp_path, account(server.port, entry))
    assert run.code == 0
    deadline = time.monotonic() + 10
    while not later.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert later.exists()
