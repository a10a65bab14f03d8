"""Find, start and end a real program that one test run owns."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

START_SECONDS = 15.0
STOP_SECONDS = 15.0
PACE_SECONDS = 0.02

OWNER = "mail"
"""The system user that owns every private mailbox: Dovecot and Exim both refuse root."""


class ServerFailed(Exception):
    """A private server could not be used; the text says which, why, and what it wrote."""


def program(path: str) -> str:
    """Return ``path`` if it can be run; else raise ServerFailed saying how to get it."""
    found = shutil.which(path)
    if found is None:
        raise ServerFailed(f"{path} is not installed; run tests/real/install.sh as root")
    return found


def free_ports(count: int) -> list[int]:
    """Return different loopback TCP ports that nothing listens on just now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def owned_folder(path: Path) -> Path:
    """Make a folder, and what is missing above it, that belongs to OWNER."""
    if not path.is_dir():
        if not path.parent.is_dir():
            owned_folder(path.parent)
        # A server may be faster.
        path.mkdir(exist_ok=True)
        shutil.chown(path, OWNER, OWNER)
    return path


def script(path: Path, text: str) -> Path:
    """Write an executable shell script and return its path."""
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


@contextmanager
def running(argv: Sequence[str], *, output: Path, ports: Sequence[int]) -> Iterator[None]:
    """Run ``argv`` in the foreground until the block ends.

    The block starts once every port takes connections. The program's standard output and
    error go to ``output``, whose end is quoted in ServerFailed when the program does not
    come up in time. It gets a session of its own, so that an interrupt at the terminal
    reaches the test run first and the program is ended in order.
    """
    with output.open("ab") as sink:
        process = subprocess.Popen(
            [program(argv[0]), *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={"PATH": os.defpath + ":/usr/sbin:/sbin"},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        for port in ports:
            _await_listener(process, port, deadline, output)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_listener(
    process: subprocess.Popen[bytes], port: int, deadline: float, output: Path
) -> None:
    while not _listening(port):
        try:
            # Waiting for the end of the program paces the loop and notices an early death.
            status: int | None = process.wait(PACE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        if status is not None or time.monotonic() > deadline:
            fate = "is not listening" if status is None else f"ended with status {status}"
            raise ServerFailed(
                f"{process.args!r} {fate} (port {port}); it wrote:\n"
                + output.read_text(errors="replace")[-2000:]
            )


def _listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False
