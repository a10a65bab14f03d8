"""One server process for one connection, which it has as standard input and output."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .process import STOP_SECONDS, program


@contextmanager
def attached(argv: Sequence[str], log: Path) -> Generator[socket.socket, None, None]:
    """Start ``argv`` and yield the other end of what it speaks on; it goes with the block.

    What it writes to its standard error is added to ``log``.
    """
    ours, theirs = socket.socketpair()
    with ours, log.open("ab") as complaints:
        with theirs:
            process = subprocess.Popen(
                [program(argv[0]), *argv[1:]],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=complaints,
                start_new_session=True,
                env={"PATH": os.defpath + ":/usr/sbin:/sbin"},
            )
        try:
            yield ours
        finally:
            ours.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
