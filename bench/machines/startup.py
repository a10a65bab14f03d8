"""What a poll costs that finds no mail, beside Python's own start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from mailhaul.apps.demo.main import imap_session, listen, smtp_session, write_rcfile
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink

NO_MAIL = 1
"""The exit code of a poll that found nothing."""


def bare_python(runs: int) -> float:
    """Return the milliseconds of starting Python to do nothing."""
    return milliseconds([sys.executable, "-c", "pass"], 0, {}, runs)


def empty_poll(runs: int) -> float:
    """Return the milliseconds of polling an empty mailbox over loopback without TLS."""
    with ExitStack() as cleanup:
        home = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="mailhaul-bench-"))
        empty = Mailboxes({b"INBOX": Mailbox([]), b"Tickets": Mailbox([])})
        imap = listen(cleanup, lambda: imap_session(empty))
        smtp = listen(cleanup, lambda: smtp_session(MemorySink()))
        rc = write_rcfile(Path(home), imap, smtp)
        command = [sys.executable, "-m", "mailhaul", "-s", "-f", str(rc)]
        environment = {"HOME": home, "XDG_STATE_HOME": f"{home}/state"}
        return milliseconds(command, NO_MAIL, environment, runs)


def milliseconds(
    command: Sequence[str], code: int, environment: dict[str, str], runs: int
) -> float:
    """Return how long the fastest run of a command took, from its start to its end."""
    times: list[float] = []
    for _ in range(runs):
        before = perf_counter()
        done = subprocess.run(command, env={**os.environ, **environment}, check=False)
        times.append(perf_counter() - before)
        assert done.returncode == code, done.returncode
    return min(times) * 1000
