"""Ignored signals, blocked signals and open files of the parent process do not affect a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.apps.polls import inherited

SHOW = """
import os, signal, sys
from mailhaul.apps.polls.inherited import *
reset_inherited_state()
names = [n.name for n in signal.Signals if signal.getsignal(n) is signal.SIG_IGN]
print(",".join(sorted(names)), len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), sep=";", end=";")
print(is_wanted(signal.SIGHUP), "LC_CTYPE" in os.environ, sep=";", end=";")
print(",".join(str(n) for n in (7, 8) if os.get_inheritable(n)))
"""


def state(tmp_path: Path, *, ignored: tuple[int, ...] = (), blocked: tuple[int, ...] = ()) -> str:
    """Return the state of a process that was started in this way, with LANG=C and two files."""
    with (tmp_path / "lock").open("w") as lock:

        def be_a_bad_starter() -> None:
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
            os.dup2(lock.fileno(), 7)
            os.dup2(lock.fileno(), 8)

        environment = {name: text for name, text in os.environ.items() if name[:3] != "LC_"}
        done = subprocess.run(
            [sys.executable, "-c", SHOW],
            check=True,
            capture_output=True,
            text=True,
            close_fds=False,
            preexec_fn=be_a_bad_starter,
            env={**environment, "LANG": "C"},
        )
    return done.stdout.strip()


def test_ignored_and_blocked_signals_and_open_descriptors_are_not_taken_over(
    tmp_path: Path,
) -> None:
    found = state(
        tmp_path,
        ignored=(signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1),
        blocked=(signal.SIGTERM, signal.SIGCHLD),
    )
    assert found == "SIGPIPE,SIGXFSZ;0;True;False;"


def test_a_hang_up_that_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    assert state(tmp_path, ignored=(signal.SIGHUP,)) == "SIGHUP,SIGPIPE,SIGXFSZ;0;False;False;"


def test_a_current_folder_that_is_gone_is_one_without_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    assert not os.path.exists(os.path.join(inherited.current_folder(), "rc"))
