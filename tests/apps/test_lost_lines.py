"""If the log cannot be written, polling continues and the lost lines are reported later."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from mailhaul.apps.polls.lines import Lines, program_name
from mailhaul.apps.polls.logs import JsonLines, LogLines

from .bad.scripted_imap import ScriptedImap, message


class Disk(StringIO):
    """A file on a disk that may be full."""

    full = False
    reason = errno.ENOSPC

    def flush(self) -> None:
        if self.full:
            raise OSError(self.reason, os.strerror(self.reason))


def test_a_full_disk_is_reported_once() -> None:
    disk, err = Disk(), StringIO()
    lines = Lines(1, disk, err)
    disk.full = True
    for _ in range(3):
        lines.say("more")
    assert lines.trouble == "No space left on device"
    assert err.getvalue() == "mailhaul: lines are lost: No space left on device\n"
    disk.full = False
    lines.say("again")
    lines.say("and again")
    assert lines.trouble == ""
    assert disk.getvalue().splitlines()[-3:] == [
        "mailhaul: again",
        "mailhaul: lines were lost here: No space left on device",
        "mailhaul: and again",
    ]


def test_a_log_in_json_stays_json() -> None:
    disk = Disk()
    lines = JsonLines(1, disk, disk)
    disk.full = True
    lines.say("more")
    disk.full = False
    lines.complain("again")
    texts = [json.loads(line)["text"] for line in disk.getvalue().splitlines()]
    assert texts[-2:] == ["again", "lines were lost here: No space left on device"]


@pytest.mark.parametrize("kind", [Lines, LogLines, JsonLines])
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EIO, errno.EPIPE, errno.EBADF])
def test_reporting_never_raises(kind: type[Lines], reason: int) -> None:
    disk = Disk()
    disk.reason, disk.full = reason, True
    lines = kind(2, disk, disk)
    for tell in (lines.say, lines.detail, lines.complain, lines.raw, lines.begin):
        tell("x")
    lines.end("x", "y")
    lines.record({"event": "message"})
    closed = StringIO()
    closed.close()
    kind(1, closed, closed).say("x")


def test_a_daemon_does_not_wait_for_a_reader_who_does_not_read() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        lines = Lines(1, pipe, StringIO())
        lines.never_wait()
        for _ in range(1000):
            lines.say("x" * 500)
        assert lines.trouble == "the reader does not read"
        os.read(reading, 1 << 20)
        lines.say("again")
        assert lines.trouble == ""
        assert b"lines were lost here: the reader does not read" in os.read(reading, 1 << 20)
        os.close(reading)


def test_a_secret_is_known_to_the_lines_of_its_own_poll_only() -> None:
    """The tokens of earlier polls must not be searched for in all later output."""
    err = StringIO()
    lines = Lines(1, StringIO(), err)
    for number in range(100):
        poll = lines.of("joe@host")
        poll.hide(f"token-{number}")
        poll.complain(f"the server says token-{number}")
    assert err.getvalue() == "mailhaul: the server says *\n" * 100
    assert lines.redacted("token-1") == "token-1"


def test_json_says_whose_an_error_is() -> None:
    stream = StringIO()
    poll = JsonLines(1, stream, stream).of("joe@host")
    poll.complain("no")
    poll.end("a", " b")
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["account"], one["text"]) for one in found] == [
        ("joe@host", "no"),
        ("joe@host", "a b"),
    ]


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/usr/bin/fetchmail", "-v"], "fetchmail"),
        (["mailhaul"], "mailhaul"),
        (["/x/mailhaul/__main__.py"], "mailhaul"),
        (["-c"], "mailhaul"),
        ([], "mailhaul"),
    ],
)
def test_messages_begin_with_the_name_that_the_program_was_called_by(
    argv: list[str], name: str
) -> None:
    assert program_name(argv) == name
    err = StringIO()
    Lines(1, err, err, name).of("joe@host").say("No mail")
    assert err.getvalue() == f"{name}: No mail\n"


@pytest.mark.parametrize("where", ["output", "log", "trace"])
def test_a_run_that_cannot_tell_fetches_mail_all_the_same(tmp_path: Path, where: str) -> None:
    rc = tmp_path / "rc"
    (tmp_path / "log").symlink_to("/dev/full")
    with ScriptedImap(message(1), message(2)) as server:
        log = f'set logfile "{tmp_path}/log"\n' if where == "log" else ""
        rc.write_text(
            f"{log}poll h via 127.0.0.1 proto imap port {server.port} user joe pass sesame "
            f"sslproto '' mda 'cat >>{tmp_path}/got'\n"
        )
        rc.chmod(0o600)
        argv = [sys.executable, "-m", "mailhaul", "-f", str(rc)]
        with open("/dev/full" if where == "output" else tmp_path / "out", "w") as out:
            done = subprocess.run(
                [*argv, *(("--transcript", "/dev/full") if where == "trace" else ())],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                env={"PATH": os.defpath, "HOME": str(tmp_path)},
                text=True,
                timeout=60,
                check=False,
            )
        assert server.kept == []
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert ("No space left" in done.stderr) == (where != "log")
