"""A program that is missing or does not start is named, and nothing is left running."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from .servers.process import ServerFailed, free_ports, program, running

pytestmark = pytest.mark.real


def test_a_missing_program_is_named_with_the_cure() -> None:
    with pytest.raises(ServerFailed, match=r"/nowhere/imapd is not installed.*install\.sh"):
        program("/nowhere/imapd")


def test_a_program_that_dies_is_reported_with_what_it_wrote(tmp_path: Path) -> None:
    argv = ["/bin/sh", "-c", "echo no such setting >&2; exit 89"]
    with (
        pytest.raises(ServerFailed, match=r"ended with status 89[\s\S]*no such setting"),
        running(argv, output=tmp_path / "log", ports=free_ports(1)),
    ):
        pytest.fail("the block ran although nothing listens")


SERVE = """
import signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.pause()
"""


def test_a_program_listens_while_the_block_runs_and_not_after(tmp_path: Path) -> None:
    [port] = free_ports(1)
    argv = [sys.executable, "-c", SERVE, str(port)]
    with running(argv, output=tmp_path / "log", ports=[port]):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
