"""A way of mail between real servers on which things go wrong, and what must hold behind it."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .corpus import simple
from .mailhaul import MESSAGE_ID
from .servers.dovecot import Dovecot

MESSAGES = 40
"""How many lie in the mailbox at a time."""


@dataclass
class Course:
    """One way of mail, and what runs along it."""

    home: Path
    rc: str
    source: Dovecot
    user: str
    stored: Callable[[], list[bytes]]
    sent: int = 0
    hits: int = 0
    cut: int = 0

    def refill(self) -> None:
        for _ in range(MESSAGES):
            self.sent += 1
            self.source.deliver(self.user, simple(self.sent + 1))

    def start(self) -> subprocess.Popen[bytes]:
        path = self.home / "rc"
        # Only mail from the source is counted.
        path.write_text(f"defaults noalertmail\n{self.rc}")
        path.chmod(0o600)
        return subprocess.Popen(
            [sys.executable, "-m", "mailhaul", "-s", "-f", str(path)],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "HOME": str(self.home), "LC_ALL": "C"},
        )

    def run(self) -> float:
        """Run to the end; return how long it took, in seconds."""
        began = time.monotonic()
        process = self.start()
        _, err = process.communicate(timeout=60)
        assert (process.returncode in (0, 1), err) == (True, b"")
        return time.monotonic() - began

    def kill_after(self, seconds: float) -> None:
        """Kill a run some time after its start. What is over by then was not hit."""
        process = self.start()
        assert process.stderr
        try:
            code = process.wait(seconds)
            assert code in (0, 1), process.stderr.read()
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.hits += 1
            self.cut += self.under_way()
        process.stderr.close()

    def under_way(self) -> bool:
        """Tell whether the ledger knows of mail that was being handed on."""
        (path,) = self.home.rglob("ledger.db")
        ledger = sqlite3.connect(path)
        try:
            return bool(ledger.execute("SELECT 1 FROM message").fetchone())
        finally:
            ledger.close()

    def names(self) -> Counter[bytes]:
        """Return how often each message has arrived."""
        found = (MESSAGE_ID.search(message) for message in self.stored())
        return Counter(one[1] for one in found if one)

    def endure(self, hits: int, strike: Callable[[float], None]) -> Counter[bytes]:
        """Be struck so many times, each some seconds after a start; return what has arrived.

        MAILHAUL_KILLS_SEED repeats a run's moments, as far as processes can be made to meet again.
        """
        seed = int(os.environ.get("MAILHAUL_KILLS_SEED", time.time_ns()))
        print(f"MAILHAUL_KILLS_SEED={seed}")
        chance = random.Random(seed)
        self.refill()
        span = self.run()
        # A loaded machine may be too slow for any of them to strike while mail is under way.
        while self.hits < hits or (not self.cut and self.hits < 10 * hits):
            if not self.source.messages(self.user):
                self.refill()
            # Most moments fall where mail is under way, some before and behind it.
            strike(chance.uniform(0.3, 1.05) * span)
        # The server may still be busy with what it was told last.
        time.sleep(0.2)
        self.run()
        assert self.source.messages(self.user) == []
        return self.names()


WHOLE = re.compile(
    rb"message-id: <simple(\d+)@.*\r?\n\r?\nHello Bob,\r?\nthis is number \1\.\r?\n\Z",
    re.IGNORECASE | re.DOTALL,
)


def check(course: Course, arrived: Counter[bytes], duplicates: int) -> None:
    """Fail if a message is lost, in pieces, or came more often than so."""
    twice = arrived.total() - len(arrived)
    print(
        f"{course.hits} hits, {course.cut} in the midst of mail; {course.sent} messages: "
        f"{course.sent - len(arrived)} lost, {twice} twice"
    )
    assert course.cut > 0
    assert len(arrived) == course.sent
    assert twice <= duplicates
    in_pieces = [message for message in course.stored() if not WHOLE.search(message)]
    assert not in_pieces, in_pieces
