"""The daemon between real servers: it starts, wakes, waits for news, reloads and ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from .corpus import simple
from .daemon import PATIENCE, Daemon, box, entry, until
from .servers.dovecot import Dovecot
from .servers.exim import Exim

pytestmark = pytest.mark.real


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
    done = daemon.mailhaul("--pidfile", f"{daemon.home}/pid", "-q")
    assert (done.returncode, done.stdout) == (
        0,
        f"mailhaul: background mailhaul at {pid} killed.\n",
    )
    until(lambda: not (daemon.home / "pid").exists())


def test_a_wake_up_that_comes_too_early_does_no_harm(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.configure(entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "-N", "-f", str(daemon.rc), "-d", "3600"],
        env={"PATH": os.defpath, "HOME": str(daemon.home)},
    )
    pidfile = daemon.home / "pid"
    until(lambda: pidfile.exists() and pidfile.read_text())
    while process.poll() is None and not daemon.starts:
        for number in (signal.SIGUSR1, signal.SIGHUP):
            process.send_signal(number)
        time.sleep(0.001)
    assert process.poll() is None
    dovecot.deliver(user, simple(1))
    process.send_signal(signal.SIGUSR1)
    until(partial(has_come, daemon, 1))
    process.terminate()
    assert process.wait(PATIENCE) == 0


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
        assert (done.returncode, done.stderr) == (
            8,
            f'mailhaul: {problem} "mailhaul poll" lets it poll now, "mailhaul -q" ends it\n',
        )


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


@pytest.fixture
def another_address() -> Iterator[Callable[[], None]]:
    """Give the machine another address, from those that are for documentation (RFC 5737)."""
    name, ip = "198.51.100.77/32", shutil.which("ip") or ""
    change = partial(subprocess.run, stderr=subprocess.DEVNULL, check=False)
    if not ip or change([ip, "address", "add", name, "dev", "lo"]).returncode:
        pytest.skip("no addresses can be added here")
    change([ip, "address", "delete", name, "dev", "lo"])
    yield lambda: change([ip, "address", "add", name, "dev", "lo"]).check_returncode()
    change([ip, "address", "delete", name, "dev", "lo"])


def test_with_idle_a_command_may_have_the_password(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    text = entry(dovecot, user, f"idle maildir {daemon.home}/Mail")
    command = f"passwordeval 'echo {dovecot.password}'"
    daemon.configure(text.replace(f'password "{dovecot.password}"', command))
    daemon.start()
    until(lambda: list(daemon.states().values()) == ["watching"])
    dovecot.deliver(user, simple(1))
    until(lambda: len(box(daemon)) == 1)


def test_another_address_makes_all_connections_anew(
    daemon: Daemon, dovecot: Dovecot, user: str, another_address: Callable[[], None]
) -> None:
    daemon.configure(entry(dovecot, user, f"idle maildir {daemon.home}/Mail"))
    daemon.start()
    until(lambda: "watching" in daemon.states().values())
    began = daemon.polls()
    another_address()
    until(lambda: daemon.polls() > began and "watching" in daemon.states().values())
    dovecot.deliver(user, simple(1))
    until(lambda: len(box(daemon)) == 1)


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


def test_mail_that_is_too_large_is_told_of_once(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.configure(
        f"set postmaster boss\n{entry(dovecot, user, f'limit 2000 maildir {daemon.home}/Mail')}"
    )
    dovecot.deliver(user, simple(1) + b"x" * 3000)
    pid = daemon.start()
    until(partial(has_come, daemon, 1))
    os.kill(pid, signal.SIGUSR1)
    until(lambda: daemon.polls() == 2)
    [notice] = box(daemon)
    text = notice.read_text()
    assert f"Subject: Mail for {user}@localhost stays on the server" in text
    assert "1 message of 3" in text
    assert len(dovecot.messages(user)) == 1


def test_status_pause_and_resume(daemon: Daemon, dovecot: Dovecot, user: str) -> None:
    daemon.configure(entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    assert daemon.mailhaul("status").returncode == 1
    daemon.start()
    until(lambda: list(daemon.states().values()) == ["waiting"])
    table = daemon.mailhaul("status").stdout.splitlines()
    assert table[0].split() == ["ACCOUNT", "STATE", "POLLED", "RESULT", "SUCCESS", "NEXT"]
    assert table[1].split()[:2] == [f"{user}@localhost", "waiting"]
    assert daemon.mailhaul("pause", "localhost").stdout == f"mailhaul: {user}@localhost: paused\n"
    until(lambda: list(daemon.states().values()) == ["paused"])
    daemon.mailhaul("resume")
    until(lambda: list(daemon.states().values()) == ["waiting"])
    dovecot.deliver(user, simple(1))
    daemon.mailhaul("poll", f"{user}@localhost")
    until(lambda: len(box(daemon)) == 1)
    assert daemon.mailhaul("poll", "nobody").returncode == 7
    text = daemon.mailhaul("status", "--metrics").stdout
    assert f'mailhaul_poll_duration_seconds_count{{account="{user}@localhost"}} 2' in text
    assert text.endswith("# EOF\n")


def test_the_last_success_is_known_to_the_daemon_that_starts(
    daemon: Daemon, dovecot: Dovecot, user: str
) -> None:
    daemon.configure(entry(dovecot, user, f"maildir {daemon.home}/Mail"))
    daemon.start()
    until(lambda: list(daemon.states().values()) == ["waiting"])
    daemon.stop()
    # From now on its server is not there.
    text = daemon.rc.read_text().partition("\n")[2]
    daemon.configure(text.replace(f"port {dovecot.imap_port}", "port 9"))
    began = time.time()
    daemon.start()
    until(lambda: "refused" in daemon.log.read_text())
    (line,) = [
        line
        for line in daemon.mailhaul("status", "--metrics").stdout.splitlines()
        if line.startswith("mailhaul_last_success_timestamp_seconds{")
    ]
    assert 0 < began - float(line.split()[-1]) < 60


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
