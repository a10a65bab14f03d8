"""A daemon that a test runs, and what it looks at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .servers.dovecot import Dovecot

PATIENCE = 15.0


class Daemon:
    """A daemon with everything that it writes below one folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.rc = home / "rc"
        self.log = home / "log"
        self.log.touch()

    def configure(self, text: str) -> None:
        draft = self.home / "rc.new"
        draft.write_text(f'set logfile "{self.log}" set pidfile "{self.home}/pid"\n{text}')
        draft.chmod(0o600)
        draft.rename(self.rc)

    def mailhaul(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mailhaul", *arguments],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={
                "PATH": os.defpath,
                "HOME": str(self.home),
                "FETCHMAILHOME": str(self.home),
                "LC_ALL": "C",
            },
        )

    def start(self, interval: int = 3600) -> int:
        """Start it; return its pid."""
        before = self.starts
        done = self.mailhaul("-f", str(self.rc), "-d", str(interval))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        until(lambda: self.starts > before)
        return self.pid

    @property
    def starts(self) -> int:
        return self.log.read_text().count("starting mailhaul")

    @property
    def pid(self) -> int:
        return int((self.home / "pid").read_text().split()[0])

    def states(self) -> dict[str, str]:
        return {post["account"]: post["state"] for post in self.status()}

    def polls(self) -> int:
        return sum(post["polls"] for post in self.status())

    def status(self) -> list[dict[str, Any]]:
        done = self.mailhaul("status", "--json")
        return json.loads(done.stdout)["accounts"] if done.stdout else []

    def stop(self) -> None:
        if (self.home / "pid").exists():
            pid = self.pid
            os.kill(pid, signal.SIGTERM)
            until(partial(has_ended, pid))


def has_ended(pid: int) -> bool:
    """Whether a process is over; whoever adopted it may take his time to bury it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(met: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is so: what other processes do has no other sign."""
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def entry(dovecot: Dovecot, user: str, options: str, name: str = "localhost") -> str:
    return (
        f"poll {name} via localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' {options}\n"
    )


def box(daemon: Daemon, name: str = "Mail") -> list[Path]:
    return [*(daemon.home / name / "new").glob("*")]
