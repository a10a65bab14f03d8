"""One poll at a time in one mailbox."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.lock import MailboxLock, file_name
from mailhaul.flows.outcome import ExitCode, PollFailed

HOLD = """
import sys
from mailhaul.adapters.ledger.lock import MailboxLock
MailboxLock(sys.argv[1], "imap joe@server", "INBOX").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_two_processes_exclude_each_other_from_one_mailbox(tmp_path: Path) -> None:
    folder = str(tmp_path / "locks")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(PollFailed, match=f"process {other.pid}") as caught:
            MailboxLock(folder, "imap joe@server", "INBOX").acquire()
        assert MailboxLock(folder, "imap joe@server", "Lists").acquire()
        other.communicate()
    assert caught.value.code is ExitCode.EXCLUDE
    assert MailboxLock(folder, "imap joe@server", "INBOX").acquire()


def test_two_polls_of_one_process_wait_for_each_other(tmp_path: Path) -> None:
    first, second = (MailboxLock(str(tmp_path), "imap joe@server", "INBOX") for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_a_dead_holder_never_blocks(tmp_path: Path) -> None:
    code = HOLD.replace("sys.stdin.read()", "import os; os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    lock = MailboxLock(str(tmp_path), "imap joe@server", "INBOX")
    assert lock.acquire()
    lock.release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lock = MailboxLock(str(tmp_path / "file" / "locks"), "a", "INBOX")
    for _ in range(2):
        with pytest.raises(PollFailed, match=r"lock .*file") as caught:
            lock.acquire()
        assert caught.value.code is ExitCode.IOERR


def test_names_of_locks_differ_and_fit() -> None:
    names = {file_name(name) for name in ("a/b", "a%2f.b", "a" * 300, "a" * 299 + "b", "\udcff")}
    assert len(names) == 5
    assert all(len(name) < 255 and "/" not in name for name in names)
