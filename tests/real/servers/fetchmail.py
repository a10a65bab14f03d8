"""Run the real fetchmail once, to check the servers and to compare with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .process import program

RUN_SECONDS = 60.0


def fetchmail(
    rc: str, home: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Poll once with ``rc`` as the rc file; output and errors come back together in stdout.

    All its files stay below ``home``. It has no terminal, so that nothing below it can ask.
    """
    path = home / "fetchmailrc"
    path.write_text(rc)
    path.chmod(0o600)
    return subprocess.run(
        [program("fetchmail"), "-f", str(path), "--pidfile", str(home / "pid"), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=RUN_SECONDS,
        start_new_session=True,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "FETCHMAILHOME": str(home),
            "LC_ALL": "C",
            **(environment or {}),
        },
    )
