"""ssh that does not get through, asks questions, or leaves its master behind."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from .corpus import simple
from .mailhaul import Run, by_name, mailhaul
from .servers.dovecot import Dovecot
from .servers.process import free_ports
from .servers.sshd import Sshd

pytestmark = pytest.mark.real


def through(command: str) -> str:
    return (
        f'skip mail.example.org protocol IMAP preauth ssh plugin "{command} /usr/sbin/imapd"\n'
        '    mda "cat >/dev/null"\n'
    )


def complaint(run: Run) -> str:
    """Return the one line of a run that failed at the plugin."""
    assert (run.code, run.left) == (2, ())
    [line] = run.err.splitlines()
    assert line.startswith("mailhaul: mail.example.org: connection closed before the greeting")
    assert line.isprintable()
    assert "status 255" in line
    return line


def test_a_key_that_opens_nothing_is_said_in_sshs_words(
    sshd: Sshd, dovecot: Dovecot, ssh_user: str, tmp_path: Path
) -> None:
    dovecot.deliver(ssh_user, simple())
    run = mailhaul(through(sshd.command(sshd.stranger)), tmp_path, "mail.example.org")
    assert "Permission denied" in complaint(run)
    assert dovecot.flags(ssh_user) == [""]


def test_an_unknown_host_is_not_asked_about_where_nobody_can_answer(
    sshd: Sshd, tmp_path: Path
) -> None:
    started = time.monotonic()
    run = mailhaul(through(sshd.unknown_host_command(sshd.mykey)), tmp_path, "mail.example.org")
    assert "Host key verification failed" in complaint(run)
    assert time.monotonic() - started < 10
    assert sshd.asked() == []


def test_a_port_without_sshd_is_said_in_sshs_words(sshd: Sshd, tmp_path: Path) -> None:
    [port] = free_ports(1)
    command = sshd.command(sshd.mykey).replace("ssh -F", f"ssh -p {port} -F")
    run = mailhaul(through(command), tmp_path, "mail.example.org")
    assert "Connection refused" in complaint(run)


def test_a_plugout_whose_key_opens_nothing_keeps_the_mail(
    sshd: Sshd, dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    imapd = " ".join(dovecot.preauth_argv(user))
    rc = (
        f'skip mail.example.org protocol IMAP preauth ssh plugin "{imapd}"\n'
        f'    plugout "{sshd.command(sshd.stranger)} sendmail -bs"\n'
    )
    run = mailhaul(rc, tmp_path, "mail.example.org")
    assert (run.code, run.left) == (10, ())
    assert "Permission denied" in run.err
    assert dovecot.flags(user) == [""]


def test_the_master_that_ssh_leaves_behind_does_not_delay_the_end(
    sshd: Sshd, dovecot: Dovecot, ssh_user: str, tmp_path: Path
) -> None:
    dovecot.deliver(ssh_user, simple())
    socket = tmp_path / "master"
    shared = f"ssh -oControlMaster=auto -oControlPersist=60 -oControlPath={socket} -F"
    command = sshd.command(sshd.mykey).replace("ssh -F", shared)
    kept = tmp_path / "kept"
    rc = through(command).replace("/dev/null", str(kept))
    try:
        started = time.monotonic()
        run = mailhaul(rc, tmp_path, "mail.example.org")
        assert time.monotonic() - started < 10
        assert run.code == 0
        assert by_name([kept.read_bytes()]).keys() == {"simple"}
        assert socket.exists()
    finally:
        argv = ["ssh", "-oControlPath=" + str(socket), "-O", "exit", "mail.example.org"]
        subprocess.run(argv, capture_output=True, check=False)
