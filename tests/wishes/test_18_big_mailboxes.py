"""Wish 18: a big mailbox is fetched with little memory, in portions, with progress on the screen.

One sees the rate and the time left, also in the middle of a long message, and after a kill the
next run goes on where it was. freescout#4343, freescout#2198, imapsync#268, imapsync#331,
imapsync#422, imapsync#437.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.running import mailhaul
from tests.apps.looking import World, mail
from tests.apps.looking import world as world  # noqa: PLC0414  # a fixture
from tests.real.peak import measured

MEGABYTE = 2**20
CHUNK = (b"x" * 62 + b"\r\n") * 1024
MESSAGES, PORTION = 6_000, 20
BLOCKS = 40 * 16
"""Chunks of the large message: 40 megabytes."""
TIME_LEFT = re.compile(rb"1/3 .* MB .* [kM]?B/s .* (\d+:\d\d)")


def stored(home: Path) -> Counter[str]:
    """Return how often each letter was stored, and a large message as the letter "0"."""
    found: Counter[str] = Counter()
    for path in (home / "Mail" / "new").glob("*"):
        with path.open() as file:
            head = file.read(2000)
        found[head.partition("Subject: letter ")[2].partition("\n")[0] or "0"] += 1
    return found


def test_memory_depends_neither_on_the_number_of_messages_nor_on_their_size(world: World) -> None:
    world.inbox.append_chunks(BLOCKS * len(CHUNK), lambda: [CHUNK] * BLOCKS)
    for number in range(1, MESSAGES):
        world.inbox.append(mail(number))
    sink = f"maildir {world.home}/Mail fetchlimit {PORTION}"
    rc = world.account("imap", world.imap_port(), sink)
    run = measured(rc, world.home)
    assert (run.code, run.err) == (ExitCode.MAXFETCH, "")
    assert run.memory < 36 * MEGABYTE
    again = mailhaul(world.home, rc)
    assert (again.code, again.err) == (ExitCode.MAXFETCH, "")
    # Each run takes the next portion, and nothing comes twice.
    assert stored(world.home) == Counter(map(str, range(2 * PORTION)))
    assert len(world.inbox.messages) == MESSAGES - 2 * PORTION


def test_the_screen_shows_the_time_left_and_a_killed_run_is_continued(world: World) -> None:
    pytest.importorskip("rich")
    go_on = threading.Event()

    def slow() -> Iterator[bytes]:
        yield from [CHUNK] * 32
        go_on.wait(30)
        yield from [CHUNK] * 32

    world.inbox.append(mail(1))
    world.inbox.append_chunks(64 * len(CHUNK), slow)
    world.inbox.append(mail(3))
    rc = world.account("imap", world.imap_port(), f"maildir {world.home}/Mail")
    path = world.write_rc(rc)
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "-f", str(path)],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**os.environ, "HOME": str(world.home), "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(side)
    deadline = time.monotonic() + 15
    try:
        shown = b""
        # The bar is drawn again and again, so that reading never waits for long.
        while not TIME_LEFT.search(re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown)):
            assert time.monotonic() < deadline, shown
            shown += os.read(terminal, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        go_on.set()
    assert stored(world.home) == {"1": 1}
    run = mailhaul(world.home, rc)
    # The first one is only deleted, and the others are fetched.
    assert [line.split()[2] for line in run.out.splitlines()[1:]] == [
        *("joe@localhost:2", "joe@localhost:3"),
    ]
    assert world.inbox.messages == []
    assert stored(world.home) == {"1": 1, "0": 1, "3": 1}
