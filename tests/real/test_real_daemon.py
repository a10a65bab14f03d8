"""The daemon between real servers: it starts, wakes, waits for news, reloads and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from .corpus import simple
from .servers.dovecot import Dovecot
from .servers.exim import Exim

pytestmark = pytest.mark.real

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
        done = self.mailhaul("status", "--json")
        if done.returncode:
            return {}
        return {post["account"]: post["state"] for post in json.loads(done.stdout)}

    def stop(self) -> None:
        if (self.home / "pid").exists():
            pid = self.pid
            os.kill(pid, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{pid}").exists())


def until(met: Callable[[], object]) -> None:
    """Wait until something is so: what other processes do has no other sign."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log.read_text()
    assert "internal error" not in daemon.log.read_text()


def entry(dovecot: Dovecot, user: str, options: str, name: str = "localhost") -> str:
    return (
        f"poll {name} via localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' {options}\n"
    )


def box(daemon: Daemon, name: str = "Mail") -> list[Path]:
    return [*(daemon.home / name / "new").glob("*")]


def test_it_polls_at_once_wakes_when_started_again_and_ends_when_told(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.configure(entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    dovecot.deliver(user, simple(1))
    pid = daemon.start()
    assert (daemon.home / "pid").read_text() == f"{pid}\n3600\n"
    assert (daemon.home / "pid").stat().st_mode & 0o777 == 0o600
    until(lambda: len(box(daemon)) == 1)
    dovecot.deliver(user, simple(2))
    os.kill(pid, signal.SIGUSR1)
    until(lambda: len(box(daemon)) == 2)
    assert "awakened by signal 10" in daemon.log.read_text()
    done = daemon.mailhaul("-q", "--pidfile", f"{daemon.home}/pid")
    assert (done.returncode, done.stdout) == (
        0,
        f"mailhaul: background mailhaul at {pid} killed.\n",
    )
    until(lambda: not (daemon.home / "pid").exists())


def test_a_second_start_wakes_it_and_refuses_what_it_cannot_pass_on(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.rc = daemon.home / "fetchmailrc"
    daemon.configure(entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    pid = daemon.start()
    until(lambda: "waiting" in daemon.states().values())
    dovecot.deliver(user, simple(1))
    done = daemon.mailhaul()
    words = f"mailhaul: background mailhaul at {pid} awakened.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, words, "")
    until(lambda: len(box(daemon)) == 1)
    for arguments, problem in (
        (["localhost"], f"can't poll specified hosts with another mailhaul running at {pid}."),
        (["-k"], "can't accept options while a background mailhaul is running."),
        (["-c"], "can't check mail while another mailhaul to same host is running."),
    ):
        done = daemon.mailhaul(*arguments)
        assert (done.returncode, done.stderr) == (8, f"mailhaul: {problem}\n")


def test_with_idle_mail_is_there_within_a_second(
    daemon: Daemon, dovecot: Dovecot, exim: Exim, user: str
) -> None:
    daemon.configure(entry(dovecot, user, f"idle smtphost localhost/{exim.port}"))
    daemon.start()
    until(lambda: "watching" in daemon.states().values())
    for number in (1, 2, 3):
        began = time.monotonic()
        dovecot.deliver(user, simple(number))
        until(lambda: not dovecot.messages(user))
        # Dovecot itself looks at a Maildir when inotify tells it, and waits half a second.
        assert time.monotonic() - began < 2.0
    until(lambda: len(exim.delivered()) == 3)


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    first = entry(dovecot, user, f"maildir {daemon.home}/Mail")
    other = dovecot.new_user()
    daemon.configure(first)
    pid = daemon.start()
    until(lambda: list(daemon.states().values()) == ["waiting"])
    daemon.configure(first + "poll oops nonsense\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: "the configuration stays as it was" in daemon.log.read_text())
    assert "rc:4:" in daemon.log.read_text()
    daemon.configure(first + entry(dovecot, other, f"maildir {daemon.home}/Two", "two"))
    dovecot.deliver(other, simple(1))
    os.kill(pid, signal.SIGHUP)
    until(lambda: len(box(daemon, "Two")) == 1)
    assert len(daemon.states()) == 2


def test_a_wrong_password_troubles_nobody_else(daemon: Daemon, dovecot: Dovecot, user: str) -> None:
    wrong = entry(dovecot, dovecot.new_user(), "maildir x", "wrong")
    wrong = wrong.replace(dovecot.password, "not this one")
    daemon.configure(wrong + entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    dovecot.deliver(user, simple(1))
    daemon.start(interval=1)
    until(lambda: len(box(daemon)) == 1)
    until(lambda: "Query status=3 (AUTHFAIL)" in daemon.log.read_text())
    dovecot.deliver(user, simple(2))
    until(lambda: len(box(daemon)) == 2)
    assert daemon.log.read_text().count("(AUTHFAIL)") == 1


def has_grown(daemon: Daemon, before: int) -> bool:
    return len(box(daemon)) > before or before == 300


def test_a_stop_in_the_midst_of_mail_loses_nothing(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.configure(entry(dovecot, user, f"idle maildir {daemon.home}/Mail"))
    for number in range(1, 301):
        dovecot.deliver(user, simple(number))
    for _ in range(6):
        daemon.start()
        before = len(box(daemon))
        until(partial(has_grown, daemon, before))
        daemon.stop()
    daemon.start()
    until(lambda: not dovecot.messages(user))
    assert len(box(daemon)) == 300


def test_status_pause_and_resume(daemon: Daemon, dovecot: Dovecot, user: str) -> None:
    daemon.configure(entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    assert daemon.mailhaul("status").returncode == 8
    daemon.start()
    until(lambda: list(daemon.states().values()) == ["waiting"])
    table = daemon.mailhaul("status").stdout.splitlines()
    assert table[0].split()[:3] == ["ACCOUNT", "STATE", "POLLS"]
    assert table[1].split()[:3] == [f"{user}@localhost", "waiting", "1"]
    assert daemon.mailhaul("pause", "localhost").stdout == f"mailhaul: {user}@localhost: pause\n"
    until(lambda: list(daemon.states().values()) == ["paused"])
    daemon.mailhaul("resume")
    until(lambda: list(daemon.states().values()) == ["waiting"])
    dovecot.deliver(user, simple(1))
    daemon.mailhaul("poll", f"{user}@localhost")
    until(lambda: len(box(daemon)) == 1)
    assert daemon.mailhaul("poll", "nobody").returncode == 7
    text = daemon.mailhaul("status", "--metrics").stdout
    assert f'mailhaul_polls_total{{account="{user}@localhost"}} 2' in text
    assert text.endswith("# EOF\n")


def test_idle_without_a_daemon_stays_in_the_foreground_until_it_is_ended(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.configure(entry(dovecot, user, f"idle maildir {daemon.home}/Mail"))
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "-f", str(daemon.rc)],
        cwd=daemon.home,
        env={"PATH": os.defpath, "HOME": str(daemon.home)},
    )
    try:
        for number in (1, 2):
            dovecot.deliver(user, simple(number))
            until(partial(has_come, daemon, number))
        process.terminate()
        assert process.wait(PATIENCE) == 23
    finally:
        process.kill()
        process.wait()


def has_come(daemon: Daemon, count: int) -> bool:
    return len(box(daemon)) == count
