"""What a connection that waits for news costs the daemon, in exact counts.

The daemon runs twice with IDLE over TLS, for few accounts and for more, and the difference is
divided by the number of accounts between them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.idle import our_server, rc_file

WAITING = Path(__file__).with_name("waiting.py")
FEW, MORE, MOST = 20, 60, 140
MAX_OCTETS = 20_900
"""Octets of the Python objects of one connection. OpenSSL needs 22 KiB in addition."""


def counted(home: Path, what: str, *options: str) -> list[int]:
    """Return the counts for few accounts, for more, and for most of them."""
    found: list[int] = []
    with our_server(home) as (port, authority, _):
        for count in (FEW, MORE, MOST):
            own, file = home / str(count), home / f"{count}.json"
            own.mkdir()
            rc = rc_file(str(own), port, authority, count)
            words = [sys.executable, str(WAITING), *options, str(file), "-N", "-s", "-f", str(rc)]
            subprocess.run(
                words,
                check=True,
                timeout=120,
                env={**os.environ, "HOME": str(own), "FETCHMAILHOME": str(own)},
            )
            found.append(json.loads(file.read_text())[what])
    return found


def test_a_connection_that_waits_keeps_only_so_many_octets(tmp_path: Path) -> None:
    few, _, most = counted(tmp_path, "octets")
    each = (most - few) / (MOST - FEW)
    assert 4096 < each < MAX_OCTETS


def test_opening_connections_takes_calls_in_proportion_to_their_number(tmp_path: Path) -> None:
    few, more, most = counted(tmp_path, "calls", "--calls")
    early, late = (more - few) / (MORE - FEW), (most - more) / (MOST - MORE)
    assert early > 1000
    # In how many pieces the input arrives, and so how often a flow waits, depends on the machine.
    assert late == pytest.approx(early, rel=0.3)
