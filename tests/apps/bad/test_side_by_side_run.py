"""Several accounts are polled concurrently, and their lines are printed together."""

from __future__ import annotations

import socket
from pathlib import Path

from .running import account, mailhaul, start
from .scripted_imap import ScriptedImap, message


def test_every_account_is_polled_and_its_lines_are_together(tmp_path: Path) -> None:
    with ScriptedImap(message(1), message(2)) as first, ScriptedImap(message(1)) as second:
        rc = account(first.port, "maildir one") + account(second.port, "maildir two")
        run = mailhaul(tmp_path, rc)
    assert (run.code, run.err) == (0, "")
    assert len(list((tmp_path / "one" / "new").iterdir())) == 2
    assert len(list((tmp_path / "two" / "new").iterdir())) == 1
    counted = [place for place, line in enumerate(run.out.splitlines()) if " message" in line[:12]]
    assert len(counted) == 2


def test_lines_are_printed_together_when_their_account_ends(tmp_path: Path) -> None:
    """A slow account must not delay the output of the others."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        ScriptedImap(*(message(n) for n in range(1, 60))) as full,
        ScriptedImap() as empty,
    ):
        ports = (silent.getsockname()[1], full.port, empty.port)
        rc = "".join(account(port, f"maildir m{port}") for port in ports)
        started = start(tmp_path, rc.replace("timeout 2", "timeout 5", 1))
        out = tmp_path / "out"
        seen = ""
        while started.process.poll() is None and not ("No mail" in seen and "59 mess" in seen):
            seen = out.read_text()
        # The first in the file is still being waited for.
        assert started.process.poll() is None
        run = started.finish()
    lines = run.out.splitlines()
    begins = next(place for place, line in enumerate(lines) if "59 messages" in line)
    assert all("reading message" in line for line in lines[begins + 1 : begins + 60])
    assert "No mail" in run.out
    assert "timeout after 5 seconds" in run.err
    assert run.code == 0
