"""How long an rc file takes to read, from its octets to the settings of every account."""

from __future__ import annotations

import os
import tempfile
import time

from mailhaul.adapters.config.caller import find_caller
from mailhaul.adapters.config.load import load

ENTRY = """poll mail{0}.example.org via 127.0.0.1
  user "joe{0}" there with password "pass word {0}" is joe{0} here keep fetchall
"""


def reading(entries: int, runs: int) -> float:
    """Return the milliseconds of CPU time for a file with so many entries, at best."""
    caller = find_caller(os.environ, os.getuid(), os.getcwd())
    with tempfile.NamedTemporaryFile("w", suffix=".rc") as file:
        file.write("defaults protocol imap timeout 60 ssl\n")
        file.writelines(ENTRY.format(number) for number in range(entries))
        file.flush()
        best = float("inf")
        for _ in range(runs):
            began = time.process_time()
            found = load(["-f", file.name], caller, lambda: b"")
            best = min(best, time.process_time() - began)
            if len(found.accounts) != entries:
                raise AssertionError("accounts are missing")
    return best * 1000
