"""Full or missing disks, and invalid ledgers: no mail is deleted."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .running import account, mailhaul
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp


def into(sink: ScriptedSmtp) -> str:
    return f"smtphost localhost/{sink.port}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk completely."""
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


def ledger(home: Path) -> Path:
    return home / ".local" / "state" / "mailhaul" / "ledger.db"


def test_a_full_disk_under_the_ledger_stops_the_poll_before_anything_is_delivered(
    tmp_path: Path, small_disk: Path
) -> None:
    filling = fill(small_disk)
    environment = {"XDG_STATE_HOME": str(small_disk)}
    with ScriptedImap(message(1)) as server, ScriptedSmtp() as sink:
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc, environment=environment)
        assert run.code == 6
        assert str(small_disk) in run.complaint
        assert (server.kept, server.changes, sink.accepted) == ([1], [], [])

        filling.unlink()
        assert mailhaul(tmp_path, rc, environment=environment).code in {0, 6}
        # 64 KiB may be too little for a ledger; what matters is that nothing is lost or doubled.
        assert sorted([*subjects(sink.accepted), *server.mailbox]) == [1]


def test_a_disk_that_fills_up_during_the_poll_loses_and_doubles_nothing(
    tmp_path: Path, small_disk: Path
) -> None:
    environment = {"XDG_STATE_HOME": str(small_disk)}
    with ScriptedImap(*map(message, range(1, 301))) as server, ScriptedSmtp() as sink:
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc, environment=environment)
        assert run.code == 6
        assert "ledger" in run.complaint
        assert "make room" in run.complaint
        delivered = subjects(sink.accepted)
        assert len(delivered) == len(set(delivered))
        assert {*delivered, *server.kept} == set(range(1, 301))

        # With a disk of the usual size the rest comes, at most one of them once more.
        ledger(tmp_path).parent.unlink()
        mailhaul(tmp_path, rc)
        assert set(subjects(sink.accepted)) == set(range(1, 301))


def in_a_maildir(disk: Path) -> list[bytes]:
    return [path.read_bytes() for path in disk.glob("Mail/[nc]ew/*")]


def in_an_mbox(disk: Path) -> list[bytes]:
    return re.split(rb"(?m)^From joe.*\n|^From ann.*\n", (disk / "mbox").read_bytes())[1:]


def in_a_batch(disk: Path) -> list[bytes]:
    texts = (disk / "batch").read_bytes().split(b"DATA\r\n")[1:]
    return [text.partition(b"\r\n.\r\n")[0] for text in texts]


def in_a_folder(disk: Path) -> list[bytes]:
    return [path.read_bytes() for path in disk.glob("*.eml")]


MDA = "cat >{0}/draft && mv {0}/draft {0}/$$.eml || {{ rm {0}/draft; exit 75; }}"


@pytest.mark.parametrize(
    ("sink", "code", "delivered"),
    [
        ("maildir {0}/Mail", 6, in_a_maildir),
        ("mbox {0}/mbox", 6, in_an_mbox),
        ("bsmtp {0}/batch", 12, in_a_batch),
        (f'mda "{MDA}"', 0, in_a_folder),
    ],
    ids=["maildir", "mbox", "bsmtp", "mda"],
)
def test_without_disk_space_the_rest_of_the_mail_waits(
    tmp_path: Path,
    small_disk: Path,
    sink: str,
    code: int,
    delivered: Callable[[Path], list[bytes]],
) -> None:
    texts = [message(number, b"text\r\n" * 500 + b"the end\r\n") for number in range(1, 31)]
    with ScriptedImap(*texts) as server:
        rc = account(server.port, sink.format(small_disk))
        run = mailhaul(tmp_path, rc)
        assert run.code == code
        assert "No space left on device" in run.err
        assert server.kept
        there = delivered(small_disk)
        assert there
        # What was accepted may still be owed at the server.
        assert {*subjects(there), *server.mailbox} == set(range(1, 31))

        remount = ["mount", "-o", "remount,size=4m", str(small_disk)]
        subprocess.run(remount, check=True)
        assert mailhaul(tmp_path, rc).code == 0
        assert server.mailbox == {}
    there = delivered(small_disk)
    assert sorted(subjects(there)) == list(range(1, 31))
    assert [text for text in there if not text.rstrip().endswith(b"the end")] == []


@pytest.mark.parametrize("where", [".local", ".local/state/mailhaul", "ledger", "locks"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, where: str) -> None:
    state = tmp_path / ".local" / "state" / "mailhaul"
    path = {"ledger": state / "ledger.db", "locks": state / "locks"}.get(where, tmp_path / where)
    path.parent.mkdir(parents=True, exist_ok=True)
    if where == "ledger":
        path.mkdir()
    else:
        path.write_text("in the way")
    with ScriptedImap(message(1)) as server, ScriptedSmtp() as sink:
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes, sink.accepted) == ([1], [], [])
    assert run.code == 6
    assert str(tmp_path / ".local") in run.complaint


def test_a_ledger_that_is_not_a_database_is_not_changed(tmp_path: Path) -> None:
    path = ledger(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"This is not the file you are looking for. " * 100)
    before = path.read_bytes()
    with ScriptedImap(message(1)) as server, ScriptedSmtp() as sink:
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes, sink.accepted) == ([1], [], [])
    assert run.code == 6
    assert str(path) in run.complaint
    assert "damaged" in run.complaint
    assert "Move it away" in run.complaint
    assert path.read_bytes() == before


def test_a_ledger_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server, ScriptedSmtp() as sink:
        rc = account(server.port, into(sink), "sslproto '' keep")
        assert mailhaul(tmp_path, rc).code == 0
        server.flags[1].clear()
        with sqlite3.connect(ledger(tmp_path)) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        run = mailhaul(tmp_path, rc)
        assert subjects(sink.accepted) == [1]
    assert run.code == 6
    assert "newer mailhaul (version 99" in run.complaint


def test_a_spool_without_room_keeps_the_message_and_brings_those_after_it(
    tmp_path: Path, small_disk: Path
) -> None:
    large = message(1, b"x" * 70 + b"\r\n") + b"y" * 1_100_000
    with ScriptedImap(large, message(2)) as server:
        rc = account(server.port, 'mda "cat >/dev/null"')
        run = mailhaul(tmp_path, rc, environment={"TMPDIR": str(small_disk)})
        assert run.code == 0
        assert server.kept == [1]
        assert f"spool in {small_disk}: No space left on device" in run.complaint
        assert "TMPDIR" in run.complaint

        assert mailhaul(tmp_path, rc).code == 0
        assert server.mailbox == {}


def test_a_spool_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with ScriptedImap(message(1, b"y" * 1_100_000)) as server:
        rc = account(server.port, 'mda "cat >/dev/null"')
        run = mailhaul(tmp_path, rc, environment={"TMPDIR": str(tmp_path / "nowhere")})
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 6
    assert f"spool in {tmp_path}/nowhere" in run.complaint
