"""The diagrams in docs/states are what the machines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "states.py"


def test_the_diagrams_match_the_machines() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_there_is_a_page_for_each_role_and_for_a_row_of_the_ledger() -> None:
    pages = {path.stem for path in (SCRIPT.parent / "states").glob("*.md")}
    protocols = ("imap", "pop3", "smtp")
    roles = {f"{name}-{role}" for name in protocols for role in ("client", "server")}
    assert pages == roles | {
        *("ledger-row", "sasl-client", "imap-open-command", "oauth-code", "oauth-device"),
        *("proxy-http", "proxy-socks"),
    }
