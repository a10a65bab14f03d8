"""The pidfile, a second start, and ``--quit``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.apps.daemon.scheduler import LAST_SECONDS
from mailhaul.apps.polls.pidfile import QUIT_SECONDS, PidFile, end, running
from mailhaul.flows.outcome import ExitCode, PollFailed


def test_quit_waits_for_mail_in_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append(pid))
    pidfile = PidFile(str(tmp_path / "pid"))
    pidfile.take(300)
    waited = 0.0

    def pause(seconds: float) -> None:
        nonlocal waited
        waited += seconds
        if waited > LAST_SECONDS + 5:
            pidfile.release()

    end(os.getpid(), str(tmp_path / "pid"), wait=True, pause=pause)
    assert LAST_SECONDS + 5 < waited < QUIT_SECONDS
    assert told == [os.getpid()]


def test_no_poll_begins_while_the_old_daemon_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    pidfile = PidFile(str(tmp_path / "pid"))
    pidfile.take(300)
    with pytest.raises(PollFailed, match="still runs") as failure:
        end(os.getpid(), str(tmp_path / "pid"), wait=True, pause=lambda seconds: None)
    assert failure.value.code is ExitCode.EXCLUDE
    pidfile.release()


def test_a_full_disk_or_a_missing_folder_does_not_stop_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    path = str(tmp_path / "pid")
    pidfile = PidFile(path)
    monkeypatch.setattr(os, "pwrite", full)
    pidfile.take(300)
    with pytest.raises(PollFailed):
        PidFile(path).take(300)
    with monkeypatch.context() as gone:
        gone.setattr(os, "unlink", full)
        pidfile.release()
    assert running(path) == 0


def test_a_pidfile_moves_with_its_lock(tmp_path: Path) -> None:
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    pidfile = PidFile(old)
    pidfile.take(300)
    pidfile.move(new, 60)
    assert running(new) == os.getpid()
    assert not os.path.exists(old)
    with pytest.raises(PollFailed):
        pidfile.move("/nowhere/pid", 60)
    assert running(new) == os.getpid()
    pidfile.move(new, 77)
    assert Path(new).read_text() == f"{os.getpid()}\n77\n"
    pidfile.release()
