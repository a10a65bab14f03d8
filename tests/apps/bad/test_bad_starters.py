"""Parent processes that change signals and file descriptors."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from .running import SECRET, account, mailhaul, script, start
from .scripted_imap import ScriptedImap, message

BAD = """
import os, resource, signal, sys
os.environ.pop("LC_CTYPE", None)
{}
os.execv(sys.argv[1], sys.argv[1:])
"""
DEAF = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"


def starter(what: str) -> tuple[str, ...]:
    return (sys.executable, "-c", BAD.format(what))


@pytest.mark.parametrize("end", ["exit 75", "exit 1", "kill -9 $$"])
def test_a_starter_without_children_makes_no_failure_an_acceptance(
    tmp_path: Path, end: str
) -> None:
    failing = script(tmp_path / "failing", f"cat >/dev/null; {end}")
    with ScriptedImap(message(1), message(2)) as server:
        run = mailhaul(tmp_path, account(server.port, f'mda "{failing}"'), starter=starter(DEAF))
        assert (server.kept, server.changes) == ([1, 2], [])
    assert run.code == 10


def test_commands_and_passwords_work_under_such_a_starter(tmp_path: Path) -> None:
    entry = "mda 'cat >/dev/null' preconnect true postconnect true"
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, entry)
        rc = rc.replace(f'password "{SECRET}"', f'passwordeval "cat {tmp_path}/secret"')
        (tmp_path / "secret").write_text(SECRET)
        run = mailhaul(tmp_path, rc, starter=starter(DEAF))
        assert server.mailbox == {}
    assert (run.code, run.err) == (0, "")


def test_a_signal_that_the_starter_blocks_ends_us_all_the_same(tmp_path: Path) -> None:
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})"
    ready = tmp_path / "ready"
    waiting = script(tmp_path / "waiting", f"touch {ready}; sleep 300")
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, f'mda "{waiting}"')
        run = start(tmp_path, rc, starter=starter(blocked))
        while not ready.exists():
            time.sleep(0.01)
        run.process.send_signal(signal.SIGTERM)
        assert run.finish().code == 23
        assert server.kept == [1]


def test_no_command_holds_the_starters_lock_or_is_deaf(tmp_path: Path) -> None:
    what = (
        f"os.dup2(os.open('{tmp_path}/lock', os.O_CREAT | os.O_RDWR, 0o600), 9); os.umask(0o027); "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    )
    show = script(
        tmp_path / "show",
        f"cat >/dev/null; (umask; ls /proc/self/fd; grep -E 'Sig(Ign|Blk)' /proc/self/status; "
        f"env) >{tmp_path}/shown",
    )
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, f'mda "{show}"')
        run = mailhaul(tmp_path, rc, starter=starter(what), environment={"LC_ALL": "", "LANG": "C"})
    assert (run.code, run.err) == (0, "")
    shown = (tmp_path / "shown").read_text().splitlines()
    assert shown[0] == "0027"
    assert "9" not in shown
    # The C library ignores two signals of its own in a child.
    masks = [int(line.split()[1], 16) & 0x7FFFFFFF for line in shown if line.startswith("Sig")]
    assert masks == [0, 0]
    assert not [line for line in shown if line.startswith("LC_CTYPE")]


def test_few_descriptors_and_a_folder_that_is_gone_lose_nothing(tmp_path: Path) -> None:
    gone = (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12)); os.mkdir('gone'); "
        "os.chdir('gone'); os.rmdir('../gone')"
    )
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, f"mda 'cat >{tmp_path}/kept'")
        run = mailhaul(tmp_path, rc, starter=starter(gone))
        assert (run.code == 0) == (server.kept == [])
    assert run.code in {0, 2, 6, 10}


def test_mail_above_the_file_size_limit_stays_on_the_server(tmp_path: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    large = message(1, b"x" * 70 + b"\r\n") + b"y" * 3_000_000
    with ScriptedImap(large, message(2)) as server:
        run = mailhaul(tmp_path, account(server.port, "mda 'cat >/dev/null'"),
                       starter=starter(limit))  # fmt: skip
        assert server.kept == [1]
    assert run.code == 0
    assert "File too large" in run.complaint


def test_progress_is_not_mixed_with_mail_on_standard_output(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        assert start(tmp_path, account(server.port, "bsmtp -")).process.wait(20) == 0
        assert server.mailbox == {}
    mail = (tmp_path / "out").read_bytes()
    assert mail.startswith(b"MAIL FROM:<")
    assert mail.endswith(b"\r\n.\r\n")
    assert "reading message" in (tmp_path / "err").read_text()


def test_a_closed_standard_output_accepts_no_mail(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, "bsmtp -")
        run = mailhaul(tmp_path, rc, "--silent", starter=starter("os.close(1)"))
        assert server.kept == [1]
    assert run.code == 12
    assert "standard output is the null device" in run.err
