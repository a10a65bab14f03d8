"""Run the mailhaul command and measure the most memory that it ever had."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 1200
ROOM = 4 * 2**30
"""Octets of address space for a run: what goes wrong here must not harm others on the machine."""

# A child counts the memory of its parent too, which it had until it called exec: so mailhaul is
# started by something smaller than itself, and not by the test run.
LAUNCHER = """\
import os, resource, signal, sys
seconds, room = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_AS, (room, room))
command = [sys.executable, "-m", "mailhaul", *sys.argv[3:]]
child = os.posix_spawn(command[0], command, os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
signal.alarm(seconds)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@dataclass(frozen=True)
class Measured:
    """How a run ended, and its largest resident set in octets; its children's are not added."""

    code: int
    err: str
    memory: int


def measured(rc: str, home: Path, patience: int = PATIENCE) -> Measured:
    """Run ``mailhaul -f RCFILE`` silently, with all its files below ``home``.

    A run that takes more seconds than ``patience`` is killed, and its code is that of the signal.
    """
    path = home / "mailhaulrc"
    path.write_text(rc)
    path.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, str(patience), str(ROOM), "--silent", "-f", str(path)],
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        text=True,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "TMPDIR": str(home),
            "LC_ALL": "C",
            # The mailhaul that these tests belong to, whichever is installed.
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )
    code, kilobytes = done.stdout.split()
    return Measured(int(code), done.stderr, int(kilobytes) * 1024)
