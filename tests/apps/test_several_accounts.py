"""A single run over several accounts: a signal ends all of them, in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_polls_at_once(number: signal.Signals, tmp_path: Path) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        rc = tmp_path / "rc"
        rc.write_text(
            "".join(
                f"poll server{n} via 127.0.0.1 proto imap port {listener.getsockname()[1]}"
                f" user u{n} pass x sslproto '' maildir {tmp_path}/Mail\n"
                for n, listener in enumerate(listeners)
            )
        )
        rc.chmod(0o600)
        environment = {**os.environ, "HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)}
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "mailhaul", "-f", str(rc)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(process.kill)
        for listener in listeners:
            listener.settimeout(30)
            stack.enter_context(listener.accept()[0])
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.UNDEFINED
    assert output == ""
    assert errors.splitlines() == [f"mailhaul: terminated with signal {number.value}"]
